/* metrics.k8s.io: NodeMetrics and PodMetrics, made of what the nodes told (api/metrics.h) and of
 * the Nodes and Pods in the store, in metrics-server's words. */
#include "api/server_impl.h"

#include "api/quantity.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define METRICS_WINDOW_MAX 48

bool server_is_metrics(const struct schema_resource *r)
{
    return str_eq(r->group, "metrics.k8s.io");
}

/* --- one item --- */

/* As Go prints a time.Duration: "15.004s", "1m0.5s". */
static void metrics_print_window(char ret[METRICS_WINDOW_MAX], int64_t ms)
{
    char seconds[16];
    size_t len = (size_t)snprintf(seconds, sizeof(seconds), "%d.%03d", (int)(ms / 1000 % 60),
                                  (int)(ms % 1000));

    while (seconds[len - 1] == '0')
        seconds[--len] = '\0';
    if (seconds[len - 1] == '.')
        seconds[--len] = '\0';
    if (ms < 60000)
        snprintf(ret, METRICS_WINDOW_MAX, "%ss", seconds);
    else
        snprintf(ret, METRICS_WINDOW_MAX, "%lldm%ss", (long long)(ms / 60000), seconds);
}

static json_t *metrics_usage_tree(const struct metrics_usage *u)
{
    char cpu[QUANTITY_TEXT_MAX], memory[QUANTITY_TEXT_MAX];

    quantity_print(cpu, (struct quantity){ .nano = u->cpu_nano, .format = 'd' });
    quantity_print(memory,
                   (struct quantity){ .nano = (__int128)u->memory * 1000000000, .format = 'b' });
    return json_pack("{s:s, s:s}", "cpu", cpu, "memory", memory);
}

static json_t *metrics_item(const struct object *o, int64_t at_ms, int64_t window_ms)
{
    cleanup(json_decrefpp) json_t *of = object_tree(o);
    json_t *labels = json_at(of, "metadata.labels");
    json_t *item = json_pack("{s:{s:s}}", "metadata", "name", o->name);
    char now[CLOCK_TEXT_MAX], at[CLOCK_TEXT_MAX], window[METRICS_WINDOW_MAX];

    clock_print(now, clock_wall_ms());
    clock_print(at, at_ms);
    metrics_print_window(window, window_ms);
    if (o->ns[0] != '\0')
        json_put_str(item, "metadata.namespace", o->ns);
    json_put_str(item, "metadata.creationTimestamp", now);
    if (labels != NULL)
        json_put(item, "metadata.labels", json_incref(labels));
    json_put_str(item, "timestamp", at);
    json_put_str(item, "window", window);
    return item;
}

/* NULL: nothing is known of it yet. */
static json_t *metrics_of_node(const struct metrics *m, const struct object *node)
{
    struct metrics_usage usage;
    int64_t at_ms, window_ms;
    json_t *item;

    if (!metrics_node(m, node->name, &usage, &at_ms, &window_ms))
        return NULL;
    item = metrics_item(node, at_ms, window_ms);
    json_put(item, "usage", metrics_usage_tree(&usage));
    return item;
}

static json_t *metrics_of_pod(const struct metrics *m, const struct object *pod)
{
    struct metrics_pod usage;
    json_t *item, *containers;

    if (!str_eq(pod->phase, "Running") || !metrics_pod(m, pod->node, pod->ns, pod->name, &usage))
        return NULL;
    item = metrics_item(pod, usage.at_ms, usage.window_ms);
    containers = json_array();
    for (size_t i = 0; i < usage.n; i++)
        json_array_append_new(containers,
                              json_pack("{s:s, s:o}", "name", usage.containers[i].name, "usage",
                                        metrics_usage_tree(&usage.containers[i])));
    json_put(item, "containers", containers);
    return item;
}

static const struct metrics_kind {
    const char *plural;           /* also the bucket of what is measured */
    struct schema_resource words; /* as its errors name it */
    json_t *(*item)(const struct metrics *m, const struct object *o);
} metrics_kinds[] = {
    { "nodes", { .group = "metrics.k8s.io", .plural = "nodemetrics" }, metrics_of_node },
    { "pods", { .group = "metrics.k8s.io", .plural = "podmetrics" }, metrics_of_pod },
};

static const struct metrics_kind *metrics_kind_of(const struct schema_resource *r)
{
    for (size_t i = 0; i < N_ELEMENTS(metrics_kinds); i++)
        if (str_eq(r->plural, metrics_kinds[i].plural))
            return &metrics_kinds[i];
    return NULL;
}

/* --- Tables: what `kubectl get podmetrics` shows --- */

static void metrics_table_add(struct quantity *cpu, struct quantity *memory, const json_t *usage)
{
    struct quantity one;

    if (quantity_parse(json_str_or(usage, "cpu", ""), &one))
        cpu->nano += one.nano;
    if (quantity_parse(json_str_or(usage, "memory", ""), &one))
        memory->nano += one.nano;
}

