#include "base/http_exchange.h"
#include "base/http_zip.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define HTTP_STREAM_HIGH  (64 * 1024)
/* For clients of HTTP/1.0 only; chunks are made in the connection's own pool. */
#define HTTP_STREAM_BLOCK 1024

/* MHD does not look at suspended connections; libuv does, for hang-up only. */
struct http_watch {
    uv_poll_t poll;
    struct http_exchange *x;
};

static void http_watch_on_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)(void *)handle, struct http_watch, poll));
}

static void http_watch_on_hangup(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct http_watch *w = container_of(poll, struct http_watch, poll);

    uv_poll_stop(poll);
    w->x->is_aborted = true;
    http_exchange_resume(w->x);
}

static void http_stream_watch(struct http_exchange *x)
{
    struct http_watch *w;

    if (x->watch != NULL)
        return;
    w = MEM_NEW(struct http_watch);
    if (uv_poll_init(x->loop, &w->poll, x->conn->fd) != 0) {
        free(w);
        return;
    }
    w->x = x;
    x->watch = w;
    uv_poll_start(&w->poll, UV_DISCONNECT, http_watch_on_hangup);
}

void http_stream_unwatch(struct http_exchange *x)
{
    struct http_watch *w = STEAL(x->watch);

    if (w != NULL)
        uv_close((uv_handle_t *)&w->poll, http_watch_on_closed);
}

size_t http_backlog(const struct http_exchange *x)
{
    return x->out.len - x->out_done;
}

static void http_stream_drained(struct http_exchange *x)
{
    x->out_done = 0;
    if (x->out.cap > HTTP_STREAM_HIGH)
        text_fini(&x->out);
    else
        text_clear(&x->out);
}

static ssize_t http_stream_copy(struct http_exchange *x, char *to, size_t max)
{
    size_t n = http_backlog(x) < max ? http_backlog(x) : max;

    memcpy(to, x->out.data + x->out_done, n);
    x->out_done += n;
    if (http_backlog(x) == 0) {
        http_stream_drained(x);
    } else if (x->out_done > HTTP_STREAM_HIGH && x->out_done > x->out.len / 2) {
        text_drop(&x->out, x->out_done);
        x->out_done = 0;
    }
    return (ssize_t)n;
}

static ssize_t http_stream_on_read(void *arg, uint64_t pos UNUSED, char *to, size_t max)
{
    struct http_exchange *x = arg;

    if (http_backlog(x) == 0 && x->was_high && !x->is_aborted && !x->is_ended) {
        x->was_high = false;
        if (x->listener.on_drain != NULL)
            x->listener.on_drain(x->listener.arg);
    }
    if (x->is_aborted)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (http_backlog(x) > 0)
        return http_stream_copy(x, to, max);
    if (x->is_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    http_stream_watch(x);
    http_exchange_suspend(x);
    return 0;
}

struct MHD_Response *http_stream_response(struct http_exchange *x)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK,
                                             http_stream_on_read, x, NULL);
}

void http_stream_zip(struct http_exchange *x)
{
    assert(x->response == NULL && x->zip == NULL);
    if (strcmp(x->method, "HEAD") == 0 || !http_zip_accepted(http_header(x, "Accept-Encoding")))
        return;
    x->zip = http_zip_new();
    if (x->zip == NULL)
        return;
    http_set_header(x, "Content-Encoding", "gzip");
    http_set_header(x, "Vary", "Accept-Encoding");
}

void http_write(struct http_exchange *x, const void *data, size_t len)
{
    assert(x->state == HTTP_STREAMING && !x->is_ended);
    if (x->is_aborted || len == 0)
        return; /* nobody listens; on_gone is on its way */
    if (x->zip != NULL)
        http_zip_add(x->zip, &x->out, data, len, false);
    else
        text_add(&x->out, data, len);
    if (http_backlog(x) > HTTP_STREAM_HIGH)
        x->was_high = true;
    http_exchange_resume(x);
}

void http_end(struct http_exchange *x)
{
    assert(x->state == HTTP_STREAMING && !x->is_ended);
    if (x->zip != NULL && !x->is_aborted)
        http_zip_add(x->zip, &x->out, "", 0, true);
    x->is_ended = true;
    http_exchange_resume(x);
}

void http_abort(struct http_exchange *x)
{
    assert(x->state == HTTP_STREAMING);
    x->is_aborted = true;
    http_exchange_resume(x);
}
