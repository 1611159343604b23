/* object: one API object at rest: immutable compact JSON with a small index beside it.
 *
 * GET, LIST and WATCH send @json as it is.  A tree lives only while someone works on it.
 * Reference-counted; references belong to the loop thread, the bytes may be read by a worker
 * as long as the loop holds a reference for it.  Knows Kubernetes' metadata conventions,
 * not kinds: fields to select by come from the caller.
 */
#ifndef STORAGE_OBJECT_H
#define STORAGE_OBJECT_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object_pair {
    const char *key, *value;
};

struct object_owner {
    const char *uid, *kind, *name, *api_version;
    bool controller, block;
};

struct object {
    unsigned refs;
    uint64_t revision; /* metadata.resourceVersion; of the deletion for a deleted object */
    int64_t generation;
    bool deleting; /* metadata.deletionTimestamp is set */
    bool has_finalizers;
    /* Everything below points into one allocation that dies with the object. */
    const char *bucket; /* resource and group: "pods", "deployments.apps" */
    const char *ns;     /* "" for cluster-scoped */
    const char *name;
    const char *uid;
    const char *node;  /* spec.nodeName, "" if none */
    const char *phase; /* status.phase, "" if none */
    const char *json;  /* NUL-terminated */
    size_t json_len;
    const struct object_pair *labels; /* sorted by key */
    size_t n_labels;
    const struct object_owner *owners;
    size_t n_owners;
};

/* Indexes and prints @tree, whose metadata.resourceVersion is set to @revision here; @tree is
 * borrowed and stays the caller's.  The tree must hold metadata.name. */
struct object *object_new(const char *bucket, uint64_t revision, json_t *tree);
/* From stored bytes; ERR_CORRUPT when they are not an object with a name. */
int object_load(struct object **ret, const char *bucket, uint64_t revision, const char *json,
                size_t len, struct err *err);
struct object *object_ref(const struct object *o);
struct object *object_unref(const struct object *o); /* NULL is fine; returns NULL */
void object_unrefp(struct object **o);

json_t *object_tree(const struct object *o);      /* a fresh tree, the caller's */
json_t *object_tree_lean(const struct object *o); /* the same without metadata.managedFields */
const char *object_label(const struct object *o, const char *key); /* NULL if absent */
const struct object_owner *object_controller(
    const struct object *o); /* owner with controller=true or NULL */
bool object_owned_by(const struct object *o, const char *uid);
/* Bytes this object holds, for limits and metrics. */
size_t object_footprint(const struct object *o);

#endif
