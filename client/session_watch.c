/* Watches: the events of a stream, a line each. */
#include "base/mem.h"
#include "client/session.h"

#include <string.h>

#define SESSION_LINE_MAX (16 * 1024 * 1024)

struct session_watcher {
    struct text line; /* of the event that is still arriving */
    session_event_fn fn;
    void *arg;
    json_t *refused; /* the Status of an ERROR event */
    int rc;
    struct err *err;
};

static int session_watch_line(struct session_watcher *w, const char *line, size_t len)
{
    cleanup(json_decrefpp) json_t *event = NULL;
    const char *type;

    if (len == 0)
        return 0;
    w->rc = json_parse(&event, line, len, NULL, w->err);
    if (w->rc < 0)
        return 1;
    type = json_str_or(event, "type", "");
    if (str_eq(type, "ERROR")) {
        w->refused = json_incref(json_at(event, "object"));
        w->rc = err_set(w->err, ERR_EXPIRED, "%s",
                        json_str_or(w->refused, "message", "the watch was ended"));
        return 1;
    }
    return w->fn(w->arg, type, json_at(event, "object"));
}

static int session_watch_data(void *arg, const char *data, size_t len)
{
    struct session_watcher *w = arg;
    size_t from = 0;
    const char *end;

    text_add(&w->line, data, len);
    while ((end = memchr(w->line.data + from, '\n', w->line.len - from)) != NULL) {
        size_t to = (size_t)(end - w->line.data);

        if (session_watch_line(w, w->line.data + from, to - from) != 0)
            return 1;
        from = to + 1;
    }
    text_drop(&w->line, from);
    if (w->line.len <= SESSION_LINE_MAX)
        return 0;
    w->rc = err_set(w->err, ERR_LIMIT, "an event of the watch is too large");
    return 1;
}

int session_watch_within(struct session *s, const char *path, const char *accept, int64_t ms,
                         session_event_fn fn, void *arg, struct session_answer *ret,
                         struct err *err)
{
    struct session_watcher w = { .line = TEXT_EMPTY, .fn = fn, .arg = arg, .err = err };
    int rc = ms != 0 ? session_stream_within(s, path, accept, ms, session_watch_data, &w, ret, err)
                     : err_set(err, ERR_TIMEOUT, "timed out");

    text_fini(&w.line);
    if (w.refused != NULL)
        ret->body = w.refused;
    return rc < 0 ? rc : w.rc;
}

int session_watch(struct session *s, const char *path, const char *accept, session_event_fn fn,
                  void *arg, struct session_answer *ret, struct err *err)
{
    return session_watch_within(s, path, accept, -1, fn, arg, ret, err);
}
