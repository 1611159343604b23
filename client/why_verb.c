/* mkube why: fetches the world, asks client/why, adds the last lines of logs. */
#include "base/clock.h"
#include "base/mem.h"
#include "client/pick.h"
#include "client/verbs.h"
#include "client/why.h"

#include <stdio.h>

#define WHY_LOG_LINES "5"
#define WHY_LOG_MAX   4096 /* bytes of them */
#define WHY_LOGS_MAX  20   /* findings whose logs are read */
#define WHY_NAMES     "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

struct why_run {
    struct session *session; /* owned */
    struct pick_opts pick;
    bool all_namespaces, no_logs;
    json_t *lists; /* owned */
};

/* What may not be read is left out: the rules that need it stay silent. */
static void why_fetch(struct why_run *r, const struct why_source *source)
{
    const struct schema_resource *kind = schema_resource(source->group, source->version,
                                                         source->plural);
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (kind == NULL)
        return;
    target_path(&path, kind, NULL, NULL);
    if (session_get(r->session, text_str(&path), source->names_only ? WHY_NAMES : SESSION_JSON,
                    &answer, &err) == 0)
        json_object_set(r->lists, source->plural, json_at(answer.body, "items"));
    else
        fprintf(stderr, "Warning: cannot look at %s: %s\n", source->plural, err.text);
}

static int why_fetch_all(struct why_run *r)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    struct err err = ERR_EMPTY;

    if (session_get(r->session, "/version", SESSION_JSON, &answer, &err) < 0)
        return session_complain(&answer, &err, NULL);
    for (const struct why_source *s = why_sources; s->plural != NULL; s++)
        why_fetch(r, s);
    return VERB_DONE;
}

/* --- telling --- */

static int why_on_log(void *arg, const char *data, size_t len)
{
    struct text *t = arg;

    text_add(t, data, len);
    return t->len > WHY_LOG_MAX;
}

static void why_read_log(struct text *ret, struct why_run *r, const struct why_finding *f,
                         bool previous)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    target_path(&path, schema_resource("", "v1", "pods"), f->ns, f->log_pod);
    text_puts(&path, "/log");
    session_query(&path, "container", f->log_container);
    session_query(&path, "tailLines", WHY_LOG_LINES);
    if (previous)
        session_query(&path, "previous", "true");
    if (session_stream(r->session, text_str(&path), "*/*", why_on_log, ret, &answer, &err) < 0)
        text_clear(ret);
}

static void why_tell(struct why_run *r, const struct why *why)
{
    for (size_t i = 0; i < why->n; i++) {
        const struct why_finding *f = &why->findings[i];
        cleanup(text_fini) struct text log = TEXT_EMPTY;
        cleanup(text_fini) struct text out = TEXT_EMPTY;

        if (f->log_pod != NULL && !r->no_logs && i < WHY_LOGS_MAX) {
            why_read_log(&log, r, f, f->log_previous);
            if (log.len == 0 && f->log_previous)
                why_read_log(&log, r, f, false);
        }
        why_print(&out, f, text_str(&log));
        printf("%s%s", i > 0 ? "\n" : "", text_str(&out));
    }
}

/* --- the whole cluster, or a namespace --- */

static bool why_is_here(const struct why_run *r, const char *ns)
{
    return r->all_namespaces || ns[0] == '\0' || str_eq(ns, session_namespace(r->session));
}

static int why_all(struct why_run *r, const struct why_world *w)
{
    struct why why, here = { .n = 0 };

    why_find_all(&why, w);
    here.findings = MEM_NEW_ARRAY(struct why_finding, why.n + 1);
    for (size_t i = 0; i < why.n; i++)
        if (why_is_here(r, why.findings[i].ns))
            here.findings[here.n++] = why.findings[i];
    if (here.n == 0)
        printf("All is well.\n");
    why_tell(r, &here);
    free(here.findings);
    why_fini(&why);
    return VERB_DONE;
}

/* --- one object --- */

static bool why_knows(const char *plural)
{
    for (const struct why_source *s = why_sources; s->plural != NULL; s++)
        if (str_eq(s->plural, plural) && !s->names_only && !str_eq(plural, "events"))
            return true;
    return false;
}

static int why_one(struct why_run *r, const struct why_world *w, const struct pick_object *o)
{
    cleanup(why_fini) struct why why = { .n = 0 };
    cleanup(text_fini) struct text name = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (!why_knows(o->resource->plural)) {
        err_set(&err, ERR_INVALID,
                "nothing is known of what makes %s well; mkube describe tells "
                "its conditions and events",
                o->resource->plural);
        return verb_error(&err);
    }
    pick_name(&name, o);
    why_find(&why, w, o->resource->plural, o->live);
    if (why.n == 0)
        printf("%s is well.\n", text_str(&name));
    why_tell(r, &why);
    return VERB_DONE;
}

static int why_run(struct why_run *r, int n, char **argv)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct why_world w = { .lists = r->lists, .now_ms = clock_wall_ms() };
    bool picks = n > 0 || r->pick.files.n > 0;
    struct err err = ERR_EMPTY;
    int exit_code;

    if (picks && pick_find(&pick, r->session, &r->pick, n, argv, &err) < 0)
        return verb_error(&err);
    if (picks && pick.n == 0)
        return pick.failed ? VERB_FAILED : VERB_DONE;
    if (why_fetch_all(r) != VERB_DONE)
        return VERB_FAILED;
    if (!picks)
        return why_all(r, &w);
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    for (size_t i = 0; i < pick.n; i++)
        if (why_one(r, &w, &pick.objects[i]) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

int why_main(const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    struct why_run r = { .pick = { .bare_is_all = true } };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        PICK_FLAGS(&r.pick),
        SESSION_FLAGS(&session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &r.all_namespaces, NULL,
          "of every namespace (default without -n and KIND)" },
        { "no-logs", 0, OPT_FLAG, &r.no_logs, NULL, "without the last lines of containers" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (session_new(&r.session, &session_opts, &err) < 0)
        return verb_error(&err);
    r.pick.all_namespaces = r.all_namespaces;
    r.all_namespaces = r.all_namespaces || session_opts.ns == NULL;
    r.lists = json_object();
    exit_code = why_run(&r, n, argv);
    json_decref(r.lists);
    session_free(r.session);
    return exit_code;
}
