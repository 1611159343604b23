/* One line of a watch: made once for all watchers that see it alike.
 *
 * A write to a thousand watchers is a thousand copies of the same line: only the first asks for
 * it to be printed, the others find it here.  A line is good for a second, as ages in Tables are. */
#include "api/server_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define EVENT_LINE_MS  1000
/* Longer ones are printed each time, so that what is kept stays small. */
#define EVENT_LINE_MAX (64 * 1024)

static void event_print(struct text *t, const struct call *c, const char *type,
                        const struct object *o, bool no_columns)
{
    text_fmt(t, "{\"type\":\"%s\",\"object\":", type);
    if (c->form == CALL_META) {
        server_meta_print(t, o);
    } else if (c->form == CALL_TABLE) {
        cleanup(freep) char *revision = mem_fmt("%llu", (unsigned long long)o->revision);
        struct table_opts opts;

        server_table_opts(&opts, c);
        table_open(t, &opts, revision, NULL, 0, no_columns);
        table_row(t, &opts, o);
        table_close(t);
    } else {
        server_print_object(t, c, o);
    }
    text_puts(t, "}\n");
}

static bool event_line_fits(const struct event_line *l, const struct call *c, const char *type,
                            const struct object *o, bool no_columns)
{
    return l->object == o && l->resource == c->route.resource && l->form == c->form &&
           l->include == c->include && l->no_columns == no_columns && strcmp(l->type, type) == 0 &&
           clock_mono_ms() - l->made_ms < EVENT_LINE_MS;
}

static void event_line_clear(struct event_line *l)
{
    l->object = object_unref(l->object);
    text_fini(&l->text);
}

const struct text *server_event(const struct call *c, const char *type, const struct object *o,
                                bool no_columns)
{
    struct server *s = c->s;
    struct event_line *l;

    for (size_t i = 0; i < SERVER_EVENT_LINES; i++)
        if (event_line_fits(&s->events[i], c, type, o, no_columns))
            return &s->events[i].text;
    l = &s->events[s->next_event++ % SERVER_EVENT_LINES];
    event_line_clear(l);
    event_print(&l->text, c, type, o, no_columns);
    if (l->text.len > EVENT_LINE_MAX)
        return &l->text; /* without its object nobody finds it */
    l->object = object_ref(o);
    l->resource = c->route.resource;
    l->form = c->form;
    l->include = c->include;
    l->no_columns = no_columns;
    l->type = type;
    l->made_ms = clock_mono_ms();
    return &l->text;
}

void server_events_clear(struct server *s)
{
    for (size_t i = 0; i < SERVER_EVENT_LINES; i++)
        event_line_clear(&s->events[i]);
}
