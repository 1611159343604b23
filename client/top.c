/* mkube top: what nodes and pods use. */
#include "api/quantity.h"
#include "base/mem.h"
#include "client/output.h"
#include "client/session.h"
#include "client/table_rows.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

struct top {
    struct session_opts session_opts;
    struct session *session; /* owned */
    bool all_namespaces, no_headers, containers, sum;
    const char *selector, *fields, *sort;
};

struct top_row {
    const char *ns, *name, *container; /* borrowed */
    int64_t cpu_milli, memory;
};

static int top_call(const struct top *t, const char *path, struct session_answer *ret)
{
    cleanup(text_fini) struct text full = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    text_puts(&full, path);
    if (t->selector != NULL)
        session_query(&full, "labelSelector", t->selector);
    if (t->fields != NULL)
        session_query(&full, "fieldSelector", t->fields);
    if (session_call(t->session, "GET", text_str(&full), NULL, NULL, ret, &err) == 0)
        return VERB_DONE;
    if (ret->status == 404 && str_ends(path, "s")) {
        err_set(&err, ERR_NOT_FOUND, "Metrics API not available");
        return verb_error(&err);
    }
    return session_complain(ret, &err, NULL);
}

static void top_add_usage(struct top_row *row, const json_t *usage)
{
    row->cpu_milli += quantity_text_milli(json_str(usage, "cpu"), 0);
    row->memory += quantity_text_value(json_str(usage, "memory"), 0);
}

static int top_by_cpu(const void *a, const void *b)
{
    const struct top_row *x = a, *y = b;

    return x->cpu_milli < y->cpu_milli ? 1 : x->cpu_milli > y->cpu_milli ? -1 : 0;
}

static int top_by_memory(const void *a, const void *b)
{
    const struct top_row *x = a, *y = b;

    return x->memory < y->memory ? 1 : x->memory > y->memory ? -1 : 0;
}

static int top_by_name(const void *a, const void *b)
{
    const struct top_row *x = a, *y = b;
    int c = strcmp(x->ns, y->ns);

    return c != 0 ? c : strcmp(x->name, y->name);
}

static void top_order(const struct top *t, struct top_row *rows, size_t n)
{
    qsort(rows, n, sizeof(*rows),
          str_eq(t->sort, "cpu")      ? top_by_cpu
          : str_eq(t->sort, "memory") ? top_by_memory
                                      : top_by_name);
}

static void top_amounts(const struct top_row *row, char cpu[32], char memory[32])
{
    snprintf(cpu, 32, "%lldm", (long long)row->cpu_milli);
    snprintf(memory, 32, "%lldMi", (long long)(row->memory / (1024 * 1024)));
}

static void top_flush(const struct top *t, const struct table_rows *table)
{
    cleanup(text_fini) struct text out = TEXT_EMPTY;

    table_rows_print(&out, table, t->no_headers, true);
    output_write(&out);
}

/* --- nodes --- */

static void top_node(struct table_rows *table, const struct top_row *row, const json_t *node)
{
    int64_t cpu = quantity_text_milli(json_str(node, "status.allocatable.cpu"), 0);
    int64_t memory = quantity_text_value(json_str(node, "status.allocatable.memory"), 0);
    char a[32], b[32], a_part[32] = "<unknown>", b_part[32] = "<unknown>";

    top_amounts(row, a, b);
    if (cpu > 0)
        snprintf(a_part, sizeof(a_part), "%lld%%", (long long)(row->cpu_milli * 100 / cpu));
    if (memory > 0)
        snprintf(b_part, sizeof(b_part), "%lld%%", (long long)(row->memory * 100 / memory));
    table_rows_add(table, (const char *const[]){ row->name, a, a_part, b, b_part, NULL });
}

static int top_nodes(struct top *t, const char *name)
{
    static const char *const titles[] = { "NAME",          "CPU(cores)", "CPU(%)",
                                          "MEMORY(bytes)", "MEMORY(%)",  NULL };
    cleanup(session_answer_fini) struct session_answer usage = { .status = 0 };
    cleanup(session_answer_fini) struct session_answer nodes = { .status = 0 };
    cleanup(table_rows_fini) struct table_rows table = { .columns = NULL };
    cleanup(freep) struct top_row *rows = NULL;
    const json_t *item;
    size_t n = 0, i;

    if (top_call(t, "/apis/metrics.k8s.io/v1beta1/nodes", &usage) != VERB_DONE ||
        top_call(t, "/api/v1/nodes", &nodes) != VERB_DONE)
        return VERB_FAILED;
    rows = MEM_NEW_ARRAY(struct top_row, json_array_size(json_at(usage.body, "items")) + 1);
    json_array_foreach (json_at(usage.body, "items"), i, item) {
        if (name != NULL && !str_eq(json_str(item, "metadata.name"), name))
            continue;
        rows[n].ns = "";
        rows[n].name = json_str_or(item, "metadata.name", "");
        top_add_usage(&rows[n++], json_at(item, "usage"));
    }
    if (name != NULL && n == 0) {
        fprintf(stderr,
                "Error from server (NotFound): nodemetrics.metrics.k8s.io \"%s\" not found\n",
                name);
        return VERB_FAILED;
    }
    top_order(t, rows, n);
    table_rows_init(&table, titles);
    for (i = 0; i < n; i++) {
        const json_t *node = NULL, *at;
        size_t k;

        json_array_foreach (json_at(nodes.body, "items"), k, at)
            if (str_eq(json_str(at, "metadata.name"), rows[i].name))
                node = at;
        top_node(&table, &rows[i], node);
    }
    top_flush(t, &table);
    return VERB_DONE;
}

/* --- pods --- */

