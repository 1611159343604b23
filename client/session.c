#include "client/session.h"

#include "api/client.h"
#include "base/loop.h"
#include "base/mem.h"
#include "client/discovery.h"
#include "client/oneshot.h"
#include "client/target.h"
#include "client/verb.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* kubectl's words for a server that is not there; behind them its address. */
#define SESSION_REFUSED  "The connection to the server "
#define SESSION_BODY_MAX (256 * 1024 * 1024)

struct session {
    struct oneshot *calls;       /* owned: loop and client */
    struct client_config config; /* owned: for requests that the client has no words for */
    struct http_client *http;    /* owned; NULL until the first stream */
    char *authorization;         /* owned; NULL without a token */
    char *ns;                    /* owned */
    bool forced_ns;
    unsigned n_started;          /* streams under way */
    struct discovery *discovery; /* owned; NULL until asked for */
};

/* --- life --- */

int session_new(struct session **ret, const struct session_opts *opts, struct err *err)
{
    struct session *s = MEM_NEW(struct session);
    cleanup(freep) char *path = oneshot_find_config(opts->kubeconfig);
    int rc = client_config_load(&s->config, path, err);

    if (rc < 0) {
        session_free(s);
        return err_wrap(err, rc, "kubeconfig %s", path);
    }
    rc = oneshot_new(&s->calls, path, err);
    if (rc < 0) {
        session_free(s);
        return rc;
    }
    if (s->config.token != NULL)
        s->authorization = mem_fmt("Authorization: Bearer %s", s->config.token);
    s->forced_ns = opts->ns != NULL;
    s->ns = mem_str(opts->ns != NULL          ? opts->ns
                    : str_empty(s->config.ns) ? "default"
                                              : s->config.ns);
    *ret = s;
    return 0;
}

struct session *session_free(struct session *s)
{
    if (s == NULL)
        return NULL;
    discovery_free(s->discovery);
    s->http = http_client_close(s->http);
    s->calls = oneshot_free(s->calls);
    client_config_fini(&s->config);
    free(s->authorization);
    free(s->ns);
    free(s);
    return NULL;
}

void session_freep(struct session **s)
{
    *s = session_free(*s);
}

const char *session_namespace(const struct session *s)
{
    return s->ns;
}

bool session_forced_ns(const struct session *s)
{
    return s->forced_ns;
}

uv_loop_t *session_loop(struct session *s)
{
    return oneshot_loop(s->calls);
}

const struct client_config *session_config(const struct session *s)
{
    return &s->config;
}

const char *session_authorization(const struct session *s)
{
    return s->authorization;
}

const char *session_server(const struct session *s)
{
    return s->config.server;
}

void session_answer_fini(struct session_answer *a)
{
    json_decref(a->body);
    *a = (struct session_answer){ .status = 0 };
}

/* --- calls --- */

struct session_wait { /* of the request under way */
    struct session *session;
    bool done;
    int rc;
    struct session_answer *answer;
    struct err *err;
    session_data_fn fn; /* NULL: the answer is one tree */
    void *arg;
    bool stopped;                    /* by the callback */
    struct session_started *started; /* NULL: somebody waits */
};
static void session_on_started_done(struct session_wait *w);

static void session_run(struct session *s, const struct session_wait *w)
{
    while (!w->done)
        uv_run(oneshot_loop(s->calls), UV_RUN_ONCE);
}

static int session_on_data(void *arg, const struct http_head *head UNUSED, const void *data,
                           size_t len)
{
    struct session_wait *w = arg;

    w->stopped = w->fn(w->arg, data, len) != 0;
    return w->stopped ? 1 : 0;
}

