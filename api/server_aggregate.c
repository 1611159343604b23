/* Requests for APIs that somebody else serves: passed on, with who asks in headers that the other
 * end believes (api/aggregate.h), and its answer as it comes. */
#include "api/server_impl.h"

#include "base/http_args.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

#define AGGREGATE_BACKLOG_MAX (8 * 1024 * 1024)
#define AGGREGATE_HEADERS_MAX 64
#define AGGREGATE_TIMEOUT_MS  60000

/* --- what is asked --- */

/* "/apis/group/version" and what follows; false: it is no such path. */
static bool aggregate_split(const char *path, char group[128], char version[64],
                            const char **ret_rest)
{
    size_t n;

    if (!str_starts(path, "/apis/"))
        return false;
    path += strlen("/apis/");
    n = strcspn(path, "/");
    if (n == 0 || n >= 128 || path[n] != '/')
        return false;
    snprintf(group, 128, "%.*s", (int)n, path);
    path += n + 1;
    n = strcspn(path, "/");
    if (n == 0 || n >= 64)
        return false;
    snprintf(version, 64, "%.*s", (int)n, path);
    *ret_rest = path + n + (path[n] == '/');
    return true;
}

const struct aggregate_api *server_aggregate_of(const struct call *c)
{
    char group[128], version[64];
    const char *rest;

    if (c->route.kind == ROUTE_RESOURCE || !aggregate_split(http_path(c->x), group, version, &rest))
        return NULL;
    return aggregate_find(c->s->aggregate, group, version);
}

/* namespaces/NS/RESOURCE/NAME/SUB or RESOURCE/NAME/SUB, as strings of @part. */
static void aggregate_question(struct auth_question *q, char **part, const char *method, bool watch)
{
    size_t n = 0, i = 0;

    while (part[n] != NULL && part[n][0] != '\0')
        n++;
    if (n >= 3 && str_eq(part[0], "namespaces")) {
        q->ns = part[1];
        i = 2;
    }
    q->resource = i < n ? part[i] : "";
    q->name = i + 1 < n ? part[i + 1] : "";
    q->sub = i + 2 < n ? part[i + 2] : "";
    if (str_eq(method, "POST"))
        q->verb = "create";
    else if (str_eq(method, "PUT"))
        q->verb = "update";
    else if (str_eq(method, "PATCH"))
        q->verb = "patch";
    else if (str_eq(method, "DELETE"))
        q->verb = q->name[0] != '\0' ? "delete" : "deletecollection";
    else
        q->verb = watch ? "watch" : (q->name[0] != '\0' ? "get" : "list");
}

bool server_aggregate_may(struct call *c, const struct aggregate_api *api)
{
    char group[128], version[64];
    const char *rest = "", *watch = http_query(c->x, "watch");
    struct auth_question q = { .path = http_path(c->x),
                               .group = api->group,
                               .resource = "",
                               .sub = "",
                               .ns = "",
                               .name = "" };
    cleanup(text_fini) struct text why = TEXT_EMPTY;
    cleanup(strv_freep) char **part = NULL;
    bool allowed;

    aggregate_split(http_path(c->x), group, version, &rest);
    part = str_split(rest, '/');
    aggregate_question(&q, part, http_method(c->x), http_args_flag(watch));
    if (q.resource[0] == '\0') {
        q.group = "";
        q.verb = "get"; /* its discovery */
    }
    allowed = auth_may(&c->user, registry_rbac(c->s->registry), &q);
    if (allowed)
        return true;
    auth_refusal(&why, &c->user, &q);
    if (c->user.anonymous)
        call_fail(c, ERR_UNAUTHORIZED, "Unauthorized");
    else
        call_fail(c, ERR_FORBIDDEN, "forbidden: %s", text_str(&why));
    return false;
}

/* --- headers --- */

struct aggregate_headers {
    char *line[AGGREGATE_HEADERS_MAX + 1];
    size_t n;
};

static void headers_fini(struct aggregate_headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->line[i]);
}

static void headers_add(struct aggregate_headers *h, const char *name, const char *value)
{
    if (h->n < AGGREGATE_HEADERS_MAX && strpbrk(value, "\r\n") == NULL)
        h->line[h->n++] = mem_fmt("%s: %s", name, value);
}

