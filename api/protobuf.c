#include "api/protobuf.h"

static int protobuf_cut(struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "proto: unexpected EOF");
}

int protobuf_varint(struct protobuf_reader *r, uint64_t *ret, struct err *err)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            return protobuf_cut(err);
        value |= (uint64_t)(*r->at & 0x7f) << shift;
        if ((*r->at++ & 0x80) == 0) {
            *ret = value;
            return 0;
        }
    }
    return err_set(err, ERR_BAD_REQUEST, "proto: integer overflow");
}

/* Little endian, @n bytes. */
static int protobuf_fixed(struct protobuf_reader *r, unsigned n, uint64_t *ret, struct err *err)
{
    uint64_t value = 0;

    if (protobuf_left(r) < n)
        return protobuf_cut(err);
    for (unsigned i = 0; i < n; i++)
        value |= (uint64_t)*r->at++ << (8 * i);
    *ret = value;
    return 0;
}

static int protobuf_bytes(struct protobuf_reader *r, struct protobuf_reader *ret, struct err *err)
{
    uint64_t len;
    int rc = protobuf_varint(r, &len, err);

    if (rc < 0)
        return rc;
    if (len > protobuf_left(r))
        return protobuf_cut(err);
    *ret = protobuf_read(r->at, (size_t)len);
    r->at += len;
    return 0;
}

static int protobuf_value(struct protobuf_reader *r, struct protobuf_field *f, struct err *err)
{
    switch (f->wire) {
    case PROTOBUF_VARINT: return protobuf_varint(r, &f->number, err);
    case PROTOBUF_FIXED64: return protobuf_fixed(r, 8, &f->number, err);
    case PROTOBUF_FIXED32: return protobuf_fixed(r, 4, &f->number, err);
    case PROTOBUF_BYTES: return protobuf_bytes(r, &f->bytes, err);
    }
    /* Groups (3, 4) are of before our time. */
    return err_set(err, ERR_BAD_REQUEST, "proto: illegal wireType %d", (int)f->wire);
}

int protobuf_next(struct protobuf_reader *r, struct protobuf_field *ret, struct err *err)
{
    struct protobuf_field f = { .id = 0 };
    uint64_t tag;
    int rc;

    if (r->at == r->end)
        return 0;
    rc = protobuf_varint(r, &tag, err);
    if (rc < 0)
        return rc;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return err_set(err, ERR_BAD_REQUEST, "proto: illegal tag");
    f.id = (uint32_t)(tag >> 3);
    f.wire = (enum protobuf_wire)(tag & 7);
    rc = protobuf_value(r, &f, err);
    if (rc < 0)
        return rc;
    *ret = f;
    return 1;
}
