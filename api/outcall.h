/* outcall: HTTPS questions to what users registered: admission and conversion webhooks.
 *
 * Where to is a clientConfig ({url} or {service}, caBundle); a Service is reached at one of its
 * endpoints, under the name svc.namespace.svc.  One http_client per CA, OUTCALL_PEERS_MAX kept.  Errors
 * read as Go's (`Post "https://...": context deadline exceeded`).
 * Owner: server.  Thread: loop.
 */
#ifndef API_OUTCALL_H
#define API_OUTCALL_H

#include "api/registry.h"

#include <uv.h>

#define OUTCALL_PEERS_MAX  64
#define OUTCALL_ANSWER_MAX (8 * 1024 * 1024)

struct outcall;

struct outcall *outcall_new(uv_loop_t *loop, struct store *store);
/* What is under way ends with ERR_CANCELED before it returns; returns NULL. */
struct outcall *outcall_close(struct outcall *o);
/* The registry's way to use it. */
struct registry_outcall outcall_of_registry(struct outcall *o);

#endif
