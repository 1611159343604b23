/* nft: keeps a table of nftables at what its owner prints.
 *
 * The owner says that something changed; soon after, and while no transaction is under way, it is
 * asked for the table.  A text that holds already is not carried out again, a transaction that
 * failed is tried again with what is printed then.  The program, not the library: that keeps
 * megabytes resident for a call a minute.  Rules stay in the kernel when this goes.  Thread: loop.
 */
#ifndef NET_NFT_H
#define NET_NFT_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define NFT_RETRY_MS 2000
#define NFT_MS       20000 /* then a transaction counts as failed */

struct nft;

struct nft_opts {
    const char *what;  /* for the log: "service rules"; static */
    const char *table; /* of family ip: carried out again when somebody flushed it; NULL = none */
    int64_t settle_ms; /* changes within it come together */
    /* Prints input of `nft -f -` that replaces the table whole.  1 = printed; 0 = not known yet,
     * nft_changed will say when; negative = asked again later.  May not close the nft. */
    int (*print)(void *arg, struct text *ret, struct err *err);
    void *arg;
};

struct nft *nft_new(uv_loop_t *loop, const struct nft_opts *opts);
/* What print would say may be another than before; the first call is always carried out, as
 * nobody knows what an earlier process left. */
void nft_changed(struct nft *n);
/* Ends what is under way, without callbacks; NULL is fine; returns NULL. */
struct nft *nft_close(struct nft *n);

#endif
