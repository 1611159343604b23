#include "base/http_tunnel.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/wire.h"

#include <fcntl.h>
#include <http_parser.h>
#include <string.h>
#include <unistd.h>

#define TUNNEL_HEADERS_MAX 64

struct http_tunnel {
    uv_loop_t *loop;
    struct http_tunnel_listener listener;
    struct text request;
    struct tls_dial *dial; /* until it is connected */
    struct wire *wire;
    struct timer *limit;
    http_parser parser;
    struct text heads; /* "name\0value\0" of the answer, as they come */
    bool in_value, is_whole, is_too_long;
    struct text body;
    struct http_header_pair headers[TUNNEL_HEADERS_MAX];
};

void http_tunnel_cancel(struct http_tunnel *t)
{
    if (t->dial != NULL)
        tls_dial_cancel(t->dial);
    wire_close(t->wire);
    timer_close(t->limit);
    text_fini(&t->request);
    text_fini(&t->heads);
    text_fini(&t->body);
    free(t);
}

static void http_tunnel_fail(struct http_tunnel *t, const struct err *err)
{
    struct http_tunnel_listener listener = t->listener;

    http_tunnel_cancel(t);
    listener.on_failed(listener.arg, err);
}

static void http_tunnel_on_limit(void *arg)
{
    struct err err = ERR_EMPTY;

    err_set(&err, ERR_TIMEOUT, "no answer");
    http_tunnel_fail(arg, &err);
}

/* --- the answer --- */

static int http_tunnel_add(struct http_tunnel *t, struct text *to, const char *at, size_t len)
{
    if (to->len + len > TUNNEL_BODY_MAX) {
        t->is_too_long = true;
        return 1;
    }
    text_add(to, at, len);
    return 0;
}

static int http_tunnel_on_field(http_parser *p, const char *at, size_t len)
{
    struct http_tunnel *t = p->data;

    if (t->in_value)
        text_putc(&t->heads, '\0');
    t->in_value = false;
    return http_tunnel_add(t, &t->heads, at, len);
}

static int http_tunnel_on_value(http_parser *p, const char *at, size_t len)
{
    struct http_tunnel *t = p->data;

    if (!t->in_value)
        text_putc(&t->heads, '\0');
    t->in_value = true;
    return http_tunnel_add(t, &t->heads, at, len);
}

static int http_tunnel_on_body(http_parser *p, const char *at, size_t len)
{
    struct http_tunnel *t = p->data;

    return http_tunnel_add(t, &t->body, at, len);
}

static int http_tunnel_on_whole(http_parser *p)
{
    struct http_tunnel *t = p->data;

    t->is_whole = true;
    http_parser_pause(p, 1); /* what follows is not HTTP */
    return 0;
}

static const http_parser_settings http_tunnel_settings = {
    .on_header_field = http_tunnel_on_field,
    .on_header_value = http_tunnel_on_value,
    .on_body = http_tunnel_on_body,
    .on_message_complete = http_tunnel_on_whole,
};

static void http_tunnel_head(struct http_head *ret, struct http_tunnel *t)
{
    const char *at = text_str(&t->heads), *end = at + t->heads.len;

    *ret = (struct http_head){ .status = (int)t->parser.status_code,
                               .content_type = "",
                               .headers = t->headers };
    while (at < end && ret->n_headers < TUNNEL_HEADERS_MAX) {
        const char *value = at + strlen(at) + 1;

        if (value > end)
            break;
        t->headers[ret->n_headers++] = (struct http_header_pair){ .name = at, .value = value };
        at = value + strlen(value) + 1;
    }
    if (http_head_get(ret, "Content-Type") != NULL)
        ret->content_type = http_head_get(ret, "Content-Type");
}

