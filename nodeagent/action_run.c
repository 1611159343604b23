#include "nodeagent/action.h"

#include "base/bits.h"
#include "base/child.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "nodeagent/grpc_health.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ACTION_BODY_MAX        (10 * 1024) /* of a probe's answer, as the kubelet reads it */
#define ACTION_EXEC_OUTPUT_MAX (10 * 1024)
#define ACTION_REDIRECTS_MAX   10 /* Go's client gives up after as many */

struct action_run {
    const struct action *action; /* borrowed */
    int64_t timeout_ms;
    action_done_fn done; /* NULL once told */
    void *arg;
    struct child *child;
    char *pid_file;           /* of exec: the program inside, which must not outlive its time */
    struct http_client *http; /* borrowed */
    struct http_call *call;
    char *next_url; /* where a redirect led; NULL = still the action's own */
    unsigned n_redirects;
    struct timer *timer;
    uv_tcp_t *tcp;         /* dies in its close callback */
    uv_connect_t *connect; /* likewise, with the handle */
};

static void action_free(struct action_run *r)
{
    timer_close(r->timer);
    if (r->pid_file != NULL)
        unlink(r->pid_file);
    free(r->pid_file);
    free(r->next_url);
    free(r);
}

/* Killing `runc exec` leaves what it started inside the container. */
static void action_kill_inside(const struct action_run *r)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    int64_t pid;

    if (r->pid_file != NULL && file_read(&t, r->pid_file, 32, &ignored) == 0 &&
        str_i64(text_str(&t), &pid) && pid > 1)
        kill((pid_t)pid, SIGKILL);
}

static void action_tell(struct action_run *r, int rc, const struct err *err)
{
    action_done_fn done = STEAL(r->done);
    void *arg = r->arg;

    action_free(r);
    done(arg, rc, err);
}

/* A system error as Go's net package words it: the same text, not capitalised. */
static void action_dial_error(char *ret, size_t size, int errnum)
{
    snprintf(ret, size, "%s", strerror(errnum));
    if (ret[0] != '\0' && islower((unsigned char)ret[1]))
        ret[0] = (char)tolower((unsigned char)ret[0]);
}

/* --- exec --- */

/* runc could not start the program at all: what the program thinks is not known then.  Its words
 * come as a log line: time="..." level=error msg="exec failed: ...". */
static bool action_exec_not_begun(struct err *ret, const char *errors)
{
    const char *line = strstr(errors, " level=error msg=\"exec failed: ");
    const char *from, *to;
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (line == NULL || !str_starts(errors, "time="))
        return false;
    from = strchr(line, '"') + 1;
    to = from + strcspn(from, "\n");
    while (to > from && to[-1] != '"')
        to--;
    for (; from + 1 < to; from++)
        if (from[0] != '\\')
            text_putc(&t, from[0]);
    err_set(ret, ERR_UNAVAILABLE, "OCI runtime exec failed: %s", text_str(&t));
    return true;
}

static void action_exec_timed_out(struct err *ret, const struct action_run *r)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (char **arg = r->action->argv; *arg != NULL; arg++)
        text_fmt(&t, "%s%s", t.len == 0 ? "" : " ", *arg);
    err_set(ret, ERR_TIMEOUT, "command timed out: \"%s\" timed out after %llds", text_str(&t),
            (long long)(r->timeout_ms / 1000));
}

static void action_on_exec(void *arg, int rc, const struct child_result *result,
                           const struct err *err)
{
    struct action_run *r = arg;
    struct err mine = ERR_EMPTY;

    r->child = NULL;
    if (rc == 0) {
        action_tell(r, 0, NULL);
        return;
    }
    if (rc == ERR_TIMEOUT || rc == ERR_LIMIT)
        action_kill_inside(r);
    if (rc == ERR_TIMEOUT)
        action_exec_timed_out(&mine, r);
    else if (result->exit_code > 0 && action_exec_not_begun(&mine, result->errors))
        rc = mine.code;
    else if (result->exit_code >= 0)
        err_set(&mine, rc, "%s%s", result->output, result->errors);
    else
        mine = *err;
    action_tell(r, rc, &mine);
}

