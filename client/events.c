/* Lists of events, and mkube events. */
#include "client/events.h"

#include "api/table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "client/output.h"
#include "client/print.h"
#include "client/session.h"
#include "client/table_rows.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

/* --- events --- */

static int64_t events_time(const json_t *event, const char *path)
{
    const char *text = json_str(event, path);
    int64_t ms;

    return text != NULL && clock_parse(text, &ms) ? ms : 0;
}

int64_t events_ms(const json_t *event)
{
    static const char *const when[] = { "series.lastObservedTime", "lastTimestamp", "eventTime",
                                        "firstTimestamp", "metadata.creationTimestamp" };
    int64_t ms = 0;

    for (size_t i = 0; i < N_ELEMENTS(when) && ms == 0; i++)
        ms = events_time(event, when[i]);
    return ms;
}

void events_sort(json_t *events)
{
    for (size_t i = 1; i < json_array_size(events); i++) {
        json_t *e = json_incref(json_array_get(events, i));
        int64_t ms = events_ms(e);
        size_t k = i;

        while (k > 0 && events_ms(json_array_get(events, k - 1)) > ms)
            k--;
        json_array_remove(events, i);
        json_array_insert_new(events, k, e);
    }
}

void events_age(struct text *ret, const json_t *event, int64_t now_ms)
{
    int64_t last = events_ms(event), first = events_time(event, "firstTimestamp");
    int64_t count = json_int(event, "series.count", json_int(event, "count", 1));
    char age[TABLE_AGE_MAX], over[TABLE_AGE_MAX];

    if (first == 0)
        first = events_time(event, "eventTime");
    table_age(age, now_ms - last);
    text_puts(ret, last == 0 ? "<unknown>" : age);
    if (count <= 1 || first == 0)
        return;
    table_age(over, now_ms - first);
    text_fmt(ret, " (x%lld over %s)", (long long)count, over);
}

bool events_about(const json_t *event, const char *kind, const char *name)
{
    return str_eq(json_str(event, "involvedObject.kind"), kind) &&
           str_eq(json_str(event, "involvedObject.name"), name);
}

/* --- the verb --- */

struct events {
    struct session *session; /* owned */
    bool all_namespaces, watch, no_headers;
    const char *about, *types, *output_text;
    struct output output;
    const struct schema_resource *kind; /* of @about; NULL: any */
    const char *name;
    struct print *print; /* owned */
};

static bool events_wanted(const struct events *e, const json_t *event)
{
    cleanup(strv_freep) char **types = NULL;
    bool wanted = e->types == NULL;

    if (e->kind != NULL && !events_about(event, e->kind->kind, e->name))
        return false;
    if (e->types != NULL)
        types = str_split(e->types, ',');
    for (size_t i = 0; types != NULL && types[i] != NULL; i++)
        wanted = wanted || str_eq(json_str(event, "type"), types[i]);
    return wanted;
}

static json_t *events_row(const struct events *e, const json_t *event)
{
    cleanup(text_fini) struct text age = TEXT_EMPTY;
    cleanup(freep) char *object = mem_fmt("%s/%s", json_str_or(event, "involvedObject.kind", ""),
                                          json_str_or(event, "involvedObject.name", ""));
    const char *message = json_str_or(event, "message", "");
    size_t len = strlen(message);
    json_t *row = json_array();

    events_age(&age, event, clock_wall_ms());
    if (e->all_namespaces)
        json_array_append_new(row, json_string(json_str_or(event, "metadata.namespace", "")));
    json_array_append_new(row, json_string(text_str(&age)));
    json_array_append_new(row, json_string(json_str_or(event, "type", "")));
    json_array_append_new(row, json_string(json_str_or(event, "reason", "")));
    json_array_append_new(row, json_string(object));
    while (len > 0 && strchr(" \n\t", message[len - 1]) != NULL)
        len--;
    json_array_append_new(row, json_stringn(message, len));
    return json_pack("{s:o}", "cells", row);
}