/* `299 - "text"`: what the server wants people to know (RFC 7234, 5.5). */
static void session_warn(const struct http_head *head)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const char *from, *to;

        if (strcasecmp(head->headers[i].name, "Warning") != 0)
            continue;
        from = strchr(head->headers[i].value, '"');
        to = strrchr(head->headers[i].value, '"');
        if (from == NULL || to == from)
            continue;
        fprintf(stderr, "Warning: ");
        for (from++; from < to; from++)
            if (*from != '\\' || from[1] == '\\')
                fputc(*from, stderr);
        fputc('\n', stderr);
    }
}

static int session_refused(const struct http_head *head, const json_t *body, struct err *err)
{
    static const struct {
        int status, code;
    } codes[] = { { 400, ERR_BAD_REQUEST }, { 403, ERR_FORBIDDEN }, { 404, ERR_NOT_FOUND },
                  { 405, ERR_METHOD },      { 409, ERR_CONFLICT },  { 410, ERR_EXPIRED },
                  { 422, ERR_INVALID },     { 429, ERR_BUSY } };
    int code = ERR_PROTOCOL;

    for (size_t i = 0; i < N_ELEMENTS(codes); i++)
        if (codes[i].status == head->status)
            code = codes[i].code;
    if (str_eq(json_str(body, "reason"), "AlreadyExists"))
        code = ERR_EXISTS;
    return err_set(err, code, "%s", json_str_or(body, "message", "the server gave no reason"));
}

static void session_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                            size_t len, const struct err *err)
{
    struct session_wait *w = arg;
    struct err ignored = ERR_EMPTY;

    w->done = true;
    w->answer->status = head->status;
    session_warn(head);
    if (rc < 0 && head->sys_error == ECONNREFUSED) {
        w->rc = err_set(w->err, rc,
                        SESSION_REFUSED "%s was refused - did you specify the right "
                                        "host or port?",
                        strstr(w->session->config.server, "//") + 2);
    } else if (rc < 0) {
        w->rc = w->stopped ? 0 : rc;
        *w->err = *err;
    } else {
        if (len > 0 && json_parse(&w->answer->body, body, len, NULL, &ignored) < 0)
            w->answer->body = NULL;
        if (head->status < 200 || head->status > 299)
            w->rc = session_refused(head, w->answer->body, w->err);
    }
    if (w->started != NULL)
        session_on_started_done(w);
}

static int session_http(struct session *s, struct err *err)
{
    struct http_client_opts opts = { .ca_pem = s->config.ca_pem,
                                     .cert_pem = s->config.cert_pem,
                                     .key_pem = s->config.key_pem };

    return s->http != NULL ? 0 : http_client_new(&s->http, oneshot_loop(s->calls), &opts, err);
}

/* What all requests are made of; @accept NULL: JSON; @body NULL: none. */
struct session_request {
    const char *method, *path, *accept, *content_type;
    const json_t *body;
    int64_t timeout_ms;
};

static int session_begin(struct session_wait *w, const struct session_request *r)
{
    struct session *s = w->session;
    cleanup(freep) char *url = mem_fmt("%s%s", s->config.server, r->path);
    cleanup(freep) char *accept = mem_fmt("Accept: %s",
                                          r->accept != NULL ? r->accept : SESSION_JSON);
    cleanup(freep) char *type = NULL;
    cleanup(freep) char *text = NULL;
    const char *headers[4] = { accept };
    size_t n = 1;
    struct http_call_spec spec = { .method = r->method,
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = r->timeout_ms,
                                   .max_body = SESSION_BODY_MAX };
    struct http_call_listener listener = { .on_data = w->fn != NULL ? session_on_data : NULL,
                                           .on_done = session_on_done,
                                           .arg = w };
    int rc = session_http(s, w->err);

    session_answer_fini(w->answer);
    if (rc < 0)
        return rc;
    if (r->body != NULL) {
        spec.body = text = json_print(r->body, &spec.body_len);
        headers[n++] = type = mem_fmt("Content-Type: %s", r->content_type);
    }
    headers[n++] = s->authorization;
    http_call(s->http, &spec, &listener);
    return 0;
}

