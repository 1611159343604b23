#include "net/entry_client.h"

#include "base/mem.h"
#include "net/entry_splice.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

/* How often a silent backend is looked at. */
#define ENTRY_CLIENT_LOOK_MS 1000

/* --- end --- */

static void entry_client_on_closed(struct entry_io *io)
{
    free(container_of(io, struct entry_client, io));
}

static void entry_client_dismantle(struct entry_client *c)
{
    struct entry_worker *w = c->worker;

    entry_exchange_end(c);
    entry_request_fini(&c->x.request);
    text_fini(&c->x.fields);
    list_del(&c->link);
    entry_timeout_fini(&c->timeout);
    entry_head_fini(&c->head);
    text_fini(&c->in);
    entry_io_close(&c->io, entry_client_on_closed);
    w->n_clients--;
    entry_worker_left(w);
}

void entry_client_close(struct entry_client *c)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    /* Such an answer ends where the connection does: a broken one must not look whole. */
    if (c->x.is_cut && c->x.is_close_framed && c->io.fd >= 0)
        setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    entry_client_dismantle(c);
}

/* The last answer is with the kernel; the client may still be sending. */
static void entry_client_finish(struct entry_client *c)
{
    if (!c->eof)
        lingers_add(&c->worker->lingers, entry_io_take(&c->io));
    entry_client_dismantle(c);
}

static void entry_client_move(struct text *ret, struct entry_io *io)
{
    text_drop(&io->out, io->done);
    io->done = 0;
    *ret = io->out;
    io->out = (struct text)TEXT_EMPTY;
}

/* The answer was 101: what is left belongs to the two ends. */
static void entry_client_tunnel(struct entry_client *c)
{
    struct entry_worker *w = c->worker;
    struct entry_upstream *up = STEAL(c->x.up);
    int64_t read_ms = c->x.route->policy->read_ms;
    struct entry_splice_opts opts = {
        .idle_ms = read_ms > 0 ? read_ms : w->limits.tunnel_ms,
    };

    entry_client_move(&opts.to_client, &c->io);
    text_add(&opts.to_client, text_str(&up->rest), up->rest.len);
    entry_client_move(&opts.to_server, &up->io);
    text_add(&opts.to_server, text_str(&c->in), c->in.len);
    opts.client = entry_io_take(&c->io);
    opts.server = entry_upstream_take(up, &opts.peer);
    entry_splice_new(w, &opts);
    entry_client_dismantle(c);
}

/* --- the parser's callbacks --- */

static struct entry_client *entry_client_of(http_parser *parser)
{
    return container_of(parser, struct entry_client, parser);
}

static int entry_client_note(struct entry_client *c, enum entry_head_full full)
{
    static const unsigned status[] = {
        [ENTRY_HEAD_TARGET_TOO_LONG] = 414, [ENTRY_HEAD_TOO_LARGE] = 431
    };

    c->refusal = full != ENTRY_HEAD_OK ? status[full] : 0;
    return full != ENTRY_HEAD_OK;
}

static int entry_client_on_url(http_parser *parser, const char *at, size_t len)
{
    struct entry_client *c = entry_client_of(parser);

    return entry_client_note(c, entry_head_target(&c->head, at, len));
}

/* Fields behind the body (trailers) are nothing that we pass on. */
static int entry_client_on_name(http_parser *parser, const char *at, size_t len)
{
    struct entry_client *c = entry_client_of(parser);

    return c->x.is_open ? 0 : entry_client_note(c, entry_head_name(&c->head, at, len));
}

static int entry_client_on_value(http_parser *parser, const char *at, size_t len)
{
    struct entry_client *c = entry_client_of(parser);

    return c->x.is_open ? 0 : entry_client_note(c, entry_head_value(&c->head, at, len));
}

static int entry_client_on_head(http_parser *parser)
{
    struct entry_client *c = entry_client_of(parser);

    c->in_head = false;
    entry_exchange_begin(c);
    if (entry_exchange_is_waiting(c))
        http_parser_pause(parser, 1);
    return 0;
}

static int entry_client_on_body(http_parser *parser, const char *at, size_t len)
{
    entry_exchange_body(entry_client_of(parser), at, len);
    return 0;
}

