/* nft_canary: notices that somebody else flushed the rules of this host.
 *
 * `systemctl restart nftables` begins with "flush ruleset" in Debian, and takes our tables along.
 * The kernel is asked for the table by its name every NFT_CANARY_MS: one short message, answered
 * at once.  Owner: who keeps the table.  Thread: loop.
 * Messages: linux/netfilter/nf_tables.h (NFT_MSG_GETTABLE).
 */
#ifndef NET_NFT_CANARY_H
#define NET_NFT_CANARY_H

#include <stdbool.h>
#include <uv.h>

#define NFT_CANARY_MS 15000

struct nft_canary;

/* @lost: table "ip @table" is gone though it was watched; called once, watching ends with it. */
struct nft_canary *nft_canary_new(uv_loop_t *loop, const char *table, void (*lost)(void *arg),
                                  void *arg);
/* The rules that nft took: watched when they make the table rather than only delete it; NULL = none. */
void nft_canary_watch(struct nft_canary *c, const char *rules);
struct nft_canary *nft_canary_close(struct nft_canary *c); /* NULL is fine; returns NULL */

/* False only when the kernel says that there is no table of that name for IPv4. */
bool nft_canary_sings(const char *table);

#endif