static int session_send(struct session_wait *w, const struct session_request *r)
{
    int rc = session_begin(w, r);

    if (rc < 0)
        return rc;
    session_run(w->session, w);
    return w->rc;
}

int session_call(struct session *s, const char *method, const char *path, const char *content_type,
                 const json_t *body, struct session_answer *ret, struct err *err)
{
    struct session_wait w = { .session = s, .answer = ret, .err = err };
    struct session_request r = {
        .method = method, .path = path, .content_type = content_type, .body = body
    };

    return session_send(&w, &r);
}

int session_stream_within(struct session *s, const char *path, const char *accept, int64_t ms,
                          session_data_fn fn, void *arg, struct session_answer *ret,
                          struct err *err)
{
    struct session_wait w = { .session = s, .answer = ret, .err = err, .fn = fn, .arg = arg };
    const struct session_request r = {
        .method = "GET", .path = path, .accept = accept, .timeout_ms = ms
    };

    return session_send(&w, &r);
}

int session_stream(struct session *s, const char *path, const char *accept, session_data_fn fn,
                   void *arg, struct session_answer *ret, struct err *err)
{
    return session_stream_within(s, path, accept, -1, fn, arg, ret, err);
}

int session_get(struct session *s, const char *path, const char *accept, struct session_answer *ret,
                struct err *err)
{
    struct session_wait w = { .session = s, .answer = ret, .err = err };
    struct session_request r = { .method = "GET", .path = path, .accept = accept };
    int rc = session_send(&w, &r);

    return rc == 0 && ret->body == NULL
               ? err_set(err, ERR_PROTOCOL, "the server's answer is no JSON")
               : rc;
}

/* --- several streams at a time --- */

struct session_started {
    struct session_wait wait;
    struct session_answer answer;
    struct err err;
    session_done_fn done;
};

static void session_on_started_done(struct session_wait *w)
{
    struct session_started *t = w->started;

    w->session->n_started--;
    t->done(w->arg, w->rc, &t->answer, &t->err);
    session_answer_fini(&t->answer);
    free(t);
}

int session_start(struct session *s, const char *path, const char *accept, session_data_fn fn,
                  session_done_fn done, void *arg, struct err *err)
{
    struct session_started *t = MEM_NEW(struct session_started);
    struct session_request r = {
        .method = "GET", .path = path, .accept = accept, .timeout_ms = -1
    };
    int rc;

    t->done = done;
    t->wait = (struct session_wait){
        .session = s, .answer = &t->answer, .err = &t->err, .fn = fn, .arg = arg, .started = t
    };
    rc = session_begin(&t->wait, &r);
    if (rc < 0) {
        *err = t->err;
        free(t);
        return rc;
    }
    s->n_started++;
    return 0;
}

void session_run_all(struct session *s)
{
    while (s->n_started > 0)
        uv_run(oneshot_loop(s->calls), UV_RUN_ONCE);
}

/* --- kinds --- */

int session_discover(struct session *s, struct err *err)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    int rc;

    if (s->discovery != NULL)
        return 0;
    rc = session_get(s, DISCOVERY_PATH, DISCOVERY_ACCEPT, &answer, err);
    if (rc == 0)
        s->discovery = discovery_new(answer.body);
    return rc;
}

/* "po", "deploy,svc", "crontab/x": are all its kinds built in? */
static bool session_knows(const char *word)
{
    cleanup(freep) char *kinds = mem_strn(word, strcspn(word, "/"));
    char *save = NULL;

    for (char *kind = strtok_r(kinds, ",", &save); kind != NULL; kind = strtok_r(NULL, ",", &save))
        if (schema_guess(kind) == NULL)
            return false;
    return true;
}

int session_targets(struct session *s, struct target_list *ret, int argc, char **argv,
                    struct err *err)
{
    bool slashes = argc > 0 && strchr(argv[0], '/') != NULL;
    bool known = true;
    int rc = 0;