static void events_show(struct events *e, const json_t *list)
{
    static const char *const titles[] = { "NAMESPACE", "LAST SEEN", "TYPE",
                                          "REASON",    "OBJECT",    "MESSAGE" };
    cleanup(json_decrefpp) json_t *columns = json_array();
    cleanup(json_decrefpp) json_t *rows = json_array();
    cleanup(json_decrefpp) json_t *table = NULL;
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    const json_t *event;
    size_t i;

    for (i = e->all_namespaces ? 0 : 1; i < N_ELEMENTS(titles); i++)
        json_array_append_new(columns, json_pack("{s:s}", "name", titles[i]));
    json_array_foreach (list, i, event)
        json_array_append_new(rows, events_row(e, event));
    table = json_pack("{s:s,s:O,s:O}", "kind", "Table", "columnDefinitions", columns, "rows", rows);
    print_table(e->print, table);
    print_flush(&out, e->print);
    output_write(&out);
}

static int events_on_event(void *arg, const char *type, const json_t *object)
{
    struct events *e = arg;
    cleanup(json_decrefpp) json_t *one = json_pack("[O]", object);

    if (!str_eq(type, "BOOKMARK") && !str_eq(type, "DELETED") && events_wanted(e, object))
        events_show(e, one);
    return 0;
}

static int events_list(struct events *e)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *wanted = json_array();
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    json_t *event;
    size_t i;

    target_path(&path, schema_resource("", "v1", "events"),
                e->all_namespaces ? NULL : session_namespace(e->session), NULL);
    if (session_call(e->session, "GET", text_str(&path), NULL, NULL, &answer, &err) < 0)
        return session_complain(&answer, &err, NULL);
    json_array_foreach (json_at(answer.body, "items"), i, event) {
        json_put_str(event, "apiVersion", "v1");
        json_put_str(event, "kind", "Event");
        if (events_wanted(e, event))
            json_array_append(wanted, event);
    }
    events_sort(wanted);
    if (!output_is_table(&e->output))
        output_print(&out, &e->output, wanted, false);
    else if (json_array_size(wanted) > 0)
        events_show(e, wanted);
    output_write(&out);
    if (json_array_size(wanted) == 0 && !e->watch && e->all_namespaces)
        fprintf(stderr, "No events found.\n");
    else if (json_array_size(wanted) == 0 && !e->watch)
        fprintf(stderr, "No events found in %s namespace.\n", session_namespace(e->session));
    if (!e->watch)
        return VERB_DONE;
    session_query(&path, "resourceVersion",
                  json_str_or(answer.body, "metadata.resourceVersion", "0"));
    session_query(&path, "watch", "true");
    if (session_watch(e->session, text_str(&path), SESSION_JSON, events_on_event, e, &answer,
                      &err) < 0)
        return session_complain(&answer, &err, NULL);
    return VERB_DONE;
}

static int events_run(struct events *e, const struct session_opts *opts)
{
    cleanup(target_list_fini) struct target_list targets = { .n = 0 };
    cleanup(freep) char *about = mem_str(e->about);
    struct err err = ERR_EMPTY;

    if (output_parse(&e->output, e->output_text, &err) < 0 ||
        session_new(&e->session, opts, &err) < 0)
        return verb_error(&err);
    if (about != NULL) {
        if (session_targets(e->session, &targets, 1, &about, &err) < 0)
            return verb_error(&err);
        e->kind = targets.items[0].resource;
        e->name = targets.items[0].name;
        if (e->name == NULL) {
            err_set(&err, ERR_INVALID, "--for must be in resource/name form");
            return verb_error(&err);
        }
    }
    return events_list(e);
}

int events_main(const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    struct events e = { .session = NULL };
    const struct opt table[] = {
        SESSION_FLAGS(&session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &e.all_namespaces, NULL, "of every namespace" },
        { "for", 0, OPT_TEXT, &e.about, "KIND/NAME", "only those about this object" },
        { "types", 0, OPT_TEXT, &e.types, "TYPES", "Normal, Warning" },
        { "watch", 'w', OPT_FLAG, &e.watch, NULL, "go on with what happens" },
        { "no-headers", 0, OPT_FLAG, &e.no_headers, NULL, "rows only" },
        OUTPUT_FLAG(&e.output_text, "yaml, json, name, jsonpath={...}"),
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n > 0)
        return verb_misused(self);
    e.print = print_new(
        &(struct print_opts){ .headers_as_is = true, .no_headers = e.no_headers, .wide = true });
    exit_code = events_run(&e, &session_opts);
    print_free(e.print);
    output_fini(&e.output);
    session_free(e.session);
    return exit_code;
}
