/* past: changes that are older than five to ten minutes leave the server's memory.
 *
 * The store keeps a number of changes, whatever their age; after a busy hour that would be most of what a server
 * at rest holds.  As with the compaction of Kubernetes' API servers, what was newest at one turn is forgotten
 * at the next: pages of lists, which are good for five minutes, still find theirs.
 * Owner: cmd/server.  Thread: loop.
 */
#ifndef STORAGE_PAST_H
#define STORAGE_PAST_H

#include "storage/store.h"

#include <uv.h>

#define PAST_TURN_MS (5 * 60000)

struct past;
struct past *past_new(uv_loop_t *loop, struct store *store, int64_t turn_ms); /* borrows @store */
struct past *past_close(struct past *p); /* NULL is fine; returns NULL */

#endif
