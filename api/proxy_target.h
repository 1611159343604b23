/* proxy_target: where a request to pods/proxy, services/proxy or nodes/proxy goes.
 *
 * Names are NAME, NAME:PORT or SCHEME:NAME:PORT, as in Kubernetes (apimachinery/pkg/util/net,
 * registry/core/{pod,service,node}: ResourceLocation), errors in its words.  Pure over the store's
 * visible state.  Thread: loop.
 */
#ifndef API_PROXY_TARGET_H
#define API_PROXY_TARGET_H

#include "base/err.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

struct proxy_target {
    bool is_tls, is_node_api; /* of the node's agent, which knows us */
    char ip[64];
    uint16_t port;
};

/* @bucket: "pods", "services" or "nodes".  @random chooses among several endpoints. */
int proxy_target(struct proxy_target *ret, const struct store *store, const char *bucket,
                 const char *ns, const char *name, uint64_t random, struct err *err);

#endif
