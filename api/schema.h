/* schema: every kind as data: types, fields, resources.
 *
 * Built-in tables are const, generated at build time from the facts in api/schema.  The same tables
 * drive strict decoding, defaulting, validation of types, merges, OpenAPI and discovery.  Rows of
 * CustomResourceDefinitions come and go at run time (api/custom.h) and are found by the same
 * lookups.  Thread: loop.
 */
#ifndef API_SCHEMA_H
#define API_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schema_scalar {
    SCHEMA_STRUCT, /* field.type says which */
    SCHEMA_STRING,
    SCHEMA_BOOL,
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_DOUBLE,
    SCHEMA_BYTES,
    SCHEMA_QUANTITY,
    SCHEMA_INT_OR_STRING,
    SCHEMA_TIME,
    SCHEMA_MICROTIME,
    SCHEMA_DURATION,
    SCHEMA_RAW, /* any JSON value, kept as it is; with field.type: objects in it (or in a list
                             * that it is) are of that type, the rest is free (JSONSchemaPropsOrBool) */
};

enum schema_shape {
    SCHEMA_ONE,
    SCHEMA_LIST,
    SCHEMA_MAP,          /* value; array of; object with string keys of */
    SCHEMA_MAP_OF_LISTS, /* object of arrays; only `extra` of the review kinds */
};
enum schema_list_type { SCHEMA_ATOMIC, SCHEMA_SET, SCHEMA_LISTMAP, SCHEMA_GRANULAR };

struct schema_type;
struct custom; /* api/custom.h */

struct schema_field {
    const char *name;
    const struct schema_type *type; /* for SCHEMA_STRUCT, and see SCHEMA_RAW; else NULL */
    const uint16_t
        *proto;     /* path of protobuf numbers (embedded messages), 0-terminated; NULL = none */
    const char *go; /* its type as Go's decoder names it: "[]v1.Container" */
    const char *const *enums;     /* NULL-terminated, or NULL */
    const char *def;              /* default as JSON text, or NULL */
    const char *const *list_keys; /* keys of a LISTMAP, NULL-terminated */
    const char *patch_key;        /* pk= or NULL */
    enum schema_shape shape;
    enum schema_scalar scalar;
    enum schema_list_type list_type; /* lt= ; SCHEMA_GRANULAR = not said */
    bool required;
    bool keep_zero;         /* "", 0, false, [] and {} mean something; else they are as absent */
    bool patch_merge;       /* ps has merge */
    bool patch_retain_keys; /* ps has retainKeys */
    bool map_atomic;        /* mt=atomic */
    bool always;            /* Go writes it even when it says nothing: api/schema/always.txt */
};

struct schema_type {
    const char *name;                  /* "core/v1.PodSpec" */
    const struct schema_field *fields; /* sorted by name */
    size_t n_fields;
    bool map_atomic;
    bool open; /* members without a field are kept as they are */
};

enum schema_verb {
    SCHEMA_MAY_CREATE = 1,
    SCHEMA_MAY_DELETE = 2,
    SCHEMA_MAY_DELETECOLLECTION = 4,
    SCHEMA_MAY_GET = 8,
    SCHEMA_MAY_LIST = 16,
    SCHEMA_MAY_PATCH = 32,
    SCHEMA_MAY_UPDATE = 64,
    SCHEMA_MAY_WATCH = 128,
};

/* Their names, sorted as clients see them everywhere; NULL ends them. */
struct schema_verb_name {
    enum schema_verb bit;
    const char *name;
};
extern const struct schema_verb_name schema_verb_names[];

struct schema_sub {
    const char *name;            /* "status", "scale", "log" */
    const char *kind;            /* kind of its body: "Scale" */
    const char *group, *version; /* of that kind: "autoscaling" "v1"; "" = the parent's */
    unsigned verbs;
};

struct schema_resource {
    const char *group; /* "" for core */
    const char *version;
    const char *plural, *singular, *kind;
    const char *bucket; /* "pods", "deployments.apps"; two versions share one */
    bool namespaced;
    bool stored;  /* the version its bucket is kept in */
    bool foreign; /* as custom resources are: no strategic merge patch, no protobuf */
    unsigned verbs;
    const char *const *short_names; /* NULL-terminated, never NULL */
    const char *const *categories;
    const struct schema_sub *subs;
    size_t n_subs;
    const struct schema_type *type;
    struct custom *custom; /* who made this row at run time; NULL = built in */
};

/* A kind that may be the body of a request; version "*" is any group version. */
struct schema_kind {
    const char *group, *version, *kind;
    const struct schema_type *type;
};

/* --- lookups; NULL when there is none.  Built-in results live as long as the process; who keeps
 * a custom one past its return to the loop holds it (custom_hold). --- */
const struct schema_resource *schema_resource(const char *group, const char *version,
                                              const char *plural);
const struct schema_resource *schema_by_kind(const char *group, const char *version,
                                             const char *kind);
/* "v1" or "apps/v1" as in apiVersion. */
const struct schema_resource *schema_by_api_version(const char *api_version, const char *kind);
/* The preferred (storage) version's resource of a bucket, also of one that is not served. */
const struct schema_resource *schema_bucket(const char *bucket);
/* Whether the tables themselves hold that resource, in any version. */
bool schema_is_built_in(const char *group, const char *plural);
/* Any spelling a person uses: plural, singular, short name, kind, plural.group (client verbs). */
const struct schema_resource *schema_guess(const char *word);
const struct schema_sub *schema_sub(const struct schema_resource *r, const char *name);
const struct schema_field *schema_field(const struct schema_type *t, const char *name);
/* All served resources in order (group, version, plural): index 0.. until NULL. */
const struct schema_resource *schema_at(size_t index);
/* A type by its name, also those that are no resource ("core/v1.Binding", "meta/v1.DeleteOptions"). */
const struct schema_type *schema_type(const char *name);
/* The type of a body by apiVersion and kind, resource or not: "policy/v1" "Eviction", "v1" "Status".
 * DeleteOptions and WatchEvent are the same in every group version. */
const struct schema_type *schema_type_by_kind(const char *api_version, const char *kind);
/* All kinds, resources or not: index 0.. until NULL. */
const struct schema_kind *schema_kind_at(size_t index);
/* True when something of that group version is served. */
bool schema_serves(const char *group, const char *version);
/* The name alone, as Go prints it: "DeploymentSpec" of "apps/v1.DeploymentSpec". */
const char *schema_type_short(const struct schema_type *t);
/* Changes whenever the built-in tables do. */
const char *schema_hash(void);
/* Writes "apps/v1" or "v1". */
void schema_api_version(char *ret, size_t size, const struct schema_resource *r);

/* Only for api/custom.c: from now on the custom rows are these; both arrays are copied, the rows
 * borrowed until the next call. @stored are the rows of storage versions, served or not. */
void schema_set_custom(const struct schema_resource *const *served, size_t n_served,
                       const struct schema_resource *const *stored, size_t n_stored);

#endif