static void action_exec(struct action_run *r, const struct action_context *c)
{
    size_t n = 0;
    const char **argv;
    uint32_t random;

    while (r->action->argv[n] != NULL)
        n++;
    bits_random(&random, sizeof(random));
    r->pid_file = mem_fmt("%s/containers/%s/exec-%08x", c->run_dir, c->container_id, random);
    argv = MEM_NEW_ARRAY(const char *, n + 8);
    argv[0] = c->runc;
    argv[1] = "--root";
    argv[2] = c->runc_root;
    argv[3] = "exec";
    argv[4] = "--pid-file";
    argv[5] = r->pid_file;
    argv[6] = c->container_id;
    memcpy(argv + 7, r->action->argv, n * sizeof(*argv));
    r->child = child_run(c->loop,
                         &(struct child_spec){ .argv = argv,
                                               .deadline_ms = r->timeout_ms,
                                               .max_output = ACTION_EXEC_OUTPUT_MAX },
                         action_on_exec, r);
    free(argv);
}

/* --- httpGet --- */

static void action_http_call(struct action_run *r);

/* Why no answer came, as the kubelet's HTTP client (Go's) says it. */
static void action_http_error(struct err *ret, const struct action_run *r, int rc,
                              const struct http_head *head, const struct err *err)
{
    const char *url = r->next_url != NULL ? r->next_url : r->action->url;
    const char *host = strstr(url, "://") + 3;
    char why[128];

    action_dial_error(why, sizeof(why), head->sys_error);
    if (rc == ERR_TIMEOUT)
        err_set(ret, rc,
                "Get \"%s\": context deadline exceeded (Client.Timeout exceeded while awaiting "
                "headers)",
                url);
    else if (head->sys_error != 0)
        err_set(ret, rc, "Get \"%s\": dial tcp %.*s: connect: %s", url, (int)strcspn(host, "/?"),
                host, why);
    else
        err_set(ret, rc, "Get \"%s\": %s", url, err->text);
}

/* A redirect within the host is followed; one that leads away counts as an answer. */
static bool action_http_redirected(struct action_run *r, const struct http_head *head)
{
    const char *to = http_head_get(head, "Location");
    char *next;

    if (head->status < 300 || head->status >= 400 || to == NULL ||
        r->n_redirects >= ACTION_REDIRECTS_MAX)
        return false;
    next = action_redirect(r->next_url != NULL ? r->next_url : r->action->url, to);
    if (next == NULL)
        return false;
    free(r->next_url);
    r->next_url = next;
    r->n_redirects++;
    action_http_call(r);
    return true;
}

static void action_on_http(void *arg, int rc, const struct http_head *head, const void *body UNUSED,
                           size_t len UNUSED, const struct err *err)
{
    struct action_run *r = arg;
    struct err mine = ERR_EMPTY;

    r->call = NULL;
    if (rc == 0 && action_http_redirected(r, head))
        return;
    if (rc < 0)
        action_http_error(&mine, r, rc, head, err);
    else if (r->action->use == ACTION_PROBE && (head->status < 200 || head->status >= 400))
        rc = err_set(&mine, ERR_PROTOCOL, "HTTP probe failed with statuscode: %d", head->status);
    action_tell(r, rc, &mine);
}

static void action_http_call(struct action_run *r)
{
    const struct http_call_spec spec = {
        .method = "GET",
        .url = r->next_url != NULL ? r->next_url : r->action->url,
        .headers = (const char *const *)r->action->headers,
        .timeout_ms = r->timeout_ms,
        .connect_ms = r->timeout_ms,
        .max_body = ACTION_BODY_MAX * 100,
        .fresh = true,
    };
    const struct http_call_listener listener = { .on_done = action_on_http, .arg = r };

    r->call = http_call(r->http, &spec, &listener);
}

static void action_http(struct action_run *r, const struct action_context *c)
{
    r->http = c->http;
    action_http_call(r);
}

/* --- grpc --- */

static void action_on_grpc(void *arg, int rc, const struct http_head *head, const void *body,
                           size_t len, const struct err *err)
{
    struct action_run *r = arg;
    struct err mine = ERR_EMPTY;
    const char *host = r->action->url + strlen("http://");
    long long seconds = r->timeout_ms / 1000;

    r->call = NULL;
    if (rc == 0)
        rc = grpc_health_verdict(head, body, len, &mine);
    else if (head->sys_error != 0)
        err_set(
            &mine, rc,
            "timeout: failed to connect service \"%.*s\" within %llds: context deadline exceeded",
            (int)strcspn(host, "/"), host, seconds);
    else if (rc == ERR_TIMEOUT)
        err_set(&mine, rc, "timeout: health rpc did not complete within %llds", seconds);
    else
        err_set(&mine, rc, "error: health rpc probe failed: %s", err->text);
    action_tell(r, rc, &mine);
}

