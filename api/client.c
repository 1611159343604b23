#include "api/client.h"

#include "api/schema.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define CLIENT_BODY_MAX   (256 * 1024 * 1024)
/* A watch hears a bookmark each minute: more silence than this and the server is gone. */
#define CLIENT_SILENCE_MS 90000
/* Calls that began so long before the way was found whole again are taken for lost. */
#define CLIENT_LOST_MS    1000

struct client {
    struct http_client *http; /* owned */
    char *server;             /* owned */
    char *authorization;      /* owned: "Authorization: Bearer ..." or NULL */
    struct list calls;        /* of client_call.link */
    struct list listeners;    /* of client_listener.link */
    struct timer *back;       /* runs while the lost calls are ended and listeners told */
    int64_t back_ms;          /* monotonic: when it began to */
    bool has_answered;        /* some call once had an answer */
    bool is_away;             /* the last call found nobody */
};

struct client_call {
    struct list link;
    struct client *client;
    struct http_call *http;
    client_done_fn done;
    void *arg;
    int64_t began_ms; /* monotonic */
};

static void client_on_back(void *arg);

static void client_http_opts(struct http_client_opts *ret, const struct client_config *config)
{
    *ret = (struct http_client_opts){ .ca_pem = config->ca_pem,
                                      .cert_pem = config->cert_pem,
                                      .key_pem = config->key_pem,
                                      .user_agent = config->agent,
                                      .max_per_host = CLIENT_CONNECTIONS };
}

int client_new(struct client **ret, uv_loop_t *loop, const struct client_config *config,
               struct err *err)
{
    struct client *c = MEM_NEW(struct client);
    struct http_client_opts opts;
    int rc;

    client_http_opts(&opts, config);
    list_init(&c->calls);
    list_init(&c->listeners);
    c->back = timer_new(loop, client_on_back, c);
    c->server = mem_str(config->server);
    if (config->token != NULL)
        c->authorization = mem_fmt("Authorization: Bearer %s", config->token);
    rc = http_client_new(&c->http, loop, &opts, err);
    if (rc < 0) {
        client_close(c);
        return err_wrap(err, rc, "client of %s", config->server);
    }
    *ret = c;
    return 0;
}

void client_renew(struct client *c, const struct client_config *config)
{
    struct http_client_opts opts;

    client_http_opts(&opts, config);
    http_client_renew(c->http, &opts);
}

struct client *client_close(struct client *c)
{
    if (c == NULL)
        return NULL;
    timer_close(c->back);
    c->back = NULL;
    http_client_close(c->http);
    while (!list_empty(&c->listeners))
        list_del(c->listeners.next);
    free(c->server);
    free(c->authorization);
    free(c);
    return NULL;
}

const char *client_server(const struct client *c)
{
    return c->server;
}

/* --- calls --- */

static int client_code_of(int status)
{
#define CLIENT_CODE_(code, text, http, reason) \
    if (status == http)                        \
        return code;
    ERR_CODES(CLIENT_CODE_)
#undef CLIENT_CODE_
    return ERR_INTERNAL;
}

/* AlreadyExists and Conflict share 409: the reason tells them apart. */
static int client_refused(int status, const json_t *body, struct err *err)
{
    const char *reason = json_str_or(body, "reason", "");
    int code = client_code_of(status);

    if (status == 409)
        code = str_eq(reason, "AlreadyExists") ? ERR_EXISTS : ERR_CONFLICT;
    return err_set(err, code, "%s", json_str_or(body, "message", "the server gave no reason"));
}

static void client_call_free(struct client_call *call)
{
    list_del(&call->link);
    free(call);
}

/* What a call's end says about the way to the server. */
static void client_note(struct client *c, int rc)
{
    if (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT) {
        c->is_away = true;
        return;
    }
    c->has_answered = c->has_answered || rc == 0;
    if (rc == 0 && c->is_away) {
        c->is_away = false;
        c->back_ms = clock_mono_ms();
        if (c->back != NULL)
            timer_start(c->back, 0);
    }
}

static void client_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                           size_t len, const struct err *err)
{
    struct client_call *call = arg;
    client_done_fn done = call->done;
    void *done_arg = call->arg;
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err own = ERR_EMPTY;

    client_note(call->client, rc);
    client_call_free(call);
    if (rc < 0) {
        done(done_arg, rc, 0, NULL, err);
        return;
    }
    if (len > 0 && str_starts(head->content_type, "application/json")) {
        rc = json_parse(&tree, body, len, NULL, &own);
        if (rc < 0)
            rc = err_wrap(&own, ERR_PROTOCOL, "the server's answer");
    }
    if (rc == 0 && (head->status < 200 || head->status > 299))
        rc = client_refused(head->status, tree, &own);
    done(done_arg, rc, head->status, tree, &own);
}

