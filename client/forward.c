/* mkube port-forward: ports here that lead to ports of a pod, a channel for each connection. */
#include "base/mem.h"
#include "base/wire.h"
#include "client/channel.h"
#include "client/pick.h"
#include "client/target.h"
#include "client/target_pod.h"
#include "client/verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FORWARD_PORTS_MAX 32
#define FORWARD_CONNS_MAX 128 /* at a time; others wait to be accepted */

enum { FORWARD_DATA, FORWARD_ERROR };

struct forward;

struct forward_port {
    struct forward *forward;
    uint16_t local, remote;
    int fd; /* listens */
    uv_poll_t poll;
};

struct forward {
    struct session *session; /* owned */
    char *pod;               /* owned */
    const char *address;
    struct forward_port ports[FORWARD_PORTS_MAX];
    unsigned n_ports, n_conns;
};

/* One connection, from its acceptance to the end of either side. */
struct forward_conn {
    struct forward *forward;
    struct wire *wire;
    struct channel *channel;
    uint16_t port;
    unsigned heads[2]; /* bytes of the port's number that both channels begin with, seen */
    struct text error;
};

/* --- connections --- */

static void forward_conn_end(struct forward_conn *c)
{
    if (c->error.len > 0)
        fprintf(stderr, "error: an error occurred forwarding %u: %s\n", c->port,
                text_str(&c->error));
    wire_close(c->wire);
    channel_close(c->channel);
    text_fini(&c->error);
    c->forward->n_conns--;
    free(c);
}

static void forward_on_channel(void *arg, unsigned channel, const void *data, size_t len)
{
    struct forward_conn *c = arg;
    const char *at = data;

    if (channel > FORWARD_ERROR)
        return;
    while (c->heads[channel] < 2 && len > 0) {
        c->heads[channel]++;
        at++;
        len--;
    }
    if (channel == FORWARD_ERROR)
        text_add(&c->error, at, len);
    else if (len > 0 && c->wire != NULL)
        wire_write(c->wire, at, len);
}

static void forward_on_channel_end(void *arg, const struct err *err)
{
    struct forward_conn *c = arg;

    c->channel = NULL;
    if (err->code < 0 && c->error.len == 0 && err->code != ERR_UNAVAILABLE)
        text_puts(&c->error, err->text);
    forward_conn_end(c);
}

static void forward_on_local(void *arg, unsigned char *data, size_t len)
{
    struct forward_conn *c = arg;

    channel_send(c->channel, FORWARD_DATA, data, len);
    if (channel_backlog(c->channel) > CHANNEL_BACKLOG_MAX)
        wire_hold(c->wire, true);
}

static void forward_on_drain(void *arg)
{
    struct forward_conn *c = arg;

    wire_hold(c->wire, false);
}

static void forward_on_local_end(void *arg)
{
    forward_conn_end(arg);
}

static void forward_open(struct forward_port *p, int fd)
{
    struct forward *f = p->forward;
    struct forward_conn *c = MEM_NEW(struct forward_conn);
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    cleanup(freep) char *port = mem_fmt("%u", p->remote);
    struct channel_listener far = { .on_data = forward_on_channel,
                                    .on_drain = forward_on_drain,
                                    .on_end = forward_on_channel_end,
                                    .arg = c };
    struct wire_listener near = { .on_data = forward_on_local,
                                  .on_end = forward_on_local_end,
                                  .arg = c };
    struct err err = ERR_EMPTY;

    c->forward = f;
    c->port = p->remote;
    f->n_conns++;
    printf("Handling connection for %u\n", p->local);
    fflush(stdout);
    target_path(&path, schema_resource("", "v1", "pods"), session_namespace(f->session), f->pod);
    text_puts(&path, "/portforward");
    session_query(&path, "ports", port);
    c->wire = wire_new(session_loop(f->session), fd, &near, 0);
    if (channel_new(&c->channel, f->session, text_str(&path), CHANNEL_V4, &far, &err) < 0) {
        text_puts(&c->error, err.text);
        forward_conn_end(c);
    }
}

static void forward_on_ready(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct forward_port *p = container_of(poll, struct forward_port, poll);
    int fd;

    if (p->forward->n_conns >= FORWARD_CONNS_MAX)
        return;
    fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        forward_open(p, fd);
}

/* --- ports --- */

static int forward_listen(struct forward_port *p, const char *address, struct err *err)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(p->local) };
    socklen_t len = sizeof(a);
    int one = 1;

    if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
        return err_set(err, ERR_INVALID, "--address: \"%s\" is no IPv4 address", address);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        return err_errno(err, errno, "socket");
    setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(p->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(p->fd, 16) < 0)
        return err_errno(err, errno, "unable to listen on port %u", p->local);
    if (getsockname(p->fd, (struct sockaddr *)&a, &len) == 0)
        p->local = ntohs(a.sin_port);
    uv_poll_init(session_loop(p->forward->session), &p->poll, p->fd);
    uv_poll_start(&p->poll, UV_READABLE, forward_on_ready);
    printf("Forwarding from %s:%u -> %u\n", address, p->local, p->remote);
    fflush(stdout);
    return 0;
}

