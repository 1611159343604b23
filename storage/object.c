#include "storage/object.h"

#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Lays strings out one after the other.  The same walk runs twice: first with @base NULL to
 * learn the size, then with the memory to fill it, so that the two can never disagree. */
struct object_pack {
    char *base;
    size_t used;
};

static const char *object_pack_bytes(struct object_pack *p, const char *s, size_t len)
{
    char *to = p->base ? p->base + p->used : NULL;

    if (to) {
        memcpy(to, s, len);
        to[len] = '\0';
    }
    p->used += len + 1;
    return to;
}

static const char *object_pack_str(struct object_pack *p, const char *s)
{
    return object_pack_bytes(p, s ? s : "", s ? strlen(s) : 0);
}

static int object_pair_compare(const void *a, const void *b)
{
    return strcmp(((const struct object_pair *)a)->key, ((const struct object_pair *)b)->key);
}

/* Members that are not strings are no labels; refusing them is the API's business. */
static size_t object_count_labels(const json_t *tree)
{
    size_t n = 0;
    const char *key;
    json_t *value;
    json_t *labels = json_at(tree, "metadata.labels");

    json_object_foreach (labels, key, value)
        n += json_is_string(value);
    return n;
}

static void object_pack_labels(struct object_pack *p, struct object_pair *pairs, const json_t *tree)
{
    size_t n = 0;
    const char *key;
    json_t *value;
    json_t *labels = json_at(tree, "metadata.labels");

    json_object_foreach (labels, key, value) {
        struct object_pair pair;

        if (!json_is_string(value))
            continue;
        pair.key = object_pack_str(p, key);
        pair.value = object_pack_str(p, json_string_value(value));
        if (pairs)
            pairs[n++] = pair;
    }
    if (n > 1)
        qsort(pairs, n, sizeof(*pairs), object_pair_compare);
}

static size_t object_count_owners(const json_t *tree)
{
    return json_array_size(json_at(tree, "metadata.ownerReferences"));
}

static void object_pack_owners(struct object_pack *p, struct object_owner *owners,
                               const json_t *tree)
{
    json_t *list = json_at(tree, "metadata.ownerReferences");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *ref = json_array_get(list, i);
        struct object_owner owner = {
            .uid = object_pack_str(p, json_str(ref, "uid")),
            .kind = object_pack_str(p, json_str(ref, "kind")),
            .name = object_pack_str(p, json_str(ref, "name")),
            .api_version = object_pack_str(p, json_str(ref, "apiVersion")),
            .controller = json_bool(ref, "controller", false),
            .block = json_bool(ref, "blockOwnerDeletion", false),
        };

        if (owners)
            owners[i] = owner;
    }
}

/* One walk over everything @o points to; @json comes last, see object_footprint. */
static void object_pack_all(struct object_pack *p, struct object *o, struct object_pair *labels,
                            struct object_owner *owners, const char *bucket, const json_t *tree,
                            const char *json, size_t len)
{
    o->bucket = object_pack_str(p, bucket);
    o->ns = object_pack_str(p, json_str(tree, "metadata.namespace"));
    o->name = object_pack_str(p, json_str(tree, "metadata.name"));
    o->uid = object_pack_str(p, json_str(tree, "metadata.uid"));
    o->node = object_pack_str(p, json_str(tree, "spec.nodeName"));
    o->phase = object_pack_str(p, json_str(tree, "status.phase"));
    object_pack_labels(p, labels, tree);
    object_pack_owners(p, owners, tree);
    o->json = object_pack_bytes(p, json, len);
}

