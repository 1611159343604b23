/* openapi: OpenAPI v3 per group-version, v2 of all of them, and both forms of discovery,
 * all rendered from the tables.
 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include "base/text.h"

#include "base/bits.h"

#include <stdbool.h>
#include <stddef.h>

/* {"paths":{"api/v1":{"serverRelativeURL":"/openapi/v3/api/v1?hash=.."},..}} */
void openapi_v3_index(struct text *ret);
/* @path is "api/v1" or "apis/apps/v1"; false: no such group version. */
bool openapi_v3_document(struct text *ret, const char *path);
#define OPENAPI_PATH_MAX 256
/* for (size_t i = 0; openapi_v3_next(path, &i);): the path of each document. */
bool openapi_v3_next(char ret[OPENAPI_PATH_MAX], size_t *i);
/* The hash of a document as the index names it: the same until the document changes.  False: no
 * such group version. */
bool openapi_v3_hash(char ret[BITS_SHA256_HEX], const char *path);

/* The v2 document of everything, in JSON or as gnostic's message; costs tens of milliseconds. */
void openapi_v2_document(struct text *ret, bool protobuf);
/* Changes with the document; cheap. */
void openapi_v2_hash(char ret[BITS_SHA256_HEX]);

/* Discovery: path without leading slash: "api", "apis", "api/v1", "apis/apps", "apis/apps/v1".
 * @server_address ("10.0.0.1:6443") goes into APIVersions.  False: unknown. */
bool discovery_legacy(struct text *ret, const char *path, const char *server_address);
/* apidiscovery.k8s.io/v2 APIGroupDiscoveryList for "api" or "apis"; @version "v2" or "v2beta1". */
bool discovery_aggregated(struct text *ret, const char *path, const char *version);

#endif
