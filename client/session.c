#include "client/session.h"

#include "api/client.h"
#include "base/mem.h"
#include "client/oneshot.h"
#include "client/verb.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SESSION_BODY_MAX (256 * 1024 * 1024)
#define SESSION_LINE_MAX (16 * 1024 * 1024)

struct session {
    struct oneshot *calls;       /* owned: loop and client */
    struct client_config config; /* owned: for requests that the client has no words for */
    struct http_client *http;    /* owned; NULL until the first stream */
    char *authorization;         /* owned; NULL without a token */
    char *ns;                    /* owned */
};

/* --- life --- */

int session_new(struct session **ret, const struct session_opts *opts, struct err *err)
{
    struct session *s = MEM_NEW(struct session);
    cleanup(freep) char *path = oneshot_find_config(opts->kubeconfig);
    int rc = client_config_load(&s->config, path, err);

    if (rc < 0) {
        session_free(s);
        return err_wrap(err, rc, "kubeconfig %s", path);
    }
    rc = oneshot_new(&s->calls, path, err);
    if (rc < 0) {
        session_free(s);
        return rc;
    }
    if (s->config.token != NULL)
        s->authorization = mem_fmt("Authorization: Bearer %s", s->config.token);
    s->ns = mem_str(opts->ns != NULL          ? opts->ns
                    : str_empty(s->config.ns) ? "default"
                                              : s->config.ns);
    *ret = s;
    return 0;
}

struct session *session_free(struct session *s)
{
    if (s == NULL)
        return NULL;
    s->http = http_client_close(s->http);
    s->calls = oneshot_free(s->calls);
    client_config_fini(&s->config);
    free(s->authorization);
    free(s->ns);
    free(s);
    return NULL;
}

void session_freep(struct session **s)
{
    *s = session_free(*s);
}

const char *session_namespace(const struct session *s)
{
    return s->ns;
}

void session_answer_fini(struct session_answer *a)
{
    json_decref(a->body);
    *a = (struct session_answer){ .status = 0 };
}

/* --- calls --- */

struct session_wait { /* of the call under way */
    bool done;
    int rc;
    struct session_answer *answer;
    struct err *err;
};

static void session_on_called(void *arg, int rc, int status, const json_t *body,
                              const struct err *err)
{
    struct session_wait *w = arg;

    w->done = true;
    w->rc = rc;
    w->answer->status = status;
    w->answer->body = body != NULL ? json_deep_copy(body) : NULL;
    if (rc < 0)
        *w->err = *err;
}

static void session_run(struct session *s, const struct session_wait *w)
{
    while (!w->done)
        uv_run(oneshot_loop(s->calls), UV_RUN_ONCE);
}

int session_call(struct session *s, const char *method, const char *path, const char *content_type,
                 const json_t *body, struct session_answer *ret, struct err *err)
{
    struct session_wait w = { .answer = ret, .err = err };

    session_answer_fini(ret);
    client_call(oneshot_client(s->calls), method, path, content_type, body, session_on_called, &w);
    session_run(s, &w);
    return w.rc;
}

/* --- streams --- */

struct session_reader {
    struct session_wait wait;
    session_data_fn fn;
    void *arg;
    bool stopped; /* by the callback */
};

static int session_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct session_reader *r = arg;

    (void)head;
    r->stopped = r->fn(r->arg, data, len) != 0;
    return r->stopped ? 1 : 0;
}

static void session_on_read(void *arg, int rc, const struct http_head *head, const void *body,
                            size_t len, const struct err *err)
{
    struct session_reader *r = arg;
    struct session_wait *w = &r->wait;
    struct err ignored = ERR_EMPTY;

    w->done = true;
    w->answer->status = head->status;
    if (rc < 0) {
        w->rc = r->stopped ? 0 : rc;
        *w->err = *err;
        return;
    }
    if (head->status >= 200 && head->status <= 299)
        return;
    if (len > 0 && json_parse(&w->answer->body, body, len, NULL, &ignored) < 0)
        w->answer->body = NULL;
    w->rc = err_set(w->err, head->status == 404 ? ERR_NOT_FOUND : ERR_PROTOCOL, "%s",
                    json_str_or(w->answer->body, "message", "the server gave no reason"));
}

static int session_http(struct session *s, struct err *err)
{
    struct http_client_opts opts = { .ca_pem = s->config.ca_pem,
                                     .cert_pem = s->config.cert_pem,
                                     .key_pem = s->config.key_pem };

    return s->http != NULL ? 0 : http_client_new(&s->http, oneshot_loop(s->calls), &opts, err);
}

int session_stream(struct session *s, const char *path, const char *accept, session_data_fn fn,
                   void *arg, struct session_answer *ret, struct err *err)
{
    struct session_reader r = { .wait = { .answer = ret, .err = err }, .fn = fn, .arg = arg };
    cleanup(freep) char *url = mem_fmt("%s%s", s->config.server, path);
    cleanup(freep) char *want = mem_fmt("Accept: %s", accept);
    const char *headers[] = { want, s->authorization, NULL };
    struct http_call_spec spec = { .method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = -1,
                                   .max_body = SESSION_BODY_MAX };
    struct http_call_listener listener = { .on_data = session_on_data,
                                           .on_done = session_on_read,
                                           .arg = &r };
    int rc = session_http(s, err);

    session_answer_fini(ret);
    if (rc < 0)
        return rc;
    http_call(s->http, &spec, &listener);
    session_run(s, &r.wait);
    return r.wait.rc;
}

static int session_collect(void *arg, const char *data, size_t len)
{
    struct text *t = arg;

    if (t->len + len > SESSION_BODY_MAX)
        return 1;
    text_add(t, data, len);
    return 0;
}

int session_get(struct session *s, const char *path, const char *accept, struct session_answer *ret,
                struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc = session_stream(s, path, accept, session_collect, &t, ret, err);

    if (rc == 0)
        rc = json_parse(&ret->body, text_str(&t), t.len, NULL, err);
    return rc;
}

/* --- watches --- */

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

int session_watch(struct session *s, const char *path, const char *accept, session_event_fn fn,
                  void *arg, struct session_answer *ret, struct err *err)
{
    struct session_watcher w = { .line = TEXT_EMPTY, .fn = fn, .arg = arg, .err = err };
    int rc = session_stream(s, path, accept, session_watch_data, &w, ret, err);

    text_fini(&w.line);
    if (w.refused != NULL)
        ret->body = w.refused;
    return rc < 0 ? rc : w.rc;
}

/* --- words --- */

int session_complain(const struct session_answer *a, const struct err *err, const char *doing)
{
    const char *reason = json_str_or(a->body, "reason", "");

    fflush(stdout);
    if (a->status == 0)
        fprintf(stderr, "Unable to connect to the server: ");
    else
        fprintf(stderr, "Error from server%s%s%s: ", reason[0] != '\0' ? " (" : "", reason,
                reason[0] != '\0' ? ")" : "");
    if (doing != NULL)
        fprintf(stderr, "%s: ", doing);
    fprintf(stderr, "%s\n", json_str_or(a->body, "message", err->text));
    return VERB_FAILED;
}

void session_query(struct text *path, const char *name, const char *value)
{
    text_fmt(path, "%c%s=", strchr(text_str(path), '?') != NULL ? '&' : '?', name);
    for (const char *c = value; *c != '\0'; c++) {
        if (isalnum((unsigned char)*c) || strchr("-_.~", *c) != NULL)
            text_putc(path, *c);
        else
            text_fmt(path, "%%%02X", (unsigned)(unsigned char)*c);
    }
}
