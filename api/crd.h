/* crd: what a CustomResourceDefinition's own object tells: accepted names, conditions, and what mkube
 * will not do for it.
 *
 * Pure but for a look at the kinds that are served now (api/schema.h).  The kinds themselves are
 * api/custom.h's.
 */
#ifndef API_CRD_H
#define API_CRD_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* A kind of mkube's own tables: the definition is kept, and changes nothing. */
bool crd_is_foreign(const json_t *tree);
/* Brings status.acceptedNames, conditions and storedVersions to what spec and the other kinds
 * demand; what was established stays so. */
void crd_status(json_t *tree, int64_t now_wall_ms);
/* What its author should know: array of strings, the caller's. */
json_t *crd_warnings(const json_t *tree);
/* Begins its end: the finalizer that waits for its objects, and the condition that tells. */
void crd_terminate(json_t *tree, int64_t now_wall_ms);

#endif
