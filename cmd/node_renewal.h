/* node_renewal: this node's certificates renewed while the agent runs, as the kubelet does: a
 * new key, a CertificateSigningRequest, and what the cluster signs.
 *
 * The identity's file is replaced before the new ones are used.  What fails is tried again, at first after
 * seconds, at last every ten minutes; the old ones serve meanwhile.  When the client certificate has ended the cluster
 * no longer knows the node: said once a day, and the pods go on.  Owner: cmd/agent.  Thread: loop.
 */
#ifndef CMD_NODE_RENEWAL_H
#define CMD_NODE_RENEWAL_H

#include "api/client.h"
#include "cmd/identity.h"

struct node_renewal;
struct node_renewal_opts { /* borrowed while it lives */
    struct client *client;
    struct identity *id; /* its two pairs are replaced */
    const char *node_ip, *data_dir;
    void (*on_renewed)(void *arg); /* either pair of @id is new */
    void *arg;
};
struct node_renewal *node_renewal_new(uv_loop_t *loop, const struct node_renewal_opts *opts);
/* Before the client; NULL is fine; returns NULL. */
struct node_renewal *node_renewal_close(struct node_renewal *r);

#endif
