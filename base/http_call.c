#include "base/http_call.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define HTTP_CALL_TIMEOUT_MS  30000
#define HTTP_CALL_CONNECT_MS  5000
#define HTTP_CALL_MAX_BODY    (64 * 1024 * 1024)
/* A buffer larger than this is not kept between two pieces of a stream. */
#define HTTP_CALL_KEEP_BUFFER (64 * 1024)

const char *http_head_get(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < h->n_headers; i++) {
        if (strcasecmp(h->headers[i].name, name) == 0)
            return h->headers[i].value;
    }
    return NULL;
}

/* --- what libcurl tells us --- */

static void http_call_clear_head(struct http_call *call)
{
    for (size_t i = 0; i < call->head.n_headers; i++)
        free((char *)(uintptr_t)call->headers[i].name); /* the value shares its memory */
    call->head = (struct http_head){ .content_type = "", .headers = call->headers };
    call->header_bytes = 0;
}

static bool http_call_add_header(struct http_call *call, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    const char *value, *end = line + len;
    struct http_header_pair *pair;
    char *copy;

    if (colon == NULL)
        return true;
    call->header_bytes += len;
    if (call->head.n_headers == HTTP_CALL_MAX_HEADERS ||
        call->header_bytes > HTTP_CALL_MAX_HEADER_BYTES) {
        err_set(&call->err, ERR_LIMIT, "%s: too many response headers", call->what);
        return false;
    }
    value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    copy = mem_strn(line, (size_t)(end - line));
    copy[colon - line] = '\0';
    if (call->headers == NULL)
        call->headers = MEM_NEW_ARRAY(struct http_header_pair, HTTP_CALL_MAX_HEADERS);
    pair = &call->headers[call->head.n_headers++];
    pair->name = copy;
    pair->value = copy + (value - line);
    call->head.headers = call->headers;
    if (strcasecmp(pair->name, "content-type") == 0)
        call->head.content_type = pair->value;
    return true;
}

static size_t http_call_on_header(char *line, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * n;
    long status = 0;

    call->heard_ms = clock_mono_ms();
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0) { /* also after 1xx and redirects */
        http_call_clear_head(call);
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        call->head.status = (int)status;
        return len;
    }
    return http_call_add_header(call, line, len) ? len : 0;
}

static bool http_call_is_streamed(const struct http_call *call)
{
    return call->listener.on_data != NULL && call->head.status >= 200 && call->head.status < 300;
}

static size_t http_call_on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * n;

    if (call->is_paused)
        return CURL_WRITEFUNC_PAUSE;
    call->heard_ms = clock_mono_ms();
    if (http_call_is_streamed(call)) {
        text_add(&call->data, data, len);
        http_client_data_ready(call->client, call);
        return len;
    }
    if (call->body.len + len > call->max_body) {
        err_set(&call->err, ERR_LIMIT, "%s: answer is larger than %zu bytes", call->what,
                call->max_body);
        return len == 0 ? 1 : 0;
    }
    text_add(&call->body, data, len);
    return len;
}

/* Before the request is written, after the handshake: the place to verify by our own rules. */
static int http_call_on_connected(void *arg, char *ip UNUSED, char *local_ip UNUSED,
                                  int port UNUSED, int local_port UNUSED)
{
    struct http_call *call = arg;

    if (http_client_check_peer(call->client, call->easy, &call->err) == 0)
        return CURL_PREREQFUNC_OK;
    err_wrap(&call->err, call->err.code, "%s", call->what);
    return CURL_PREREQFUNC_ABORT;
}

static void http_call_on_silence(void *arg)
{
    struct http_call *call = arg;
    int64_t left = call->heard_ms + call->silence_ms - clock_mono_ms();

    if (left > 0) {
        timer_start(call->silence, left);
        return;
    }
    err_set(&call->err, ERR_TIMEOUT, "%s: silent for %lld ms", call->what,
            (long long)call->silence_ms);
    http_call_end(call);
}

/* --- setting up --- */

