#include "base/http_exchange.h"

#include "base/clock.h"
#include "base/http_budget.h"
#include "base/http_zip.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#define HTTP_GZIP_FROM        (128 * 1024)
#define HTTP_MAX_HEADER_BYTES 8192

struct http_conn *http_conn_ref(struct http_conn *c)
{
    c->n_refs++;
    return c;
}

struct http_conn *http_conn_unref(struct http_conn *c)
{
    assert(c->n_refs > 0);
    if (--c->n_refs > 0)
        return NULL;
    tls_peer_fini(&c->peer);
    free(c);
    return NULL;
}

void http_conn_enter(struct http_conn *c, enum http_phase phase)
{
    c->phase = phase;
    c->since_ms = c->heard_ms = clock_mono_ms();
}

/* --- life --- */

struct http_exchange *http_exchange_new(struct http_server *s, struct http_conn *c, const char *uri)
{
    struct http_exchange *x = MEM_NEW(struct http_exchange);
    char *query;

    x->loop = s->loop;
    x->server = s;
    x->conn = http_conn_ref(c);
    x->path = mem_str(uri);
    query = strchr(x->path, '?');
    if (query != NULL)
        *query++ = '\0';
    x->raw_query = query != NULL ? query : "";
    http_args_init(&x->args, query);
    list_add_tail(&s->exchanges, &x->link);
    return x;
}

void http_exchange_free(struct http_exchange *x)
{
    assert(x->watch == NULL && x->connection == NULL);
    list_del(&x->link);
    if (x->response != NULL)
        MHD_destroy_response(x->response);
    for (size_t i = 0; i < x->n_headers; i++) {
        free(x->headers[i].name);
        free(x->headers[i].value);
    }
    free(x->headers);
    x->conn = http_conn_unref(x->conn);
    http_args_fini(&x->args);
    text_fini(&x->body);
    text_fini(&x->out);
    http_zip_free(x->zip);
    free(x->method);
    free(x->path);
    free(x);
}

void http_exchange_suspend(struct http_exchange *x)
{
    assert(!x->is_suspended && x->connection != NULL);
    x->is_suspended = true;
    MHD_suspend_connection(x->connection);
}

void http_exchange_resume(struct http_exchange *x)
{
    if (!x->is_suspended)
        return;
    x->is_suspended = false;
    MHD_resume_connection(x->connection);
    http_server_kick(x->server);
}

void http_exchange_ask(struct http_exchange *x)
{
    struct http_server *s = x->server;

    assert(x->state == HTTP_RECEIVING);
    x->state = HTTP_ASKED;
    http_conn_enter(x->conn, HTTP_PHASE_BUSY);
    s->opts.on_request(s->opts.arg, x);
}

enum MHD_Result http_exchange_go_on(struct http_exchange *x)
{
    enum MHD_Result rc;

    if (x->server->is_closing)
        return MHD_NO;
    if (x->response == NULL) {
        assert(x->state == HTTP_ASKED);
        x->state = HTTP_WAITING;
        http_exchange_suspend(x);
        return MHD_YES;
    }
    rc = MHD_queue_response(x->connection, (unsigned)x->status, x->response);
    MHD_destroy_response(STEAL(x->response));
    return rc;
}

void http_exchange_give_up(struct http_exchange *x)
{
    x->is_aborted = true;
    http_exchange_resume(x);
}

static void http_exchange_tell_end(struct http_exchange *x)
{
    void (*on_upgraded)(void *, int, const void *, size_t) = STEAL(x->on_upgraded);

    if (x->state == HTTP_STREAMING)
        x->listener.on_gone(x->listener.arg);
    if (on_upgraded != NULL)
        on_upgraded(x->upgraded_arg, -1, NULL, 0);
    http_exchange_free(x);
}

void http_exchange_completed(struct http_exchange *x)
{
    http_stream_unwatch(x);
    x->connection = NULL;
    x->is_suspended = false;
    http_budget_release(x);
    http_conn_enter(x->conn, HTTP_PHASE_IDLE);
    list_del(&x->link);
    if (x->state == HTTP_ASKED || x->state == HTTP_WAITING)
        x->server = NULL; /* an orphan: its owner still holds it and will answer */
    else
        http_exchange_tell_end(x);
}

static void http_exchange_on_orphan_answered(void *arg)
{
    http_exchange_tell_end(arg);
}

/* --- the request --- */

