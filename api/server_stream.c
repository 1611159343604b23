/* exec, attach and port-forward: asked of the pod's node, whose agent speaks the protocol; then
 * bytes both ways.  At most STREAM_MAX at a time. */
#include "api/server_impl.h"

#include "base/http_tunnel.h"
#include "base/mem.h"
#include "base/relay.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

#define STREAM_MAX     256
#define STREAM_RETRY_S 5

struct server_stream {
    struct list link; /* in server.streams */
    struct server *s;
    struct call *call; /* NULL once the client has left HTTP */
    struct http_tunnel *tunnel;
    int node; /* the node's side, while the client's is changed over; else -1 */
    struct text early;
    struct relay *relay;
    struct call *over; /* owned; what was asked, while its answer goes on */
    bool is_proxy;     /* the other end's answers go on as they came */
};

static void stream_free(struct server_stream *t)
{
    list_del(&t->link);
    t->s->n_streams--;
    closep(&t->node);
    text_fini(&t->early);
    if (t->over != NULL)
        call_free(t->over);
    free(t);
}

static void stream_on_over(void *arg)
{
    stream_free(arg);
}

static void stream_on_upgraded(void *arg, int fd, const void *early, size_t early_len)
{
    struct server_stream *t = arg;
    struct relay_opts opts = { .client = fd,
                               .server = t->node,
                               .client_early = early,
                               .client_early_len = early_len,
                               .server_early = t->early.data,
                               .server_early_len = t->early.len,
                               .on_done = stream_on_over,
                               .arg = t };

    if (fd < 0) {
        stream_free(t);
        return;
    }
    t->node = -1;
    t->relay = relay_new(t->s->loop, &opts);
    text_fini(&t->early);
}

/* --- the node's answer --- */

static void stream_on_open(void *arg, const struct http_head *head, int fd, const void *early,
                           size_t len)
{
    static const char *const passed[] = { "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol",
                                          "X-Stream-Protocol-Version" };
    struct server_stream *t = arg;
    struct call *c = STEAL(t->call);
    const char *protocol = http_head_get(head, "Upgrade");

    t->tunnel = NULL;
    t->node = fd;
    text_add(&t->early, early, len);
    for (size_t i = 0; i < N_ELEMENTS(passed); i++)
        if (http_head_get(head, passed[i]) != NULL)
            http_set_header(c->x, passed[i], http_head_get(head, passed[i]));
    if (t->is_proxy && http_head_get(head, "Set-Cookie") != NULL)
        http_set_header(c->x, "Set-Cookie", http_head_get(head, "Set-Cookie"));
    server_observe_answer(c, 101, NULL, 0);
    http_upgrade(c->x, protocol != NULL ? protocol : "websocket", stream_on_upgraded, t);
    c->x = NULL; /* it is gone when stream_on_upgraded returns */
    t->over = c;
}

json_t *server_node_refusal(int http, const char *why)
{
    static const int codes[] = { ERR_BAD_REQUEST, ERR_FORBIDDEN, ERR_NOT_FOUND };
    json_t *status;

    for (size_t i = 0; i < N_ELEMENTS(codes); i++)
        if (err_http(codes[i]) == http)
            return status_failure(codes[i], "%s", why);
    if (http != err_http(ERR_BUSY))
        return status_failure(ERR_INTERNAL, "Internal error occurred: %s", why);
    status = status_failure(ERR_BUSY, "%s", why);
    json_put_int(status, "details.retryAfterSeconds", STREAM_RETRY_S);
    return status;
}

static void stream_refuse(struct server_stream *t, json_t *status_steal)
{
    struct call *c = t->call;

    stream_free(t);
    call_send_status(c, status_steal);
}

/* In Go's words, when it is no refusal either. */
static void stream_pass_refusal(struct server_stream *t, const struct http_head *head,
                                const char *body, size_t len)
{
    struct call *c = t->call;
    struct text copy = TEXT_EMPTY;

    if (head->status < 400) {
        stream_refuse(t, status_failure(ERR_INTERNAL,
                                        "Internal error occurred: invalid upgrade response: status "
                                        "code %d",
                                        head->status));
        return;
    }
    stream_free(t);
    text_add(&copy, body, len);
    call_send_text(c, head->status, head->content_type, &copy);
}

static void stream_on_refused(void *arg, const struct http_head *head, const char *body, size_t len)
{
    struct server_stream *t = arg;

    if (t->is_proxy)
        stream_pass_refusal(t, head, body, len);
    else
        stream_refuse(t, server_node_refusal(head->status, body));
}

static void stream_on_failed(void *arg, const struct err *err)
{
    struct server_stream *t = arg;

    if (t->is_proxy)
        stream_refuse(
            t, status_failure(ERR_UNAVAILABLE, "error trying to reach service: %s", err->text));
    else
        stream_refuse(t, status_failure(ERR_INTERNAL,
                                        "Internal error occurred: error dialing backend: %s",
                                        err->text));
}

/* --- the question --- */

