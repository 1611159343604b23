/* alias: one object in two versions' words.
 *
 * Objects of a bucket are kept in one version (schema_resource.stored); the other versions that
 * serve the same bucket are translated on the way in and out: events.k8s.io/v1, autoscaling/v1.
 * Pure, in place.  Thread: any.
 */
#ifndef API_ALIAS_H
#define API_ALIAS_H

#include "api/schema.h"
#include "base/json.h"

/* @tree, in the words of @alias, becomes what its bucket holds.  Does nothing if @alias is the
 * stored version itself. */
void alias_to_stored(json_t *tree, const struct schema_resource *alias);
/* The other way.  What the older version cannot say is left out. */
void alias_from_stored(json_t *tree, const struct schema_resource *alias);

#endif
