#include "api/outcall.h"

#include "api/service_peer.h"
#include "base/bits.h"
#include "base/http_client.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct outcall_peer {
    struct list link;
    char ca[BITS_SHA256_HEX]; /* of the bundle */
    struct http_client *client;
    unsigned n_calls;
    uint64_t used;
};

struct outcall {
    uv_loop_t *loop;     /* borrowed */
    struct store *store; /* borrowed */
    struct list peers, asks;
    size_t n_peers;
    uint64_t clock; /* counts uses */
};

struct outcall_ask {
    struct list link; /* in outcall.asks until it was answered */
    struct outcall_peer *peer;
    char *url, *connect_to;
    registry_posted_fn done;
    void *arg;
    struct err refused; /* told later, when nothing could be sent */
    bool is_over;
};

/* --- peers: one per CA --- */

static void peer_free(struct outcall *o, struct outcall_peer *p)
{
    assert(p->n_calls == 0);
    list_del(&p->link);
    o->n_peers--;
    http_client_close(p->client);
    free(p);
}

/* Room for one more: the longest unused goes. */
static bool peer_make_room(struct outcall *o)
{
    struct outcall_peer *oldest = NULL;

    if (o->n_peers < OUTCALL_PEERS_MAX)
        return true;
    LIST_EACH (it, &o->peers) {
        struct outcall_peer *p = list_entry(it, struct outcall_peer, link);

        if (p->n_calls == 0 && (oldest == NULL || p->used < oldest->used))
            oldest = p;
    }
    if (oldest != NULL)
        peer_free(o, oldest);
    return oldest != NULL;
}

static struct outcall_peer *peer_find(struct outcall *o, const char *ca)
{
    LIST_EACH (it, &o->peers) {
        struct outcall_peer *p = list_entry(it, struct outcall_peer, link);

        if (str_eq(p->ca, ca))
            return p;
    }
    return NULL;
}

static int peer_make(struct outcall_peer **ret, struct outcall *o, const struct text *ca,
                     const char *hash, struct err *err)
{
    struct http_client_opts opts = { .ca_pem = ca->len > 0 ? text_str(ca) : NULL };
    struct outcall_peer *p;
    int rc;

    if (!peer_make_room(o))
        return err_set(err, ERR_BUSY, "more than %d certificate authorities at once",
                       OUTCALL_PEERS_MAX);
    p = MEM_NEW(struct outcall_peer);
    rc = http_client_new(&p->client, o->loop, &opts, err);
    if (rc < 0) {
        free(p);
        return rc;
    }
    snprintf(p->ca, sizeof(p->ca), "%s", hash);
    list_add_tail(&o->peers, &p->link);
    o->n_peers++;
    *ret = p;
    return 0;
}

static int peer_get(struct outcall_peer **ret, struct outcall *o, const json_t *config,
                    struct err *err)
{
    const json_t *bundle = json_object_get(config, "caBundle");
    cleanup(text_fini) struct text ca = TEXT_EMPTY;
    char hash[BITS_SHA256_HEX];
    size_t bad;
    int rc = 0;

    if (json_is_string(bundle) &&
        !bits_unbase64(&ca, json_string_value(bundle), json_string_length(bundle), &bad))
        return err_set(err, ERR_INVALID, "unable to load root certificates: bad base64");
    bits_sha256_hex(hash, text_str(&ca), ca.len);
    *ret = peer_find(o, hash);
    if (*ret == NULL)
        rc = peer_make(ret, o, &ca, hash, err);
    if (rc == 0)
        (*ret)->used = ++o->clock;
    return rc < 0 ? err_wrap(err, rc, "unable to load root certificates") : 0;
}

/* --- one question --- */

static void ask_answer(struct outcall_ask *ask, int rc, int http, const char *body, size_t len,
                       const struct err *err)
{
    list_del(&ask->link);
    ask->is_over = true;
    if (ask->peer != NULL)
        ask->peer->n_calls--;
    ask->done(ask->arg, rc, http, body, len, err);
}

static void ask_free(struct outcall_ask *ask)
{
    free(ask->url);
    free(ask->connect_to);
    free(ask);
}

/* How Go's client tells it. */
static int ask_failure(const struct outcall_ask *ask, int rc, const struct http_head *head,
                       const struct err *why, struct err *err)
{
    char reason[128] = "";

    if (rc == ERR_TIMEOUT)
        return err_set(err, rc, "Post \"%s\": context deadline exceeded", ask->url);
    if (head->sys_error != 0) {
        snprintf(reason, sizeof(reason), "%s", strerror(head->sys_error));
        reason[0] = (char)tolower((unsigned char)reason[0]);
        return err_set(err, rc, "Post \"%s\": dial tcp %s: connect: %s", ask->url,
                       ask->connect_to != NULL ? ask->connect_to : "host", reason);
    }
    return err_set(err, rc, "Post \"%s\": %s", ask->url, why->text);
}

