/* custom: kinds that CustomResourceDefinitions bring, as rows like those of the built-in ones.
 *
 * One `struct custom` per established definition, one row per version.  It holds the
 * definition's own bytes (shared with the store) and, beside names, columns and paths, nothing
 * that grows with the schema: that is compiled when it is first needed, and the least used ones
 * are forgotten past CUSTOM_CACHE_BYTES.  Conversion is by name (strategy None), or by a webhook
 * (registry_convert.c).
 * Kinds that mkube serves itself (schema_is_built_in) are never replaced.
 *
 * The set belongs to the process, as the tables of schema.h do.  Thread: loop.
 */
#ifndef API_CUSTOM_H
#define API_CUSTOM_H

#include "api/custom_schema.h"
#include "api/jsonpath.h"
#include "api/schema.h"
#include "storage/object.h"

#define CUSTOM_BUCKET      "customresourcedefinitions.apiextensions.k8s.io"
#define CUSTOM_FINALIZER   "customresourcecleanup.apiextensions.k8s.io"
#define CUSTOM_KINDS_MAX   500
#define CUSTOM_CACHE_BYTES (2 * 1024 * 1024)

struct custom_column {
    const char *name, *type, *format, *description;
    struct jsonpath *path; /* owned by the custom */
    bool wide;
};

struct custom_version {
    struct schema_resource row;
    struct schema_type type; /* the envelope; its name is the schema's in OpenAPI */
    struct schema_sub subs[2];
    size_t index; /* in spec.versions */
    bool served;
    const char *deprecation; /* what its users are told; NULL: nothing */
    struct custom_column *columns;
    size_t n_columns;
    const char *const *selectable; /* ".spec.color"; NULL-terminated */
    /* Dotted paths of the scale subresource without the first dot; selector may be NULL. */
    const char *scale_spec, *scale_status, *scale_selector;
    struct custom_schema *schema; /* compiled, or NULL; see custom_root */
    uint64_t used;
};

/* --- the set --- */

/* Brings the set to what @crd says (@gone: it was deleted).  True: rows changed, custom_publish is
 * due.  Rows that went stay valid for those who hold them. */
bool custom_apply(const struct object *crd, bool gone);
/* Makes the rows findable. */
void custom_publish(void);
void custom_clear(void); /* the end of a registry; publishes */
size_t custom_count(void);
/* What the compiled schemas take now. */
size_t custom_cached(void);

/* --- one row: all of these take any row, built in ones have nothing custom --- */

void custom_hold(const struct schema_resource *r);    /* NULL is fine */
void custom_release(const struct schema_resource *r); /* NULL is fine */
bool custom_is_retired(const struct schema_resource *r);
bool custom_is_terminating(const struct schema_resource *r);
const struct custom_version *custom_version(const struct schema_resource *r); /* of a custom row */
/* The root of the compiled schema; borrowed until the caller returns to the loop. */
const struct custom_node *custom_root(const struct schema_resource *r);
/* The schema as the definition has it; the caller's. */
json_t *custom_openapi(const struct schema_resource *r);
/* Changes whenever the definition does. */
uint64_t custom_revision(const struct schema_resource *r);
/* Whether @o's stored form is not what this row shows: another version's, or older than the schema. */
bool custom_is_stale(const struct schema_resource *r, const struct object *o);
/* Whether its versions differ by more than names: a webhook translates (registry_convert). */
bool custom_converts(const struct schema_resource *r);
json_t *custom_conversion(const struct schema_resource *r); /* spec.conversion; the caller's */
/* Brings a stored tree to this row: apiVersion and defaults. */
void custom_refresh(const struct schema_resource *r, json_t *tree);

#endif
