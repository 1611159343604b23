#include "base/http_client.h"

#include "base/http_call.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/tls_session.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define HTTP_CLIENT_PER_HOST   32
#define HTTP_CLIENT_IDLE       64
#define HTTP_CLIENT_AGENT      "mkube"
/* How often libcurl may ask to go on at once before the rest of the loop has its turn. */
#define HTTP_CLIENT_TURNS      8
/* libcurl tells connections apart by the path of the certificate, so a path is not used again
 * for this many renewals. */
#define HTTP_CLIENT_IDENTITIES 8

struct http_client {
    uv_loop_t *loop; /* borrowed */
    CURLM *multi;
    struct timer *timer;     /* libcurl's */
    struct list calls;       /* of http_call.link */
    struct list ready;       /* of http_call.ready */
    struct tls_trust *trust; /* NULL: insecure, or the system's not yet read */
    bool is_insecure;
    /* Certificate and key as memory files, by /proc path: the GnuTLS flavour of libcurl 7.88
     * takes neither as blobs, and secrets stay off the disk. */
    int identities[HTTP_CLIENT_IDENTITIES];
    unsigned n_identities; /* made so far; the newest is in use when has_identity */
    bool has_identity;
    char *agent;
    bool is_stepping, is_closing;
    bool wants_step; /* libcurl asked to be called again while it was called */
};

struct http_client_socket {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

uv_loop_t *http_client_loop(struct http_client *c)
{
    return c->loop;
}

const char *http_client_agent(struct http_client *c)
{
    return c->agent;
}

void http_client_data_ready(struct http_client *c, struct http_call *call)
{
    if (list_empty(&call->ready))
        list_add_tail(&c->ready, &call->ready);
}

void http_client_wake(struct http_client *c)
{
    if (!c->is_stepping)
        timer_start(c->timer, 0);
}

void http_client_remove(struct http_client *c, struct http_call *call)
{
    if (!list_empty(&call->link))
        curl_multi_remove_handle(c->multi, call->easy);
    list_del(&call->link);
    list_del(&call->ready);
    call->silence = timer_close(call->silence);
}

/* --- driving libcurl --- */

static void http_client_free(struct http_client *c)
{
    assert(list_empty(&c->calls));
    if (c->multi != NULL)
        curl_multi_cleanup(c->multi);
    c->timer = timer_close(c->timer);
    tls_trust_free(c->trust);
    for (unsigned i = 0; i < N_ELEMENTS(c->identities); i++)
        closep(&c->identities[i]);
    free(c->agent);
    free(c);
}

static void http_client_hand_on(struct http_client *c)
{
    struct http_call *call;
    CURLMsg *msg;
    int left;

    while (!c->is_closing && !list_empty(&c->ready)) {
        call = list_entry(c->ready.next, struct http_call, ready);
        list_del(&call->ready);
        http_call_deliver(call);
    }
    while (!c->is_closing && (msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call) == CURLE_OK)
            http_call_finish(call, msg->data.result);
    }
}

/* The only place where libcurl works and listeners are called. */
static void http_client_step(struct http_client *c, curl_socket_t fd, int flags)
{
    int running;

    assert(!c->is_stepping);
    c->is_stepping = true;
    for (unsigned turn = 0; !c->is_closing && turn < HTTP_CLIENT_TURNS; turn++) {
        c->wants_step = false;
        curl_multi_socket_action(c->multi, fd, flags, &running);
        http_client_hand_on(c);
        if (!c->wants_step)
            break;
        fd = CURL_SOCKET_TIMEOUT;
        flags = 0;
    }
    c->is_stepping = false;
    if (c->is_closing)
        http_client_free(c);
    else if (c->wants_step)
        timer_start(c->timer, 1);
}

static void http_client_on_timer(void *arg)
{
    http_client_step(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int http_client_set_timer(CURLM *multi UNUSED, long ms, void *arg)
{
    struct http_client *c = arg;

    c->wants_step = ms == 0 && c->is_stepping;
    if (ms < 0 || c->wants_step)
        timer_stop(c->timer);
    else
        timer_start(c->timer, ms);
    return 0;
}

static void http_client_on_socket(uv_poll_t *poll, int status, int events)
{
    struct http_client_socket *s = container_of(poll, struct http_client_socket, poll);
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;

    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    http_client_step(s->client, s->fd, flags);
}

static void http_client_on_socket_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)(void *)handle, struct http_client_socket, poll));
}

static int http_client_set_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *arg,
                                  void *socket)
{
    struct http_client *c = arg;
    struct http_client_socket *s = socket;
    int events = 0;

    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            uv_close((uv_handle_t *)&s->poll, http_client_on_socket_closed);
        curl_multi_assign(c->multi, fd, NULL);
        return 0;
    }
    if (s == NULL) {
        s = MEM_NEW(struct http_client_socket);
        s->client = c;
        s->fd = fd;
        if (uv_poll_init(c->loop, &s->poll, fd) != 0) {
            free(s);
            return -1;
        }
        curl_multi_assign(c->multi, fd, s);
    }
    events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    uv_poll_start(&s->poll, events, http_client_on_socket);
    return 0;
}

/* --- identity and trust --- */

static int http_client_keep_identity(struct http_client *c, const struct http_client_opts *opts,
                                     struct err *err)
{
    cleanup(freep) char *both = NULL;
    cleanup(closep) int fd = -1;
    int *slot = &c->identities[c->n_identities % N_ELEMENTS(c->identities)];
    size_t len;

