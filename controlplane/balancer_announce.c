/* Which node answers for an address: one that an L2Advertisement allows, is ready, and, with
 * Local traffic policy, has an endpoint. */
#include "controlplane/balancer_impl.h"

#include "api/conditions.h"
#include "base/bits.h"
#include "base/mem.h"

#include <string.h>

#define BALANCER_EXCLUDED "node.kubernetes.io/exclude-from-external-load-balancers"

/* An empty list admits all. */
static bool balancer_selects(const json_t *selectors, const struct object *o)
{
    return json_array_size(selectors) == 0 || balancer_matches(selectors, o);
}

/* Is this advertisement about the Service's address, on @node (NULL: on any)? */
static bool balancer_advertises(struct view *v, const struct object *advert,
                                const struct balancer_service *s, const struct object *node)
{
    const json_t *spec = json_object_get(view_tree(v, advert), "spec");
    const json_t *pools = json_object_get(spec, "ipAddressPools");
    const json_t *selectors = json_object_get(spec, "ipAddressPoolSelectors");
    bool whole = json_array_size(pools) + json_array_size(selectors) == 0;

    return !advert->deleting &&
           (whole || json_has_str(pools, s->pool->object->name) ||
            balancer_matches(selectors, s->pool->object)) &&
           balancer_selects(json_object_get(spec, "serviceSelectors"), s->object) &&
           (node == NULL || balancer_selects(json_object_get(spec, "nodeSelectors"), node));
}

static bool balancer_is_advertised(struct view *v, const struct balancer_service *s,
                                   const struct object *node)
{
    const struct object *const *list = view_list(v, BALANCER_ADVERTS, NULL, NULL);

    for (; *list != NULL; list++)
        if (balancer_advertises(v, *list, s, node))
            return true;
    return false;
}

/* The devices of all advertisements that choose @node; one that names none means all. */
static char *balancer_devices(struct view *v, const struct balancer_service *s,
                              const struct object *node)
{
    const struct object *const *list = view_list(v, BALANCER_ADVERTS, NULL, NULL);
    struct text t = TEXT_EMPTY;

    for (; *list != NULL; list++) {
        const json_t *names = json_at(view_tree(v, *list), "spec.interfaces"), *item;
        size_t i;

        if (!balancer_advertises(v, *list, s, node))
            continue;
        if (json_array_size(names) == 0) {
            text_fini(&t);
            return mem_str("");
        }
        json_array_foreach (names, i, item)
            text_fmt(&t, "%s%s", t.len > 0 ? "," : "", json_string_value(item));
    }
    return text_take(&t);
}

static bool balancer_has_endpoint(struct view *v, const struct balancer_service *s,
                                  const char *node)
{
    const struct object *const *list = view_list(v, BALANCER_SLICES, s->object->ns, NULL);

    for (; *list != NULL; list++) {
        const json_t *tree = view_tree(v, *list), *e;
        const json_t *labels = json_at(tree, "metadata.labels");
        const char *service = json_string_value(
            json_object_get(labels, "kubernetes.io/service-name"));
        size_t i;

        if (!str_eq(service, s->object->name))
            continue;
        json_array_foreach (json_object_get(tree, "endpoints"), i, e)
            if (str_eq(json_str(e, "nodeName"), node) && json_bool(e, "conditions.ready", true))
                return true;
    }
    return false;
}

static bool balancer_may_announce(struct view *v, const struct balancer_service *s,
                                  const struct object *node)
{
    const json_t *tree = view_tree(v, node);
    const json_t *labels = json_at(tree, "metadata.labels");

    return !node->deleting && condition_is(json_object_get(tree, "status"), "Ready", "True") &&
           json_object_get(labels, BALANCER_EXCLUDED) == NULL &&
           (!str_eq(json_str(s->tree, "spec.externalTrafficPolicy"), "Local") ||
            balancer_has_endpoint(v, s, node->name)) &&
           balancer_is_advertised(v, s, node);
}

/* Each address prefers nodes in an order of its own: many addresses spread. */
static uint64_t balancer_rank(const char *node, uint32_t address)
{
    cleanup(freep) char *text = mem_fmt("%s#%u", node, address);

    return bits_fnv64a(text, strlen(text));
}

struct balancer_place balancer_place(struct view *v, const struct balancer_service *s,
                                     const char *before)
{
    const struct object *const *nodes = view_list(v, "nodes", NULL, NULL);
    const struct object *best = NULL;

    for (; *nodes != NULL; nodes++) {
        if (!balancer_may_announce(v, s, *nodes))
            continue;
        if (str_eq((*nodes)->name, before)) {
            best = *nodes; /* who has it keeps it: moving costs connections */
            break;
        }
        if (best == NULL ||
            balancer_rank((*nodes)->name, s->address) > balancer_rank(best->name, s->address))
            best = *nodes;
    }
    if (best != NULL)
        return (struct balancer_place){ best->name, balancer_devices(v, s, best), NULL };
    return (struct balancer_place){ NULL, mem_str(""),
                                    balancer_is_advertised(v, s, NULL)
                                        ? "no ready node may announce its address"
                                        : "no L2Advertisement announces its pool" };
}