const char *http_method(const struct http_exchange *x)
{
    return x->method;
}

const char *http_path(const struct http_exchange *x)
{
    return x->path;
}

const char *http_raw_query(const struct http_exchange *x)
{
    return x->raw_query;
}

const char *http_query(const struct http_exchange *x, const char *key)
{
    return http_args_get(&x->args, key);
}

bool http_query_each(const struct http_exchange *x, size_t *it, const char **ret_key,
                     const char **ret_value)
{
    if (*it >= x->args.n)
        return false;
    *ret_key = x->args.list[*it].key;
    *ret_value = x->args.list[*it].value;
    ++*it;
    return true;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    if (x->connection == NULL)
        return NULL;
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

struct http_header_search {
    const char *name;
    struct text found;
};

static enum MHD_Result http_header_on_value(void *arg, enum MHD_ValueKind kind UNUSED,
                                            const char *name, const char *value)
{
    struct http_header_search *s = arg;

    if (strcasecmp(name, s->name) == 0 && value != NULL)
        text_fmt(&s->found, "%s%s", s->found.len > 0 ? ", " : "", value);
    return MHD_YES;
}

char *http_header_all(const struct http_exchange *x, const char *name)
{
    struct http_header_search s = { .name = name, .found = TEXT_EMPTY };

    if (x->connection != NULL)
        MHD_get_connection_values(x->connection, MHD_HEADER_KIND, http_header_on_value, &s);
    return text_take(&s.found);
}

static enum MHD_Result http_header_on_name(void *arg, enum MHD_ValueKind kind UNUSED,
                                           const char *name, const char *value UNUSED)
{
    struct http_header_search *s = arg;
    size_t len = strlen(s->name);

    if (strncasecmp(name, s->name, len) == 0)
        text_fmt(&s->found, "%s%s", s->found.len > 0 ? ", " : "", name + len);
    return MHD_YES;
}

char *http_header_names(const struct http_exchange *x, const char *prefix)
{
    struct http_header_search s = { .name = prefix, .found = TEXT_EMPTY };

    if (x->connection != NULL)
        MHD_get_connection_values(x->connection, MHD_HEADER_KIND, http_header_on_name, &s);
    return text_take(&s.found);
}

struct http_header_walk {
    http_header_fn *fn;
    void *arg;
};

static enum MHD_Result http_header_on_any(void *arg, enum MHD_ValueKind kind UNUSED,
                                          const char *name, const char *value)
{
    const struct http_header_walk *w = arg;

    w->fn(w->arg, name, value != NULL ? value : "");
    return MHD_YES;
}

void http_header_each(const struct http_exchange *x, http_header_fn *fn, void *arg)
{
    struct http_header_walk w = { .fn = fn, .arg = arg };

    if (x->connection != NULL)
        MHD_get_connection_values(x->connection, MHD_HEADER_KIND, http_header_on_any, &w);
}

const void *http_body(const struct http_exchange *x, size_t *ret_len)
{
    *ret_len = x->body.len;
    return text_str(&x->body);
}

const struct tls_peer *http_peer(const struct http_exchange *x)
{
    return &x->conn->peer;
}

const char *http_remote(const struct http_exchange *x)
{
    return x->conn->remote;
}

/* --- the answer --- */

static bool http_header_is_clean(const char *s)
{
    for (; *s != '\0'; s++) {
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    }
    return true;
}

void http_set_header(struct http_exchange *x, const char *name, const char *value)
{
    size_t len = strlen(name) + strlen(value) + 4;

    assert(x->response == NULL);
    if (!http_header_is_clean(value) || x->header_bytes + len > HTTP_MAX_HEADER_BYTES) {
        log_debug("response header left out", KV("name", "%s", name));
        return;
    }
    x->header_bytes += len;
    x->headers = mem_grow(x->headers, x->n_headers + 1, sizeof(*x->headers));
    x->headers[x->n_headers++] = (struct http_exchange_header){ .name = mem_str(name),
                                                                .value = mem_str(value) };
}

static void http_exchange_answer(struct http_exchange *x, enum http_state state, int status,
                                 const char *content_type, struct MHD_Response *response)
{
    assert(response != NULL && x->response == NULL);
    assert(x->state == HTTP_RECEIVING || x->state == HTTP_ASKED || x->state == HTTP_WAITING);
    x->state = state;
    x->status = status;
    x->response = response;
    if (content_type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (size_t i = 0; i < x->n_headers; i++)
        MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
    if (x->server == NULL)
        loop_defer(x->loop, http_exchange_on_orphan_answered, x);
    else
        http_exchange_resume(x);
}

static char *http_refusal_body(struct http_server *s, int status, const char **ret_type)
{
    char *body = s->opts.refusal_body != NULL ? s->opts.refusal_body(s->opts.arg, status) : NULL;

    *ret_type = body != NULL ? "application/json" : "text/plain";
    return body != NULL ? body : mem_fmt("%s\n", MHD_get_reason_phrase_for((unsigned)status));
}

void http_reply_take(struct http_exchange *x, int status, const char *content_type, char *body,
                     size_t len)
{
    struct MHD_Response *response;
    size_t zipped_len = 0;
    char *zipped = NULL;

    if (len > HTTP_GZIP_FROM && strcmp(x->method, "HEAD") != 0 &&
        http_zip_accepted(http_header(x, "Accept-Encoding")))
        zipped = http_zip_whole(body, len, &zipped_len);
    if (zipped != NULL) {
        free(body);
        body = zipped;
        len = zipped_len;
        http_set_header(x, "Content-Encoding", "gzip");
        http_set_header(x, "Vary", "Accept-Encoding");
    }
    if (x->server != NULL && !http_budget_answer(x, len)) {
        free(body);
        status = MHD_HTTP_TOO_MANY_REQUESTS;
        body = http_refusal_body(x->server, status, &content_type);
        len = strlen(body);
        http_set_header(x, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    }
    response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
    http_exchange_answer(x, HTTP_ANSWERED, status, content_type, response);
}

void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body,
                size_t len)
{
    http_reply_take(x, status, content_type, len > 0 ? mem_dup(body, len) : NULL, len);
}

void http_stream(struct http_exchange *x, int status, const char *content_type,
                 const struct http_stream_listener *listener)
{
    assert(listener->on_gone != NULL);
    x->listener = *listener;
    http_exchange_answer(x, HTTP_STREAMING, status, content_type, http_stream_response(x));
}

/* --- refusals --- */

void http_exchange_refuse(struct http_exchange *x, int status)
{
    const char *type;
    char *body = http_refusal_body(x->server, status, &type);

    x->conn->is_refused = true;
    http_reply_take(x, status, type, body, strlen(body));
}

/* MHD takes no answer in the middle of a body.  Nothing else of ours is on its way on this
 * connection then, so the answer can be written past it; the caller has MHD close. */
void http_exchange_refuse_raw(struct http_exchange *x, int status)
{
    const char *type;
    cleanup(freep) char *body = http_refusal_body(x->server, status, &type);
    cleanup(freep) char *all = mem_fmt(
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "%sConnection: close\r\n\r\n%s",
        status, MHD_get_reason_phrase_for((unsigned)status), type, strlen(body),
        status == MHD_HTTP_TOO_MANY_REQUESTS ? "Retry-After: 1\r\n" : "",
        strcmp(x->method, "HEAD") == 0 ? "" : body);

    x->conn->is_refused = true;
    if (send(x->conn->fd, all, strlen(all), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("refusal not sent", KV("errno", "%d", errno));
}

/* --- upgrade --- */

static void http_upgrade_on_done(void *arg, struct MHD_Connection *connection UNUSED,
                                 void *request UNUSED, const char *early, size_t early_len,
                                 MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_exchange *x = arg;
    struct http_server *s = x->server;
    void (*on_upgraded)(void *, int, const void *, size_t) = STEAL(x->on_upgraded);
    /* A duplicate lets MHD's connection, with its buffer pool, go at once. */
    int ours = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (ours >= 0)
        fcntl(ours, F_SETFL, O_NONBLOCK);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    http_server_kick(s);
    on_upgraded(x->upgraded_arg, ours, early, early_len);
}

void http_upgrade(struct http_exchange *x, const char *protocol,
                  void (*on_upgraded)(void *arg, int fd, const void *early, size_t early_len),
                  void *arg)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(http_upgrade_on_done, x);

    assert(on_upgraded != NULL);
    x->on_upgraded = on_upgraded;
    x->upgraded_arg = arg;
    http_set_header(x, MHD_HTTP_HEADER_UPGRADE, protocol);
    http_exchange_answer(x, HTTP_UPGRADING, MHD_HTTP_SWITCHING_PROTOCOLS, NULL, response);
}