struct client_call *client_call_within(struct client *c, int64_t timeout_ms, const char *method,
                                       const char *path, const char *content_type,
                                       const json_t *body, client_done_fn done, void *arg)
{
    struct client_call *call = MEM_NEW(struct client_call);
    cleanup(freep) char *url = mem_fmt("%s%s", c->server, path);
    cleanup(freep) char *text = NULL;
    cleanup(freep) char *type = NULL;
    const char *headers[4] = { "Accept: application/json" };
    size_t n = 1;
    struct http_call_spec spec = { .method = method,
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = timeout_ms,
                                   .max_body = CLIENT_BODY_MAX };
    struct http_call_listener listener = { .on_done = client_on_done, .arg = call };

    assert(path[0] == '/');
    call->client = c;
    call->done = done;
    call->arg = arg;
    call->began_ms = clock_mono_ms();
    list_add_tail(&c->calls, &call->link);
    if (body != NULL) {
        spec.body = text = json_print(body, &spec.body_len);
        headers[n++] = type = mem_fmt("Content-Type: %s", content_type);
    }
    if (c->authorization != NULL)
        headers[n++] = c->authorization;
    headers[n] = NULL;
    call->http = http_call(c->http, &spec, &listener);
    return call;
}

struct client_call *client_call(struct client *c, const char *method, const char *path,
                                const char *content_type, const json_t *body, client_done_fn done,
                                void *arg)
{
    return client_call_within(c, 0, method, path, content_type, body, done, arg);
}

void client_call_cancel(struct client_call *call)
{
    http_call_cancel(call->http);
    client_call_free(call);
}

/* --- the server is back --- */

static void client_lose(struct client_call *call)
{
    client_done_fn done = call->done;
    void *arg = call->arg;
    struct err err = ERR_EMPTY;

    http_call_cancel(call->http);
    client_call_free(call);
    err_set(&err, ERR_UNAVAILABLE, "the connection was lost");
    done(arg, ERR_UNAVAILABLE, 0, NULL, &err);
}

/* One lost call a turn, since whoever hears of it may end the client. */
static void client_on_back(void *arg)
{
    struct client *c = arg;
    struct client_call *oldest = list_entry(c->calls.next, struct client_call, link);
    struct list told;

    if (!list_empty(&c->calls) && oldest->began_ms + CLIENT_LOST_MS < c->back_ms) {
        timer_start(c->back, 0);
        client_lose(oldest);
        return;
    }
    list_init(&told);
    while (!list_empty(&c->listeners)) {
        struct client_listener *l = list_entry(c->listeners.next, struct client_listener, link);

        list_del(&l->link);
        list_add_tail(&told, &l->link);
        l->on_back(l->arg);
    }
    list_splice(&c->listeners, &told);
}

bool client_is_away(const struct client *c)
{
    return c->is_away || !c->has_answered;
}

void client_listen(struct client *c, struct client_listener *l)
{
    list_init(&l->link);
    list_add_tail(&c->listeners, &l->link);
}

void client_unlisten(struct client_listener *l)
{
    if (l->link.next != NULL)
        list_del(&l->link);
}

struct http_call *client_stream(struct client *c, const char *path,
                                const struct http_call_listener *listener)
{
    cleanup(freep) char *url = mem_fmt("%s%s", c->server, path);
    const char *headers[] = { "Accept: application/json", c->authorization, NULL };
    struct http_call_spec spec = { .method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = -1,
                                   .silence_ms = CLIENT_SILENCE_MS,
                                   .max_body = CLIENT_BODY_MAX };

    return http_call(c->http, &spec, listener);
}

void client_path(struct text *ret, const struct schema_resource *r, const char *ns,
                 const char *name, const char *sub)
{
    if (r->group[0] == '\0')
        text_fmt(ret, "/api/%s", r->version);
    else
        text_fmt(ret, "/apis/%s/%s", r->group, r->version);
    if (r->namespaced && !str_empty(ns))
        text_fmt(ret, "/namespaces/%s", ns);
    text_fmt(ret, "/%s", r->plural);
    if (!str_empty(name))
        text_fmt(ret, "/%s", name);
    if (!str_empty(sub))
        text_fmt(ret, "/%s", sub);
}