static const struct stream_kind {
    const char *sub, *path;
    bool has_container;
    const char *query[8]; /* passed on */
} stream_kinds[] = {
    { "exec", "exec", true, { "stdin", "stdout", "stderr", "tty", "command" } },
    { "attach", "attach", true, { "stdin", "stdout", "stderr", "tty" } },
    { "portforward", "portForward", false, { "ports" } },
};

static const struct stream_kind *stream_kind(const struct call *c)
{
    for (size_t i = 0; i < N_ELEMENTS(stream_kinds); i++)
        if (str_eq(stream_kinds[i].sub, c->route.sub))
            return &stream_kinds[i];
    return NULL;
}

static bool stream_passes(const struct stream_kind *kind, const char *key)
{
    for (const char *const *q = kind->query; *q != NULL; q++)
        if (str_eq(*q, key))
            return true;
    return false;
}

static void stream_target(struct text *ret, const struct call *c, const struct stream_kind *kind,
                          const char *container)
{
    const char *key, *value;

    text_fmt(ret, "/%s/%s/%s", kind->path, c->route.ns, c->route.name);
    if (container != NULL)
        text_fmt(ret, "/%s", container);
    text_putc(ret, '?');
    for (size_t it = 0; http_query_each(c->x, &it, &key, &value);)
        if (stream_passes(kind, key))
            server_add_query(ret, key, value);
}

static void stream_start(struct call *c, struct tls_dialer *dialer,
                         const struct http_tunnel_spec *spec, bool is_proxy)
{
    struct server_stream *t = MEM_NEW(struct server_stream);
    const struct http_tunnel_listener listener = { .on_open = stream_on_open,
                                                   .on_refused = stream_on_refused,
                                                   .on_failed = stream_on_failed,
                                                   .arg = t };

    t->s = c->s;
    t->call = c;
    t->node = -1;
    t->is_proxy = is_proxy;
    list_add_tail(&c->s->streams, &t->link);
    c->s->n_streams++;
    t->tunnel = http_tunnel(c->s->loop, dialer, spec, &listener);
}

static void stream_to_node(struct call *c, const char *ip, uint16_t port, const char *target)
{
    static const char *const passed[] = { "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
                                          "Sec-WebSocket-Protocol", "X-Stream-Protocol-Version" };
    struct http_header_pair headers[N_ELEMENTS(passed)];
    char *values[N_ELEMENTS(passed)];
    struct http_tunnel_spec spec = {
        .ip = ip, .port = port, .method = http_method(c->x), .target = target, .headers = headers
    };

    for (size_t i = 0; i < N_ELEMENTS(passed); i++) {
        values[i] = http_header_all(c->x, passed[i]);
        if (values[i][0] != '\0')
            headers[spec.n_headers++] = (struct http_header_pair){ .name = passed[i],
                                                                   .value = values[i] };
    }
    stream_start(c, c->s->dialer, &spec, false);
    for (size_t i = 0; i < N_ELEMENTS(passed); i++)
        free(values[i]);
}

/* False: answered. */
static bool stream_may_begin(struct call *c)
{
    if (http_header(c->x, "Upgrade") == NULL)
        call_fail(c, ERR_BAD_REQUEST, "Upgrade request required");
    else if (c->s->n_streams >= STREAM_MAX)
        call_send_status(
            c, server_node_refusal(err_http(ERR_BUSY), "too many streams, please try again later"));
    else
        return true;
    return false;
}

static void stream_begin(struct call *c)
{
    const struct object *o = store_get(c->s->store, "pods", c->route.ns, c->route.name);
    cleanup(json_decrefpp) json_t *pod = o != NULL ? object_tree(o) : NULL;
    const struct stream_kind *kind = stream_kind(c);
    cleanup(text_fini) struct text target = TEXT_EMPTY;
    cleanup(freep) char *ip = NULL;
    const char *container = NULL;
    uint16_t port;

    if (o == NULL) {
        call_send_status(c, status_not_found(c->route.resource, c->route.name));
        return;
    }
    if (kind->has_container && (container = server_container(c, pod)) == NULL)
        return;
    ip = server_pod_node(c, o, &port);
    if (ip == NULL || !stream_may_begin(c))
        return;
    stream_target(&target, c, kind, container);
    stream_to_node(c, ip, port, text_str(&target));
}

void server_stream(struct call *c)
{
    server_ask_connect(c, stream_begin);
}

void server_stream_to(struct call *c, struct tls_dialer *dialer,
                      const struct http_tunnel_spec *spec)
{
    if (stream_may_begin(c))
        stream_start(c, dialer, spec, true);
}

void server_stream_end_all(struct server *s)
{
    LIST_EACH_SAFE (it, &s->streams) {
        struct server_stream *t = list_entry(it, struct server_stream, link);

        if (t->relay != NULL) {
            relay_close(t->relay);
            stream_free(t);
        } else if (t->tunnel != NULL) {
            http_tunnel_cancel(STEAL(t->tunnel));
            stream_refuse(t, status_failure(ERR_UNAVAILABLE, "the server is shutting down"));
        } /* else its change-over ends with the connection, which tells stream_on_upgraded */
    }
}
