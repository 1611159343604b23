#include "nodeagent/streams.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/websocket.h"
#include "nodeagent/attach.h"
#include "nodeagent/exec.h"
#include "nodeagent/port_forward.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STREAMS_FORWARD_SPDY      "portforward.k8s.io"
#define STREAMS_FORWARD_TUNNEL    "SPDY/3.1+portforward.k8s.io"
#define STREAMS_FORWARD_WEBSOCKET "v4.channel.k8s.io"

struct streams {
    uv_loop_t *loop;
    struct runtime *rt; /* borrowed */
    struct peers peers;
    struct list list; /* of struct stream */
    unsigned n, n_refs;
    bool is_closed;
};

enum stream_kind { STREAM_EXEC, STREAM_ATTACH, STREAM_FORWARD };

/* One client, from its request on. */
struct stream {
    struct list link;
    struct streams *set; /* shared ref: the upgrade may outlast us */
    enum stream_kind kind;
    bool is_websocket;
    const char *protocol; /* static */
    struct exec *exec;    /* to be left when the agent ends */
    char *container_id;
    pid_t pid;
    char **argv;
    struct channels_opts channels;
    struct port_forward_opts *forward; /* owned, with its strings */
};

/* --- life --- */

struct streams *streams_new(uv_loop_t *loop, struct runtime *rt)
{
    struct streams *s = MEM_NEW(struct streams);

    s->loop = loop;
    s->rt = rt;
    s->n_refs = 1;
    peers_init(&s->peers, loop);
    list_init(&s->list);
    return s;
}

static void streams_unref(struct streams *s)
{
    assert(s->n_refs > 0);
    if (--s->n_refs == 0)
        free(s);
}

static void stream_free(struct stream *t)
{
    list_del(&t->link);
    t->set->n--;
    streams_unref(t->set);
    free(t->container_id);
    strv_free(t->argv);
    if (t->forward != NULL) {
        free((void *)(uintptr_t)t->forward->net_ns);
        free((void *)(uintptr_t)t->forward->pod_name);
        free((void *)(uintptr_t)t->forward->pod_uid);
    }
    free(t->forward);
    free(t);
}

struct streams *streams_close(struct streams *s)
{
    if (s == NULL)
        return NULL;
    s->is_closed = true;
    peers_close_all(&s->peers);
    LIST_EACH_SAFE (it, &s->list) {
        struct stream *t = list_entry(it, struct stream, link);

        if (t->exec == NULL)
            continue; /* its upgrade is still under way and will find us closed */
        exec_leave(STEAL(t->exec));
        stream_free(t);
    }
    streams_unref(s);
    return NULL;
}

static void stream_on_done(void *arg)
{
    stream_free(arg);
}

/* --- negotiation --- */

static void streams_refuse(struct http_exchange *x, int status, const char *text)
{
    http_reply(x, status, "text/plain", text, strlen(text));
}

static bool streams_flag(const struct http_exchange *x, const char *key)
{
    const char *v = http_query(x, key);

    return v != NULL && strcasecmp(v, "false") != 0 && !str_eq(v, "0");
}

static const char *streams_forward_protocol(bool is_websocket, const char *offered)
{
    static const char *const of_websocket[] = { STREAMS_FORWARD_TUNNEL, STREAMS_FORWARD_WEBSOCKET };

    for (size_t i = 0; is_websocket && i < N_ELEMENTS(of_websocket); i++)
        if (strstr(offered, of_websocket[i]) != NULL)
            return of_websocket[i];
    return !is_websocket && strstr(offered, STREAMS_FORWARD_SPDY) != NULL ? STREAMS_FORWARD_SPDY
                                                                          : NULL;
}

static void streams_set_websocket(struct http_exchange *x, const char *protocol)
{
    char accept[WEBSOCKET_ACCEPT_MAX];

    websocket_accept(accept, http_header(x, "Sec-WebSocket-Key"));
    http_set_header(x, "Sec-WebSocket-Accept", accept);
    if (protocol[0] != '\0')
        http_set_header(x, "Sec-WebSocket-Protocol", protocol);
}

/* Chooses a protocol and sets the headers of 101; false: answered. */
static bool streams_negotiate(struct stream *t, struct http_exchange *x)
{
    const char *upgrade = http_header(x, "Upgrade");
    cleanup(freep) char *offered = NULL;

    if (upgrade == NULL) {
        streams_refuse(x, 400, "Upgrade request required");
        return false;
    }
    t->is_websocket = strcasecmp(upgrade, "websocket") == 0;
    if (!t->is_websocket && strcasecmp(upgrade, "SPDY/3.1") != 0) {
        streams_refuse(x, 400, "unable to upgrade: unknown protocol");
        return false;
    }
    if (t->is_websocket && (str_empty(http_header(x, "Sec-WebSocket-Key")) ||
                            !str_eq(http_header(x, "Sec-WebSocket-Version"), "13"))) {
        streams_refuse(x, 400, "unable to upgrade: the WebSocket handshake is incomplete");
        return false;
    }
    offered = http_header_all(x, t->is_websocket ? "Sec-WebSocket-Protocol"
                                                 : "X-Stream-Protocol-Version");
    t->protocol = t->kind == STREAM_FORWARD ? streams_forward_protocol(t->is_websocket, offered)
                                            : channels_choose(t->is_websocket, offered);
    if (t->protocol == NULL) {
        cleanup(freep) char *why = mem_fmt(
            "unable to upgrade: unable to negotiate protocol: client supports [%s]", offered);

        streams_refuse(x, 403, why);
        return false;
    }
    if (t->is_websocket)
        streams_set_websocket(x, t->protocol);
    else
        http_set_header(x, "X-Stream-Protocol-Version", t->protocol);
    return true;
}

