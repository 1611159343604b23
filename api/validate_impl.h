/* validate_impl: what the rules of the kinds are made of.  Only for validate_*.c.
 *
 * A kind is a row: its bucket, how its names look, and its own rules.  Rules read trees whose
 * types were checked; they skip what is absent, since the tables report what is required.
 */
#ifndef API_VALIDATE_IMPL_H
#define API_VALIDATE_IMPL_H

#include "api/field_errors.h"
#include "api/schema.h"
#include "api/validate.h"
#include "api/validate_names.h"
#include "base/json.h"
#include "cel/cel.h"

#include <stdbool.h>
#include <stdint.h>

/* @prefix is "" or ends where a member may follow: paths are made with AT("%s.name", path). */
struct validate_path {
    char s[512];
};
struct validate_path validate_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define AT(...) (validate_path(__VA_ARGS__).s)

typedef void (*validate_rule_fn)(struct field_errors *e, const json_t *tree);
typedef void (*validate_change_fn)(struct field_errors *e, const json_t *tree, const json_t *old);

struct validate_kind {
    const char *bucket;
    validate_text_fn name;     /* NULL: DNS subdomain */
    validate_rule_fn always;   /* on create and update; NULL: none */
    validate_rule_fn create;   /* besides, when it is new; NULL: none */
    validate_change_fn change; /* what may not change; NULL: none */
    validate_change_fn status; /* of the subresource status and its like; NULL: none */
};

/* The kinds of each file; a row without bucket ends a list. */
extern const struct validate_kind validate_kinds_pods[];
extern const struct validate_kind validate_kinds_workloads[];
extern const struct validate_kind validate_kinds_batch[];
extern const struct validate_kind validate_kinds_service[];
extern const struct validate_kind validate_kinds_network[];
extern const struct validate_kind validate_kinds_storage[];
extern const struct validate_kind validate_kinds_config[];
extern const struct validate_kind validate_kinds_access[];
extern const struct validate_kind validate_kinds_cluster[];
extern const struct validate_kind validate_kinds_foreign[];
extern const struct validate_kind validate_kinds_crd[];
extern const struct validate_kind validate_kinds_csr[];
extern const struct validate_kind validate_kinds_webhook[];
extern const struct validate_kind validate_kinds_policy[];

/* Required fields and enumerations of the tables, all but metadata and status. */
void validate_schema(struct field_errors *e, const struct schema_resource *r, const json_t *tree);

/* --- one member: all skip what is absent --- */

/* A string that is not empty must please @fn. */
void validate_text(struct field_errors *e, const json_t *object, const char *key, const char *path,
                   validate_text_fn fn);
/* The same for a value found otherwise; @path is the value's own. */
void validate_value(struct field_errors *e, const json_t *value, const char *path,
                    validate_text_fn fn);
void validate_non_negative(struct field_errors *e, const json_t *object, const char *key,
                           const char *path);
void validate_positive(struct field_errors *e, const json_t *object, const char *key,
                       const char *path);
void validate_between(struct field_errors *e, const json_t *object, const char *key,
                      const char *path, int64_t low, int64_t high);
/* Needs a value that is neither absent nor empty. */
void validate_required(struct field_errors *e, const json_t *object, const char *key,
                       const char *path, const char *detail);
void validate_one_of(struct field_errors *e, const json_t *object, const char *key,
                     const char *path, const char *const *allowed);
/* A port's number, or (as in targetPort) its name; 0 is out of range. */
void validate_port(struct field_errors *e, const json_t *port, const char *path);
/* An int-or-string that is a count or a percentage. */
void validate_count_or_percent(struct field_errors *e, const json_t *value, const char *path);
/* @quantity as text; @path is its own. */
void validate_quantity_not_negative(struct field_errors *e, const json_t *quantity,
                                    const char *path);
void validate_immutable(struct field_errors *e, const json_t *now, const json_t *old,
                        const char *path);
/* The same where Go prints a v1.LabelSelector. */
void validate_immutable_selector(struct field_errors *e, const json_t *now, const json_t *old,
                                 const char *path);
/* Absent, null, "", 0, false, {} and [] are all equal. */
bool validate_same(const json_t *a, const json_t *b);

/* --- shared parts --- */

void validate_labels(struct field_errors *e, const json_t *map, const char *path);
void validate_annotations(struct field_errors *e, const json_t *map, const char *path);
void validate_label_selector(struct field_errors *e, const json_t *selector, const char *path);
void validate_node_selector(struct field_errors *e, const json_t *selector, const char *path);

/* In validate_pod.c, _container.c and _volume.c. */
void validate_pod_spec(struct field_errors *e, const json_t *spec, const char *path);
void validate_pod_template(struct field_errors *e, const json_t *template, const char *path);
void validate_affinity(struct field_errors *e, const json_t *affinity, const char *path);
void validate_containers(struct field_errors *e, const json_t *spec, const char *path);
void validate_container(struct field_errors *e, const json_t *container, const json_t *spec,
                        const char *path);
/* @seen: the names so far, and then this one. */
void validate_container_name(struct field_errors *e, const json_t *container, json_t *seen,
                             const char *path);

/* --- validate_ephemeral.c --- */
void validate_ephemeral_containers(struct field_errors *e, const json_t *spec, json_t *seen,
                                   const char *path);
void validate_ephemeral_change(struct field_errors *e, const json_t *tree, const json_t *old);
void validate_volumes(struct field_errors *e, const json_t *spec, const char *path);
/* The resource named in a fieldRef; @allowed is NULL-terminated. */
void validate_field_ref(struct field_errors *e, const json_t *ref, const char *path,
                        const char *const *allowed);
/* resources: {requests, limits} of a container. */
void validate_resources(struct field_errors *e, const json_t *resources, const char *path);
/* Items of a ConfigMap, Secret or projected volume: {key, path, mode}. */
void validate_key_paths(struct field_errors *e, const json_t *items, const char *path);
/* In validate_job.c: also the template of a CronJob. */
void validate_job_spec(struct field_errors *e, const json_t *spec, const char *path);
/* In validate_crd_schema.c: an openAPIV3Schema at @path must be structural. */
void validate_structural(struct field_errors *e, const json_t *schema, const char *path);
/* In validate_webhook.c: where a webhook is, of admission or conversion. */
/* One rule: operations, groups, versions, resources, scope. */
void validate_webhook_rule(struct field_errors *e, const json_t *rule, const char *path);
void validate_client_config(struct field_errors *e, const json_t *config, const char *path);
/* In validate_policy.c: matchConditions over the variables of @env. */
void validate_conditions(struct field_errors *e, const json_t *list, const struct cel_env *env,
                         const char *path);
/* In validate_scaler.c: an autoscaler. */
void validate_scaler(struct field_errors *e, const json_t *tree);
/* In validate_storage.c: a claim's spec, also of templates. */
void validate_claim_spec(struct field_errors *e, const json_t *spec, const char *path);

#endif
