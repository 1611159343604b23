/* field_errors: what validation found, in Kubernetes' words.
 *
 * Each entry is one cause of a 422 Invalid Status.  Texts are made here so that every rule
 * reads the same: `spec.replicas: Invalid value: -1: must be greater than or equal to 0`.
 */
#ifndef API_FIELD_ERRORS_H
#define API_FIELD_ERRORS_H

#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>

struct field_errors {
    json_t *causes;   /* array of {"reason","message","field"}; owned; NULL while empty */
    struct text text; /* the texts joined by ", " */
    unsigned n;
};
#define FIELD_ERRORS_EMPTY                         \
    {                                              \
        .causes = NULL, .text = TEXT_EMPTY, .n = 0 \
    }
void field_errors_fini(struct field_errors *e);

/* @path e.g. "spec.containers[0].image".  @value is borrowed JSON, printed as Kubernetes v1.32
 * does: strings quoted, numbers bare, maps and lists of strings as Go shows them (`map[string]string{"a":"b"}`),
 * what is left as JSON.  Past 100 causes the rest is dropped. */
void field_required(struct field_errors *e, const char *path, const char *detail);
void field_invalid(struct field_errors *e, const char *path, const json_t *value, const char *fmt,
                   ...) __attribute__((format(printf, 4, 5)));
void field_invalid_str(struct field_errors *e, const char *path, const char *value, const char *fmt,
                       ...) __attribute__((format(printf, 4, 5)));
/* A value of type @have where an OpenAPI schema wants another. */
void field_type_invalid(struct field_errors *e, const char *path, const char *have,
                        const char *want);
/* @printed stands where the value goes, for values that only Go's %#v shows. */
void field_invalid_printed(struct field_errors *e, const char *path, const char *printed,
                           const char *detail);
void field_duplicate_printed(struct field_errors *e, const char *path, const char *printed);
/* @allowed is NULL-terminated and shown in its order. */
void field_not_supported(struct field_errors *e, const char *path, const json_t *value,
                         const char *const *allowed);
void field_forbidden(struct field_errors *e, const char *path, const char *detail);
void field_duplicate(struct field_errors *e, const char *path, const json_t *value);
void field_not_found(struct field_errors *e, const char *path, const json_t *value);
void field_too_long(struct field_errors *e, const char *path, int max);
void field_too_many(struct field_errors *e, const char *path, int actual, int max);

/* Appends values as Go's %#v prints them: a map[string]string, a v1.LabelSelector. */
void field_errors_go_map(struct text *ret, const json_t *map);
void field_errors_go_selector(struct text *ret, const json_t *selector);

/* "x" or, for several, "[x, y]": what follows `Pod "a" is invalid: `. */
void field_errors_text(const struct field_errors *e, struct text *ret);

#endif
