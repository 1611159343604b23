#include "controlplane/slice_set.h"

#include "controlplane/claim.h"
#include "controlplane/endpoint.h"

#include "base/map.h"
#include "base/mem.h"

/* A slice that is there. */
struct slice {
    const struct object *object;
    const json_t *tree;
    struct slice_group *group; /* NULL = its family and ports are no longer wanted */
    json_t *endpoints;         /* owned; what it shall hold */
};

/* --- what is wanted --- */

void slice_set_init(struct slice_set *ret, const struct object *owner, const char *kind,
                    const char *manager, json_t *labels_steal)
{
    *ret = (struct slice_set){ .owner = owner, .kind = kind, .service = owner->name };
    ret->manager = manager;
    ret->labels = labels_steal ? labels_steal : json_object();
    json_object_set_new(ret->labels, ENDPOINT_LABEL_SERVICE, json_string(owner->name));
    json_object_set_new(ret->labels, ENDPOINT_LABEL_MANAGER, json_string(manager));
}

void slice_set_fini(struct slice_set *s)
{
    for (size_t i = 0; i < s->n_groups; i++) {
        json_decref(s->groups[i].ports);
        json_decref(s->groups[i].endpoints);
    }
    free(s->groups);
    json_decref(s->labels);
}

static struct slice_group *slice_set_find(struct slice_set *s, const char *family,
                                          const json_t *ports)
{
    for (size_t i = 0; i < s->n_groups; i++)
        if (str_eq(s->groups[i].family, family) && json_equal(s->groups[i].ports, ports))
            return &s->groups[i];
    return NULL;
}

static struct slice_group *slice_set_group(struct slice_set *s, const char *family,
                                           json_t *ports_steal)
{
    struct slice_group *g = slice_set_find(s, family, ports_steal);

    if (g) {
        json_decref(ports_steal);
        return g;
    }
    s->groups = mem_grow(s->groups, s->n_groups + 1, sizeof(*s->groups));
    g = &s->groups[s->n_groups++];
    *g = (struct slice_group){ .family = family, .ports = ports_steal };
    g->endpoints = json_array();
    return g;
}

void slice_set_add(struct slice_set *s, const char *family, json_t *ports_steal,
                   json_t *endpoint_steal)
{
    json_array_append_new(slice_set_group(s, family, ports_steal)->endpoints, endpoint_steal);
}

void slice_set_add_empty(struct slice_set *s, const char *family)
{
    slice_set_group(s, family, json_array());
}

/* --- what is there --- */

static const char *slice_endpoint_key(const json_t *endpoint)
{
    const char *uid = json_str(endpoint, "targetRef.uid");

    if (uid)
        return uid;
    return json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0));
}

static const json_t *slice_ports(const json_t *slice, json_t **ret_empty)
{
    const json_t *ports = json_object_get(slice, "ports");

    if (json_is_array(ports))
        return ports;
    return *ret_empty = json_array();
}

static struct slice *slice_collect(struct view *v, struct slice_set *s, size_t *ret_n)
{
    const struct object *const *all = view_owned(v, ENDPOINT_SLICES, s->owner->uid, ret_n);
    struct slice *slices = MEM_NEW_ARRAY(struct slice, *ret_n + 1);
    size_t n = 0;

    for (; *all; all++) {
        cleanup(json_decrefpp) json_t *empty = NULL;
        struct slice *slice = &slices[n];

        if ((*all)->deleting || !str_eq(object_label(*all, ENDPOINT_LABEL_MANAGER), s->manager))
            continue;
        n++;
        slice->object = *all;
        slice->tree = view_tree(v, *all);
        slice->endpoints = json_array();
        slice->group = slice_set_find(s, json_str_or(slice->tree, "addressType", "IPv4"),
                                      slice_ports(slice->tree, &empty));
    }
    *ret_n = n;
    return slices;
}

/* --- who goes where --- */

static struct map *slice_group_index(const struct slice_group *g)
{
    struct map *index = map_new(NULL);
    json_t *endpoint;
    size_t i;

    json_array_foreach (g->endpoints, i, endpoint)
        map_put(index, slice_endpoint_key(endpoint), endpoint);
    return index;
}

/* What the slice holds and is still wanted stays, as it should look now. */
static void slice_keep(struct slice *slice, struct map *index)
{
    const json_t *old;
    size_t i;

    json_array_foreach (json_object_get(slice->tree, "endpoints"), i, old) {
        const char *key = slice_endpoint_key(old);
        json_t *wanted = key ? map_take(index, key) : NULL;

        if (wanted)
            json_array_append(slice->endpoints, wanted);
    }
}

static struct slice *slice_with_room(struct slice *slices, size_t n, const struct slice_group *g)
{
    for (size_t i = 0; i < n; i++)
        if (slices[i].group == g && json_array_size(slices[i].endpoints) < SLICE_SET_MAX_ENDPOINTS)
            return &slices[i];
    return NULL;
}

