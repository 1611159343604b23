/* websocket: the frames of RFC 6455, read and written; no sockets, no extensions.
 *
 * The parser hands payload on in pieces as it comes, so a frame of any length costs no memory; only
 * control frames (at most 125 bytes) are gathered.  Both ends: a server reads masked frames, a
 * client unmasked ones, and anything else is ERR_PROTOCOL.  Thread: any, unshared.
 */
#ifndef BASE_WEBSOCKET_H
#define BASE_WEBSOCKET_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum websocket_op {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

#define WEBSOCKET_CONTROL_MAX 125
#define WEBSOCKET_HEAD_MAX    14
#define WEBSOCKET_ACCEPT_MAX  29 /* "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" and NUL */

struct websocket_parser { /* embed; zero but for is_client */
    bool is_client;       /* we are: frames come unmasked */
    unsigned char head[WEBSOCKET_HEAD_MAX];
    size_t n_head;
    bool in_payload, fin;
    enum websocket_op op;
    uint64_t left; /* of the payload */
    unsigned char mask[4];
    unsigned mask_at;
    bool in_message; /* a data message has begun and not ended */
    bool is_piece_first;
    enum websocket_op message_op;
    unsigned char control[WEBSOCKET_CONTROL_MAX];
    size_t n_control;
};

struct websocket_piece {
    enum websocket_op op; /* of data: the message's, TEXT or BINARY */
    bool first, last;     /* of the message; control frames are whole */
    unsigned char *data; /* unmasked: in the caller's buffer, or in the parser for control frames */
    size_t len;
};

/* Reads from @data (which it may change) and says in *@ret_used how far it came: 1 = @ret holds a
 * piece, call again with the rest; 0 = more bytes are needed, all were used. */
int websocket_parse(struct websocket_parser *p, unsigned char *data, size_t len, size_t *ret_used,
                    struct websocket_piece *ret, struct err *err);

/* The head of a frame of @len bytes; @mask (4 bytes) is a client's, else NULL.  Returns its length. */
size_t websocket_head(unsigned char ret[WEBSOCKET_HEAD_MAX], enum websocket_op op, bool fin,
                      uint64_t len, const unsigned char *mask);
/* Masks or unmasks in place; @at is the offset of @data in its frame. */
void websocket_mask(unsigned char *data, size_t len, const unsigned char mask[4], size_t at);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
void websocket_accept(char ret[WEBSOCKET_ACCEPT_MAX], const char *key);

#endif
