#include "client/channel.h"

#include "base/bits.h"
#include "base/http_tunnel.h"
#include "base/mem.h"
#include "base/websocket.h"
#include "base/wire.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define CHANNEL_CLOSED 255 /* v5: "this one has ended" */

struct channel {
    struct session *session; /* borrowed */
    struct channel_listener listener;
    struct tls_dialer *dialer;  /* owned */
    struct http_tunnel *tunnel; /* until it is open */
    struct wire *wire;          /* from then on */
    struct text waiting;        /* frames for the wire that is not there yet */
    struct websocket_parser parser;
    unsigned current; /* the channel of the message that is arriving */
};

void channel_close(struct channel *c)
{
    if (c == NULL)
        return;
    if (c->tunnel != NULL)
        http_tunnel_cancel(c->tunnel);
    c->wire = wire_close(c->wire);
    tls_dialer_close(c->dialer);
    text_fini(&c->waiting);
    free(c);
}

static void channel_end(struct channel *c, const struct err *err)
{
    struct channel_listener listener = c->listener;
    struct err copy = *err;

    channel_close(c);
    listener.on_end(listener.arg, &copy);
}

/* --- out --- */

static void channel_put(struct channel *c, const void *data, size_t len)
{
    if (c->wire != NULL)
        wire_write(c->wire, data, len);
    else
        text_add(&c->waiting, data, len);
}

static void channel_frame(struct channel *c, enum websocket_op op, const void *data, size_t len)
{
    unsigned char head[WEBSOCKET_HEAD_MAX], mask[4] = { 0 };
    cleanup(freep) unsigned char *copy = mem_dup(data, len);
    size_t n;

    if (getrandom(mask, sizeof(mask), 0) < 0)
        memset(mask, 0, sizeof(mask)); /* a mask keeps proxies from harm; there is none here */
    n = websocket_head(head, op, true, len, mask);
    websocket_mask(copy, len, mask, 0);
    channel_put(c, head, n);
    channel_put(c, copy, len);
}

void channel_send(struct channel *c, unsigned channel, const void *data, size_t len)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    text_putc(&t, (char)channel);
    text_add(&t, data, len);
    channel_frame(c, WEBSOCKET_BINARY, t.data, t.len);
}

void channel_finish(struct channel *c, unsigned channel)
{
    unsigned char which = (unsigned char)channel;

    channel_send(c, CHANNEL_CLOSED, &which, 1);
}

size_t channel_backlog(const struct channel *c)
{
    return c->wire != NULL ? wire_backlog(c->wire) : c->waiting.len;
}

/* --- in --- */

/* False: the channel has ended. */
static bool channel_take(struct channel *c, struct websocket_piece *p)
{
    struct err none = ERR_EMPTY;

    if (p->op == WEBSOCKET_PING)
        channel_frame(c, WEBSOCKET_PONG, p->data, p->len);
    if (p->op == WEBSOCKET_CLOSE) {
        channel_end(c, &none);
        return false;
    }
    if (p->op != WEBSOCKET_BINARY && p->op != WEBSOCKET_TEXT)
        return true;
    if (p->first && p->len > 0) {
        c->current = p->data[0];
        p->data++;
        p->len--;
    }
    if (p->len > 0)
        c->listener.on_data(c->listener.arg, c->current, p->data, p->len);
    return true;
}

static void channel_on_data(void *arg, unsigned char *data, size_t len)
{
    struct channel *c = arg;
    struct err err = ERR_EMPTY;

    for (;;) {
        struct websocket_piece piece;
        size_t used = 0;
        int rc = websocket_parse(&c->parser, data, len, &used, &piece, &err);

        if (rc < 0) {
            channel_end(c, &err);
            return;
        }
        if (rc == 0 || !channel_take(c, &piece))
            return;
        data += used;
        len -= used;
    }
}

static void channel_on_gone(void *arg)
{
    struct err err = ERR_EMPTY;

    err_set(&err, ERR_UNAVAILABLE, "the connection was lost");
    channel_end(arg, &err);
}

static void channel_on_drain(void *arg)
{
    struct channel *c = arg;

    if (c->listener.on_drain != NULL)
        c->listener.on_drain(c->listener.arg);
}

/* --- life --- */

static void channel_on_open(void *arg, const struct http_head *head UNUSED, int fd,
                            const void *early, size_t len)
{
    struct channel *c = arg;
    struct wire_listener listener = { .on_data = channel_on_data,
                                      .on_end = channel_on_gone,
                                      .on_drain = channel_on_drain,
                                      .arg = c };

    c->tunnel = NULL;
    c->wire = wire_new(session_loop(c->session), fd, &listener, 0);
    wire_write(c->wire, text_str(&c->waiting), c->waiting.len);
    text_clear(&c->waiting);
    if (len > 0) {
        cleanup(freep) unsigned char *copy = mem_dup(early, len);

        channel_on_data(c, copy, len);
    }
}