static void action_grpc(struct action_run *r, const struct action_context *c)
{
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    const struct http_call_listener listener = { .on_done = action_on_grpc, .arg = r };

    grpc_health_request(&body, r->action->service);
    r->call = http_call(c->http,
                        &(struct http_call_spec){
                            .method = "POST",
                            .url = r->action->url,
                            .headers = (const char *const *)r->action->headers,
                            .body = text_str(&body),
                            .body_len = body.len,
                            .timeout_ms = r->timeout_ms,
                            .connect_ms = r->timeout_ms,
                            .max_body = ACTION_BODY_MAX,
                            .fresh = true,
                            .http2 = true,
                        },
                        &listener);
}

/* --- tcpSocket --- */

static void action_on_tcp_closed(uv_handle_t *handle)
{
    free(handle->data); /* the request */
    free(handle);
}

static void action_close_tcp(struct action_run *r)
{
    if (r->tcp == NULL)
        return;
    r->connect->data = NULL;
    uv_close((uv_handle_t *)r->tcp, action_on_tcp_closed);
    r->tcp = NULL;
}

static void action_tcp_over(struct action_run *r, int uv_rc)
{
    struct err err = ERR_EMPTY;
    char why[128];
    int rc = 0;

    action_dial_error(why, sizeof(why), -uv_rc);
    if (uv_rc == UV_ETIMEDOUT)
        rc = err_set(&err, ERR_TIMEOUT, "dial tcp %s:%u: i/o timeout", r->action->host,
                     r->action->port);
    else if (uv_rc != 0)
        rc = err_set(&err, ERR_PROTOCOL, "dial tcp %s:%u: connect: %s", r->action->host,
                     r->action->port, why);

    action_close_tcp(r);
    action_tell(r, rc, &err);
}

static void action_on_connect(uv_connect_t *connect, int status)
{
    struct action_run *r = connect->data;

    if (r != NULL)
        action_tcp_over(r, status);
}

static void action_on_tcp_timeout(void *arg)
{
    action_tcp_over(arg, UV_ETIMEDOUT);
}

static void action_on_tcp_refused(void *arg)
{
    action_tcp_over(arg, UV_EINVAL);
}

static void action_tcp(struct action_run *r, const struct action_context *c)
{
    struct sockaddr_storage addr;
    int rc;

    r->tcp = MEM_NEW(uv_tcp_t);
    r->connect = MEM_NEW(uv_connect_t);
    r->connect->data = r;
    uv_tcp_init(c->loop, r->tcp);
    r->tcp->data = r->connect;
    rc = uv_ip4_addr(r->action->host, r->action->port, (struct sockaddr_in *)&addr);
    if (rc < 0)
        rc = uv_ip6_addr(r->action->host, r->action->port, (struct sockaddr_in6 *)&addr);
    if (rc == 0)
        rc = uv_tcp_connect(r->connect, r->tcp, (struct sockaddr *)&addr, action_on_connect);
    r->timer = timer_new(c->loop, rc == 0 ? action_on_tcp_timeout : action_on_tcp_refused, r);
    timer_start(r->timer, rc == 0 ? r->timeout_ms : 0);
}

/* --- sleep --- */

static void action_on_slept(void *arg)
{
    action_tell(arg, 0, NULL);
}

static void action_sleep(struct action_run *r, const struct action_context *c)
{
    int64_t ms = r->action->sleep_ms < r->timeout_ms ? r->action->sleep_ms : r->timeout_ms;

    r->timer = timer_new(c->loop, action_on_slept, r);
    timer_start(r->timer, ms);
}

static void (*const action_runners[])(struct action_run *r, const struct action_context *c) = {
    [ACTION_EXEC] = action_exec, [ACTION_HTTP] = action_http,   [ACTION_TCP] = action_tcp,
    [ACTION_GRPC] = action_grpc, [ACTION_SLEEP] = action_sleep,
};

struct action_run *action_run(const struct action *a, const struct action_context *context,
                              int64_t timeout_ms, action_done_fn done, void *arg)
{
    struct action_run *r = MEM_NEW(struct action_run);

    assert(done != NULL && timeout_ms > 0);
    r->action = a;
    r->timeout_ms = timeout_ms;
    r->done = done;
    r->arg = arg;
    action_runners[a->type](r, context);
    return r;
}

void action_cancel(struct action_run *r)
{
    if (r->child != NULL) {
        action_kill_inside(r);
        child_cancel(r->child);
    }
    if (r->call != NULL)
        http_call_cancel(r->call);
    action_close_tcp(r);
    action_free(r);
}
