/* entry_guard: keeps one entry proxy process running beside the server.
 *
 * The entry outlives the server by design (it answers while the server restarts); the guard of the next server
 * finds it by the lock it holds and leaves it alone.  Owner: cmd/server.  Thread: loop.
 */
#ifndef CMD_ENTRY_GUARD_H
#define CMD_ENTRY_GUARD_H

#include "base/err.h"
#include "base/tls.h"

#include <stdint.h>
#include <uv.h>

struct entry_guard;

struct entry_guard_opts { /* used during the call only */
    const char *data_dir, *run_dir;
    const struct tls_pair *pair; /* the entry's client certificate */
    const char *ca_pem;
    uint16_t server_port;
    const char *publish_ip;
    int64_t http_port, https_port;
};

int entry_guard_new(struct entry_guard **ret, uv_loop_t *loop, const struct entry_guard_opts *opts,
                    struct err *err);
/* The entry's certificate is another: it finds it in its kubeconfig. */
int entry_guard_renew(struct entry_guard *g, const struct entry_guard_opts *opts, struct err *err);
/* Stops guarding; the entry goes on. NULL is fine; returns NULL. */
struct entry_guard *entry_guard_close(struct entry_guard *g);

/* The entry's side: takes the lock for the life of the process. Positive 1: somebody holds it. */
int entry_lock_take(const char *run_dir, struct err *err);

#endif