/* The answer is here; @early is what came behind it. */
static void http_tunnel_done(struct http_tunnel *t, const void *early, size_t len)
{
    struct http_tunnel_listener listener = t->listener;
    struct http_head head;

    http_tunnel_head(&head, t);
    if (head.status == 101) {
        int fd = fcntl(wire_fd(t->wire), F_DUPFD_CLOEXEC, 3);

        t->wire = wire_close(t->wire);
        if (fd >= 0) {
            listener.on_open(listener.arg, &head, fd, early, len);
        } else {
            struct err err = ERR_EMPTY;

            err_set(&err, ERR_INTERNAL, "no descriptor is left");
            listener.on_failed(listener.arg, &err);
        }
    } else {
        listener.on_refused(listener.arg, &head, text_str(&t->body), t->body.len);
    }
    http_tunnel_cancel(t);
}

static void http_tunnel_broken(struct http_tunnel *t)
{
    struct err err = ERR_EMPTY;

    if (t->is_too_long)
        err_set(&err, ERR_LIMIT, "the answer is too long");
    else
        err_set(&err, ERR_PROTOCOL, "the connection ended before an answer");
    http_tunnel_fail(t, &err);
}

static void http_tunnel_on_data(void *arg, unsigned char *data, size_t len)
{
    struct http_tunnel *t = arg;
    size_t n = http_parser_execute(&t->parser, &http_tunnel_settings, (const char *)data, len);

    if (t->is_whole && t->parser.upgrade == 0 && n < len)
        n = len; /* a refusal: nothing follows it */
    if (t->is_whole)
        http_tunnel_done(t, data + n, len - n);
    else if (HTTP_PARSER_ERRNO(&t->parser) != HPE_OK)
        http_tunnel_broken(t);
}

static void http_tunnel_on_end(void *arg)
{
    struct http_tunnel *t = arg;

    http_parser_execute(&t->parser, &http_tunnel_settings, NULL, 0); /* a body up to the end */
    if (t->is_whole)
        http_tunnel_done(t, NULL, 0);
    else
        http_tunnel_broken(t);
}

/* --- the request --- */

static void http_tunnel_on_dialed(void *arg, int fd, const struct err *err)
{
    struct http_tunnel *t = arg;
    const struct wire_listener listener = { .on_data = http_tunnel_on_data,
                                            .on_end = http_tunnel_on_end,
                                            .arg = t };

    t->dial = NULL;
    if (fd < 0) {
        http_tunnel_fail(t, err);
        return;
    }
    t->wire = wire_new(t->loop, fd, &listener, 0);
    wire_write(t->wire, t->request.data, t->request.len);
}

static void http_tunnel_print(struct text *ret, const struct http_tunnel_spec *spec)
{
    text_fmt(ret, "%s %s HTTP/1.1\r\nHost: ", spec->method, spec->target);
    if (spec->authority != NULL)
        text_puts(ret, spec->authority);
    else
        text_fmt(ret, "%s:%u", spec->host != NULL ? spec->host : spec->ip, spec->port);
    text_puts(ret, "\r\nConnection: Upgrade\r\nContent-Length: 0\r\n");
    for (size_t i = 0; i < spec->n_headers; i++)
        text_fmt(ret, "%s: %s\r\n", spec->headers[i].name, spec->headers[i].value);
    text_puts(ret, "\r\n");
}

struct http_tunnel *http_tunnel(uv_loop_t *loop, struct tls_dialer *dialer,
                                const struct http_tunnel_spec *spec,
                                const struct http_tunnel_listener *listener)
{
    struct http_tunnel *t = MEM_NEW(struct http_tunnel);

    t->loop = loop;
    t->listener = *listener;
    http_parser_init(&t->parser, HTTP_RESPONSE);
    t->parser.data = t;
    http_tunnel_print(&t->request, spec);
    t->limit = timer_new(loop, http_tunnel_on_limit, t);
    timer_start(t->limit, TUNNEL_ANSWER_MS);
    t->dial = tls_dial(dialer, spec->ip, spec->host, spec->port, http_tunnel_on_dialed, t);
    return t;
}
