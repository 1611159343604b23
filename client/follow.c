#include "client/follow.h"

#include "base/clock.h"
#include "base/mem.h"

#define FOLLOW_PAUSE_MS 200 /* between a watch that ended at once and the next */

struct follow_state {
    const struct follow *follow;
    bool enough;
};

static int follow_tell(struct follow_state *s, const json_t *live)
{
    const char *uid = s->follow->uid;

    if (live != NULL && !str_empty(uid) && !str_eq(json_str(live, "metadata.uid"), uid))
        live = NULL;
    s->enough = s->follow->fn(s->follow->arg, live) != 0;
    return s->enough ? 1 : 0;
}

static int follow_on_event(void *arg, const char *type, const json_t *object)
{
    if (str_eq(type, "BOOKMARK"))
        return 0;
    return follow_tell(arg, str_eq(type, "DELETED") ? NULL : object);
}

static int64_t follow_left_ms(const struct follow *f)
{
    int64_t left = f->until_ms - clock_mono_ms();

    return f->until_ms < 0 ? -1 : left > 0 ? left : 0;
}

static void follow_path(struct text *ret, const struct follow *f)
{
    cleanup(freep) char *pick = mem_fmt("metadata.name=%s", f->name);

    text_puts(ret, f->list);
    session_query(ret, "fieldSelector", pick);
}

/* One list and one watch. */
static int follow_once(struct follow_state *s, struct session_answer *ret, struct err *err)
{
    const struct follow *f = s->follow;
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    int rc;

    follow_path(&path, f);
    rc = session_call(f->session, "GET", text_str(&path), NULL, NULL, ret, err);
    if (rc < 0)
        return rc;
    if (follow_tell(s, json_array_get(json_at(ret->body, "items"), 0)) != 0)
        return 0;
    session_query(&path, "resourceVersion",
                  json_str_or(ret->body, "metadata.resourceVersion", "0"));
    session_query(&path, "watch", "true");
    rc = session_watch_within(f->session, text_str(&path), SESSION_JSON, follow_left_ms(f),
                              follow_on_event, s, ret, err);
    return rc == ERR_EXPIRED || rc == ERR_TIMEOUT ? 0 : rc;
}

int follow_object(const struct follow *f, struct session_answer *ret, struct err *err)
{
    struct follow_state s = { .follow = f };
    int rc = 0;

    for (bool first = true; !s.enough && rc == 0; first = false) {
        if (!first && follow_left_ms(f) == 0)
            return FOLLOW_TIMEOUT;
        if (!first)
            session_pause(f->session, FOLLOW_PAUSE_MS);
        rc = follow_once(&s, ret, err);
    }
    return rc;
}
