/* openapi: OpenAPI v3 per group-version, the small v2, and both forms of discovery,
 * all rendered from the tables.
 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "base/text.h"

#include <stdbool.h>

/* {"paths":{"api/v1":{"serverRelativeURL":"/openapi/v3/api/v1?hash=.."},..}} */
void openapi_v3_index(struct text *ret);
/* @path is "api/v1" or "apis/apps/v1"; false: no such group version. */
bool openapi_v3_document(struct text *ret, const char *path);
/* The minimal gnostic v2 Document in protobuf that kubectl 1.20 needs. */
void openapi_v2_protobuf(struct text *ret);

/* Discovery: path without leading slash: "api", "apis", "api/v1", "apis/apps", "apis/apps/v1".
 * @server_address ("10.0.0.1:6443") goes into APIVersions.  False: unknown. */
bool discovery_legacy(struct text *ret, const char *path, const char *server_address);
/* apidiscovery.k8s.io/v2 APIGroupDiscoveryList for "api" or "apis"; @version "v2" or "v2beta1". */
bool discovery_aggregated(struct text *ret, const char *path, const char *version);

#endif
