/* mkube get: objects as a table, or as they are. */
#include "base/mem.h"
#include "client/print.h"
#include "client/session.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>

struct get {
    const struct verb *cmd;
    struct session_opts session_opts;
    struct session *session; /* owned */
    const char *selector, *output;
    bool all_namespaces, watch, no_headers;
    struct target_list targets;
    const char *version; /* borrowed from the last answer: where a watch goes on */
    int exit_code;
};

static bool get_as_table(const struct get *g)
{
    return g->output == NULL || str_eq(g->output, "wide");
}

/* A watch of one object is a watch of its list with the name picked. */
static void get_path(struct text *ret, const struct get *g, const struct target *t, bool watch)
{
    const char *ns = g->all_namespaces ? NULL : session_namespace(g->session);

    target_path(ret, t->resource, ns, watch ? NULL : t->name);
    if (g->selector != NULL)
        session_query(ret, "labelSelector", g->selector);
    if (!watch)
        return;
    if (t->name != NULL) {
        cleanup(freep) char *pick = mem_fmt("metadata.name=%s", t->name);

        session_query(ret, "fieldSelector", pick);
    }
    session_query(ret, "resourceVersion", g->version);
    session_query(ret, "watch", "true");
}

static int get_fetch(struct get *g, const struct target *t, struct session_answer *ret)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    get_path(&path, g, t, false);
    rc = session_get(g->session, text_str(&path), get_as_table(g) ? SESSION_TABLE : SESSION_JSON,
                     ret, &err);
    if (rc < 0)
        g->exit_code = session_complain(ret, &err, NULL);
    else
        g->version = json_str_or(ret->body, "metadata.resourceVersion", "");
    return rc;
}

static void get_write(struct text *t)
{
    fputs(text_str(t), stdout);
    fflush(stdout);
    text_clear(t);
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
        print_table(w->print, object);
        print_flush(&t, w->print);
    } else {
        cleanup(json_decrefpp) json_t *copy = json_deep_copy(object);

        get_complete(copy, w->target->resource);
        if (str_eq(w->get->output, "yaml"))
            text_puts(&t, "---\n");
        print_object(&t, copy, w->get->output);
    }
    get_write(&t);
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
    struct print_opts opts = { .wide = g->output != NULL,
                               .no_headers = g->no_headers,
                               .namespaces = g->all_namespaces && t->resource->namespaced,
                               .kind = kind };

    return print_new(&opts);
}

static bool get_many_kinds(const struct get *g)
{
    for (size_t i = 1; i < g->targets.n; i++)
        if (g->targets.items[i].resource != g->targets.items[0].resource)
            return true;
    return false;
}

/* The targets from @i on that are of one kind share a table.  Returns the index behind them. */
static size_t get_group(struct get *g, size_t i, unsigned *n_rows)
{
    const struct target *first = &g->targets.items[i], *t = first;
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    cleanup(text_fini) struct text kind = TEXT_EMPTY;
    struct print *p;
    unsigned before = *n_rows;

    target_kind(&kind, first->resource);
    p = get_print(g, first, get_many_kinds(g) ? text_str(&kind) : NULL);
    for (; i < g->targets.n && t->resource == first->resource; t = &g->targets.items[++i]) {
        int n = get_fetch(g, t, &answer) < 0 ? 0 : print_table(p, answer.body);

        if (n < 0) {
            fprintf(stderr, "mkube get: the server's answer is no table\n");
            g->exit_code = VERB_FAILED;
        }
        *n_rows += n > 0 ? (unsigned)n : 0;
    }
    if (before > 0 && *n_rows > before)
        text_putc(&out, '\n');
    print_flush(&out, p);
    get_write(&out);
    if (g->watch && g->exit_code == VERB_DONE)
        get_follow(g, first, p);
    print_free(p);
    return i;
}

