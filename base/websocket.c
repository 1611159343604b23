#include "base/websocket.h"

#include "base/bits.h"
#include "base/mem.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#define WEBSOCKET_FIN   0x80
#define WEBSOCKET_RSV   0x70
#define WEBSOCKET_OP    0x0f
#define WEBSOCKET_MASK  0x80
#define WEBSOCKET_LEN   0x7f
#define WEBSOCKET_LEN16 126
#define WEBSOCKET_LEN64 127

/* --- reading --- */

/* How long the head is, as far as its first two bytes say. */
static size_t websocket_head_len(const unsigned char *head)
{
    size_t len = 2;

    if ((head[1] & WEBSOCKET_LEN) == WEBSOCKET_LEN16)
        len += 2;
    else if ((head[1] & WEBSOCKET_LEN) == WEBSOCKET_LEN64)
        len += 8;
    return len + ((head[1] & WEBSOCKET_MASK) != 0 ? 4 : 0);
}

static uint64_t websocket_payload_len(const unsigned char *head)
{
    unsigned short_len = head[1] & WEBSOCKET_LEN;
    size_t n = short_len == WEBSOCKET_LEN16 ? 2 : short_len == WEBSOCKET_LEN64 ? 8 : 0;
    uint64_t len = 0;

    for (size_t i = 0; i < n; i++)
        len = len << 8 | head[2 + i];
    return n > 0 ? len : short_len;
}

/* RFC 6455 section 5.4: control frames may stand between the frames of a message, others not. */
static int websocket_check(const struct websocket_parser *p, struct err *err)
{
    bool is_control = (p->op & 8) != 0;

    if ((p->head[0] & WEBSOCKET_RSV) != 0)
        return err_set(err, ERR_PROTOCOL, "websocket: reserved bits are set");
    if (p->op > WEBSOCKET_PONG || (p->op > WEBSOCKET_BINARY && p->op < WEBSOCKET_CLOSE))
        return err_set(err, ERR_PROTOCOL, "websocket: unknown kind of frame %d", p->op);
    if (((p->head[1] & WEBSOCKET_MASK) == 0) != p->is_client)
        return err_set(err, ERR_PROTOCOL, "websocket: a frame is %smasked",
                       p->is_client ? "" : "not ");
    if (is_control && (!p->fin || p->left > WEBSOCKET_CONTROL_MAX))
        return err_set(err, ERR_PROTOCOL, "websocket: a control frame is too long or in parts");
    if (!is_control && (p->op == WEBSOCKET_CONTINUATION) != p->in_message)
        return err_set(err, ERR_PROTOCOL, "websocket: frames of two messages are mixed");
    if (p->left > INT64_MAX)
        return err_set(err, ERR_PROTOCOL, "websocket: a frame is longer than possible");
    return 0;
}

static int websocket_begin(struct websocket_parser *p, struct err *err)
{
    size_t n = p->n_head;
    int rc;

    p->op = p->head[0] & WEBSOCKET_OP;
    p->fin = (p->head[0] & WEBSOCKET_FIN) != 0;
    p->left = websocket_payload_len(p->head);
    rc = websocket_check(p, err);
    if (rc < 0)
        return rc;
    if (!p->is_client)
        memcpy(p->mask, p->head + n - 4, 4);
    p->mask_at = 0;
    p->n_control = 0;
    p->in_payload = true;
    if ((p->op & 8) != 0)
        return 0;
    p->is_piece_first = !p->in_message;
    if (p->op != WEBSOCKET_CONTINUATION)
        p->message_op = p->op;
    p->in_message = !p->fin;
    return 0;
}

/* Gathers the head; 1: it is whole. */
static int websocket_take_head(struct websocket_parser *p, const unsigned char *data, size_t len,
                               size_t *used, struct err *err)
{
    while (*used < len) {
        p->head[p->n_head++] = data[(*used)++];
        if (p->n_head >= 2 && p->n_head == websocket_head_len(p->head)) {
            int rc = websocket_begin(p, err);

            return rc < 0 ? rc : 1;
        }
    }
    return 0;
}

