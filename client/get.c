/* mkube get: objects as a table, or as they are. */
#include "base/mem.h"
#include "client/output.h"
#include "client/pick.h"
#include "client/print.h"
#include "client/sort.h"
#include "client/verbs.h"

#include <stdio.h>

struct get {
    struct session_opts session_opts;
    struct session *session; /* owned */
    struct opt_list files, label_columns;
    const char *selector, *fields, *output_text, *sort, *sub, *raw;
    bool all_namespaces, watch, watch_only, no_headers, ignore_absent, show_labels, show_kind;
    bool events, recursive;
    struct output output;
    struct manifest manifest; /* of --filename */
    struct target_list targets;
    char *version; /* owned; from the last answer: where a watch goes on */
    int exit_code;
};

/* A watch of one object is a watch of its list with the name picked. */
static void get_path(struct text *ret, const struct get *g, const struct target *t, bool watch)
{
    const char *ns = t->ns != NULL       ? t->ns
                     : g->all_namespaces ? NULL
                                         : session_namespace(g->session);

    target_path(ret, t->resource, ns, watch ? NULL : t->name);
    if (g->sub != NULL && t->name != NULL)
        text_fmt(ret, "/%s", g->sub);
    if (g->selector != NULL)
        session_query(ret, "labelSelector", g->selector);
    if (output_is_table(&g->output) && g->sort != NULL)
        session_query(ret, "includeObject", "Object");
    if (watch && t->name != NULL) {
        cleanup(freep) char *pick = mem_fmt("metadata.name=%s", t->name);

        session_query(ret, "fieldSelector", pick);
    } else if (g->fields != NULL) {
        session_query(ret, "fieldSelector", g->fields);
    }
    if (!watch)
        return;
    session_query(ret, "resourceVersion", g->version);
    session_query(ret, "watch", "true");
}

static int get_fetch(struct get *g, const struct target *t, struct session_answer *ret)
{
    bool table = output_is_table(&g->output);
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    get_path(&path, g, t, false);
    rc = session_get(g->session, text_str(&path), table ? SESSION_TABLE : SESSION_JSON, ret, &err);
    if (rc < 0 && ret->status == 404 && t->name != NULL && g->ignore_absent)
        return rc;
    if (rc < 0) {
        g->exit_code = session_complain(ret, &err, NULL);
        return rc;
    }
    free(g->version);
    g->version = mem_str(json_str_or(ret->body, "metadata.resourceVersion", ""));
    return rc;
}

/* --- watching --- */

struct get_watch {
    struct get *get;
    const struct target *target;
    struct print *print; /* NULL: objects */
};

/* An item as it would be alone: in lists, kind and version may be left out. */
static void get_complete(json_t *object, const struct schema_resource *r)
{
    char version[128];

    schema_api_version(version, sizeof(version), r);
    json_put_str(object, "apiVersion", version);
    json_put_str(object, "kind", r->kind);
}

static int get_on_event(void *arg, const char *type, const json_t *object)
{
    struct get_watch *w = arg;
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (str_eq(type, "BOOKMARK"))
        return 0;
    if (w->print != NULL) {
        print_event(w->print, type, object);
        print_flush(&t, w->print);
    } else {
        cleanup(json_decrefpp) json_t *items = json_pack("[o]", json_deep_copy(object));

        get_complete(json_array_get(items, 0), w->target->resource);
        if (w->get->output.form == OUTPUT_YAML)
            text_puts(&t, "---\n");
        output_print(&t, &w->get->output, items, true);
        w->get->output.no_headers = true;
    }
    output_write(&t);
    return 0;
}

/* Until the server or the user ends it. */
static void get_follow(struct get *g, const struct target *t, struct print *p)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct get_watch w = { .get = g, .target = t, .print = p };
    struct err err = ERR_EMPTY;

    get_path(&path, g, t, true);
    if (session_watch(g->session, text_str(&path), p != NULL ? SESSION_TABLE : SESSION_JSON,
                      get_on_event, &w, &answer, &err) < 0)
        g->exit_code = session_complain(&answer, &err, NULL);
}

/* --- tables --- */

static struct print *get_print(const struct get *g, const struct target *t, const char *kind)
{
    struct print_opts opts = { .wide = g->output.form == OUTPUT_WIDE,
                               .no_headers = g->no_headers,
                               .events = g->events,
                               .labels = g->show_labels,
                               .label_columns = g->label_columns.values,
                               .namespaces = g->all_namespaces && t->resource->namespaced,
                               .kind = kind };

    return print_new(&opts);
}

