/* entry_head: the start line and header fields of one message, as they came, and which of them
 * a proxy must not pass on.
 *
 * Filled from http_parser's callbacks in pieces; bounded.  Bytes are kept in one buffer and
 * fields are ranges of it.  Thread: loop.
 */
#ifndef NET_ENTRY_HEAD_H
#define NET_ENTRY_HEAD_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTRY_HEAD_MAX_BYTES  (32 * 1024)
#define ENTRY_HEAD_MAX_TARGET (16 * 1024)
#define ENTRY_HEAD_MAX_FIELDS 200

enum entry_field_kind {
    ENTRY_FIELD_OTHER,      /* passed on as it is */
    ENTRY_FIELD_HOP,        /* of one connection only (RFC 9110, 7.6.1) */
    ENTRY_FIELD_CONNECTION, /* names more of those */
    ENTRY_FIELD_UPGRADE,
    ENTRY_FIELD_KEEP_ALIVE,
    ENTRY_FIELD_LENGTH, /* framing: Content-Length ... */
    ENTRY_FIELD_CODING, /* ... and Transfer-Encoding */
    ENTRY_FIELD_HOST,
    ENTRY_FIELD_EXPECT,
    ENTRY_FIELD_OURS,      /* requests: said by us, whatever the client says */
    ENTRY_FIELD_FORWARDED, /* requests: X-Forwarded-For */
    ENTRY_FIELD_REQUEST_ID,
};

struct entry_field {
    uint32_t name, name_len, value, value_len; /* ranges of @raw */
    enum entry_field_kind kind;
};

struct entry_head {
    struct text raw;
    struct entry_field *fields; /* owned */
    unsigned n_fields, room;
    uint32_t target, target_len; /* of a request; of an answer its words: "Not Found" */
    bool in_value;               /* the piece before was of a value */
};

enum entry_head_full { ENTRY_HEAD_OK, ENTRY_HEAD_TARGET_TOO_LONG, ENTRY_HEAD_TOO_LARGE };

/* Zero-initialised is empty. */
void entry_head_clear(struct entry_head *h);
void entry_head_fini(struct entry_head *h); /* idempotent */

enum entry_head_full entry_head_target(struct entry_head *h, const char *at, size_t len);
enum entry_head_full entry_head_name(struct entry_head *h, const char *at, size_t len);
enum entry_head_full entry_head_value(struct entry_head *h, const char *at, size_t len);
/* All is in: sorts the fields into kinds.  False: a name or value that no server should see. */
bool entry_head_end(struct entry_head *h);

const char *entry_head_at(const struct entry_head *h, uint32_t offset);
/* @name in lower case. */
bool entry_head_is_named(const struct entry_head *h, const struct entry_field *f, const char *name);
/* The first field of this name, NULL: none. */
const struct entry_field *entry_head_named(const struct entry_head *h, const char *name);
/* Is the value @word, without regard to case? */
bool entry_head_is(const struct entry_head *h, const struct entry_field *f, const char *word);
/* Does the comma-separated value hold @word (@len bytes)? */
bool entry_head_has(const struct entry_head *h, const struct entry_field *f, const char *word,
                    size_t len);
/* The only field of a kind; NULL if there is none; *ret_n (may be NULL): how many there are. */
const struct entry_field *entry_head_find(const struct entry_head *h, enum entry_field_kind kind,
                                          unsigned *ret_n);
/* Some Connection field names @f, so that it must not be passed on. */
bool entry_head_is_hop(const struct entry_head *h, const struct entry_field *f);
/* Appends "Name: value\r\n". */
void entry_head_print(struct text *ret, const struct entry_head *h, const struct entry_field *f);

#endif