static void websocket_end_frame(struct websocket_parser *p)
{
    p->in_payload = false;
    p->n_head = 0;
}

/* Some payload of a data frame, or its end when it is empty. */
static int websocket_take_data(struct websocket_parser *p, unsigned char *data, size_t len,
                               size_t *used, struct websocket_piece *ret)
{
    size_t n = len - *used < p->left ? len - *used : (size_t)p->left;

    if (n == 0 && p->left > 0)
        return 0;
    if (!p->is_client)
        websocket_mask(data + *used, n, p->mask, p->mask_at);
    p->mask_at = (p->mask_at + (unsigned)(n & 3)) & 3;
    p->left -= n;
    *ret = (struct websocket_piece){ .op = p->message_op,
                                     .first = p->is_piece_first,
                                     .last = p->fin && p->left == 0,
                                     .data = data + *used,
                                     .len = n };
    *used += n;
    p->is_piece_first = false;
    if (p->left == 0)
        websocket_end_frame(p);
    return 1;
}

static int websocket_take_control(struct websocket_parser *p, const unsigned char *data, size_t len,
                                  size_t *used, struct websocket_piece *ret)
{
    size_t n = len - *used < p->left ? len - *used : (size_t)p->left;

    memcpy(p->control + p->n_control, data + *used, n);
    p->n_control += n;
    p->left -= n;
    *used += n;
    if (p->left > 0)
        return 0;
    if (!p->is_client)
        websocket_mask(p->control, p->n_control, p->mask, 0);
    *ret = (struct websocket_piece){
        .op = p->op, .first = true, .last = true, .data = p->control, .len = p->n_control
    };
    websocket_end_frame(p);
    return 1;
}

int websocket_parse(struct websocket_parser *p, unsigned char *data, size_t len, size_t *ret_used,
                    struct websocket_piece *ret, struct err *err)
{
    *ret_used = 0;
    if (!p->in_payload) {
        int rc = websocket_take_head(p, data, len, ret_used, err);

        if (rc <= 0)
            return rc;
    }
    if ((p->op & 8) != 0)
        return websocket_take_control(p, data, len, ret_used, ret);
    return websocket_take_data(p, data, len, ret_used, ret);
}

/* --- writing --- */

void websocket_mask(unsigned char *data, size_t len, const unsigned char mask[4], size_t at)
{
    for (size_t i = 0; i < len; i++)
        data[i] ^= mask[(at + i) & 3];
}

size_t websocket_head(unsigned char ret[WEBSOCKET_HEAD_MAX], enum websocket_op op, bool fin,
                      uint64_t len, const unsigned char *mask)
{
    unsigned char masked = mask != NULL ? WEBSOCKET_MASK : 0;
    size_t n_len = len < WEBSOCKET_LEN16 ? 0 : len <= UINT16_MAX ? 2 : 8;
    size_t n = 2;

    ret[0] = (unsigned char)(op | (fin ? WEBSOCKET_FIN : 0));
    ret[1] = (unsigned char)(masked | (n_len == 0   ? (unsigned)len
                                       : n_len == 2 ? WEBSOCKET_LEN16
                                                    : WEBSOCKET_LEN64));
    for (size_t i = n_len; i > 0; i--)
        ret[n++] = (unsigned char)(len >> (8 * (i - 1)));
    if (mask != NULL) {
        memcpy(ret + n, mask, 4);
        n += 4;
    }
    return n;
}

void websocket_accept(char ret[WEBSOCKET_ACCEPT_MAX], const char *key)
{
    /* RFC 6455 section 1.3. */
    cleanup(freep) char *both = mem_fmt("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    unsigned char hash[20];
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    gnutls_hash_fast(GNUTLS_DIG_SHA1, both, strlen(both), hash);
    bits_base64(&t, hash, sizeof(hash));
    snprintf(ret, WEBSOCKET_ACCEPT_MAX, "%s", text_str(&t));
}