    for (int i = 0; i < argc && (i == 0 || slashes); i++)
        known = known && session_knows(argv[i]);
    if (!known)
        rc = session_discover(s, err);
    return rc < 0 ? rc : target_parse(ret, argc, argv, err);
}

int session_of_object(struct session *s, const struct schema_resource **ret, const char **ret_ns,
                      const json_t *object, struct err *err)
{
    const char *version = json_str(object, "apiVersion"), *kind = json_str(object, "kind");

    if (version != NULL && kind != NULL && schema_by_api_version(version, kind) == NULL) {
        int rc = session_discover(s, err);

        if (rc < 0)
            return rc;
    }
    return target_of_object(ret, ret_ns, object, s->ns, s->forced_ns, err);
}

/* --- time --- */

static void session_on_pause(void *arg)
{
    *(bool *)arg = true;
}

void session_pause(struct session *s, int64_t ms)
{
    uv_loop_t *loop = session_loop(s);
    bool over = false;
    struct timer *t = timer_new(loop, session_on_pause, &over);

    timer_start(t, ms);
    while (!over)
        uv_run(loop, UV_RUN_ONCE);
    timer_close(t);
}

/* --- words --- */

/* 422: whose fields are wrong, each in a line; the message says no more. */
static void session_complain_invalid(const json_t *status, const char *message)
{
    const json_t *details = json_at(status, "details"), *causes = json_at(details, "causes"), *one;
    const char *kind = json_str_or(details, "kind", ""), *name = json_str_or(details, "name", "");
    cleanup(json_decrefpp) json_t *told = json_object();
    const char *line;
    json_t *is;
    size_t i;

    json_array_foreach (causes, i, one) {
        cleanup(freep) char *text = mem_fmt("%s: %s", json_str_or(one, "field", ""),
                                            json_str_or(one, "message", ""));

        json_object_set_new(told, text, json_true());
    }
    if (kind[0] != '\0' || name[0] != '\0')
        fprintf(stderr, "The %s \"%s\" is invalid", kind, name);
    else
        fprintf(stderr, "The request is invalid");
    if (json_object_size(told) > 0)
        fprintf(stderr, ": %s", json_object_size(told) > 1 ? "\n" : "");
    else if (kind[0] == '\0' && name[0] == '\0' && message[0] != '\0')
        fprintf(stderr, ": %s\n", message);
    else
        fprintf(stderr, "\n");
    json_object_foreach (told, line, is)
        fprintf(stderr, "%s%s\n", json_object_size(told) > 1 ? "* " : "", line);
}

int session_complain(const struct session_answer *a, const struct err *err, const char *doing)
{
    const char *reason = json_str_or(a->body, "reason", "");

    fflush(stdout);
    if (a->status == 0 && str_starts(err->text, SESSION_REFUSED)) {
        fprintf(stderr, "%s\n", err->text);
        return VERB_FAILED;
    }
    if (str_eq(reason, "Invalid")) {
        session_complain_invalid(a->body, json_str_or(a->body, "message", err->text));
        return VERB_FAILED;
    }
    if (a->status == 0)
        fprintf(stderr, "Unable to connect to the server: ");
    else
        fprintf(stderr, "Error from server%s%s%s: ", reason[0] != '\0' ? " (" : "", reason,
                reason[0] != '\0' ? ")" : "");
    if (doing != NULL)
        fprintf(stderr, "%s: ", doing);
    fprintf(stderr, "%s\n", json_str_or(a->body, "message", err->text));
    return VERB_FAILED;
}

void session_query(struct text *path, const char *name, const char *value)
{
    text_fmt(path, "%c%s=", strchr(text_str(path), '?') != NULL ? '&' : '?', name);
    for (const char *c = value; *c != '\0'; c++) {
        if (isalnum((unsigned char)*c) || strchr("-_.~", *c) != NULL)
            text_putc(path, *c);
        else
            text_fmt(path, "%%%02X", (unsigned)(unsigned char)*c);
    }
}
