#include "nodeagent/channels.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "nodeagent/spdy_conn.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define CHANNELS_OPEN_MS    30000 /* for a SPDY client to open its streams */
#define CHANNELS_CLOSE      255   /* v5: "the channel in the next byte ends" */
#define CHANNELS_RESIZE_MAX 256

struct channels {
    uv_loop_t *loop;
    struct peer *peer; /* one of these */
    struct spdy_conn *spdy;
    struct channels_listener listener;
    bool has_status, has_close; /* of the protocol */
    bool wanted[CHANNEL_COUNT];
    bool is_open, is_stdin_over;
    uint32_t streams[CHANNEL_COUNT]; /* of SPDY; 0 = not there */
    int now;                         /* channel of the message being read */
    struct text resize;
    struct timer *timer; /* tells on_open; or the limit until then */
};

static const struct {
    const char *name;
    bool is_websocket, is_spdy, has_status, has_close;
} channels_protocols[] = {
    { "v5.channel.k8s.io", true, false, true, true },
    { "v4.channel.k8s.io", true, true, true, false },
    { "v3.channel.k8s.io", false, true, false, false },
    { "v2.channel.k8s.io", false, true, false, false },
    { "channel.k8s.io", true, true, false, false },
    { "", true, false, false, false },
};

static const char *channels_find(bool is_websocket, const char *name, size_t len)
{
    for (size_t i = 0; i < N_ELEMENTS(channels_protocols); i++)
        if (strlen(channels_protocols[i].name) == len &&
            memcmp(channels_protocols[i].name, name, len) == 0 &&
            (is_websocket ? channels_protocols[i].is_websocket : channels_protocols[i].is_spdy))
            return channels_protocols[i].name;
    return NULL;
}

const char *channels_choose(bool is_websocket, const char *offered)
{
    do {
        size_t len, skip = strspn(offered, " \t");
        const char *found;

        offered += skip;
        len = strcspn(offered, ",");
        skip = len;
        while (len > 0 && (offered[len - 1] == ' ' || offered[len - 1] == '\t'))
            len--;
        found = channels_find(is_websocket, offered, len);
        if (found != NULL)
            return found;
        offered += skip;
    } while (*offered++ != '\0');
    return NULL;
}

/* --- end --- */

static void channels_free(struct channels *c)
{
    timer_close(c->timer);
    text_fini(&c->resize);
    free(c);
}

void channels_close(struct channels *c)
{
    if (c->peer != NULL)
        peer_close(c->peer);
    if (c->spdy != NULL)
        spdy_conn_close(c->spdy);
    channels_free(c);
}

static void channels_on_gone(void *arg)
{
    struct channels *c = arg;
    struct channels_listener listener = c->listener;

    channels_close(c);
    listener.on_gone(listener.arg);
}

/* --- to the client --- */

void channels_write(struct channels *c, enum channel to, const void *data, size_t len)
{
    unsigned char channel = (unsigned char)to;

    if (!c->wanted[to])
        return;
    if (c->peer != NULL)
        peer_send(c->peer, &channel, 1, data, len);
    else if (c->streams[to] != 0)
        spdy_conn_write(c->spdy, c->streams[to], data, len);
}

size_t channels_backlog(const struct channels *c)
{
    return c->peer != NULL ? peer_backlog(c->peer) : spdy_conn_backlog(c->spdy);
}

static void channels_say_status(struct channels *c, const json_t *status)
{
    bool is_good = str_eq(json_str(status, "status"), "Success");

    if (c->has_status) {
        size_t len;
        cleanup(freep) char *text = json_print(status, &len);

        channels_write(c, CHANNEL_ERROR, text, len);
    } else if (!is_good) {
        const char *message = json_str_or(status, "message", "failed");

        channels_write(c, CHANNEL_ERROR, message, strlen(message));
    }
}

