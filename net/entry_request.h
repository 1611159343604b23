/* entry_request: what a request's head means, or why it is refused; and the head that goes on.
 *
 * Strict where leniency lets two servers see two different requests (RFC 9112, section 11.2):
 * one Host, one Content-Length, never both framings.  The body is framed anew by us in any case.
 * Pure.
 */
#ifndef NET_ENTRY_REQUEST_H
#define NET_ENTRY_REQUEST_H

#include "net/entry_head.h"

#include <stdbool.h>
#include <stdint.h>

#define ENTRY_REQUEST_HOST_MAX 256

struct entry_line {     /* what the parser knows */
    const char *method; /* "GET"; static */
    unsigned major, minor;
};

struct entry_request {
    const char *method;
    char host[ENTRY_REQUEST_HOST_MAX]; /* lower case, without port; "" = none */
    uint32_t authority, authority_len; /* as said, with port; ranges of the head */
    uint32_t target, target_len;       /* path and query to ask the backend for */
    struct text path;                  /* normalised, for routing */
    uint64_t length;                   /* of the body, when has_length */
    bool has_length, is_chunked;
    bool is_http10, is_head;
    bool is_idempotent; /* RFC 9110, 9.2.2 */
    bool keeps_alive;   /* the client wants the connection kept */
    bool expects;       /* 100-continue */
    bool upgrades;
};
void entry_request_fini(struct entry_request *r);

/* 0, or the HTTP status to refuse with.  @ret may be used again; init with zeroes. */
int entry_request_read(struct entry_request *ret, const struct entry_head *h,
                       const struct entry_line *line);

/* Percent-decoded, "." and ".." resolved, slashes merged, as ingress-nginx matches paths.
 * False: it leads above the root, or cannot be decoded.  Appends to @ret. */
bool entry_request_normalise(struct text *ret, const char *path, size_t len);

struct entry_forward { /* what we say about the client */
    const char *remote_ip;
    const char *scheme;     /* "http", "https" */
    uint16_t port;          /* that the client connected to */
    const char *request_id; /* used when the client brought none */
    const char *host;       /* NULL: as the client said */
    const char *target;     /* path and arguments; NULL: as the client said */
    const char *prefix;     /* NULL: no X-Forwarded-Prefix of ours */
    bool keeps_secret;      /* the Authorization field was for us */
};
/* The head for the backend, with the empty line. */
void entry_request_print(struct text *ret, const struct entry_request *r,
                         const struct entry_head *h, const struct entry_forward *forward);

struct entry_reply { /* how an answer reaches the client */
    unsigned status;
    bool is_chunked; /* framed in chunks by us */
    bool says_close;
    bool says_keep_alive; /* for HTTP/1.0 */
    bool upgrades;
    const char *fields; /* header lines of ours; NULL */
    bool has_cors;      /* ... among them those of CORS: the backend's are left out */
};
/* The head for the client, with the empty line. */
void entry_reply_print(struct text *ret, const struct entry_reply *reply,
                       const struct entry_head *h);
/* A whole answer of our own. */
/* @fields: more header lines, or NULL. */
void entry_reply_own(struct text *ret, unsigned status, bool says_close, bool without_body,
                     const char *fields);
const char *entry_reply_words(unsigned status);

#endif
