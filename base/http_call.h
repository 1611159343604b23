/* http_call: one running request of an http_client; the inside of http_client.h.
 *
 * libcurl's callbacks only store; the client hands on what they stored after libcurl has
 * returned, so that a listener may start, cancel and close whatever it likes.
 */
#ifndef BASE_HTTP_CALL_H
#define BASE_HTTP_CALL_H

#include "base/http_client.h"
#include "base/list.h"
#include "base/text.h"

#include <curl/curl.h>
#include <uv.h>

#define HTTP_CALL_MAX_HEADERS      256
#define HTTP_CALL_MAX_HEADER_BYTES (64 * 1024)

struct http_call {
    struct list link;           /* in http_client.calls */
    struct list ready;          /* in http_client.ready while data waits for on_data */
    struct http_client *client; /* borrowed */
    CURL *easy;
    struct curl_slist *request_headers, *connect_to;
    struct http_call_listener listener;
    char *what; /* "GET http://host/path" for messages */

    struct http_head head;
    struct http_header_pair *headers; /* owned, with their strings; head borrows */
    size_t header_bytes;
    struct text data; /* for on_data */
    struct text body; /* for on_done */
    size_t max_body;

    struct timer *silence; /* NULL: none */
    int64_t silence_ms, heard_ms;
    char curl_error[CURL_ERROR_SIZE];
    struct err err; /* why our own callbacks stopped the transfer */
    bool is_paused; /* libcurl is told so when it brings the next bytes */
    bool is_busy;   /* inside a callback of the listener */
    bool is_done;   /* on_done was called, or never will be */
};

/* Sets up the easy handle; @err when an option is refused (a bad URL shows later). */
int http_call_new(struct http_call **ret, struct http_client *c, const struct http_call_spec *spec,
                  const struct http_call_listener *listener, struct err *err);
void http_call_free(struct http_call *call);
/* Hands @data to on_data.  The call may be gone after. */
void http_call_deliver(struct http_call *call);
/* libcurl has finished with it.  Calls on_done; the call is gone after. */
void http_call_finish(struct http_call *call, CURLcode result);
/* Ends it from our side with what call->err says.  Calls on_done; the call is gone after. */
void http_call_end(struct http_call *call);

/* From the client, before each request on a connection: is the other end who it should be? */
int http_client_check_peer(struct http_client *c, CURL *easy, struct err *err);
void http_client_set_identity(struct http_client *c, CURL *easy);
uv_loop_t *http_client_loop(struct http_client *c);
const char *http_client_agent(struct http_client *c);
void http_client_data_ready(struct http_client *c, struct http_call *call);
void http_client_wake(struct http_client *c); /* it steps soon */
void http_client_remove(struct http_client *c, struct http_call *call);

#endif
