/* pods/proxy, services/proxy, nodes/proxy: HTTP with what runs in the cluster, through us.  What is asked
 * goes on as it came but for who asks; upgrades (WebSocket) become a relay (server_stream.c). */
#include "api/server_impl.h"

#include "api/proxy_target.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* Links lead to "/", so the root needs its slash. */
static void proxy_redirect(struct call *c)
{
    cleanup(freep) char *path = mem_fmt("%s/", http_path(c->x));
    cleanup(text_fini) struct text where = TEXT_EMPTY;
    struct text none = TEXT_EMPTY;

    server_pass_target(&where, c, path);
    http_set_header(c->x, "Location", text_str(&where));
    call_send_text(c, 301, "text/plain", &none);
}

/* What k8s' proxies tell besides. */
static void proxy_headers(struct server_pass *pass, const struct call *c)
{
    const char *host = http_header(c->x, "Host");

    if (host != NULL)
        server_pass_header(pass, "Host", host);
    server_pass_header(pass, "X-Forwarded-Host", host != NULL ? host : "");
    server_pass_header(pass, "X-Forwarded-Uri", http_path(c->x));
    server_pass_header(pass, "X-Forwarded-Proto", "https");
    server_pass_headers(pass, c);
}

static void proxy_pass(struct call *c, const struct proxy_target *t)
{
    cleanup(server_pass_fini) struct server_pass pass = { .timeout_ms = -1 };
    cleanup(freep) char *base = mem_fmt("%s://%s:%u", t->is_tls ? "https" : "http", t->ip, t->port);

    proxy_headers(&pass, c);
    pass.client = t->is_node_api ? c->s->nodes : c->s->strangers;
    pass.base = base;
    pass.path = c->route.rest;
    pass.prefix = mem_strn(http_path(c->x), (size_t)(c->route.rest - http_path(c->x)));
    pass.target_host = mem_fmt("%s:%u", t->ip, t->port);
    server_pass(c, &pass);
}

static void proxy_upgrade(struct call *c, const struct proxy_target *t)
{
    cleanup(server_pass_fini) struct server_pass pass = { .timeout_ms = -1 };
    cleanup(text_fini) struct text target = TEXT_EMPTY;
    struct http_header_pair headers[SERVER_PASS_HEADERS + 1];
    struct http_tunnel_spec spec = { .ip = t->ip,
                                     .port = t->port,
                                     .authority = http_header(c->x, "Host"),
                                     .method = http_method(c->x),
                                     .headers = headers };
    struct tls_dialer *dialer = t->is_node_api ? c->s->dialer
                                : t->is_tls    ? c->s->blind_dialer
                                               : c->s->plain_dialer;

    server_pass_headers(&pass, c);
    for (size_t i = 0; i < pass.n_headers; i++) {
        char *colon = strchr(pass.header[i], ':');

        *colon = '\0'; /* "name: value" */
        headers[spec.n_headers++] = (struct http_header_pair){ .name = pass.header[i],
                                                               .value = colon + 2 };
    }
    headers[spec.n_headers++] = (struct http_header_pair){ .name = "Upgrade",
                                                           .value = http_header(c->x, "Upgrade") };
    server_pass_target(&target, c, c->route.rest[0] != '\0' ? c->route.rest : "/");
    spec.target = text_str(&target);
    server_stream_to(c, dialer, &spec);
}

static void proxy_begin(struct call *c)
{
    bool reads = str_eq(http_method(c->x), "GET") || str_eq(http_method(c->x), "HEAD");
    struct proxy_target target;
    struct err err = ERR_EMPTY;
    uint64_t random;

    bits_random(&random, sizeof(random));
    if (proxy_target(&target, c->s->store, c->route.resource->bucket, c->route.ns, c->route.name,
                     random, &err) < 0)
        call_send_status(c, status_from_err(&err));
    else if (http_header(c->x, "Upgrade") != NULL)
        proxy_upgrade(c, &target);
    else if (c->route.rest[0] == '\0' && reads)
        proxy_redirect(c);
    else
        proxy_pass(c, &target);
}

void server_proxy(struct call *c)
{
    server_ask_connect(c, proxy_begin);
}
