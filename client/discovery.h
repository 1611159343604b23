/* discovery: what a server serves beside the built-in kinds, as rows of the schema.
 *
 * Made of an APIGroupDiscoveryList (apidiscovery.k8s.io/v2).  Rows of kinds that the tables already
 * hold are left out.  Owner: the session.  Thread: main.
 */
#ifndef CLIENT_DISCOVERY_H
#define CLIENT_DISCOVERY_H

#include "api/schema.h"
#include "base/json.h"

#define DISCOVERY_PATH "/apis"
#define DISCOVERY_ACCEPT \
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
#define DISCOVERY_MAX 4096 /* rows */

struct discovery;

/* From now on the schema's lookups find its rows too. */
struct discovery *discovery_new(const json_t *groups);
struct discovery *discovery_free(struct discovery *d);

#endif
