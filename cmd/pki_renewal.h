/* pki_renewal: the control VM's certificates renewed while the server runs, each when its time has come.
 *
 * A worker makes and writes them; then the pairs are replaced and @on_renewed says so, on the loop.  On a full
 * disk it is tried again every minute, while the old ones still serve.
 * Owner: cmd/server.  Thread: loop.
 */
#ifndef CMD_PKI_RENEWAL_H
#define CMD_PKI_RENEWAL_H

#include "cmd/pki.h"

#include <uv.h>

struct pki_renewal;
struct pki_renewal_opts { /* borrowed while it lives */
    const char *data_dir;
    struct pki_names names;
    struct pki *pki; /* its pairs, but for the CA, are replaced */
    void (*on_renewed)(void *arg);
    void *arg;
};
struct pki_renewal *pki_renewal_new(uv_loop_t *loop, const struct pki_renewal_opts *opts);
struct pki_renewal *pki_renewal_close(struct pki_renewal *r); /* NULL is fine; returns NULL */

#endif
