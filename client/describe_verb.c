/* mkube describe: fetches what belongs to the objects and prints a page for each. */
#include "base/clock.h"
#include "base/mem.h"
#include "client/describe.h"
#include "client/events.h"
#include "client/output.h"
#include "client/pick.h"
#include "client/verbs.h"

#include <stdio.h>

struct describe_run {
    struct session *session; /* owned */
    struct pick_opts pick;
    const char *show_events;
};

static json_t *describe_fetch(struct describe_run *r, const struct schema_resource *kind,
                              const char *ns, const char *fields)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY; /* what may not be read is left out of the page */

    target_path(&path, kind, ns, NULL);
    if (fields != NULL)
        session_query(&path, "fieldSelector", fields);
    if (session_call(r->session, "GET", text_str(&path), NULL, NULL, &answer, &ignored) < 0)
        return json_array();
    return json_incref(json_at(answer.body, "items"));
}

static json_t *describe_fetch_events(struct describe_run *r, const struct pick_object *o)
{
    const char *uid = json_str_or(o->live, "metadata.uid", "");
    bool by_uid = !str_eq(o->resource->plural, "nodes"); /* events of nodes bear their name */
    cleanup(freep) char *fields = by_uid
                                      ? mem_fmt("involvedObject.name=%s,involvedObject.uid=%s",
                                                o->name, uid)
                                      : mem_fmt("involvedObject.name=%s,involvedObject.kind=Node",
                                                o->name);
    json_t *events;

    if (str_eq(r->show_events, "false"))
        return json_array();
    events = describe_fetch(r, schema_resource("", "v1", "events"), o->ns, fields);
    events_sort(events);
    return events;
}

static json_t *describe_fetch_related(struct describe_run *r, const struct pick_object *o)
{
    json_t *related = json_object();

    for (const struct describe_need *n = describe_needs; n->plural != NULL; n++) {
        const struct schema_resource *kind = schema_resource(n->group, n->version, n->related);
        const char *ns = n->scope == DESCRIBE_ALL                    ? NULL
                         : str_eq(o->resource->plural, "namespaces") ? o->name
                                                                     : o->ns;

        if (kind != NULL && str_eq(n->plural, o->resource->plural))
            json_object_set_new(related, n->related, describe_fetch(r, kind, ns, NULL));
    }
    return related;
}

static void describe_one(struct describe_run *r, const struct pick_object *o, bool first)
{
    cleanup(json_decrefpp) json_t *events = describe_fetch_events(r, o);
    cleanup(json_decrefpp) json_t *related = describe_fetch_related(r, o);
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct describe d = { .resource = o->resource,
                          .o = o->live,
                          .events = events,
                          .related = related,
                          .now_ms = clock_wall_ms() };

    if (!first)
        text_puts(&out, "\n\n");
    describe_object(&out, &d);
    output_write(&out);
}

static int describe_run(struct describe_run *r, int n, char **argv)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;

    if (pick_find(&pick, r->session, &r->pick, n, argv, &err) < 0)
        return verb_error(&err);
    for (size_t i = 0; i < pick.n; i++)
        describe_one(r, &pick.objects[i], i == 0);
    if (pick.n == 0 && !pick.failed && r->pick.all_namespaces)
        fprintf(stderr, "No resources found\n");
    else if (pick.n == 0 && !pick.failed)
        fprintf(stderr, "No resources found in %s namespace.\n", session_namespace(r->session));
    return pick.failed ? VERB_FAILED : VERB_DONE;
}

int describe_main(const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    struct describe_run r = { .pick = { .bare_is_all = true } };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        PICK_FLAGS(&r.pick),
        SESSION_FLAGS(&session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &r.pick.all_namespaces, NULL, "of every namespace" },
        { "show-events", 0, OPT_TEXT, &r.show_events, "BOOL", "false: without them" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (session_new(&r.session, &session_opts, &err) < 0)
        return verb_error(&err);
    exit_code = describe_run(&r, n, argv);
    session_free(r.session);
    return exit_code;
}
