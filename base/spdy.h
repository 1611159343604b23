/* spdy: the frames of SPDY/3.1, read and written; no sockets.
 *
 * What `kubectl exec` and `port-forward` speak (github.com/moby/spdystream), which is a part of the
 * draft: streams opened by the client, data, pings, goodbyes.  Flow control windows are read over:
 * the Kubernetes side of this protocol neither keeps nor grants them (it ends the connection when it
 * sees one for the session), so TCP alone holds back who is too fast.
 *
 * Payload of data frames is handed on in pieces; control frames are gathered, at most
 * SPDY_CONTROL_MAX bytes, and their names and values inflated to at most SPDY_HEADERS_MAX.
 * Thread: any, unshared.
 */
#ifndef BASE_SPDY_H
#define BASE_SPDY_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPDY_CONTROL_MAX    16384
#define SPDY_HEADERS_MAX    16384
#define SPDY_HEADERS_COUNT  64
#define SPDY_HEAD           8 /* of every frame */
#define SPDY_DATA_MAX       0xffffff
#define SPDY_DICTIONARY_LEN 1423
extern const char spdy_dictionary[SPDY_DICTIONARY_LEN + 1];

enum spdy_type {
    SPDY_DATA = 0,
    SPDY_SYN_STREAM = 1,
    SPDY_SYN_REPLY = 2,
    SPDY_RST_STREAM = 3,
    SPDY_SETTINGS = 4,
    SPDY_PING = 6,
    SPDY_GOAWAY = 7,
    SPDY_HEADERS = 8,
    SPDY_WINDOW_UPDATE = 9,
};

enum spdy_reset { SPDY_RESET_PROTOCOL = 1, SPDY_RESET_REFUSED = 3, SPDY_RESET_CANCEL = 5 };

struct spdy_header {
    const char *name,
        *value; /* borrowed from the parser until the next call; names are lower case */
};

struct spdy_frame {
    enum spdy_type type;
    uint32_t stream;                   /* of PING: its id */
    bool fin;                          /* no more data of this stream comes after this piece */
    uint32_t value;                    /* RST_STREAM, GOAWAY: status; WINDOW_UPDATE: delta */
    const struct spdy_header *headers; /* SYN_STREAM, SYN_REPLY, HEADERS */
    size_t n_headers;
    const unsigned char *data; /* DATA: a piece, in the caller's buffer */
    size_t len;
};
/* NULL: absent. */
const char *spdy_frame_header(const struct spdy_frame *f, const char *name);

struct spdy_parser;
struct spdy_parser *spdy_parser_new(void);
struct spdy_parser *spdy_parser_free(struct spdy_parser *p); /* returns NULL */
/* 1 = @ret holds a frame (or a piece of one), call again with the rest; 0 = more bytes are needed,
 * all were used.  ERR_PROTOCOL, ERR_LIMIT: the connection is of no more use. */
int spdy_parse(struct spdy_parser *p, const unsigned char *data, size_t len, size_t *ret_used,
               struct spdy_frame *ret, struct err *err);

/* --- writing: whole frames, appended --- */
struct spdy_printer; /* the compressor that a connection's headers share */
struct spdy_printer *spdy_printer_new(void);
struct spdy_printer *spdy_printer_free(struct spdy_printer *p); /* returns NULL */
/* SYN_STREAM or SYN_REPLY. */
void spdy_print_headers(struct spdy_printer *p, struct text *ret, enum spdy_type type,
                        uint32_t stream, bool fin, const struct spdy_header *headers, size_t n);
void spdy_print_reset(struct text *ret, uint32_t stream, enum spdy_reset why);
void spdy_print_ping(struct text *ret, uint32_t id);
void spdy_print_goaway(struct text *ret, uint32_t last_stream);
/* The head of a data frame of @len bytes. */
void spdy_data_head(unsigned char ret[SPDY_HEAD], uint32_t stream, bool fin, size_t len);

#endif