void channels_finish(struct channels *c, json_t *status_steal)
{
    channels_say_status(c, status_steal);
    json_decref(status_steal);
    for (int i = 0; c->spdy != NULL && i < CHANNEL_COUNT; i++)
        if (c->streams[i] != 0)
            spdy_conn_fin(c->spdy, c->streams[i]);
    if (c->spdy != NULL)
        spdy_conn_finish(c->spdy);
    else
        peer_finish(c->peer);
    channels_free(c);
}

/* --- from the client --- */

/* {"Width":80,"Height":24}, one after another, a newline behind each. */
static void channels_take_resize(struct channels *c, const void *data, size_t len)
{
    const char *end;
    char *text;

    text_add(&c->resize, data, len < CHANNELS_RESIZE_MAX ? len : CHANNELS_RESIZE_MAX);
    if (c->resize.len > CHANNELS_RESIZE_MAX)
        text_drop(&c->resize, c->resize.len - CHANNELS_RESIZE_MAX);
    text = c->resize.data;
    end = memrchr(text, '}', c->resize.len); /* only the last one counts */
    if (end != NULL) {
        cleanup(json_decrefpp) json_t *size = NULL;
        struct err ignored = ERR_EMPTY;
        const char *begin = memrchr(text, '{', (size_t)(end - text));
        int rc = begin == NULL
                     ? -1
                     : json_parse(&size, begin, (size_t)(end - begin) + 1, NULL, &ignored);
        int64_t width = rc < 0 ? 0 : json_int(size, "Width", 0);
        int64_t height = rc < 0 ? 0 : json_int(size, "Height", 0);

        text_drop(&c->resize, (size_t)(end - text) + 1);
        if (width > 0 && width <= UINT16_MAX && height > 0 && height <= UINT16_MAX)
            c->listener.on_resize(c->listener.arg, (unsigned)width, (unsigned)height);
    }
}

static void channels_stdin_over(struct channels *c)
{
    if (c->is_stdin_over || !c->wanted[CHANNEL_STDIN])
        return;
    c->is_stdin_over = true;
    c->listener.on_stdin_end(c->listener.arg);
}

static void channels_take(struct channels *c, int channel, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (channel == CHANNEL_STDIN && c->wanted[CHANNEL_STDIN] && !c->is_stdin_over)
        c->listener.on_stdin(c->listener.arg, data, len);
    else if (channel == CHANNEL_RESIZE && c->wanted[CHANNEL_RESIZE])
        channels_take_resize(c, data, len);
    else if (channel == CHANNELS_CLOSE && c->has_close &&
             *(const unsigned char *)data == CHANNEL_STDIN)
        channels_stdin_over(c);
}

static void channels_on_message(void *arg, unsigned char *data, size_t len, bool first,
                                bool last UNUSED)
{
    struct channels *c = arg;

    if (first)
        c->now = -1;
    if (c->now < 0 && len > 0) {
        c->now = data[0];
        data++;
        len--;
    }
    channels_take(c, c->now, data, len);
}

static void channels_opened(void *arg)
{
    struct channels *c = arg;

    c->timer = timer_close(c->timer);
    c->is_open = true;
    /* As Kubernetes does: tells the client that its connection stands. */
    if (c->peer != NULL)
        channels_write(c,
                       c->wanted[CHANNEL_STDOUT]   ? CHANNEL_STDOUT
                       : c->wanted[CHANNEL_STDERR] ? CHANNEL_STDERR
                                                   : CHANNEL_ERROR,
                       NULL, 0);
    c->listener.on_open(c->listener.arg);
}