static void channel_on_refused(void *arg, const struct http_head *head, const char *body,
                               size_t len)
{
    struct channel *c = arg;
    cleanup(json_decrefpp) json_t *status = NULL;
    struct err err = ERR_EMPTY, ignored = ERR_EMPTY;

    c->tunnel = NULL;
    if (json_parse(&status, body, len, NULL, &ignored) < 0)
        status = NULL;
    err_set(&err, head->status == 404 ? ERR_NOT_FOUND : ERR_PROTOCOL, "Error from server%s%s%s: %s",
            json_str(status, "reason") != NULL ? " (" : "", json_str_or(status, "reason", ""),
            json_str(status, "reason") != NULL ? ")" : "",
            json_str_or(status, "message", "the server did not switch protocols"));
    channel_end(c, &err);
}

static void channel_on_failed(void *arg, const struct err *err)
{
    struct channel *c = arg;

    c->tunnel = NULL;
    channel_end(c, err);
}

/* "https://host:port" taken apart; the name asked of the resolver. */
static int channel_address(const struct session *s, char host[256], char ip[INET6_ADDRSTRLEN],
                           uint16_t *ret_port, struct err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    const char *server = session_server(s);
    unsigned port = 443;
    int rc;

    if (sscanf(server, "https://[%255[^]]]:%u", host, &port) < 1 &&
        sscanf(server, "https://%255[^:/]:%u", host, &port) < 1)
        return err_set(err, ERR_INVALID, "%s: streams need a server by https", server);
    rc = getaddrinfo(host, NULL, &hints, &found);
    if (rc != 0)
        return err_set(err, ERR_UNAVAILABLE, "%s: %s", host, gai_strerror(rc));
    rc = getnameinfo(found->ai_addr, found->ai_addrlen, ip, INET6_ADDRSTRLEN, NULL, 0,
                     NI_NUMERICHOST);
    freeaddrinfo(found);
    *ret_port = (uint16_t)port;
    return rc == 0 ? 0 : err_set(err, ERR_UNAVAILABLE, "%s: %s", host, gai_strerror(rc));
}

static void channel_dial(struct channel *c, const char *path, const char *protocol,
                         const char *host, const char *ip, uint16_t port)
{
    const char *authorization = session_authorization(c->session);
    unsigned char key[16] = { 0 };
    cleanup(text_fini) struct text key_text = TEXT_EMPTY;
    struct http_header_pair headers[5] = {
        { "Upgrade", "websocket" },
        { "Sec-WebSocket-Version", "13" },
        { "Sec-WebSocket-Protocol", protocol },
    };
    struct http_tunnel_spec spec = {
        .ip = ip, .host = host, .port = port, .method = "GET", .target = path, .headers = headers
    };
    struct http_tunnel_listener listener = { .on_open = channel_on_open,
                                             .on_refused = channel_on_refused,
                                             .on_failed = channel_on_failed,
                                             .arg = c };

    if (getrandom(key, sizeof(key), 0) < 0)
        memset(key, 1, sizeof(key)); /* only ties the answer to the question */
    bits_base64(&key_text, key, sizeof(key));
    headers[3] = (struct http_header_pair){ "Sec-WebSocket-Key", text_str(&key_text) };
    spec.n_headers = 4;
    if (authorization != NULL)
        headers[spec.n_headers++] = (struct http_header_pair){ "Authorization",
                                                               strchr(authorization, ' ') + 1 };
    c->tunnel = http_tunnel(session_loop(c->session), c->dialer, &spec, &listener);
}

int channel_new(struct channel **ret, struct session *s, const char *path, const char *protocol,
                const struct channel_listener *listener, struct err *err)
{
    const struct client_config *config = session_config(s);
    char host[256], ip[INET6_ADDRSTRLEN];
    struct channel *c;
    uint16_t port = 0;
    int rc = channel_address(s, host, ip, &port, err);

    if (rc < 0)
        return rc;
    c = MEM_NEW(struct channel);
    c->session = s;
    c->listener = *listener;
    c->parser.is_client = true;
    rc = tls_dialer_new(&c->dialer, session_loop(s), config->ca_pem, config->cert_pem,
                        config->key_pem, err);
    if (rc < 0) {
        channel_close(c);
        return rc;
    }
    channel_dial(c, path, protocol, host, ip, port);
    *ret = c;
    return 0;
}