static int entry_client_on_message(http_parser *parser)
{
    entry_exchange_body_end(entry_client_of(parser));
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings entry_client_parse_settings = {
    .on_url = entry_client_on_url,
    .on_header_field = entry_client_on_name,
    .on_header_value = entry_client_on_value,
    .on_headers_complete = entry_client_on_head,
    .on_body = entry_client_on_body,
    .on_message_complete = entry_client_on_message,
};

/* --- reading --- */

static void entry_client_begin(struct entry_client *c)
{
    http_parser_init(&c->parser, HTTP_REQUEST);
    entry_head_clear(&c->head);
    c->refusal = 0;
    c->in_head = true;
    c->timeout.due_ms = entry_timeouts_now(&c->worker->timeouts) + c->worker->limits.header_ms;
}

static unsigned entry_client_refusal(const struct entry_client *c)
{
    enum http_errno error = HTTP_PARSER_ERRNO(&c->parser);

    if (c->refusal != 0)
        return c->refusal;
    return error == HPE_HEADER_OVERFLOW ? 431 : error == HPE_INVALID_VERSION ? 505 : 400;
}

/* Parses up to the end of one request; how much of @data that was. */
static size_t entry_client_parse(struct entry_client *c, const char *data, size_t len)
{
    size_t n;

    if (!c->x.is_open && !c->in_head)
        entry_client_begin(c);
    n = http_parser_execute(&c->parser, &entry_client_parse_settings, data, len);
    if (c->x.is_open && (c->x.is_body_in || entry_exchange_is_waiting(c)))
        return n;
    if (HTTP_PARSER_ERRNO(&c->parser) != HPE_OK) {
        c->in_head = false;
        entry_exchange_refuse(c, entry_client_refusal(c));
    }
    return len;
}

static void entry_client_take_in(struct entry_client *c, const char *data, size_t len)
{
    size_t n = 0;

    /* What comes after the last request is no request; its own body is. */
    if (c->x.closes && (c->x.is_body_in || c->x.error != 0 || c->x.is_replied))
        return;
    if (c->in.len == 0 && !c->x.is_body_in && !entry_exchange_is_waiting(c))
        n = entry_client_parse(c, data, len);
    text_add(&c->in, data + n, len - n);
}

static void entry_client_read(struct entry_client *c)
{
    ssize_t n = entry_io_read(&c->io, c->worker->scratch, sizeof(c->worker->scratch));

    if (n > 0)
        entry_client_take_in(c, c->worker->scratch, (size_t)n);
    c->eof = c->eof || n == 0;
}

/* --- waiting --- */

enum entry_client_wait { /* for what, that is: who is late */
                         ENTRY_WAIT_REQUEST,
                         ENTRY_WAIT_HEAD,
                         ENTRY_WAIT_CLIENT_READS,
                         ENTRY_WAIT_CLIENT_SENDS,
                         ENTRY_WAIT_AUTH,
                         ENTRY_WAIT_CONNECT,
                         ENTRY_WAIT_BACKEND,
};

static enum entry_client_wait entry_client_waits_for(const struct entry_client *c)
{
    const struct entry_exchange *x = &c->x;

    if (entry_io_waiting(&c->io) > 0)
        return ENTRY_WAIT_CLIENT_READS;
    if (!x->is_open)
        return c->in_head ? ENTRY_WAIT_HEAD : ENTRY_WAIT_REQUEST;
    if (entry_exchange_is_waiting(c))
        return ENTRY_WAIT_AUTH;
    if (x->up != NULL && x->up->phase == ENTRY_UPSTREAM_CONNECTING)
        return ENTRY_WAIT_CONNECT;
    if (!x->is_body_in && !x->has_replied && (x->up == NULL || entry_io_waiting(&x->up->io) == 0))
        return ENTRY_WAIT_CLIENT_SENDS;
    return ENTRY_WAIT_BACKEND;
}

/* Until then it is looked at now and then whether it still exists. */
static void entry_client_watch_backend(struct entry_client *c, int64_t now)
{
    int64_t look = now + ENTRY_CLIENT_LOOK_MS;

    c->timeout.due_ms = look < c->x.backend_due_ms ? look : c->x.backend_due_ms;
}

static void entry_client_set_timeout(struct entry_client *c)
{
    const struct entry_limits *l = &c->worker->limits;
    const struct entry_policy *policy = c->x.route != NULL ? c->x.route->policy : NULL;
    int64_t now = entry_timeouts_now(&c->worker->timeouts);
    bool sending = c->x.up != NULL && entry_io_waiting(&c->x.up->io) > 0;
    int64_t wanted = policy == NULL ? 0 : sending ? policy->send_ms : policy->read_ms;

    switch (entry_client_waits_for(c)) {
    case ENTRY_WAIT_REQUEST: c->timeout.due_ms = now + l->idle_ms; break;
    case ENTRY_WAIT_HEAD: break; /* since its first byte */
    case ENTRY_WAIT_AUTH: break; /* a thread's work: it ends */
    case ENTRY_WAIT_CLIENT_READS:
    case ENTRY_WAIT_CLIENT_SENDS: c->timeout.due_ms = now + l->body_ms; break;
    case ENTRY_WAIT_CONNECT: c->timeout.due_ms = c->x.connect_due_ms; break;
    case ENTRY_WAIT_BACKEND:
        c->x.backend_due_ms = now + (wanted > 0 ? wanted : l->read_ms);
        entry_client_watch_backend(c, now);
        break;
    }
}

static bool entry_client_backend_is_late(struct entry_client *c)
{
    int64_t now = entry_timeouts_now(&c->worker->timeouts);

    if (c->x.up != NULL && entry_upstream_is_deserted(c->x.up))
        c->x.up->failed = EHOSTUNREACH;
    else if (c->x.up != NULL && now >= c->x.backend_due_ms)
        c->x.up->failed = ETIMEDOUT;
    if (c->x.up == NULL || c->x.up->failed != 0)
        return true;
    entry_client_watch_backend(c, now);
    return false;
}

static void entry_client_on_timeout(struct entry_timeout *t)
{
    struct entry_client *c = container_of(t, struct entry_client, timeout);

    switch (entry_client_waits_for(c)) {
    case ENTRY_WAIT_REQUEST:
    case ENTRY_WAIT_CLIENT_READS: entry_client_close(c); return;
    case ENTRY_WAIT_HEAD:
    case ENTRY_WAIT_CLIENT_SENDS:
        c->in_head = false;
        entry_exchange_refuse(c, 408);
        break;
    case ENTRY_WAIT_CONNECT: c->x.up->failed = ETIMEDOUT; break;
    case ENTRY_WAIT_AUTH: return;
    case ENTRY_WAIT_BACKEND:
        if (!entry_client_backend_is_late(c))
            return;
        break;
    }
    entry_client_settle(c);
}

static void entry_client_watch(struct entry_client *c)
{
    struct entry_exchange *x = &c->x;
    bool takes = x->up == NULL || entry_io_waiting(&x->up->io) < ENTRY_IO_HIGH;
    bool reads = !c->eof && takes && c->in.len < ENTRY_IO_HIGH;

    entry_io_watch(&c->io,
                   (reads ? UV_READABLE : 0) | (entry_io_waiting(&c->io) > 0 ? UV_WRITABLE : 0));
    if (x->up != NULL)
        entry_upstream_watch(x->up, entry_io_waiting(&c->io) < ENTRY_IO_HIGH);
    entry_client_set_timeout(c);
}

/* --- settling --- */

/* The exchange is over and the client has it all. */
static bool entry_client_is_done(const struct entry_client *c)
{
    return c->x.is_open && c->x.is_replied && entry_io_waiting(&c->io) == 0;
}

/* False: c is gone. */
static bool entry_client_next(struct entry_client *c)
{
    if (c->x.up != NULL && c->x.up->is_switched) {
        entry_client_tunnel(c);
        return false;
    }
    if (c->x.is_cut) {
        entry_client_close(c);
        return false;
    }
    if (c->x.closes || c->worker->closing) {
        entry_client_finish(c);
        return false;
    }
    entry_exchange_end(c);
    if (c->in.len > 0) {
        struct text in = c->in;

        c->in = (struct text)TEXT_EMPTY;
        entry_client_take_in(c, in.data, in.len);
        text_fini(&in);
    }
    return true;
}

/* What was read while the exchange waited, beginning with the last byte of its head. */
static void entry_client_resume(struct entry_client *c)
{
    struct text in = c->in;

    c->in = (struct text)TEXT_EMPTY;
    http_parser_pause(&c->parser, 0);
    entry_client_take_in(c, in.data, in.len);
    text_fini(&in);
}

void entry_client_settle(struct entry_client *c)
{
    if (c->x.is_open && HTTP_PARSER_ERRNO(&c->parser) == HPE_PAUSED && !c->x.is_body_in &&
        !entry_exchange_is_waiting(c))
        entry_client_resume(c);
    entry_exchange_step(c);
    entry_io_flush(&c->io);
    while (c->io.failed == 0 && entry_client_is_done(c)) {
        if (!entry_client_next(c))
            return;
        entry_exchange_step(c);
        entry_io_flush(&c->io);
    }
    /* Gone, or gone before it said all. */
    if (c->io.failed != 0 || (c->eof && !c->x.is_body_in)) {
        entry_client_close(c);
        return;
    }
    entry_client_watch(c);
}

static void entry_client_on_event(struct entry_io *io, int events)
{
    struct entry_client *c = container_of(io, struct entry_client, io);

    if ((events & UV_READABLE) && !c->eof)
        entry_client_read(c);
    entry_client_settle(c);
}

/* --- life --- */

bool entry_client_is_idle(const struct entry_client *c)
{
    return !c->x.is_open && !c->in_head;
}

void entry_client_new(struct entry_worker *w, const struct entry_arrival *arrival)
{
    struct entry_client *c = MEM_NEW(struct entry_client);
    const struct sockaddr *a = arrival->remote;

    c->worker = w;
    c->scheme = arrival->scheme;
    c->port = arrival->port;
    memcpy(&c->address, a,
           a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, c->remote,
                  sizeof(c->remote));
    else if (a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, c->remote,
                  sizeof(c->remote));
    entry_io_init(&c->io, w->loop, arrival->fd, entry_client_on_event);
    list_add_tail(&w->clients, &c->link);
    w->n_clients++;
    w->counters.n_accepted++;
    entry_timeout_init(&c->timeout, &w->timeouts, entry_client_on_timeout);
    entry_client_watch(c);
}
