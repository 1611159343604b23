/* protobuf: reads the wire format (protobuf.dev, "Encoding"), without knowing any message.
 *
 * A reader borrows its bytes.  Pure.  Thread: any.
 */
#ifndef API_PROTOBUF_H
#define API_PROTOBUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5
};

struct protobuf_reader {
    const uint8_t *at, *end;
};

/* One field as it stands on the wire: @bytes for PROTOBUF_BYTES, else @number. */
struct protobuf_field {
    uint32_t id;
    enum protobuf_wire wire;
    uint64_t number;
    struct protobuf_reader bytes;
};

static inline struct protobuf_reader protobuf_read(const void *data, size_t len)
{
    return (struct protobuf_reader){ data, (const uint8_t *)data + len };
}

static inline size_t protobuf_left(const struct protobuf_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* 1: *ret is the next field; 0: the message is over; ERR_BAD_REQUEST: malformed or cut. */
int protobuf_next(struct protobuf_reader *r, struct protobuf_field *ret, struct err *err);
/* A bare varint (packed lists). */
int protobuf_varint(struct protobuf_reader *r, uint64_t *ret, struct err *err);

#endif