static void http_call_set_method(struct http_call *call, const struct http_call_spec *spec)
{
    const char *method = spec->method != NULL ? spec->method : "GET";
    bool is_get = strcmp(method, "GET") == 0;
    bool is_head = strcmp(method, "HEAD") == 0;
    bool is_delete = strcmp(method, "DELETE") == 0;

    if (is_head) {
        curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (spec->body_len > 0 || !(is_get || is_delete)) {
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body_len);
        curl_easy_setopt(call->easy, CURLOPT_COPYPOSTFIELDS, spec->body != NULL ? spec->body : "");
    }
    if (!is_get || spec->body_len > 0)
        curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void http_call_add_line(struct http_call *call, const char *line)
{
    struct curl_slist *list = curl_slist_append(call->request_headers, line);

    assert(list != NULL);
    call->request_headers = list;
}

static void http_call_set_headers(struct http_call *call, const struct http_call_spec *spec)
{
    static const char encoding[] = "Accept-Encoding:";
    bool has_type = false;

    for (const char *const *h = spec->headers; h != NULL && *h != NULL; h++) {
        if (strncasecmp(*h, encoding, sizeof(encoding) - 1) == 0) {
            const char *value = *h + sizeof(encoding) - 1;

            curl_easy_setopt(call->easy, CURLOPT_ACCEPT_ENCODING, value + strspn(value, " "));
            continue;
        }
        has_type |= strncasecmp(*h, "Content-Type:", 13) == 0;
        http_call_add_line(call, *h);
    }
    if (!has_type)
        http_call_add_line(call, "Content-Type:"); /* libcurl would claim a form */
    http_call_add_line(call, "Expect:");           /* no extra round trip for a body */
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->request_headers);
}

static void http_call_set_limits(struct http_call *call, const struct http_call_spec *spec)
{
    int64_t timeout_ms = spec->timeout_ms != 0 ? spec->timeout_ms : HTTP_CALL_TIMEOUT_MS;
    int64_t connect_ms = spec->connect_ms != 0 ? spec->connect_ms : HTTP_CALL_CONNECT_MS;

    call->max_body = spec->max_body != 0 ? spec->max_body : HTTP_CALL_MAX_BODY;
    call->silence_ms = spec->silence_ms;
    curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? (long)timeout_ms : 0L);
    curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    if (spec->max_redirects > 0) {
        curl_easy_setopt(call->easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(call->easy, CURLOPT_MAXREDIRS, (long)spec->max_redirects);
    }
    if (spec->http2)
        curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION,
                         (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    if (spec->fresh) {
        curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

static void http_call_set_peer(struct http_call *call, const struct http_call_spec *spec)
{
    cleanup(freep) char *line = NULL;

    if (spec->connect_to == NULL)
        return;
    line = mem_fmt("::%s", spec->connect_to);
    call->connect_to = curl_slist_append(NULL, line);
    assert(call->connect_to != NULL);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
}

/* libcurl leaves its sockets open in programs that we start; those that outlive us (conmon) would
 * keep our connections alive for the other end. */
static curl_socket_t http_call_on_socket(void *arg UNUSED, curlsocktype purpose UNUSED,
                                         struct curl_sockaddr *a)
{
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* The same for every call. */
static void http_call_set_manners(struct http_call *call)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_call_on_socket);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    /* A cancelled call must not wait for its resolver thread. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, http_client_agent(call->client));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_call_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_call_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    /* libcurl would read a CA file per connection and look at dates strictly; the client
     * verifies in http_call_on_connected instead, before a byte of the request is sent. */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, http_call_on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
}

int http_call_new(struct http_call **ret, struct http_client *c, const struct http_call_spec *spec,
                  const struct http_call_listener *listener, struct err *err)
{
    struct http_call *call = MEM_NEW(struct http_call);

    assert(spec->url != NULL && listener->on_done != NULL);
    list_init(&call->link);
    list_init(&call->ready);
    call->client = c;
    call->listener = *listener;
    call->head.content_type = "";
    /* Queries may carry secrets; a message needs none. */
    call->what = mem_fmt("%s %.*s", spec->method != NULL ? spec->method : "GET",
                         (int)strcspn(spec->url, "?"), spec->url);
    call->easy = curl_easy_init();
    assert(call->easy != NULL);
    http_call_set_manners(call);
    http_call_set_method(call, spec);
    http_call_set_headers(call, spec);
    http_call_set_limits(call, spec);
    http_call_set_peer(call, spec);
    http_client_set_identity(c, call->easy);
    *ret = call;
    if (spec->unix_socket != NULL &&
        curl_easy_setopt(call->easy, CURLOPT_UNIX_SOCKET_PATH, spec->unix_socket) != CURLE_OK)
        return err_set(err, ERR_INVALID, "%s: socket path %s", call->what, spec->unix_socket);
    if (curl_easy_setopt(call->easy, CURLOPT_URL, spec->url) != CURLE_OK)
        return err_set(err, ERR_INVALID, "%s: bad URL", call->what);
    if (call->silence_ms > 0) {
        call->heard_ms = clock_mono_ms();
        call->silence = timer_new(http_client_loop(c), http_call_on_silence, call);
        timer_start(call->silence, call->silence_ms);
    }
    return 0;
}

void http_call_free(struct http_call *call)
{
    assert(list_empty(&call->link) && list_empty(&call->ready));
    call->silence = timer_close(call->silence);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->request_headers);
    curl_slist_free_all(call->connect_to);
    http_call_clear_head(call);
    free(call->headers);
    text_fini(&call->data);
    text_fini(&call->body);
    free(call->what);
    free(call);
}

/* --- ends --- */

static const struct {
    CURLcode curl;
    int code;
} http_call_codes[] = {
    { CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT },   { CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE },
    { CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE },  { CURLE_SEND_ERROR, ERR_UNAVAILABLE },
    { CURLE_RECV_ERROR, ERR_UNAVAILABLE },       { CURLE_GOT_NOTHING, ERR_UNAVAILABLE },
    { CURLE_PARTIAL_FILE, ERR_UNAVAILABLE },     { CURLE_URL_MALFORMAT, ERR_INVALID },
    { CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID },
};

static int http_call_verdict(struct http_call *call, CURLcode result, struct err *err)
{
    int code = ERR_PROTOCOL;
    const char *text = call->curl_error;
    long sys_error = 0;

    if (call->err.code != 0) {
        *err = call->err;
        return err->code;
    }
    if (result == CURLE_OK)
        return 0;
    for (size_t i = 0; i < N_ELEMENTS(http_call_codes); i++) {
        if (http_call_codes[i].curl == result)
            code = http_call_codes[i].code;
    }
    if (result == CURLE_COULDNT_CONNECT &&
        curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &sys_error) == CURLE_OK)
        call->head.sys_error = (int)sys_error;
    if (text[0] == '\0')
        text = curl_easy_strerror(result);
    return err_set(err, code, "%s: %.*s", call->what, (int)strcspn(text, "\r\n"), text);
}

