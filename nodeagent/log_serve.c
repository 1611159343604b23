#include "nodeagent/log_serve.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"

#include <assert.h>
#include <string.h>

#define LOG_SERVE_BACKLOG (1 << 20)
#define LOG_SERVE_LOOK_MS 1000 /* besides the watch: the container may have ended without a word */

struct log_serve {
    uv_loop_t *loop;
    struct http_exchange *x; /* NULL once gone */
    struct log_source source;
    struct log_query query;
    bool follow;
    struct log_cursor *cursor; /* with the worker thread while @is_busy */
    struct text piece;
    int state; /* of the last reading */
    bool is_busy, is_streaming, is_ended, is_waiting, has_grown;
    uv_fs_event_t *watch; /* dies in its close callback */
    struct timer *look;
};

static void log_serve_read(struct log_serve *s);

static void log_serve_on_watch_closed(uv_handle_t *handle)
{
    free(handle);
}

static void log_serve_free(struct log_serve *s)
{
    if (s->watch != NULL) {
        s->watch->data = NULL;
        uv_close((uv_handle_t *)s->watch, log_serve_on_watch_closed);
    }
    timer_close(s->look);
    log_cursor_free(s->cursor);
    text_fini(&s->piece);
    free(s->source.path);
    free(s->source.uid);
    free(s->source.container);
    free(s);
}

static void log_serve_end(struct log_serve *s)
{
    if (s->is_ended)
        return;
    s->is_ended = true;
    http_end(s->x);
}

static void log_serve_on_gone(void *arg)
{
    struct log_serve *s = arg;

    s->x = NULL;
    s->is_ended = true;
    if (!s->is_busy)
        log_serve_free(s);
}

static void log_serve_on_drain(void *arg)
{
    struct log_serve *s = arg;

    if (s->is_waiting && !s->is_ended) {
        s->is_waiting = false;
        log_serve_read(s);
    }
}

static void log_serve_wake(struct log_serve *s)
{
    s->has_grown = true;
    if (!s->is_busy && !s->is_waiting && !s->is_ended)
        log_serve_read(s);
}

static void log_serve_on_file(uv_fs_event_t *handle, const char *name UNUSED, int events UNUSED,
                              int status UNUSED)
{
    if (handle->data != NULL)
        log_serve_wake(handle->data);
}

static void log_serve_on_look(void *arg)
{
    struct log_serve *s = arg;

    timer_start(s->look, LOG_SERVE_LOOK_MS);
    log_serve_wake(s);
}

/* Begins to watch the directory: the file itself is renamed when it is rotated. */
static void log_serve_watch(struct log_serve *s)
{
    cleanup(freep) char *dir = mem_strn(s->source.path,
                                        (size_t)(strrchr(s->source.path, '/') - s->source.path));

    s->look = timer_new(s->loop, log_serve_on_look, s);
    timer_start(s->look, LOG_SERVE_LOOK_MS);
    s->watch = MEM_NEW(uv_fs_event_t);
    uv_fs_event_init(s->loop, s->watch);
    s->watch->data = s;
    uv_fs_event_start(s->watch, log_serve_on_file, dir, 0);
}

/* --- reading --- */

static int log_serve_run(void *arg, struct err *err)
{
    struct log_serve *s = arg;

    if (s->cursor == NULL) {
        int rc = log_cursor_new(&s->cursor, s->source.path, &s->query, err);

        if (rc < 0)
            return rc;
    }
    s->state = log_cursor_read(s->cursor, &s->piece, err);
    return s->state < 0 ? s->state : 0;
}

static void log_serve_begin(struct log_serve *s)
{
    struct http_stream_listener listener = { .on_drain = log_serve_on_drain,
                                             .on_gone = log_serve_on_gone,
                                             .arg = s };

    s->is_streaming = true;
    http_stream(s->x, 200, "text/plain", &listener);
}

/* Reached the end of what there is: done, or wait for more. */
static void log_serve_at_end(struct log_serve *s)
{
    bool is_open = s->follow && s->source.is_open(s->source.arg, s->source.uid, s->source.container,
                                                  s->source.path);

    if (s->has_grown) {
        log_serve_read(s); /* something came while we looked */
        return;
    }
    if (!is_open)
        log_serve_end(s);
    else if (s->watch == NULL) {
        log_serve_watch(s);
        log_serve_read(s); /* what was written before the watch stood */
    }
}

static void log_serve_done(void *arg, int rc, const struct err *err)
{
    struct log_serve *s = arg;

    s->is_busy = false;
    if (s->x == NULL) {
        log_serve_free(s);
        return;
    }
    if (!s->is_streaming && rc < 0) {
        http_reply(s->x, err_http(rc), "text/plain", err->text, strlen(err->text));
        s->x = NULL;
        log_serve_free(s);
        return;
    }
    if (!s->is_streaming)
        log_serve_begin(s);
    if (s->is_ended)
        return;
    if (s->piece.len > 0)
        http_write(s->x, s->piece.data, s->piece.len);
    text_clear(&s->piece);
    if (rc < 0 || s->state == LOG_LIMIT)
        log_serve_end(s);
    else if (s->state == LOG_AT_END)
        log_serve_at_end(s);
    else if (http_backlog(s->x) > LOG_SERVE_BACKLOG)
        s->is_waiting = true;
    else
        log_serve_read(s);
}

static void log_serve_read(struct log_serve *s)
{
    assert(!s->is_busy);
    s->is_busy = true;
    s->has_grown = false;
    work_submit(s->loop, log_serve_run, log_serve_done, s);
}

void log_serve(uv_loop_t *loop, struct http_exchange *x, struct log_source *source,
               const struct log_query *q, bool follow)
{
    struct log_serve *s = MEM_NEW(struct log_serve);

    s->loop = loop;
    s->x = x;
    s->source = *source;
    s->query = *q;
    s->follow = follow;
    log_serve_read(s);
}