static struct object *object_build(const char *bucket, uint64_t revision, const json_t *tree,
                                   const char *json, size_t len)
{
    struct object head = { .refs = 1, .revision = revision, .json_len = len };
    struct object_pack size = { .base = NULL };
    struct object_pack fill;
    struct object_pair *labels;
    struct object_owner *owners;
    struct object *o;
    size_t fixed;

    head.generation = json_int(tree, "metadata.generation", 0);
    head.deleting = json_str(tree, "metadata.deletionTimestamp") != NULL;
    head.has_finalizers = json_array_size(json_at(tree, "metadata.finalizers")) > 0;
    head.n_labels = object_count_labels(tree);
    head.n_owners = object_count_owners(tree);
    object_pack_all(&size, &head, NULL, NULL, bucket, tree, json, len);

    fixed = sizeof(*o) + head.n_labels * sizeof(*labels) + head.n_owners * sizeof(*owners);
    o = mem_array(1, fixed + size.used);
    labels = (struct object_pair *)(o + 1);
    owners = (struct object_owner *)(labels + head.n_labels);
    fill = (struct object_pack){ .base = (char *)(owners + head.n_owners) };
    *o = head;
    object_pack_all(&fill, o, labels, owners, bucket, tree, json, len);
    o->labels = labels;
    o->owners = owners;
    assert(fill.used == size.used);
    return o;
}

struct object *object_new(const char *bucket, uint64_t revision, json_t *tree)
{
    char number[24];
    cleanup(text_fini) struct text json = TEXT_EMPTY;

    assert(!str_empty(json_str(tree, "metadata.name")));
    snprintf(number, sizeof(number), "%" PRIu64, revision);
    json_put_str(tree, "metadata.resourceVersion", number);
    json_print_to(&json, tree);
    return object_build(bucket, revision, tree, json.data, json.len);
}

int object_load(struct object **ret, const char *bucket, uint64_t revision, const char *json,
                size_t len, struct err *err)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    int rc;

    rc = json_parse(&tree, json, len, NULL, err);
    if (rc < 0)
        return err_wrap(err, ERR_CORRUPT, "%s at revision %" PRIu64, bucket, revision);
    if (str_empty(json_str(tree, "metadata.name")))
        return err_set(err, ERR_CORRUPT, "%s at revision %" PRIu64 " is no object with a name",
                       bucket, revision);
    *ret = object_build(bucket, revision, tree, json, len);
    return 0;
}

/* Only the count is ever written to, so sharing does not break the const of the rest. */
static struct object *object_writable(const struct object *o)
{
    return (struct object *)(uintptr_t)o;
}

struct object *object_ref(const struct object *o)
{
    struct object *mine = object_writable(o);

    assert(mine->refs > 0);
    mine->refs++;
    return mine;
}

struct object *object_unref(const struct object *o)
{
    struct object *mine = object_writable(o);

    if (!mine)
        return NULL;
    assert(mine->refs > 0);
    if (--mine->refs == 0)
        free(mine);
    return NULL;
}

void object_unrefp(struct object **o)
{
    *o = object_unref(*o);
}

json_t *object_tree(const struct object *o)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;
    int rc = json_parse(&tree, o->json, o->json_len, NULL, &err);

    assert(rc == 0); /* these bytes were printed from a tree or parsed once already */
    (void)rc;
    return tree;
}

json_t *object_tree_lean(const struct object *o)
{
    static const char *const path[2] = { "metadata", "managedFields" };
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;
    int rc = json_parse_without(&tree, o->json, o->json_len, path, &err);

    assert(rc == 0);
    (void)rc;
    return tree;
}

const char *object_label(const struct object *o, const char *key)
{
    size_t low = 0, high = o->n_labels;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(key, o->labels[mid].key);

        if (order == 0)
            return o->labels[mid].value;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct object_owner *object_controller(const struct object *o)
{
    for (size_t i = 0; i < o->n_owners; i++) {
        if (o->owners[i].controller)
            return &o->owners[i];
    }
    return NULL;
}

bool object_owned_by(const struct object *o, const char *uid)
{
    for (size_t i = 0; i < o->n_owners; i++) {
        if (str_eq(o->owners[i].uid, uid))
            return true;
    }
    return false;
}

size_t object_footprint(const struct object *o)
{
    return (size_t)(o->json + o->json_len + 1 - (const char *)o);
}