/* A slice whose ports nobody wants takes over this group. */
static struct slice *slice_reuse(struct slice *slices, size_t n, struct slice_group *g)
{
    for (size_t i = 0; i < n; i++) {
        if (slices[i].group ||
            !str_eq(json_str_or(slices[i].tree, "addressType", "IPv4"), g->family))
            continue;
        slices[i].group = g;
        return &slices[i];
    }
    return NULL;
}

static void slice_create(struct plan *ret, const struct slice_set *s, const struct slice_group *g,
                         json_t *endpoints_steal)
{
    cleanup(freep) char *prefix = mem_fmt("%s-", s->service);
    json_t *tree = json_object();

    json_put_str(tree, "apiVersion", "discovery.k8s.io/v1");
    json_put_str(tree, "kind", "EndpointSlice");
    json_put_str(tree, "metadata.generateName", prefix);
    json_put_str(tree, "metadata.namespace", s->owner->ns);
    json_put(tree, "metadata.labels", json_deep_copy(s->labels));
    json_put(tree, "metadata.ownerReferences",
             json_pack("[o]", claim_reference(s->owner, "v1", s->kind)));
    json_put_str(tree, "addressType", g->family);
    json_put(tree, "endpoints", endpoints_steal);
    json_put(tree, "ports", json_deep_copy(g->ports));
    plan_create(ret, ENDPOINT_SLICES, s->owner->ns, tree);
}

/* Those of the group that no slice has yet: into slices with room, then into new ones. */
static void slice_place_rest(struct plan *ret, const struct slice_set *s, struct slice_group *g,
                             struct slice *slices, size_t n, struct map *index)
{
    json_t *fresh = NULL, *endpoint;
    struct slice *slice;
    size_t i;

    json_array_foreach (g->endpoints, i, endpoint) {
        if (!map_take(index, slice_endpoint_key(endpoint)))
            continue;
        slice = slice_with_room(slices, n, g);
        if (!slice)
            slice = slice_reuse(slices, n, g);
        if (slice) {
            json_array_append(slice->endpoints, endpoint);
            continue;
        }
        if (fresh && json_array_size(fresh) == SLICE_SET_MAX_ENDPOINTS) {
            slice_create(ret, s, g, fresh);
            fresh = NULL;
        }
        if (!fresh)
            fresh = json_array();
        json_array_append(fresh, endpoint);
    }
    if (fresh)
        slice_create(ret, s, g, fresh);
}

/* --- writes --- */

static bool slice_is_as_wanted(const struct slice_set *s, const struct slice *slice)
{
    cleanup(json_decrefpp) json_t *empty = NULL;
    const json_t *have = json_object_get(slice->tree, "endpoints");
    bool same = json_array_size(have) == 0 ? json_array_size(slice->endpoints) == 0
                                           : json_equal(have, slice->endpoints);

    return same && json_equal(json_at(slice->tree, "metadata.labels"), s->labels) &&
           json_equal(slice_ports(slice->tree, &empty), slice->group->ports);
}

static void slice_update(struct plan *ret, const struct slice_set *s, const struct slice *slice)
{
    json_t *tree;

    if (slice_is_as_wanted(s, slice))
        return;
    tree = json_deep_copy(slice->tree);
    json_put(tree, "metadata.labels", json_deep_copy(s->labels));
    json_put(tree, "endpoints", json_deep_copy(slice->endpoints));
    json_put(tree, "ports", json_deep_copy(slice->group->ports));
    plan_update(ret, slice->object, tree);
}

/* Does an empty slice stand for its whole group? */
static bool slice_is_placeholder(const struct slice *slices, size_t i)
{
    if (json_array_size(slices[i].group->endpoints) > 0)
        return false;
    for (size_t k = 0; k < i; k++)
        if (slices[k].group == slices[i].group)
            return false;
    return true;
}

static void slice_write(struct plan *ret, const struct slice_set *s, const struct slice *slices,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slices[i].group &&
            (json_array_size(slices[i].endpoints) > 0 || slice_is_placeholder(slices, i)))
            slice_update(ret, s, &slices[i]);
    for (size_t i = 0; i < n; i++)
        if (!slices[i].group ||
            (json_array_size(slices[i].endpoints) == 0 && !slice_is_placeholder(slices, i)))
            plan_delete(ret, slices[i].object);
}

static void slice_group_plan(struct plan *ret, const struct slice_set *s, struct slice_group *g,
                             struct slice *slices, size_t n)
{
    struct map *index = slice_group_index(g);

    for (size_t i = 0; i < n; i++)
        if (slices[i].group == g)
            slice_keep(&slices[i], index);
    slice_place_rest(ret, s, g, slices, n, index);
    if (json_array_size(g->endpoints) == 0 && !slice_with_room(slices, n, g) &&
        !slice_reuse(slices, n, g))
        slice_create(ret, s, g, json_array());
    map_free(index);
}

void slice_set_plan(struct plan *ret, struct view *v, struct slice_set *s)
{
    size_t n;
    struct slice *slices = slice_collect(v, s, &n);

    for (size_t i = 0; i < s->n_groups; i++)
        slice_group_plan(ret, s, &s->groups[i], slices, n);
    slice_write(ret, s, slices, n);
    for (size_t i = 0; i < n; i++)
        json_decref(slices[i].endpoints);
    free(slices);
}
