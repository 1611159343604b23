/* aggregate: the APIs that somebody else serves: group versions whose APIService names a Service.
 *
 * Follows the APIServices, asks each every AGGREGATE_PROBE_MS for its discovery document (which tells
 * whether it is well, too) and writes what it finds into their status.  Whom such an API shall believe
 * about who asks (a CA of our own for requests that we pass on, X-Remote- headers) stands in the
 * ConfigMap kube-system/extension-apiserver-authentication, as Kubernetes' aggregator has it.
 * What the server serves itself is never taken over.  Owner: server.  Thread: loop.
 */
#ifndef API_AGGREGATE_H
#define API_AGGREGATE_H

#include "api/registry.h"
#include "base/http_client.h"
#include "base/text.h"
#include "base/tls.h"

#include <uv.h>

#define AGGREGATE_BUCKET   "apiservices.apiregistration.k8s.io"
#define AGGREGATE_MAX      64
#define AGGREGATE_PROBE_MS 5000

struct aggregate;

/* @client_ca_pem: who clients' certificates are signed by, told in the ConfigMap. @front_ca: by whom
 * we are vouched for to the APIs, copied; NULL: one made anew. */
int aggregate_new(struct aggregate **ret, uv_loop_t *loop, struct registry *registry,
                  const char *client_ca_pem, const struct tls_pair *front_ca, struct err *err);
/* Calls that others began on its clients end with ERR_CANCELED. */
struct aggregate *aggregate_close(struct aggregate *a);

struct aggregate_api { /* borrowed until the loop's next turn */
    const char *group, *version;
    bool available;
    const json_t *resources; /* of its newest APIResourceList, or NULL */
    const json_t *spec;
    struct http_client *client;
};
/* NULL: no such API is somebody else's. */
const struct aggregate_api *aggregate_find(const struct aggregate *a, const char *group,
                                           const char *version);
/* All: index 0.. until NULL. */
const struct aggregate_api *aggregate_at(const struct aggregate *a, size_t index);
/* "https://svc.ns.svc:443" and one of the addresses behind it. */
int aggregate_place(const struct aggregate *a, const struct aggregate_api *api, char **ret_url,
                    char **ret_connect_to, struct err *err);

/* --- aggregate_discovery.c: their part of discovery documents; pure --- */
/* @t holds the server's own document for @path ("apis", "apis/group"), or nothing; @aggregated: of
 * apidiscovery.k8s.io.  False: there is still nothing. */
bool aggregate_merge(struct text *t, const struct aggregate *a, const char *path, bool aggregated);

#endif
