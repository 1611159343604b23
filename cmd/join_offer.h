/* join_offer: a way for the first worker to join: a token, printed and kept in DATA/join-token.
 *
 * One that was offered before and not used yet stays.  Owner: cmd/server.  Thread: loop.
 */
#ifndef CMD_JOIN_OFFER_H
#define CMD_JOIN_OFFER_H

#include "api/registry.h"

struct join_offer_opts { /* used during the call only, but for @registry */
    struct registry *registry;
    const char *data_dir, *server; /* "https://10.0.0.1:6443" */
    const char *ca_hash;
};
void join_offer(const struct join_offer_opts *opts);

#endif