/* Of this connection, or ours to say. */
static bool headers_are_ours(const char *name)
{
    static const char *const names[] = { "Host",
                                         "Connection",
                                         "Keep-Alive",
                                         "TE",
                                         "Trailer",
                                         "Transfer-Encoding",
                                         "Authorization",
                                         "Content-Length",
                                         "Accept-Encoding",
                                         "Upgrade",
                                         "Expect" };
    static const char *const prefixes[] = { "Proxy-", "Impersonate-", "X-Remote-" };

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < N_ELEMENTS(prefixes); i++)
        if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void headers_fill(struct aggregate_headers *h, const struct call *c)
{
    cleanup(freep) char *all = http_header_names(c->x, "");
    cleanup(strv_freep) char **name = str_split(all, ',');

    headers_add(h, "X-Remote-User", c->user.name);
    for (size_t i = 0; c->user.groups != NULL && c->user.groups[i] != NULL; i++)
        headers_add(h, "X-Remote-Group", c->user.groups[i]);
    headers_add(h, "X-Forwarded-For", http_remote(c->x));
    for (size_t i = 0; name[i] != NULL; i++) {
        const char *n = name[i] + strspn(name[i], " ");
        cleanup(freep) char *value = http_header_all(c->x, n);

        if (n[0] != '\0' && !headers_are_ours(n))
            headers_add(h, n, value);
    }
}

/* --- passing on --- */

struct aggregate_proxy {
    struct call *call;
    struct http_call *upstream; /* NULL once done */
    bool is_streaming;
};

static void proxy_on_gone(void *arg)
{
    struct aggregate_proxy *p = arg;

    if (p->upstream != NULL)
        http_call_cancel(p->upstream);
    call_free(p->call);
    free(p);
}

static void proxy_begin(struct aggregate_proxy *p, const struct http_head *head)
{
    const struct http_stream_listener listener = { .on_gone = proxy_on_gone, .arg = p };

    p->is_streaming = true;
    server_observe_answer(p->call, head->status, NULL, 0);
    http_stream(p->call->x, head->status, head->content_type, &listener);
}

static int proxy_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct aggregate_proxy *p = arg;

    if (!p->is_streaming)
        proxy_begin(p, head);
    http_write(p->call->x, data, len);
    return http_backlog(p->call->x) > AGGREGATE_BACKLOG_MAX ? -1 : 0;
}

static void proxy_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                          size_t len, const struct err *err)
{
    struct aggregate_proxy *p = arg;
    struct call *c = p->call;
    struct text t = TEXT_EMPTY;

    p->upstream = NULL;
    if (p->is_streaming) { /* the rest is done when it is gone */
        if (rc < 0)
            http_abort(c->x);
        else
            http_end(c->x);
        return;
    }
    free(p);
    if (rc < 0) {
        call_fail(c, ERR_UNAVAILABLE, "error trying to reach service: %s", err->text);
        return;
    }
    text_add(&t, body, len);
    call_send_text(c, head->status, head->content_type, &t);
}

/* The path as it came, and the query anew. */
static char *proxy_url(const struct call *c, const char *base)
{
    struct text t = TEXT_EMPTY;
    const char *key, *value;

    text_fmt(&t, "%s%s", base, http_path(c->x));
    for (size_t it = 0, n = 0; http_query_each(c->x, &it, &key, &value); n++) {
        if (n == 0)
            text_putc(&t, '?');
        server_add_query(&t, key, value);
    }
    return text_take(&t);
}

void server_aggregate(struct call *c, const struct aggregate_api *api)
{
    const struct http_call_listener listener = { .on_data = proxy_on_data,
                                                 .on_done = proxy_on_done };
    struct http_call_listener mine = listener;
    struct http_call_spec spec = { .method = http_method(c->x),
                                   .timeout_ms = AGGREGATE_TIMEOUT_MS };
    const char *watch = http_query(c->x, "watch");
    cleanup(headers_fini) struct aggregate_headers headers = { .n = 0 };
    cleanup(freep) char *base = NULL;
    cleanup(freep) char *connect_to = NULL;
    cleanup(freep) char *url = NULL;
    struct aggregate_proxy *p;
    struct err err = ERR_EMPTY;

    if (!api->available) {
        call_fail(c, ERR_UNAVAILABLE, "service unavailable");
        return;
    }
    if (http_header(c->x, "Upgrade") != NULL) {
        call_fail(c, ERR_METHOD, "mkube passes no upgrades to aggregated APIs yet");
        return;
    }
    if (aggregate_place(c->s->aggregate, api, &base, &connect_to, &err) < 0) {
        call_fail(c, ERR_UNAVAILABLE, "%s", err.text);
        return;
    }
    headers_fill(&headers, c);
    spec.url = url = proxy_url(c, base);
    spec.connect_to = connect_to;
    spec.headers = (const char *const *)headers.line;
    spec.body = http_body(c->x, &spec.body_len);
    if (http_args_flag(watch))
        spec.timeout_ms = -1;
    p = MEM_NEW(struct aggregate_proxy);
    p->call = c;
    mine.arg = p;
    p->upstream = http_call(api->client, &spec, &mine);
}
