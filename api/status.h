/* status: meta/v1.Status bodies, the one form in which the API says no.
 *
 * Pure makers; the tree is the caller's.  Messages are Kubernetes' (semantics section 6).
 */
#ifndef API_STATUS_H
#define API_STATUS_H

#include "api/field_errors.h"
#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"

/* Failure with the reason and HTTP code of @code (ERR_*). */
json_t *status_failure(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
json_t *status_from_err(const struct err *err);
/* `pods "x" not found`, `deployments.apps "x" already exists`, the optimistic-lock sentence. */
json_t *status_not_found(const struct schema_resource *r, const char *name);
json_t *status_exists(const struct schema_resource *r, const char *name);
/* A generated name that was taken each time. */
json_t *status_not_unique(const struct schema_resource *r, const char *name);
json_t *status_conflict(const struct schema_resource *r, const char *name,
                        const char *why); /* NULL: object modified */
json_t *status_invalid(const struct schema_resource *r, const char *name,
                       const struct field_errors *errors);
/* `pods "x" is forbidden: why` */
json_t *status_forbidden(const struct schema_resource *r, const char *name, const char *why);
/* 429, with a second to wait: a limit of the server as a whole is reached. */
json_t *status_too_many(void);
/* The answer to a write that has no object to show (binding, eviction). */
json_t *status_success(int http);
/* The answer to a DELETE that removed the object at once. */
json_t *status_deleted(const struct schema_resource *r, const char *name, const char *uid);
int status_code(const json_t *status); /* .code, 200 for Success */

#endif