static void ask_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                        size_t len, const struct err *why)
{
    struct outcall_ask *ask = arg;
    struct err err = ERR_EMPTY;

    if (rc < 0)
        rc = ask_failure(ask, rc, head, why, &err);
    ask_answer(ask, rc, head->status, body != NULL ? body : "", len, &err);
    ask_free(ask);
}

static void ask_on_refused(void *arg)
{
    struct outcall_ask *ask = arg;

    if (!ask->is_over)
        ask_answer(ask, ask->refused.code, 0, "", 0, &ask->refused);
    ask_free(ask);
}

/* Where to: the URL, and the address behind it. */
static int ask_place(struct outcall_ask *ask, struct outcall *o, const struct registry_post *post,
                     struct err *err)
{
    const json_t *service = json_at(post->client_config, "service");
    const char *ns = json_str_or(service, "namespace", "");
    const char *name = json_str_or(service, "name", "");
    const char *path = json_str_or(service, "path", "");
    int64_t port = json_int(service, "port", 443), seconds = (post->timeout_ms + 999) / 1000;
    char peer[SERVICE_PEER_MAX];
    uint64_t random;
    int rc;

    if (service == NULL) {
        const char *url = json_str_or(post->client_config, "url", "");
        const char *host = strstr(url, "://");
        bool has_path = host != NULL && strchr(host + 3, '/') != NULL;

        ask->url = mem_fmt("%s%s?timeout=%llds", url, has_path ? "" : "/", (long long)seconds);
        return 0;
    }
    ask->url = mem_fmt("https://%s.%s.svc:%lld%s%s?timeout=%llds", name, ns, (long long)port,
                       path[0] == '/' ? "" : "/", path, (long long)seconds);
    bits_random(&random, sizeof(random));
    rc = service_peer(peer, o->store, ns, name, port, random, err);
    if (rc < 0) {
        cleanup(freep) char *why = mem_str(err->text);

        return err_set(err, rc, "Post \"%s\": %s", ask->url, why);
    }
    ask->connect_to = mem_str(peer);
    return 0;
}

static void ask_send(struct outcall_ask *ask, const struct registry_post *post)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Accept: application/json, */*", NULL };
    const struct http_call_spec spec = { .method = "POST",
                                         .url = ask->url,
                                         .connect_to = ask->connect_to,
                                         .headers = headers,
                                         .body = post->body,
                                         .body_len = post->len,
                                         .timeout_ms = post->timeout_ms,
                                         .connect_ms = post->timeout_ms,
                                         .max_body = OUTCALL_ANSWER_MAX };
    const struct http_call_listener listener = { .on_done = ask_on_done, .arg = ask };

    ask->peer->n_calls++;
    http_call(ask->peer->client, &spec, &listener);
}

static void outcall_post(void *arg, const struct registry_post *post, registry_posted_fn done,
                         void *done_arg)
{
    struct outcall *o = arg;
    struct outcall_ask *ask = MEM_NEW(struct outcall_ask);
    struct outcall_peer *peer = NULL;
    int rc;

    ask->done = done;
    ask->arg = done_arg;
    list_add_tail(&o->asks, &ask->link);
    rc = ask_place(ask, o, post, &ask->refused);
    if (rc == 0)
        rc = peer_get(&peer, o, post->client_config, &ask->refused);
    ask->peer = peer;
    if (rc < 0)
        loop_defer(o->loop, ask_on_refused, ask);
    else
        ask_send(ask, post);
}

/* --- life --- */

struct outcall *outcall_new(uv_loop_t *loop, struct store *store)
{
    struct outcall *o = MEM_NEW(struct outcall);

    o->loop = loop;
    o->store = store;
    list_init(&o->peers);
    list_init(&o->asks);
    return o;
}

struct outcall *outcall_close(struct outcall *o)
{
    const struct err err = { .code = ERR_CANCELED, .text = "the server is shutting down" };

    if (o == NULL)
        return NULL;
    /* Running calls are told by their client ... */
    LIST_EACH (it, &o->peers) {
        struct outcall_peer *p = list_entry(it, struct outcall_peer, link);

        p->client = http_client_close(p->client);
    }
    while (!list_empty(&o->peers))
        peer_free(o, list_entry(o->peers.next, struct outcall_peer, link));
    /* ... the refused ones here; their memory goes when their turn comes. */
    while (!list_empty(&o->asks))
        ask_answer(list_entry(o->asks.next, struct outcall_ask, link), err.code, 0, "", 0, &err);
    free(o);
    return NULL;
}

struct registry_outcall outcall_of_registry(struct outcall *o)
{
    return (struct registry_outcall){ .post = outcall_post, .arg = o };
}