    if (opts->cert_pem == NULL)
        return 0;
    if (opts->key_pem == NULL)
        return err_set(err, ERR_INVALID, "a client certificate needs its key");
    both = mem_fmt("%s\n%s", opts->cert_pem, opts->key_pem);
    len = strlen(both);
    fd = memfd_create("identity", MFD_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, both, len) != (ssize_t)len)
        return err_errno(err, errno, "keep the client certificate");
    explicit_bzero(both, len);
    closep(slot);
    *slot = fd;
    fd = -1;
    c->n_identities++;
    return 0;
}

void http_client_set_identity(struct http_client *c, CURL *easy)
{
    char path[64];
    unsigned newest = (c->n_identities - 1) % N_ELEMENTS(c->identities);

    if (!c->has_identity)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", c->identities[newest]);
    curl_easy_setopt(easy, CURLOPT_SSLCERT, path);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, path);
}

/* Changes nothing on failure. */
static int http_client_set_opts(struct http_client *c, const struct http_client_opts *opts,
                                struct err *err)
{
    struct tls_trust *trust = NULL;
    int rc = 0;

    if (!opts->insecure && opts->ca_pem != NULL)
        rc = tls_trust_new(&trust, opts->ca_pem, err);
    if (rc == 0)
        rc = http_client_keep_identity(c, opts, err);
    if (rc < 0) {
        tls_trust_free(trust);
        return rc;
    }
    tls_trust_free(c->trust);
    c->trust = trust;
    c->is_insecure = opts->insecure;
    c->has_identity = opts->cert_pem != NULL;
    free(c->agent);
    c->agent = mem_str(opts->user_agent != NULL ? opts->user_agent : HTTP_CLIENT_AGENT);
    return 0;
}

static char *http_client_host(CURL *easy)
{
    cleanup(freep) char *copy = NULL;
    const char *url = NULL;
    char *host = NULL;
    CURLU *parsed = curl_url();

    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    if (parsed != NULL && url != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        size_t len = strlen(host);

        copy = host[0] == '[' && len > 2 ? mem_strn(host + 1, len - 2) : mem_str(host);
    }
    curl_free(host);
    curl_url_cleanup(parsed);
    return STEAL(copy);
}

int http_client_check_peer(struct http_client *c, CURL *easy, struct err *err)
{
    cleanup(freep) char *host = NULL;
    const struct curl_tlssessioninfo *info = NULL;
    const char *scheme = NULL;
    int rc;

    if (c->is_insecure)
        return 0;
    if (curl_easy_getinfo(easy, CURLINFO_SCHEME, &scheme) != CURLE_OK || scheme == NULL)
        return err_set(err, ERR_PROTOCOL, "unknown scheme");
    if (strcasecmp(scheme, "http") == 0)
        return 0;
    host = http_client_host(easy);
    if (host == NULL || curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK ||
        info == NULL || info->backend != CURLSSLBACKEND_GNUTLS || info->internals == NULL)
        return err_set(err, ERR_PROTOCOL, "no TLS session to verify");
    if (c->trust == NULL) { /* the system's store takes milliseconds and a megabyte */
        rc = tls_trust_new(&c->trust, NULL, err);
        if (rc < 0)
            return rc;
    }
    return tls_trust_check(c->trust, (gnutls_session_t)info->internals, host, err);
}

/* --- life --- */

int http_client_new(struct http_client **ret, uv_loop_t *loop, const struct http_client_opts *opts,
                    struct err *err)
{
    struct http_client *c = MEM_NEW(struct http_client);
    int max = opts->max_per_host > 0 ? opts->max_per_host : HTTP_CLIENT_PER_HOST;
    int rc;

    c->loop = loop;
    list_init(&c->calls);
    list_init(&c->ready);
    for (unsigned i = 0; i < N_ELEMENTS(c->identities); i++)
        c->identities[i] = -1;
    rc = http_client_set_opts(c, opts, err);
    if (rc < 0) {
        http_client_free(c);
        return rc;
    }
    c->timer = timer_new(loop, http_client_on_timer, c);
    c->multi = curl_multi_init();
    assert(c->multi != NULL);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, http_client_set_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, http_client_set_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)max);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CLIENT_IDLE);
    *ret = c;
    return 0;
}

void http_client_renew(struct http_client *c, const struct http_client_opts *opts)
{
    struct err err = ERR_EMPTY;

    if (http_client_set_opts(c, opts, &err) < 0)
        log_debug("http client keeps its old certificate", KV_ERR(&err));
}

struct http_client *http_client_close(struct http_client *c)
{
    if (c == NULL)
        return NULL;
    assert(!c->is_closing);
    c->is_closing = true;
    while (!list_empty(&c->calls)) {
        struct http_call *call = list_entry(c->calls.next, struct http_call, link);

        err_set(&call->err, ERR_CANCELED, "%s: canceled", call->what);
        http_call_end(call);
    }
    if (!c->is_stepping)
        http_client_free(c);
    return NULL;
}

static void http_client_on_refused(void *arg)
{
    http_call_end(arg);
}

struct http_call *http_call(struct http_client *c, const struct http_call_spec *spec,
                            const struct http_call_listener *listener)
{
    struct http_call *call = NULL;
    struct err err = ERR_EMPTY;
    int rc = http_call_new(&call, c, spec, listener, &err);

    assert(!c->is_closing);
    list_add_tail(&c->calls, &call->link);
    curl_multi_add_handle(c->multi, call->easy);
    if (rc < 0) { /* told later, as every end is */
        call->err = err;
        call->silence = timer_close(call->silence);
        call->silence = timer_new(c->loop, http_client_on_refused, call);
        timer_start(call->silence, 0);
    }
    return call;
}
