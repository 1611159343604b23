/* openapi_schemas: components.schemas of an OpenAPI v3 document.
 *
 * The set grows by what is asked for: openapi_ref notes each type it names, openapi_schemas_put
 * then writes all of them and what they refer to.  Inside openapi only.
 */
#ifndef API_OPENAPI_SCHEMAS_H
#define API_OPENAPI_SCHEMAS_H

#include "api/schema.h"
#include "base/json.h"

struct openapi_schemas {
    const char *group, *version; /* of the document */
    json_t *seen;                /* set of names; owned */
    json_t *queue;               /* names in the order they were met; owned */
};

void openapi_schemas_init(struct openapi_schemas *s, const char *group, const char *version);
void openapi_schemas_fini(struct openapi_schemas *s);

/* "io.k8s.api.apps.v1.Deployment" */
void openapi_name(struct text *ret, const struct schema_type *type);
/* {"$ref":"#/components/schemas/..."} */
void openapi_ref(struct openapi_schemas *s, struct text *ret, const struct schema_type *type);
/* "name":{...},"name":{...} */
void openapi_schemas_put(struct openapi_schemas *s, struct text *ret);

/* One sentence about a type, or NULL. */
const char *openapi_words(const char *type);

#endif
