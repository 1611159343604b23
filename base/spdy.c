#include "base/spdy.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>
#include <zlib.h>

#define SPDY_VERSION     3
#define SPDY_FLAG_FIN    0x01
#define SPDY_CONTROL_BIT 0x80000000u
#define SPDY_STREAM_MASK 0x7fffffffu

struct spdy_parser {
    unsigned char head[SPDY_HEAD];
    size_t n_head;
    bool in_frame;
    struct spdy_frame frame; /* being read */
    size_t left;             /* of its body */
    struct text body;        /* of a control frame, so far */
    z_stream z;
    struct text block; /* inflated names and values, as they are split into @headers */
    struct spdy_header headers[SPDY_HEADERS_COUNT];
};

struct spdy_printer {
    z_stream z;
};

static uint32_t spdy_u32(const void *p)
{
    const unsigned char *b = p;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void spdy_put_u32(unsigned char *ret, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        ret[i] = (unsigned char)(v >> (24 - 8 * i));
}

const char *spdy_frame_header(const struct spdy_frame *f, const char *name)
{
    for (size_t i = 0; i < f->n_headers; i++)
        if (str_eq(f->headers[i].name, name))
            return f->headers[i].value;
    return NULL;
}

/* --- reading --- */

struct spdy_parser *spdy_parser_new(void)
{
    struct spdy_parser *p = MEM_NEW(struct spdy_parser);

    if (inflateInit(&p->z) != Z_OK)
        abort(); /* out of memory, as in mem_* */
    return p;
}

struct spdy_parser *spdy_parser_free(struct spdy_parser *p)
{
    if (p == NULL)
        return NULL;
    inflateEnd(&p->z);
    text_fini(&p->body);
    text_fini(&p->block);
    free(p);
    return NULL;
}

/* All header blocks of a connection are one zlib stream, flushed after each block. */
static int spdy_inflate(struct spdy_parser *p, const char *data, size_t len, struct err *err)
{
    char buffer[2048];
    int rc = Z_OK;

    text_clear(&p->block);
    p->z.next_in = (unsigned char *)(uintptr_t)data;
    p->z.avail_in = (unsigned)len;
    do {
        p->z.next_out = (unsigned char *)buffer;
        p->z.avail_out = sizeof(buffer);
        rc = inflate(&p->z, Z_SYNC_FLUSH);
        if (rc == Z_NEED_DICT)
            rc = inflateSetDictionary(&p->z, (const unsigned char *)spdy_dictionary,
                                      SPDY_DICTIONARY_LEN);
        else if (rc == Z_BUF_ERROR)
            break; /* nothing more to be had */
        if (rc != Z_OK)
            return err_set(err, ERR_PROTOCOL, "spdy: headers cannot be inflated");
        text_add(&p->block, buffer, sizeof(buffer) - p->z.avail_out);
        if (p->block.len > SPDY_HEADERS_MAX)
            return err_set(err, ERR_LIMIT, "spdy: headers are too long");
    } while (p->z.avail_in > 0 || p->z.avail_out == 0);
    return 0;
}

/* One length-prefixed string at *@at, ended with NUL where the next length began. */
static bool spdy_take_string(struct text *block, size_t *at, const char **ret, uint32_t *next)
{
    uint32_t len = *next;

    if (len > block->len - *at)
        return false;
    *ret = block->data + *at;
    *at += len;
    if (block->len - *at >= 4) {
        *next = spdy_u32(block->data + *at);
        block->data[*at] = '\0';
        *at += 4;
    } else {
        *next = UINT32_MAX; /* longer than what is left: only right at the very end */
    }
    return true;
}

static int spdy_split(struct spdy_parser *p, struct err *err)
{
    struct text *b = &p->block;
    uint32_t n, next;
    size_t at = 8;

    p->frame.headers = p->headers;
    p->frame.n_headers = 0;
    if (b->len < 4)
        return err_set(err, ERR_PROTOCOL, "spdy: headers are cut off");
    n = spdy_u32(b->data);
    if (n > SPDY_HEADERS_COUNT)
        return err_set(err, ERR_LIMIT, "spdy: too many headers");
    if (n == 0)
        return 0;
    if (b->len < 8)
        return err_set(err, ERR_PROTOCOL, "spdy: headers are cut off");
    next = spdy_u32(b->data + 4);
    for (uint32_t i = 0; i < n; i++)
        if (!spdy_take_string(b, &at, &p->headers[i].name, &next) ||
            !spdy_take_string(b, &at, &p->headers[i].value, &next))
            return err_set(err, ERR_PROTOCOL, "spdy: headers are cut off");
    p->frame.n_headers = n;
    return 0;
}

/* What stands before the header block, by type; 0: the type has none. */
static size_t spdy_fixed_len(enum spdy_type type)
{
    switch (type) {
    case SPDY_SYN_STREAM: return 10;
    case SPDY_SYN_REPLY:
    case SPDY_HEADERS: return 4;
    case SPDY_DATA:
    case SPDY_RST_STREAM:
    case SPDY_SETTINGS:
    case SPDY_PING:
    case SPDY_GOAWAY:
    case SPDY_WINDOW_UPDATE: break;
    }
    return 0;
}

static int spdy_read_control(struct spdy_parser *p, struct err *err)
{
    struct spdy_frame *f = &p->frame;
    size_t fixed = spdy_fixed_len(f->type);
    const char *body = text_str(&p->body);
    int rc;

    if (f->type == SPDY_SETTINGS)
        return 0;
    if (p->body.len < (fixed > 0 ? fixed : f->type == SPDY_PING ? 4 : 8))
        return err_set(err, ERR_PROTOCOL, "spdy: a frame is too short");
    f->stream = spdy_u32(body);
    if (f->type != SPDY_PING)
        f->stream &= SPDY_STREAM_MASK;
    if (fixed == 0) {
        f->fin = false;
        f->value = f->type == SPDY_PING ? 0 : spdy_u32(body + 4);
        return 0;
    }
    rc = spdy_inflate(p, body + fixed, p->body.len - fixed, err);
    return rc < 0 ? rc : spdy_split(p, err);
}

static int spdy_begin(struct spdy_parser *p, struct err *err)
{
    uint32_t first = spdy_u32(p->head);

    p->left = spdy_u32(p->head + 4) & SPDY_DATA_MAX;
    p->frame = (struct spdy_frame){ .fin = (p->head[4] & SPDY_FLAG_FIN) != 0 };
    p->in_frame = true;
    text_clear(&p->body);
    if ((first & SPDY_CONTROL_BIT) == 0) {
        p->frame.type = SPDY_DATA;
        p->frame.stream = first;
        return 0;
    }
    if ((first >> 16 & 0x7fff) != SPDY_VERSION)
        return err_set(err, ERR_PROTOCOL, "spdy: version %u", first >> 16 & 0x7fff);
    p->frame.type = first & 0xffff;
    if (p->frame.type < SPDY_SYN_STREAM || p->frame.type > SPDY_WINDOW_UPDATE || p->frame.type == 5)
        return err_set(err, ERR_PROTOCOL, "spdy: unknown kind of frame %d", (int)p->frame.type);
    if (p->left > SPDY_CONTROL_MAX)
        return err_set(err, ERR_LIMIT, "spdy: a control frame is too long");
    return 0;
}

static void spdy_end_frame(struct spdy_parser *p)
{
    p->in_frame = false;
    p->n_head = 0;
}

static int spdy_take_data(struct spdy_parser *p, const unsigned char *data, size_t len,
                          size_t *used, struct spdy_frame *ret)
{
    size_t n = len - *used < p->left ? len - *used : p->left;

    if (n == 0 && p->left > 0)
        return 0;
    p->left -= n;
    *ret = p->frame;
    ret->data = data + *used;
    ret->len = n;
    ret->fin = p->frame.fin && p->left == 0;
    *used += n;
    if (p->left == 0)
        spdy_end_frame(p);
    return 1;
}

static int spdy_take_control(struct spdy_parser *p, const unsigned char *data, size_t len,
                             size_t *used, struct spdy_frame *ret, struct err *err)
{
    size_t n = len - *used < p->left ? len - *used : p->left;
    int rc;

    text_add(&p->body, data + *used, n);
    p->left -= n;
    *used += n;
    if (p->left > 0)
        return 0;
    rc = spdy_read_control(p, err);
    *ret = p->frame;
    spdy_end_frame(p);
    return rc < 0 ? rc : 1;
}

int spdy_parse(struct spdy_parser *p, const unsigned char *data, size_t len, size_t *ret_used,
               struct spdy_frame *ret, struct err *err)
{
    *ret_used = 0;
    while (!p->in_frame && *ret_used < len) {
        p->head[p->n_head++] = data[(*ret_used)++];
        if (p->n_head == SPDY_HEAD) {
            int rc = spdy_begin(p, err);

            if (rc < 0)
                return rc;
        }
    }
    if (!p->in_frame)
        return 0;
    if (p->frame.type == SPDY_DATA)
        return spdy_take_data(p, data, len, ret_used, ret);
    return spdy_take_control(p, data, len, ret_used, ret, err);
}

/* --- writing --- */

struct spdy_printer *spdy_printer_new(void)
{
    struct spdy_printer *p = MEM_NEW(struct spdy_printer);

    /* The smallest there is: our blocks are a few words. */
    if (deflateInit2(&p->z, Z_BEST_COMPRESSION, Z_DEFLATED, 11, 1, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflateSetDictionary(&p->z, (const unsigned char *)spdy_dictionary, SPDY_DICTIONARY_LEN) !=
            Z_OK)
        abort(); /* out of memory, as in mem_* */
    return p;
}

struct spdy_printer *spdy_printer_free(struct spdy_printer *p)
{
    if (p == NULL)
        return NULL;
    deflateEnd(&p->z);
    free(p);
    return NULL;
}

static void spdy_add_u32(struct text *ret, uint32_t v)
{
    unsigned char b[4];

    spdy_put_u32(b, v);
    text_add(ret, b, sizeof(b));
}

static void spdy_add_head(struct text *ret, enum spdy_type type, unsigned flags, size_t len)
{
    spdy_add_u32(ret, SPDY_CONTROL_BIT | SPDY_VERSION << 16 | (uint32_t)type);
    spdy_add_u32(ret, (uint32_t)flags << 24 | (uint32_t)len);
}

static void spdy_deflate(struct spdy_printer *p, struct text *ret, const struct text *block)
{
    char buffer[1024];

    p->z.next_in = (unsigned char *)block->data;
    p->z.avail_in = (unsigned)block->len;
    do {
        p->z.next_out = (unsigned char *)buffer;
        p->z.avail_out = sizeof(buffer);
        deflate(&p->z, Z_SYNC_FLUSH);
        text_add(ret, buffer, sizeof(buffer) - p->z.avail_out);
    } while (p->z.avail_out == 0);
}

void spdy_print_headers(struct spdy_printer *p, struct text *ret, enum spdy_type type,
                        uint32_t stream, bool fin, const struct spdy_header *headers, size_t n)
{
    cleanup(text_fini) struct text block = TEXT_EMPTY, zipped = TEXT_EMPTY;

    assert(type == SPDY_SYN_STREAM || type == SPDY_SYN_REPLY);
    spdy_add_u32(&block, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        spdy_add_u32(&block, (uint32_t)strlen(headers[i].name));
        text_puts(&block, headers[i].name);
        spdy_add_u32(&block, (uint32_t)strlen(headers[i].value));
        text_puts(&block, headers[i].value);
    }
    spdy_deflate(p, &zipped, &block);
    spdy_add_head(ret, type, fin ? SPDY_FLAG_FIN : 0, spdy_fixed_len(type) + zipped.len);
    spdy_add_u32(ret, stream);
    if (type == SPDY_SYN_STREAM)
        text_add(ret, "\0\0\0\0\0\0", 6); /* associated stream, priority, slot */
    text_add(ret, zipped.data, zipped.len);
}

void spdy_print_reset(struct text *ret, uint32_t stream, enum spdy_reset why)
{
    spdy_add_head(ret, SPDY_RST_STREAM, 0, 8);
    spdy_add_u32(ret, stream);
    spdy_add_u32(ret, why);
}

void spdy_print_ping(struct text *ret, uint32_t id)
{
    spdy_add_head(ret, SPDY_PING, 0, 4);
    spdy_add_u32(ret, id);
}

void spdy_print_goaway(struct text *ret, uint32_t last_stream)
{
    spdy_add_head(ret, SPDY_GOAWAY, 0, 8);
    spdy_add_u32(ret, last_stream);
    spdy_add_u32(ret, 0);
}

void spdy_data_head(unsigned char ret[SPDY_HEAD], uint32_t stream, bool fin, size_t len)
{
    assert(len <= SPDY_DATA_MAX);
    spdy_put_u32(ret, stream);
    spdy_put_u32(ret + 4, (fin ? (uint32_t)SPDY_FLAG_FIN << 24 : 0) | (uint32_t)len);
}