static bool get_many_kinds(const struct get *g)
{
    for (size_t i = 1; i < g->targets.n; i++)
        if (g->targets.items[i].resource != g->targets.items[0].resource)
            return true;
    return g->show_kind;
}

/* Rows of one answer behind those of the others. */
static void get_gather(struct get *g, json_t **table, json_t *answer)
{
    if (!str_eq(json_str(answer, "kind"), "Table")) {
        fprintf(stderr, "error: the server's answer is no table\n");
        g->exit_code = VERB_FAILED;
    } else if (*table == NULL) {
        *table = json_incref(answer);
    } else {
        json_array_extend(json_at(*table, "rows"), json_at(answer, "rows"));
    }
}

/* The targets from @i on that are of one kind share a table.  Returns the index behind them. */
static size_t get_group(struct get *g, size_t i, unsigned *n_rows)
{
    const struct target *first = &g->targets.items[i], *t = first;
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *table = NULL;
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    cleanup(text_fini) struct text kind = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    struct print *p;
    int n = 0;

    target_kind(&kind, first->resource);
    p = get_print(g, first, get_many_kinds(g) ? text_str(&kind) : NULL);
    for (; i < g->targets.n && t->resource == first->resource; t = &g->targets.items[++i])
        if (get_fetch(g, t, &answer) == 0)
            get_gather(g, &table, answer.body);
    if (g->sort != NULL && table != NULL &&
        sort_by(json_at(table, "rows"), g->sort, "object", &err) < 0)
        g->exit_code = verb_error(&err);
    else if (table != NULL && !g->watch_only)
        n = print_event(p, "ADDED", table);
    if (*n_rows > 0 && n > 0)
        text_putc(&out, '\n');
    *n_rows += n > 0 ? (unsigned)n : 0;
    print_flush(&out, p);
    output_write(&out);
    if (g->watch && g->exit_code == VERB_DONE)
        get_follow(g, first, p);
    print_free(p);
    return i;
}

static void get_tables(struct get *g)
{
    unsigned n_rows = 0;
    bool namespaced = g->targets.n > 0 && g->targets.items[0].resource->namespaced;
    bool named = g->targets.n > 0 && g->targets.items[0].name != NULL;

    for (size_t i = 0; i < g->targets.n;)
        i = get_group(g, i, &n_rows);
    if (n_rows > 0 || g->exit_code != VERB_DONE || g->watch || (named && g->ignore_absent))
        return;
    if (namespaced && !g->all_namespaces)
        fprintf(stderr, "No resources found in %s namespace.\n", session_namespace(g->session));
    else
        fprintf(stderr, "No resources found\n");
}

/* --- objects --- */

static void get_collect(json_t *items, json_t *body, const struct schema_resource *r)
{
    json_t *list = json_at(body, "items"), *item;
    size_t i;

    if (!json_is_array(list) || !str_ends(json_str_or(body, "kind", ""), "List")) {
        json_array_append(items, body);
        return;
    }
    json_array_foreach (list, i, item) {
        get_complete(item, r);
        json_array_append(items, item);
    }
}

static void get_objects(struct get *g)
{
    bool alone = g->targets.n == 1 && g->targets.items[0].name != NULL;
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *items = json_array();
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    for (size_t i = 0; i < g->targets.n; i++)
        if (get_fetch(g, &g->targets.items[i], &answer) == 0)
            get_collect(items, answer.body, g->targets.items[i].resource);
    if (g->sort != NULL && sort_by(items, g->sort, NULL, &err) < 0) {
        g->exit_code = verb_error(&err);
        return;
    }
    if (!g->watch_only && (!alone || json_array_size(items) == 1))
        output_print(&out, &g->output, items, alone);
    output_write(&out);
    g->output.no_headers = g->output.no_headers || !g->watch_only;
    if (g->watch && g->exit_code == VERB_DONE)
        get_follow(g, &g->targets.items[0], NULL);
}

/* --- the verb --- */

static int get_raw_data(void *arg UNUSED, const char *data, size_t len)
{
    return fwrite(data, 1, len, stdout) < len;
}

static int get_raw(struct get *g)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    struct err err = ERR_EMPTY;

    if (session_stream(g->session, g->raw, "application/json, */*", get_raw_data, NULL, &answer,
                       &err) < 0)
        return session_complain(&answer, &err, NULL);
    return VERB_DONE;
}