static void http_call_tell(struct http_call *call, int rc, const struct err *err)
{
    assert(!call->is_done);
    call->is_done = true;
    call->listener.on_done(call->listener.arg, rc, &call->head, text_str(&call->body),
                           call->body.len, err);
}

void http_call_finish(struct http_call *call, CURLcode result)
{
    struct err err = ERR_EMPTY;
    bool was_busy = call->is_busy;
    int rc;

    http_client_remove(call->client, call);
    rc = http_call_verdict(call, result, &err);
    call->is_busy = true;
    http_call_tell(call, rc, &err);
    call->is_busy = was_busy;
    if (!was_busy)
        http_call_free(call);
}

void http_call_end(struct http_call *call)
{
    assert(call->err.code != 0);
    http_call_finish(call, CURLE_OK);
}

void http_call_deliver(struct http_call *call)
{
    struct text data = call->data;
    int rc;

    call->data = (struct text)TEXT_EMPTY;
    call->is_busy = true;
    rc = call->listener.on_data(call->listener.arg, &call->head, data.data, data.len);
    call->is_busy = false;
    if (call->is_done) {
        http_call_free(call);
    } else if (rc != 0) {
        err_set(&call->err, ERR_CANCELED, "%s: stopped by its reader", call->what);
        http_call_end(call);
    } else if (data.cap <= HTTP_CALL_KEEP_BUFFER) {
        text_clear(&data);
        call->data = data;
        return;
    }
    text_fini(&data);
}

void http_call_pause(struct http_call *call)
{
    call->is_paused = true;
}

void http_call_resume(struct http_call *call)
{
    if (!call->is_paused || call->is_done)
        return;
    call->is_paused = false;
    curl_easy_pause(call->easy, CURLPAUSE_CONT); /* may bring bytes at once */
    http_client_wake(call->client);
}

void http_call_cancel(struct http_call *call)
{
    if (call->is_done)
        return; /* within its own on_done */
    call->is_done = true;
    http_client_remove(call->client, call);
    if (!call->is_busy)
        http_call_free(call);
}