static size_t top_pod(const struct top *t, struct top_row *rows, const json_t *pod)
{
    const json_t *c;
    size_t i, n = 0;

    json_array_foreach (json_at(pod, "containers"), i, c) {
        if (n == 0 || t->containers) {
            rows[n] = (struct top_row){ .ns = json_str_or(pod, "metadata.namespace", ""),
                                        .name = json_str_or(pod, "metadata.name", ""),
                                        .container = json_str_or(c, "name", "") };
            n++;
        }
        top_add_usage(&rows[n - 1], json_at(c, "usage"));
    }
    return n;
}

static void top_pod_row(const struct top *t, struct table_rows *table, const struct top_row *row)
{
    const char *cells[6];
    char cpu[32], memory[32];
    size_t n = 0;

    top_amounts(row, cpu, memory);
    if (t->all_namespaces)
        cells[n++] = row->ns;
    cells[n++] = row->name;
    if (t->containers)
        cells[n++] = row->container;
    cells[n++] = cpu;
    cells[n++] = memory;
    cells[n] = NULL;
    table_rows_add(table, cells);
}

static void top_pod_titles(const struct top *t, const char *titles[6])
{
    size_t n = 0;

    if (t->all_namespaces)
        titles[n++] = "NAMESPACE";
    titles[n++] = t->containers ? "POD" : "NAME";
    if (t->containers)
        titles[n++] = "NAME";
    titles[n++] = "CPU(cores)";
    titles[n++] = "MEMORY(bytes)";
    titles[n] = NULL;
}

static void top_pod_sum(const struct top *t, struct table_rows *table, const struct top_row *rows,
                        size_t n)
{
    struct top_row sum = { .ns = "", .name = "", .container = "" };
    bool wide = t->all_namespaces || t->containers;

    for (size_t i = 0; i < n; i++) {
        sum.cpu_milli += rows[i].cpu_milli;
        sum.memory += rows[i].memory;
    }
    table_rows_add(table, wide ? (const char *const[]){ "", "", "________", "________", NULL }
                               : (const char *const[]){ "", "________", "________", NULL });
    top_pod_row(t, table, &sum);
}

static int top_pods(struct top *t, const char *name)
{
    cleanup(session_answer_fini) struct session_answer usage = { .status = 0 };
    cleanup(table_rows_fini) struct table_rows table = { .columns = NULL };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    cleanup(freep) struct top_row *rows = NULL;
    const char *titles[6];
    const json_t *pod, *items;
    size_t n = 0, i;

    text_puts(&path, "/apis/metrics.k8s.io/v1beta1/");
    if (!t->all_namespaces)
        text_fmt(&path, "namespaces/%s/", session_namespace(t->session));
    text_fmt(&path, "pods%s%s", name != NULL ? "/" : "", name != NULL ? name : "");
    if (top_call(t, text_str(&path), &usage) != VERB_DONE)
        return VERB_FAILED;
    if (name != NULL)
        usage.body = json_pack("{s:[o]}", "items", usage.body);
    items = json_at(usage.body, "items");
    if (json_array_size(items) == 0) {
        if (t->all_namespaces)
            fprintf(stderr, "No resources found\n");
        else
            fprintf(stderr, "No resources found in %s namespace.\n", session_namespace(t->session));
        return VERB_DONE;
    }
    json_array_foreach (items, i, pod) {
        rows = mem_grow(rows, n + json_array_size(json_at(pod, "containers")) + 1, sizeof(*rows));
        n += top_pod(t, rows + n, pod);
    }
    top_order(t, rows, n);
    top_pod_titles(t, titles);
    table_rows_init(&table, titles);
    for (i = 0; i < n; i++)
        top_pod_row(t, &table, &rows[i]);
    if (t->sum)
        top_pod_sum(t, &table, rows, n);
    top_flush(t, &table);
    return VERB_DONE;
}

/* --- the verb --- */

static int top_run(struct top *t, int n, char **argv)
{
    cleanup(target_list_fini) struct target_list targets = { .n = 0 };
    struct err err = ERR_EMPTY;
    const char *name = n > 1 ? argv[1] : NULL;
    const struct schema_resource *r = schema_guess(argv[0]);

    if (r == NULL || (!str_eq(r->plural, "nodes") && !str_eq(r->plural, "pods"))) {
        err_set(&err, ERR_INVALID, "top knows nodes and pods, not %s", argv[0]);
        return verb_error(&err);
    }
    if (t->sort != NULL && !str_eq(t->sort, "cpu") && !str_eq(t->sort, "memory")) {
        err_set(&err, ERR_INVALID, "--sort-by accepts only cpu or memory");
        return verb_error(&err);
    }
    if (session_new(&t->session, &t->session_opts, &err) < 0)
        return verb_error(&err);
    return str_eq(r->plural, "nodes") ? top_nodes(t, name) : top_pods(t, name);
}

int top_main(const struct verb *self, int argc, char **argv)
{
    struct top t = { .session = NULL };
    const struct opt table[] = {
        SESSION_FLAGS(&t.session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &t.all_namespaces, NULL, "pods of every namespace" },
        { "selector", 'l', OPT_TEXT, &t.selector, "SEL", "those with these labels" },
        { "field-selector", 0, OPT_TEXT, &t.fields, "SEL", "pods with these fields" },
        { "containers", 0, OPT_FLAG, &t.containers, NULL, "a row for each container" },
        { "sum", 0, OPT_FLAG, &t.sum, NULL, "pods: all together too" },
        { "sort-by", 0, OPT_TEXT, &t.sort, "WHAT", "cpu or memory, most first" },
        { "no-headers", 0, OPT_FLAG, &t.no_headers, NULL, "rows only" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n == 0 || n > 2)
        return verb_misused(self);
    exit_code = top_run(&t, n, argv);
    session_free(t.session);
    return exit_code;
}
