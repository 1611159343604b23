/* defaults: the rules that fill in what depends on other fields, by type.
 *
 * The plain ones are def= in api/schema/k8s.txt; decode_defaults (api/decode.h) runs both over
 * a tree.  A rule sees one struct after its plain defaults and before its members are visited; it
 * must be idempotent.  Pure.  Thread: any.
 */
#ifndef API_DEFAULTS_H
#define API_DEFAULTS_H

#include "base/json.h"

struct defaults_rule {
    const char *type; /* "core/v1.Volume" */
    void (*fill)(json_t *tree);
};

/* Each ends with a NULL type. */
extern const struct defaults_rule defaults_core[];
extern const struct defaults_rule defaults_others[];

/* Sets @key unless something is there; @value is consumed. */
void defaults_set(json_t *tree, const char *key, json_t *value);
void defaults_set_str(json_t *tree, const char *key, const char *value);
/* Copies members of @from into object @tree.@key that it lacks; makes it when needed. */
void defaults_merge(json_t *tree, const char *key, const json_t *from);
/* True when string @key is @value. */
bool defaults_is(const json_t *tree, const char *key, const char *value);

#endif