/* A number, or the name that a container gives to one of its ports. */
static uint16_t forward_number(const json_t *pod, const char *word)
{
    const json_t *list = json_at(pod, "spec.containers"), *c, *p;
    uint64_t n = 0;
    size_t i;

    if (str_u64(word, &n))
        return n <= UINT16_MAX ? (uint16_t)n : 0;
    json_array_foreach (list, i, c) {
        p = json_find(json_at(c, "ports"), "name", word);
        if (p != NULL)
            return (uint16_t)json_int(p, "containerPort", 0);
    }
    return 0;
}

/* A Service's port means the target port behind it. */
static const char *forward_through(const json_t *service, const char *word, char text[16])
{
    const json_t *ports = json_at(service, "spec.ports"), *p;
    size_t i;

    json_array_foreach (ports, i, p) {
        cleanup(freep) char *number = mem_fmt("%lld", (long long)json_int(p, "port", 0));

        if (!str_eq(number, word) && !str_eq(json_str(p, "name"), word))
            continue;
        if (json_str(p, "targetPort") != NULL)
            return json_str(p, "targetPort");
        snprintf(text, 16, "%lld", (long long)json_int(p, "targetPort", json_int(p, "port", 0)));
        return text;
    }
    return word;
}

/* "8080:80", ":80", "80" */
static int forward_read(struct forward *f, const json_t *pod, const json_t *service,
                        const char *word, struct err *err)
{
    struct forward_port *p = &f->ports[f->n_ports];
    const char *colon = strchr(word, ':'), *remote = colon != NULL ? colon + 1 : word;
    cleanup(freep) char *local = colon != NULL ? mem_strn(word, (size_t)(colon - word))
                                               : mem_str(word);
    char text[16];
    uint64_t n = 0;

    if (f->n_ports == FORWARD_PORTS_MAX)
        return err_set(err, ERR_INVALID, "more than %d ports", FORWARD_PORTS_MAX);
    *p = (struct forward_port){ .forward = f, .fd = -1 };
    if (service != NULL)
        remote = forward_through(service, remote, text);
    p->remote = forward_number(pod, remote);
    if (p->remote == 0)
        return err_set(err, ERR_INVALID, "error parsing remote port: %s is no port of the pod",
                       remote);
    if (local[0] != '\0' && (!str_u64(local, &n) || n > UINT16_MAX)) {
        if (colon != NULL)
            return err_set(err, ERR_INVALID, "error parsing local port: %s", local);
        n = p->remote;
    }
    p->local = (uint16_t)n;
    f->n_ports++;
    return 0;
}

/* --- the verb --- */

static int forward_service(json_t **ret, struct session *s, const char *word)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    cleanup(freep) char *name = mem_str(word);
    struct pick_opts opts = { .recursive = false };
    struct err err = ERR_EMPTY;

    if (!str_starts(word, "svc/") && !str_starts(word, "service/") &&
        !str_starts(word, "services/"))
        return VERB_DONE;
    if (pick_find(&pick, s, &opts, 1, &name, &err) < 0)
        return verb_error(&err);
    if (pick.n == 0)
        return VERB_FAILED;
    *ret = json_incref(pick.objects[0].live);
    return VERB_DONE;
}

static int forward_run(struct forward *f, int n, char **argv)
{
    cleanup(json_decrefpp) json_t *pod = NULL;
    cleanup(json_decrefpp) json_t *service = NULL;
    struct err err = ERR_EMPTY;
    int rc = 0;

    if (forward_service(&service, f->session, argv[0]) != VERB_DONE ||
        target_pod(&pod, f->session, argv[0]) != VERB_DONE)
        return VERB_FAILED;
    if (!str_eq(json_str(pod, "status.phase"), "Running")) {
        err_set(&err, ERR_INVALID,
                "unable to forward port because pod is not running. Current status=%s",
                json_str_or(pod, "status.phase", "Unknown"));
        return verb_error(&err);
    }
    f->pod = mem_str(json_str_or(pod, "metadata.name", ""));
    for (int i = 1; i < n && rc == 0; i++)
        rc = forward_read(f, pod, service, argv[i], &err);
    for (unsigned i = 0; i < f->n_ports && rc == 0; i++)
        rc = forward_listen(&f->ports[i], f->address, &err);
    if (rc < 0)
        return verb_error(&err);
    for (;;) /* until a signal ends us */
        uv_run(session_loop(f->session), UV_RUN_ONCE);
}

int forward_main(const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    struct forward f = { .address = "127.0.0.1" };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        SESSION_FLAGS(&session_opts),
        { "address", 0, OPT_TEXT, &f.address, "IP", "where to listen (default 127.0.0.1)" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n < 2) {
        err_set(&err, ERR_INVALID, "TYPE/NAME and list of ports are required for port-forward");
        return verb_error(&err);
    }
    if (session_new(&f.session, &session_opts, &err) < 0)
        return verb_error(&err);
    return forward_run(&f, n, argv); /* the process ends: what listens dies with it */
}