/* --- joined --- */

static void stream_begin(struct stream *t, const struct peer_opts *peer)
{
    struct streams *s = t->set;

    t->channels.peer = *peer;
    t->channels.protocol = t->protocol;
    if (t->kind == STREAM_EXEC) {
        const struct exec_spec spec = { .container_id = t->container_id,
                                        .argv = (const char *const *)t->argv };

        t->exec = exec_new(s->rt, &s->peers, &spec, &t->channels, stream_on_done, t);
    } else if (t->kind == STREAM_ATTACH) {
        attach_new(s->rt, &s->peers, t->container_id, t->pid, &t->channels, stream_on_done, t);
    } else {
        t->forward->peer = *peer;
        t->forward->is_spdy = !str_eq(t->protocol, STREAMS_FORWARD_WEBSOCKET);
        port_forward_new(&s->peers, t->forward, stream_on_done, t);
    }
}

static void stream_on_upgraded(void *arg, int fd, const void *early, size_t early_len)
{
    struct stream *t = arg;
    const struct peer_opts peer = {
        .fd = fd, .is_websocket = t->is_websocket, .early = early, .early_len = early_len
    };

    if (fd < 0 || t->set->is_closed) {
        closep(&fd);
        stream_free(t);
        return;
    }
    stream_begin(t, &peer);
}

/* NULL: answered. */
static struct stream *stream_new(struct streams *s, struct http_exchange *x, enum stream_kind kind)
{
    struct stream *t;

    if (s->n + s->peers.n >= 2 * STREAMS_MAX || s->n >= STREAMS_MAX) {
        http_set_header(x, "Retry-After", "5");
        streams_refuse(x, 429, "too many streams to this node, please try again later");
        return NULL;
    }
    t = MEM_NEW(struct stream);
    t->set = s;
    s->n_refs++;
    s->n++;
    t->kind = kind;
    list_add_tail(&s->list, &t->link);
    return t;
}

static void stream_upgrade(struct stream *t, struct http_exchange *x)
{
    if (streams_negotiate(t, x))
        http_upgrade(x, t->is_websocket ? "websocket" : "SPDY/3.1", stream_on_upgraded, t);
    else
        stream_free(t);
}

/* The streams that were asked for; false: answered. */
static bool stream_read_channels(struct stream *t, struct http_exchange *x)
{
    struct channels_opts *c = &t->channels;

    c->has_stdin = streams_flag(x, "stdin");
    c->has_stdout = streams_flag(x, "stdout");
    c->has_stderr = streams_flag(x, "stderr");
    c->is_tty = streams_flag(x, "tty");
    if (c->has_stdin || c->has_stdout || c->has_stderr)
        return true;
    streams_refuse(x, 400, "you must specify at least 1 of stdin, stdout, stderr");
    return false;
}

void streams_exec(struct streams *s, struct http_exchange *x, const char *container_id)
{
    struct stream *t = stream_new(s, x, STREAM_EXEC);
    const char *key, *value;
    size_t n = 0;

    if (t == NULL)
        return;
    t->container_id = mem_str(container_id);
    for (size_t it = 0; http_query_each(x, &it, &key, &value);)
        if (str_eq(key, "command") && n < STREAMS_ARGS_MAX) {
            t->argv = mem_grow(t->argv, n + 2, sizeof(*t->argv));
            t->argv[n++] = mem_str(value);
            t->argv[n] = NULL;
        }
    if (n == 0) {
        streams_refuse(x, 400, "you must specify at least one command");
        stream_free(t);
    } else if (!stream_read_channels(t, x)) {
        stream_free(t);
    } else {
        stream_upgrade(t, x);
    }
}

void streams_attach(struct streams *s, struct http_exchange *x, const char *container_id, pid_t pid)
{
    struct stream *t = stream_new(s, x, STREAM_ATTACH);

    if (t == NULL)
        return;
    t->container_id = mem_str(container_id);
    t->pid = pid;
    if (stream_read_channels(t, x))
        stream_upgrade(t, x);
    else
        stream_free(t);
}

/* Values of "ports", also with commas between; false: one is none, or too many. */
static bool stream_read_ports(struct port_forward_opts *ret, const struct http_exchange *x)
{
    const char *key, *value;

    for (size_t it = 0; http_query_each(x, &it, &key, &value);) {
        cleanup(strv_freep) char **parts = str_split(str_eq(key, "ports") ? value : "", ',');

        for (char **p = parts; *p != NULL; p++) {
            uint64_t port;

            if (ret->n_ports == FORWARD_MAX || !str_u64(*p, &port) || port < 1 || port > UINT16_MAX)
                return false;
            ret->ports[ret->n_ports++] = (uint16_t)port;
        }
    }
    return true;
}

void streams_port_forward(struct streams *s, struct http_exchange *x, const char *net_ns,
                          const char *pod_name, const char *pod_uid)
{
    struct stream *t = stream_new(s, x, STREAM_FORWARD);

    if (t == NULL)
        return;
    t->forward = MEM_NEW(struct port_forward_opts);
    t->forward->net_ns = mem_str(net_ns);
    t->forward->pod_name = mem_str(pod_name);
    t->forward->pod_uid = mem_str(pod_uid);
    if (stream_read_ports(t->forward, x)) {
        stream_upgrade(t, x);
    } else {
        streams_refuse(x, 400, "query parameter \"ports\" is not a list of ports");
        stream_free(t);
    }
}
