#include "base/relay.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/wire.h"

#define RELAY_BACKLOG 65536

struct relay {
    struct wire *client, *server;
    struct timer *last; /* the client has ended */
    bool is_server_over;
    void (*on_done)(void *arg);
    void *arg;
};

void relay_close(struct relay *r)
{
    wire_close(r->client);
    wire_close(r->server);
    timer_close(r->last);
    free(r);
}

static void relay_done(void *arg)
{
    struct relay *r = arg;
    void (*on_done)(void *arg) = r->on_done;
    void *done_arg = r->arg;

    relay_close(r);
    on_done(done_arg);
}

static void relay_pass(struct wire *from, struct wire *to, const void *data, size_t len)
{
    wire_write(to, data, len);
    if (wire_backlog(to) > RELAY_BACKLOG)
        wire_hold(from, true);
}

static void relay_on_client_data(void *arg, unsigned char *data, size_t len)
{
    struct relay *r = arg;

    relay_pass(r->client, r->server, data, len);
}

static void relay_on_server_data(void *arg, unsigned char *data, size_t len)
{
    struct relay *r = arg;

    relay_pass(r->server, r->client, data, len);
}

static void relay_on_client_end(void *arg)
{
    struct relay *r = arg;

    wire_end(r->server);
    timer_start(r->last, RELAY_LAST_MS);
}

static void relay_on_server_end(void *arg)
{
    struct relay *r = arg;

    r->is_server_over = true;
    if (wire_backlog(r->client) == 0)
        relay_done(r);
}

static void relay_on_client_drain(void *arg)
{
    struct relay *r = arg;

    if (r->is_server_over)
        relay_done(r);
    else
        wire_hold(r->server, false);
}

static void relay_on_server_drain(void *arg)
{
    struct relay *r = arg;

    wire_hold(r->client, false);
}

struct relay *relay_new(uv_loop_t *loop, const struct relay_opts *opts)
{
    struct relay *r = MEM_NEW(struct relay);
    /* A client that has gone is not waited for; a server's last words are. */
    const struct wire_listener client = { .on_data = relay_on_client_data,
                                          .on_end = relay_on_client_end,
                                          .on_drain = relay_on_client_drain,
                                          .on_hangup = relay_done,
                                          .arg = r };
    const struct wire_listener server = { .on_data = relay_on_server_data,
                                          .on_end = relay_on_server_end,
                                          .on_drain = relay_on_server_drain,
                                          .arg = r };

    r->on_done = opts->on_done;
    r->arg = opts->arg;
    r->last = timer_new(loop, relay_done, r);
    r->client = wire_new(loop, opts->client, &client, 0);
    r->server = wire_new(loop, opts->server, &server, 0);
    if (opts->client_early_len > 0)
        relay_pass(r->client, r->server, opts->client_early, opts->client_early_len);
    if (opts->server_early_len > 0)
        relay_pass(r->server, r->client, opts->server_early, opts->server_early_len);
    return r;
}
