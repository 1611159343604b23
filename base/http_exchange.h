/* http_exchange: one request and its answer; the inside of http_server.h.
 *
 *   RECEIVING -> ASKED -> (WAITING) -> ANSWERED | STREAMING | UPGRADING -> completed
 *
 * WAITING: on_request returned without an answer, libmicrohttpd's connection is suspended.
 * When libmicrohttpd drops the connection of one that still waits (the server ends), the
 * exchange stays for its owner as an orphan and goes with the answer.
 */
#ifndef BASE_HTTP_EXCHANGE_H
#define BASE_HTTP_EXCHANGE_H

#include "base/http_args.h"
#include "base/http_server.h"
#include "base/linger.h"
#include "base/list.h"
#include "base/text.h"
#include "base/tls_stream.h"

#include <microhttpd.h>
#include <netinet/in.h>

enum http_phase {
    HTTP_PHASE_IDLE, /* no request line yet */
    HTTP_PHASE_HEAD, /* until the headers are complete */
    HTTP_PHASE_BODY,
    HTTP_PHASE_BUSY, /* ours to answer */
};

struct http_conn {
    struct list link;           /* in http_server.conns, or .arrivals before MHD knows it */
    struct http_server *server; /* borrowed; NULL once the connection is closed */
    unsigned n_refs;
    int fd;               /* MHD's */
    struct tls_peer peer; /* owned */
    char remote[INET6_ADDRSTRLEN];
    enum http_phase phase;
    int64_t since_ms, heard_ms; /* begin of the phase; last byte of the body */
    bool is_refused;            /* the client may still be sending a body we do not want */
};
struct http_conn *http_conn_ref(struct http_conn *c);
struct http_conn *http_conn_unref(struct http_conn *c);
void http_conn_enter(struct http_conn *c, enum http_phase phase);

struct http_server {
    uv_loop_t *loop; /* borrowed */
    struct http_server_opts opts;
    struct MHD_Daemon *daemon;
    struct tls_listener *listener;
    bool is_plain;
    uv_poll_t poll; /* of MHD's epoll descriptor */
    uv_idle_t idle; /* active while MHD must run again before the next wait */
    struct timer *sweep;
    int64_t sweep_ms;
    struct list conns, arrivals, exchanges;
    unsigned n_conns;
    size_t n_body_bytes, n_answer_bytes; /* http_budget */
    struct lingers lingers;              /* plain only */
    bool is_running;                     /* inside MHD */
    bool wants_run;                      /* asked for while inside */
    bool is_closing;
    unsigned n_open; /* handles and the listener */
    void (*on_closed)(void *arg);
    void *closed_arg;
};
/* MHD has something to do that it does not know from its sockets. */
void http_server_kick(struct http_server *s);

enum http_state {
    HTTP_RECEIVING,
    HTTP_ASKED,
    HTTP_WAITING,
    HTTP_ANSWERED,
    HTTP_STREAMING,
    HTTP_UPGRADING,
};

struct http_watch;

struct http_exchange {
    struct list link;                  /* in http_server.exchanges while MHD has it */
    uv_loop_t *loop;                   /* borrowed */
    struct http_server *server;        /* NULL once an orphan */
    struct http_conn *conn;            /* shared ref */
    struct MHD_Connection *connection; /* NULL before the headers and once completed */
    enum http_state state;
    bool is_suspended;

    char *method;
    char *path;
    const char *raw_query; /* in path */
    struct http_args args;
    struct text body;

    size_t body_charge, answer_charge; /* its share of the server's budgets */

    struct http_exchange_header {
        char *name, *value;
    } * headers; /* owned, for the answer */
    size_t n_headers, header_bytes;
    int status;
    struct MHD_Response *response; /* owned until queued */

    struct http_stream_listener listener;
    struct text out;
    size_t out_done;
    struct http_zip *zip;      /* owned; NULL: plain */
    bool was_high;             /* on_drain is owed */
    bool is_ended, is_aborted; /* by its owner; is_aborted also when the client left */
    struct http_watch *watch;  /* for the client's leaving while suspended */

    void (*on_upgraded)(void *arg, int fd, const void *early, size_t early_len);
    void *upgraded_arg; /* on_upgraded is NULL once told */
};

struct http_exchange *http_exchange_new(struct http_server *s, struct http_conn *c,
                                        const char *uri);
/* All of the request is here: asks the owner. */
void http_exchange_ask(struct http_exchange *x);
/* The answer, if there is one, goes to MHD; else the connection is suspended. */
enum MHD_Result http_exchange_go_on(struct http_exchange *x);
/* Answers in the owner's place, before it was asked. */
void http_exchange_refuse(struct http_exchange *x, int status);
/* The same when MHD no longer takes an answer: in the middle of a body. */
void http_exchange_refuse_raw(struct http_exchange *x, int status);
/* The server ends: whatever waits must come to its end. */
void http_exchange_give_up(struct http_exchange *x);
/* MHD is through with it.  Tells the owner, frees (or leaves an orphan). */
void http_exchange_completed(struct http_exchange *x);
void http_exchange_suspend(struct http_exchange *x);
void http_exchange_resume(struct http_exchange *x);
void http_exchange_free(struct http_exchange *x);

/* Streams; http_stream.c. */
struct MHD_Response *http_stream_response(struct http_exchange *x);
void http_stream_unwatch(struct http_exchange *x);

#endif