static int get_check(const struct get *g, struct err *err)
{
    bool kind_named = g->targets.n > 0 && g->targets.items[0].name != NULL;

    if (g->watch && g->targets.n > 1)
        return err_set(err, ERR_INVALID,
                       "you may only specify a single resource type or one object to watch");
    if (g->watch && g->sort != NULL)
        return err_set(err, ERR_INVALID, "--watch and --sort-by exclude each other");
    if (g->label_columns.n > 0 && !output_is_table(&g->output))
        return err_set(err, ERR_INVALID, "--label-columns is only available when printing a table");
    if (g->show_labels && !output_is_table(&g->output))
        return err_set(err, ERR_INVALID, "--show-labels option cannot be used with this printer");
    if (kind_named && g->all_namespaces && g->targets.items[0].resource->namespaced)
        return err_set(err, ERR_INVALID,
                       "a resource cannot be retrieved by name across all namespaces");
    if (kind_named && g->selector != NULL)
        return err_set(err, ERR_INVALID, "name cannot be provided when a selector is specified");
    return 0;
}

static int get_prepare(struct get *g, int n, char **argv, struct err *err)
{
    int rc = output_parse(&g->output, g->output_text, err);

    if (rc == 0)
        rc = session_new(&g->session, &g->session_opts, err);
    if (rc < 0 || g->raw != NULL)
        return rc;
    if (g->files.n > 0 && n > 0)
        return err_set(err, ERR_INVALID,
                       "when paths, URLs, or stdin is provided as input, you may "
                       "not specify resource arguments as well");
    rc = g->files.n > 0
             ? pick_manifests(g->session, &g->targets, &g->manifest, &g->files, g->recursive, err)
             : session_targets(g->session, &g->targets, n, argv, err);
    return rc < 0 ? rc : get_check(g, err);
}

static int get_run(struct get *g, int n, char **argv)
{
    struct err err = ERR_EMPTY;

    g->watch = g->watch || g->watch_only;
    if (get_prepare(g, n, argv, &err) < 0)
        return verb_error(&err);
    g->output.no_headers = g->no_headers;
    if (g->raw != NULL)
        return get_raw(g);
    if (output_is_table(&g->output))
        get_tables(g);
    else
        get_objects(g);
    return g->exit_code;
}

int get_main(const struct verb *self, int argc, char **argv)
{
    struct get g = { .exit_code = VERB_DONE };
    const struct opt table[] = {
        SESSION_FLAGS(&g.session_opts),
        { "filename", 'f', OPT_LIST, &g.files, "FILE", "what these manifests name" },
        { "recursive", 'R', OPT_FLAG, &g.recursive, NULL, "directories with those below" },
        { "all-namespaces", 'A', OPT_FLAG, &g.all_namespaces, NULL, "of every namespace" },
        OUTPUT_FLAG(&g.output_text, "wide, yaml, json, name, jsonpath={...}, custom-columns=T:.p"),
        { "selector", 'l', OPT_TEXT, &g.selector, "SEL",
          "only with these labels: app=web,tier!=db" },
        { "field-selector", 0, OPT_TEXT, &g.fields, "SEL",
          "only with these fields: status.phase=Running" },
        { "sort-by", 0, OPT_TEXT, &g.sort, "PATH", "in the order of: .metadata.name" },
        { "label-columns", 'L', OPT_LIST, &g.label_columns, "KEY", "a column for this label" },
        { "show-labels", 0, OPT_FLAG, &g.show_labels, NULL, "a column for all labels" },
        { "show-kind", 0, OPT_FLAG, &g.show_kind, NULL, "names with their kinds" },
        { "show-managed-fields", 0, OPT_FLAG, &g.output.managed_fields, NULL,
          "metadata.managedFields too" },
        { "watch", 'w', OPT_FLAG, &g.watch, NULL, "go on with what changes" },
        { "watch-only", 0, OPT_FLAG, &g.watch_only, NULL, "only what changes" },
        { "output-watch-events", 0, OPT_FLAG, &g.events, NULL, "a column for what happened" },
        { "no-headers", 0, OPT_FLAG, &g.no_headers, NULL, "rows only" },
        { "ignore-not-found", 0, OPT_FLAG, &g.ignore_absent, NULL, "absent is no failure" },
        { "subresource", 0, OPT_TEXT, &g.sub, "NAME", "status or scale of the objects" },
        { "raw", 0, OPT_TEXT, &g.raw, "PATH", "what the server answers to this path" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    exit_code = get_run(&g, n, argv);
    target_list_fini(&g.targets);
    manifest_fini(&g.manifest);
    output_fini(&g.output);
    session_free(g.session);
    free(g.version);
    return exit_code;
}