static void channels_on_stream(void *arg, const struct spdy_frame *syn)
{
    static const char *const names[CHANNEL_COUNT] = { "stdin", "stdout", "stderr", "error",
                                                      "resize" };
    struct channels *c = arg;
    const char *type = spdy_frame_header(syn, "streamtype");
    bool is_all = true;
    int channel = -1;

    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (str_eq(type, names[i]))
            channel = i;
    if (channel < 0 || !c->wanted[channel] || c->streams[channel] != 0) {
        spdy_conn_refuse(c->spdy, syn->stream, SPDY_RESET_REFUSED);
        return;
    }
    c->streams[channel] = syn->stream;
    spdy_conn_accept(c->spdy, syn->stream);
    /* A client without a terminal to watch opens no stream for its size. */
    for (int i = 0; i < CHANNEL_RESIZE; i++)
        is_all = is_all && (!c->wanted[i] || c->streams[i] != 0);
    if (is_all && !c->is_open)
        channels_opened(c);
}

static int channels_by_stream(const struct channels *c, uint32_t stream)
{
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (c->streams[i] == stream)
            return i;
    return -1;
}

static void channels_on_stream_data(void *arg, uint32_t stream, const unsigned char *data,
                                    size_t len)
{
    struct channels *c = arg;

    channels_take(c, channels_by_stream(c, stream), data, len);
}

static void channels_on_stream_fin(void *arg, uint32_t stream, bool is_reset)
{
    struct channels *c = arg;
    int channel = channels_by_stream(c, stream);

    if (is_reset && channel >= 0)
        c->streams[channel] = 0; /* it wants no more of it */
    if (channel == CHANNEL_STDIN)
        channels_stdin_over(c);
}

static void channels_on_drain(void *arg)
{
    struct channels *c = arg;

    c->listener.on_drain(c->listener.arg);
}

void channels_hold(struct channels *c, bool hold)
{
    if (c->peer != NULL)
        peer_hold(c->peer, hold);
    else
        spdy_conn_hold(c->spdy, hold);
}

/* --- life --- */

static void channels_set_protocol(struct channels *c, const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(channels_protocols); i++)
        if (str_eq(channels_protocols[i].name, name)) {
            c->has_status = channels_protocols[i].has_status;
            c->has_close = channels_protocols[i].has_close;
        }
}

static void channels_begin_websocket(struct channels *c, struct peers *set,
                                     const struct peer_opts *opts)
{
    const struct peer_listener listener = { .on_data = channels_on_message,
                                            .on_drain = channels_on_drain,
                                            .on_gone = channels_on_gone,
                                            .arg = c };

    c->peer = peer_new(set, opts, &listener);
    peer_hold(c->peer, true); /* until its owner is told */
    c->timer = timer_new(c->loop, channels_opened, c);
    timer_start(c->timer, 0);
}

static void channels_begin_spdy(struct channels *c, struct peers *set, const struct peer_opts *opts)
{
    const struct spdy_conn_listener listener = { .on_stream = channels_on_stream,
                                                 .on_data = channels_on_stream_data,
                                                 .on_fin = channels_on_stream_fin,
                                                 .on_drain = channels_on_drain,
                                                 .on_gone = channels_on_gone,
                                                 .arg = c };

    c->spdy = spdy_conn_new(set, opts, &listener);
    c->timer = timer_new(c->loop, channels_on_gone, c);
    timer_start(c->timer, CHANNELS_OPEN_MS);
}

struct channels *channels_new(struct peers *set, const struct channels_opts *opts,
                              const struct channels_listener *listener)
{
    struct channels *c = MEM_NEW(struct channels);

    c->loop = set->loop;
    c->listener = *listener;
    c->now = -1;
    c->wanted[CHANNEL_STDIN] = opts->has_stdin;
    c->wanted[CHANNEL_STDOUT] = opts->has_stdout;
    c->wanted[CHANNEL_STDERR] = opts->has_stderr && !opts->is_tty;
    c->wanted[CHANNEL_ERROR] = true;
    c->wanted[CHANNEL_RESIZE] = opts->is_tty;
    channels_set_protocol(c, opts->protocol);
    if (opts->peer.is_websocket)
        channels_begin_websocket(c, set, &opts->peer);
    else
        channels_begin_spdy(c, set, &opts->peer);
    return c;
}
