/* seal: Secrets at rest: what the file holds of them is AES-256-GCM under keys of a key file.
 *
 * A sealed record is "\x01mks", the key's id, a random nonce, the ciphertext and its tag.  Where the
 * record stands (table, bucket, namespace, name, revision) is authenticated with it: moved or put in
 * another's place it does not open.  Random nonces of 96 bits are good for 2^32 records per key.
 *
 * The key file has a line per key, "ID BASE64", the first one seals; more than one means
 * that records may still be under the others.  It is replaced whole and fsynced before a key is
 * used, so that a power cut never leaves a record without its key.
 * Owner: cmd.  Thread: loop before the backend has it, then the backend's worker.
 */
#ifndef STORAGE_SEAL_H
#define STORAGE_SEAL_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is sealed; everything else stands in the file as it is. */
#define SEAL_BUCKET "secrets"
#define SEAL_KEYS   8 /* at once; a rotation that never ended must end before more */
#define SEAL_ID     8
#define SEAL_ID_HEX (2 * SEAL_ID + 1)

struct seal;
/* Reads @path; absent is fine: seal_ensure makes it.  ERR_CORRUPT: damaged. */
int seal_new(struct seal **ret, const char *path, struct err *err);
struct seal *seal_free(struct seal *s); /* NULL is fine; returns NULL */

/* Makes the first key, when the file was not there.  After loading: a key that sealed records
 * need must not be replaced by a new one. */
int seal_ensure(struct seal *s, struct err *err);

struct seal_place {
    char table; /* 'o'bjects, 'c'hanges */
    const char *bucket, *ns, *name;
    uint64_t revision;
};
bool seal_is_sealed(const void *data, size_t len);
/* Whether it is under the key that seals now. */
bool seal_is_current(const struct seal *s, const void *data, size_t len);
/* Replaces what is in @ret. */
int seal_close(struct seal *s, struct text *ret, const struct seal_place *place, const void *data,
               size_t len, struct err *err);
/* ERR_NOT_FOUND: its key is not in the file (named in the message); ERR_CORRUPT: damaged or moved. */
int seal_open(struct seal *s, struct text *ret, const struct seal_place *place, const void *data,
              size_t len, struct err *err);

/* --- rotation: add, reseal everything, drop --- */
/* A new key seals from now on; those before still open.  ERR_BUSY: SEAL_KEYS are in use. */
int seal_add_key(struct seal *s, struct err *err);
/* Only the key that seals stays.  When no record is under the others any more. */
int seal_drop_old(struct seal *s, struct err *err);
/* Of the key that seals; "" without one. */
void seal_active_id(const struct seal *s, char ret[SEAL_ID_HEX]);
unsigned seal_n_keys(const struct seal *s);
const char *seal_path(const struct seal *s);

#endif
