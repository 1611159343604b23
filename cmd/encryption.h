/* encryption: Secrets at rest while the server runs: their key file, a rotation, its state.
 *
 * A rotation that was not finished (a power cut, a full disk) is taken up at the next start, and a minute
 * after a failure.  Owner: cmd/server.  Thread: loop.  Life: open -> stop -> (store closed) -> free.
 */
#ifndef CMD_ENCRYPTION_H
#define CMD_ENCRYPTION_H

#include "base/err.h"
#include "base/json.h"
#include "storage/store.h"

#include <stdbool.h>
#include <uv.h>

struct encryption;
/* Opens the store of DATA with the keys of DATA/pki/secrets.key; makes the first key when nothing is sealed
 * yet.  ERR_CORRUPT: damaged, or the key is missing (the message names the file).  @ret is set also on
 * failure: to be freed when the loop has ended. */
int encryption_open(struct encryption **ret, struct store **ret_store, uv_loop_t *loop,
                    const char *data_dir, struct err *err);
/* Before the store is closed. */
void encryption_stop(struct encryption *e);
struct encryption *encryption_free(struct encryption *e); /* NULL is fine; returns NULL */

/* Begins; ERR_CONFLICT while one is under way. */
int encryption_rotate(struct encryption *e, struct err *err);
/* {"file", "key", "keys", "rotating", "error"}; the caller's. */
json_t *encryption_status(const struct encryption *e);

#endif
