/* identity: who this node is: its keys and certificates, and what the cluster told it.
 *
 * Made once, when the node joins with a token; kept below DATA/node (0600, fsynced).  The key never
 * leaves the host: only signing requests do.  Blocking: start-up only.
 */
#ifndef CMD_IDENTITY_H
#define CMD_IDENTITY_H

#include "base/err.h"
#include "base/tls.h"

#include <stdbool.h>

struct identity { /* owned strings; end with identity_fini */
    char *node_name, *server, *ca_pem;
    struct tls_pair client;  /* to the API: CN system:node:NAME, O system:nodes */
    struct tls_pair serving; /* of the node's own API */
    char *cluster_cidr, *service_cidr, *dns_ip, *domain;
};
void identity_fini(struct identity *id);
void identity_copy(struct identity *ret, const struct identity *from);

/* What a node whose client certificate has ended says: only a person can let it in again. */
#define IDENTITY_EXPIRED                                                                         \
    "this node's certificate has ended and the cluster no longer knows it; its pods go on. Run " \
    "`mkube token create` on the server, and start the agent once with that --server and --token"
/* Whether the client certificate has ended by this host's clock. */
bool identity_is_expired(const struct identity *id);

/* Positive 1: this host has not joined yet. */
int identity_load(struct identity *ret, const char *data_dir, struct err *err);

struct identity_join {
    const char *server, *token, *node_name, *node_ip, *data_dir;
};
/* Fetches the CA, believes it only if its key has the hash that the token carries, then sends
 * the requests and keeps what comes back. */
int identity_join(struct identity *ret, const struct identity_join *join, struct err *err);
/* Keeps it, as one file.  Any thread. */
int identity_save(struct identity *id, const char *data_dir, struct err *err);
/* The server moved: kept for the next start. */
int identity_set_server(struct identity *id, const char *server, const char *data_dir,
                        struct err *err);

#endif
