/* entry_names: addresses of names outside the cluster (ExternalName Services), kept fresh.
 *
 * The host's resolver is asked on worker threads, a few names at a time, again every 30 s (it
 * tells no TTL); what was found last counts until something else is found.
 * Owner: entry.  Thread: loop.
 */
#ifndef NET_ENTRY_NAMES_H
#define NET_ENTRY_NAMES_H

#include "base/map.h"
#include "net/entry_facts.h"

#include <uv.h>

struct entry_names;

/* @on_change: some name has other addresses than before. */
struct entry_names *entry_names_new(uv_loop_t *loop, void (*on_change)(void *arg), void *arg);
/* No callback after this; a question under way ends by itself.  NULL is fine; returns NULL. */
struct entry_names *entry_names_close(struct entry_names *n);

/* These, and no others; the first 256 of them. */
void entry_names_want(struct entry_names *n, const char *const *names, size_t n_names);
/* Name to struct entry_resolved; borrowed. */
const struct map *entry_names_resolved(const struct entry_names *n);

#endif
