/* mkube api-resources, version, config: what there is to talk to. */
#include "base/mem.h"
#include "base/version.h"
#include "client/oneshot.h"
#include "client/output.h"
#include "client/session.h"
#include "client/table_rows.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

struct resources {
    struct session_opts session_opts;
    struct session *session; /* owned */
    const char *output, *group, *namespaced, *verbs;
    bool no_headers;
};

static void resources_join(struct text *ret, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        text_fmt(ret, "%s%s", i > 0 ? "," : "", words[i]);
}

static bool resources_may(const struct schema_resource *r, const char *wanted)
{
    cleanup(strv_freep) char **verbs = wanted != NULL ? str_split(wanted, ',') : NULL;
    bool all = true;

    for (size_t i = 0; verbs != NULL && verbs[i] != NULL; i++) {
        bool may = false;

        for (size_t k = 0; schema_verb_names[k].name != NULL; k++)
            may = may || (str_eq(verbs[i], schema_verb_names[k].name) &&
                          (r->verbs & schema_verb_names[k].bit) != 0);
        all = all && may;
    }
    return all;
}

/* Of several versions the one that a bare name means. */
static bool resources_preferred(const struct schema_resource *r)
{
    const struct schema_resource *other;

    for (size_t i = 0; !r->stored && (other = schema_at(i)) != NULL; i++)
        if (other != r && str_eq(other->group, r->group) && str_eq(other->plural, r->plural) &&
            (other->stored || schema_resource(r->group, "v1", r->plural) == other))
            return false;
    return true;
}

static bool resources_wanted(const struct resources *o, const struct schema_resource *r)
{
    if (!resources_preferred(r) || (o->group != NULL && !str_eq(r->group, o->group)))
        return false;
    if (o->namespaced != NULL && r->namespaced != !str_eq(o->namespaced, "false"))
        return false;
    return resources_may(r, o->verbs);
}

static int resources_cmp(const void *a, const void *b)
{
    const struct schema_resource *x = *(const struct schema_resource *const *)a;
    const struct schema_resource *y = *(const struct schema_resource *const *)b;
    int c = strcmp(x->group, y->group);

    return c != 0 ? c : strcmp(x->plural, y->plural);
}

static void resources_row(struct table_rows *table, const struct schema_resource *r, bool wide)
{
    cleanup(text_fini) struct text shorts = TEXT_EMPTY;
    cleanup(text_fini) struct text verbs = TEXT_EMPTY;
    cleanup(text_fini) struct text categories = TEXT_EMPTY;
    char version[128];

    schema_api_version(version, sizeof(version), r);
    resources_join(&shorts, r->short_names);
    resources_join(&categories, r->categories);
    for (size_t i = 0; schema_verb_names[i].name != NULL; i++)
        if ((r->verbs & schema_verb_names[i].bit) != 0)
            text_fmt(&verbs, "%s%s", verbs.len > 0 ? "," : "", schema_verb_names[i].name);
    table_rows_add(table, (const char *const[]){ r->plural, text_str(&shorts), version,
                                                 r->namespaced ? "true" : "false", r->kind,
                                                 wide ? text_str(&verbs) : NULL,
                                                 text_str(&categories), NULL });
}

static void resources_print(const struct resources *o, const struct schema_resource **rows,
                            size_t n)
{
    bool wide = str_eq(o->output, "wide");
    const char *const titles[] = { "NAME", "SHORTNAMES",          "APIVERSION", "NAMESPACED",
                                   "KIND", wide ? "VERBS" : NULL, "CATEGORIES", NULL };
    cleanup(table_rows_fini) struct table_rows table = { .columns = NULL };
    cleanup(text_fini) struct text out = TEXT_EMPTY;

    table_rows_init(&table, titles);
    for (size_t i = 0; i < n; i++) {
        if (str_eq(o->output, "name"))
            text_fmt(&out, "%s%s%s\n", rows[i]->plural, rows[i]->group[0] != '\0' ? "." : "",
                     rows[i]->group);
        else
            resources_row(&table, rows[i], wide);
    }
    if (!str_eq(o->output, "name"))
        table_rows_print(&out, &table, o->no_headers, false);
    output_write(&out);
}

static int resources_run(struct resources *o)
{
    const struct schema_resource **rows = NULL, *r;
    struct err err = ERR_EMPTY;
    size_t n = 0;

    if (o->output != NULL && !str_eq(o->output, "wide") && !str_eq(o->output, "name"))
        err_set(&err, ERR_INVALID, "--output %s is not available: wide or name", o->output);
    else if (session_new(&o->session, &o->session_opts, &err) == 0)
        session_discover(o->session, &err);
    if (err.code < 0)
        return verb_error(&err);
    for (size_t i = 0; (r = schema_at(i)) != NULL; i++)
        if (resources_wanted(o, r)) {
            rows = mem_grow(rows, n + 1, sizeof(*rows));
            rows[n++] = r;
        }
    if (n > 0)
        qsort(rows, n, sizeof(*rows), resources_cmp);
    resources_print(o, rows, n);
    free(rows);
    return VERB_DONE;
}

int resources_main(const struct verb *self, int argc, char **argv)
{
    struct resources o = { .session = NULL };
    const struct opt table[] = {
        SESSION_FLAGS(&o.session_opts),
        { "output", 'o', OPT_TEXT, &o.output, "FORMAT", "wide or name" },
        { "api-group", 0, OPT_TEXT, &o.group, "GROUP", "only of this group" },
        { "namespaced", 0, OPT_MAYBE, &o.namespaced, "BOOL", "only those with, or =false without" },
        { "verbs", 0, OPT_TEXT, &o.verbs, "VERBS", "only those that know all of these" },
        { "no-headers", 0, OPT_FLAG, &o.no_headers, NULL, "rows only" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n > 0)
        return verb_misused(self);
    exit_code = resources_run(&o);
    session_free(o.session);
    return exit_code;
}

/* --- version --- */

int resources_version_main(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    struct session_opts session_opts = { .ns = NULL };
    bool client = false;
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        SESSION_FLAGS(&session_opts),
        { "client", 0, OPT_FLAG, &client, NULL, "do not ask the server" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    printf("mkube %s (Kubernetes API %s)\n", MKUBE_VERSION, MKUBE_KUBERNETES_VERSION);
    if (client || session_new(&session, &session_opts, &err) < 0)
        return VERB_DONE; /* a worker has no kubeconfig, and its version all the same */
    if (session_get(session, "/version", SESSION_JSON, &answer, &err) < 0)
        return session_complain(&answer, &err, NULL);
    printf("Server Version: %s\n", json_str_or(answer.body, "gitVersion", ""));
    return VERB_DONE;
}

/* --- config --- */

int resources_config_main(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    struct session_opts session_opts = { .ns = NULL };
    cleanup(freep) char *path = NULL;
    struct err err = ERR_EMPTY;
    const struct opt table[] = { SESSION_FLAGS(&session_opts), { .name = NULL } };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    path = oneshot_find_config(session_opts.kubeconfig);
    if (session_new(&session, &session_opts, &err) < 0)
        return verb_error(&err);
    printf("kubeconfig: %s\nserver: %s\nnamespace: %s\n", path, session_server(session),
           session_namespace(session));
    return VERB_DONE;
}
