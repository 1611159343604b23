#include "net/services.h"

#include "base/json.h"
#include "base/mem.h"
#include "net/nft.h"
#include "net/service_rules.h"

#include <stdlib.h>
#include <string.h>

#define SERVICES_SETTLE_MS 10 /* changes of one rollout step come together */

struct services {
    struct informer *services, *slices; /* borrowed */
    char *node_name;                    /* owned */
    struct nft *nft;
};

static json_t *services_trees(const struct informer *informer)
{
    json_t *list = json_array();
    const struct object *o;
    size_t it = 0;

    while ((o = informer_next(informer, &it)) != NULL)
        json_array_append_new(list, object_tree(o));
    return list;
}

static int services_by_name(const void *a, const void *b)
{
    const json_t *const *x = a;
    const json_t *const *y = b;
    int order = strcmp(json_str_or(*x, "metadata.namespace", ""),
                       json_str_or(*y, "metadata.namespace", ""));

    return order != 0
               ? order
               : strcmp(json_str_or(*x, "metadata.name", ""), json_str_or(*y, "metadata.name", ""));
}

/* Sorted, so that the same objects always print the same rules. */
static json_t *services_sorted(json_t *list_steal)
{
    size_t n = json_array_size(list_steal);
    json_t **order = MEM_NEW_ARRAY(json_t *, n + 1);
    json_t *ret = json_array();

    for (size_t i = 0; i < n; i++)
        order[i] = json_array_get(list_steal, i);
    qsort(order, n, sizeof(*order), services_by_name);
    for (size_t i = 0; i < n; i++)
        json_array_append(ret, order[i]);
    free(order);
    json_decref(list_steal);
    return ret;
}

static int services_on_print(void *arg, struct text *ret, struct err *err UNUSED)
{
    const struct services *s = arg;
    cleanup(json_decrefpp) json_t *services = NULL;
    cleanup(json_decrefpp) json_t *slices = NULL;

    if (!informer_synced(s->services) || !informer_synced(s->slices))
        return 0;
    services = services_sorted(services_trees(s->services));
    slices = services_sorted(services_trees(s->slices));
    service_rules_print(ret, services, slices, s->node_name);
    return 1;
}

static void services_on_synced(void *arg)
{
    struct services *s = arg;

    nft_changed(s->nft);
}

static void services_on_change(void *arg, const struct object *object UNUSED,
                               const struct object *before UNUSED)
{
    services_on_synced(arg);
}

int services_new(struct services **ret, uv_loop_t *loop, const struct services_opts *opts,
                 struct err *err UNUSED)
{
    struct services *s = MEM_NEW(struct services);
    struct informer_listener listener = { .on_change = services_on_change,
                                          .on_synced = services_on_synced,
                                          .arg = s };

    s->services = opts->services;
    s->slices = opts->slices;
    s->node_name = mem_str(opts->node_name);
    s->nft = nft_new(loop, &(struct nft_opts){ .what = "service rules",
                                               .table = "mkube_services",
                                               .settle_ms = SERVICES_SETTLE_MS,
                                               .print = services_on_print,
                                               .arg = s });
    informer_listen(opts->services, &listener);
    informer_listen(opts->slices, &listener);
    *ret = s;
    return 0;
}

struct services *services_close(struct services *s)
{
    if (s == NULL)
        return NULL;
    nft_close(s->nft);
    free(s->node_name);
    free(s);
    return NULL;
}