static json_t *metrics_table_row(const struct call *c, json_t *item_steal)
{
    const json_t *self = json_at(item_steal, "usage"), *container;
    json_t *cells = json_pack("[s]", json_str(item_steal, "metadata.name"));
    struct quantity cpu = { .format = 'd' }, memory = { .format = 'b' };
    char text[QUANTITY_TEXT_MAX];
    json_t *object;
    size_t i;

    metrics_table_add(&cpu, &memory, self);
    json_array_foreach (json_at(item_steal, "containers"), i, container)
        metrics_table_add(&cpu, &memory, json_at(container, "usage"));
    quantity_print(text, cpu);
    json_array_append_new(cells, json_string(text));
    quantity_print(text, memory);
    json_array_append_new(cells, json_string(text));
    json_array_append_new(cells, json_string(json_str_or(item_steal, "window", "")));
    object = c->include == TABLE_OBJECT
                 ? json_incref(item_steal)
                 : json_pack("{s:s, s:s, s:O}", "kind", "PartialObjectMetadata", "apiVersion",
                             "meta.k8s.io/v1", "metadata", json_at(item_steal, "metadata"));
    json_decref(item_steal);
    if (c->include == TABLE_NONE) {
        json_decref(object);
        return json_pack("{s:o}", "cells", cells);
    }
    return json_pack("{s:o, s:o}", "cells", cells, "object", object);
}

static json_t *metrics_table(const struct call *c, const json_t *items)
{
    static const char *const names[] = { "Name", "cpu", "memory", "Window" };
    json_t *columns = json_array(), *rows = json_array(), *item;
    size_t i;

    for (i = 0; i < N_ELEMENTS(names); i++)
        json_array_append_new(columns, json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", names[i],
                                                 "type", "string", "format", i == 0 ? "name" : "",
                                                 "description", "", "priority", 0));
    json_array_foreach (items, i, item)
        json_array_append_new(rows, metrics_table_row(c, json_incref(item)));
    return json_pack("{s:s, s:s, s:{}, s:o, s:o}", "kind", "Table", "apiVersion", "meta.k8s.io/v1",
                     "metadata", "columnDefinitions", columns, "rows", rows);
}

/* --- answers --- */

static void metrics_send(struct call *c, json_t *items, json_t *body_steal)
{
    cleanup(json_decrefpp) json_t *plain = body_steal;
    cleanup(json_decrefpp) json_t *table = c->form == CALL_TABLE ? metrics_table(c, items) : NULL;

    call_send_json(c, 200, table != NULL ? table : plain);
}

static void metrics_get(struct call *c, const struct metrics_kind *kind)
{
    const struct route *r = &c->route;
    const struct object *o = store_get(c->s->store, kind->plural, r->ns, r->name);
    cleanup(freep) char *name = r->ns[0] != '\0' ? mem_fmt("%s/%s", r->ns, r->name)
                                                 : mem_str(r->name);
    cleanup(json_decrefpp) json_t *items = NULL;
    json_t *item = o != NULL ? kind->item(c->s->metrics, o) : NULL;

    if (o == NULL) {
        call_send_status(c, status_not_found(schema_bucket(kind->plural), r->name));
    } else if (item == NULL) {
        call_send_status(c, status_not_found(&kind->words, name));
    } else {
        json_put_str(item, "kind", r->resource->kind);
        json_put_str(item, "apiVersion", "metrics.k8s.io/v1beta1");
        items = json_pack("[O]", item);
        metrics_send(c, items, item);
    }
}

static void metrics_list(struct call *c, const struct metrics_kind *kind)
{
    const struct route *r = &c->route;
    cleanup(selector_freep) struct selector *labels = NULL;
    struct field_selector *fields = NULL;
    cleanup(freep) char *list_kind = mem_fmt("%sList", r->resource->kind);
    json_t *items = json_array(), *item;
    struct err err = ERR_EMPTY;
    const struct object *o;
    struct store_iter it;
    int rc = selector_parse(&labels, http_query(c->x, "labelSelector"), &err);

    if (rc == 0)
        rc = field_selector_parse(&fields, kind->plural, http_query(c->x, "fieldSelector"), &err);
    if (rc < 0) {
        json_decref(items);
        call_send_status(c, status_from_err(&err));
        return;
    }
    store_iter_init(&it, c->s->store, kind->plural, r->ns[0] != '\0' ? r->ns : NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL)
        if (selector_matches(labels, o) && field_selector_matches(fields, o) &&
            (item = kind->item(c->s->metrics, o)) != NULL)
            json_array_append_new(items, item);
    field_selector_free(fields);
    metrics_send(c, items,
                 json_pack("{s:s, s:s, s:{}, s:o}", "kind", list_kind, "apiVersion",
                           "metrics.k8s.io/v1beta1", "metadata", "items", items));
}

/* The nodes were asked; now it is answered with what is known. */
static void metrics_on_ready(void *arg)
{
    struct call *c = arg;
    const struct metrics_kind *kind = metrics_kind_of(c->route.resource);

    if (str_eq(c->route.verb, "get"))
        metrics_get(c, kind);
    else
        metrics_list(c, kind);
}

void server_metrics(struct call *c)
{
    if (!str_eq(c->route.verb, "get") && !str_eq(c->route.verb, "list"))
        call_fail(c, ERR_METHOD, "the server does not allow this method on the requested resource");
    else if (call_read_form(c))
        metrics_pull_want(c->s->pull, metrics_on_ready, c);
}