static void get_tables(struct get *g)
{
    unsigned n_rows = 0;
    bool namespaced = g->targets.items[0].resource->namespaced;

    for (size_t i = 0; i < g->targets.n;)
        i = get_group(g, i, &n_rows);
    if (n_rows > 0 || g->exit_code != VERB_DONE)
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

static void get_print_items(const struct get *g, json_t *items)
{
    bool alone = g->targets.n == 1 && g->targets.items[0].name != NULL;
    cleanup(json_decrefpp)
        json_t *list = json_pack("{s:s,s:s,s:{s:s},s:O}", "apiVersion", "v1", "kind", "List",
                                 "metadata", "resourceVersion", "", "items", items);
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    json_t *item;
    size_t i;

    if (str_eq(g->output, "name")) {
        json_array_foreach (items, i, item)
            print_object(&out, item, g->output);
    } else if (!alone || json_array_size(items) == 1) {
        print_object(&out, alone ? json_array_get(items, 0) : list, g->output);
    }
    get_write(&out);
}

static void get_objects(struct get *g)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *items = json_array();

    for (size_t i = 0; i < g->targets.n; i++)
        if (get_fetch(g, &g->targets.items[i], &answer) == 0)
            get_collect(items, answer.body, g->targets.items[i].resource);
    get_print_items(g, items);
    if (g->watch && g->exit_code == VERB_DONE)
        get_follow(g, &g->targets.items[0], NULL);
}

/* --- the verb --- */

static int get_check(const struct get *g, struct err *err)
{
    static const char *const outputs[] = { "json", "name", "wide", "yaml" };
    bool known = g->output == NULL;

    for (size_t i = 0; i < N_ELEMENTS(outputs); i++)
        known = known || str_eq(g->output, outputs[i]);
    if (!known)
        return err_set(err, ERR_INVALID,
                       "unable to match a printer suitable for the output format \"%s\", allowed "
                       "formats are: json,name,wide,yaml",
                       g->output);
    if (g->watch && g->targets.n > 1)
        return err_set(err, ERR_INVALID, "you may only watch one kind, or one object of it");
    for (size_t i = 0; i < g->targets.n; i++) {
        if (g->targets.items[i].name == NULL)
            continue;
        if (g->all_namespaces && g->targets.items[i].resource->namespaced)
            return err_set(err, ERR_INVALID,
                           "a resource cannot be retrieved by name across all namespaces");
        if (g->selector != NULL)
            return err_set(err, ERR_INVALID,
                           "name cannot be provided when a selector is specified");
    }
    return 0;
}

int get_main(const struct verb *self, int argc, char **argv)
{
    struct err err = ERR_EMPTY;
    struct get g = { .cmd = self };
    const struct opt table[] = {
        SESSION_FLAGS(&g.session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &g.all_namespaces, NULL, "of every namespace" },
        { "output", 'o', OPT_TEXT, &g.output, "FORMAT", "wide, yaml, json or name" },
        { "selector", 'l', OPT_TEXT, &g.selector, "SEL",
          "only with these labels: app=web,tier!=db" },
        { "watch", 'w', OPT_FLAG, &g.watch, NULL, "go on with what changes" },
        { "no-headers", 0, OPT_FLAG, &g.no_headers, NULL, "rows only" },
        { .name = NULL },
    };
    int n, rc;

    if (!verb_begin(self, table, argc, argv, &n, &g.exit_code))
        return g.exit_code;
    g.exit_code = VERB_DONE;
    rc = target_parse(&g.targets, n, argv, &err);
    if (rc == 0)
        rc = get_check(&g, &err);
    if (rc == 0)
        rc = session_new(&g.session, &g.session_opts, &err);
    if (rc < 0)
        g.exit_code = verb_fail(self, &err);
    else if (get_as_table(&g))
        get_tables(&g);
    else
        get_objects(&g);
    session_free(g.session);
    target_list_fini(&g.targets);
    return g.exit_code;
}
