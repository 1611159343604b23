#include "nodeagent/node_api.h"

#include "base/clock.h"
#include "base/http_server.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/prom.h"
#include "nodeagent/log_serve.h"
#include "nodeagent/node_counts.h"
#include "nodeagent/node_usage.h"
#include "nodeagent/streams.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NODE_API_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

struct node_api {
    uv_loop_t *loop;
    struct node_api_opts opts;
    struct http_server *server;
    struct node_usage *usage; /* owned */
    struct streams *streams;
};

static void node_api_text(struct http_exchange *x, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void node_api_text(struct http_exchange *x, int status, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    http_reply(x, status, "text/plain", text, strlen(text));
}

static bool node_api_may(const struct tls_peer *peer)
{
    if (!peer->verified)
        return false;
    for (char **org = peer->orgs; org != NULL && *org != NULL; org++)
        if (str_eq(*org, "system:masters"))
            return true;
    return str_eq(peer->cn, "kube-apiserver-kubelet-client");
}

/* --- what it answers --- */

static void node_api_health(struct node_api *a UNUSED, struct http_exchange *x, char **parts UNUSED)
{
    node_api_text(x, 200, "ok");
}

static void node_api_pods(struct node_api *a, struct http_exchange *x, char **parts UNUSED)
{
    json_t *items = json_array();
    cleanup(json_decrefpp) json_t *list = NULL;
    struct pod_worker *w;
    size_t it = 0, len;
    char *text;

    while ((w = a->opts.next(a->opts.arg, &it)) != NULL)
        json_array_append_new(items, pod_worker_tree(w));
    list = json_pack("{s:s, s:s, s:{}, s:o}", "kind", "PodList", "apiVersion", "v1", "metadata",
                     "items", items);
    text = json_print(list, &len);
    http_reply_take(x, 200, "application/json", text, len);
}

/* GET /stats/summary, /metrics/resource: measured now, for whoever asks. */
static void node_api_usage(struct node_api *a, struct http_exchange *x, const char *type,
                           void (*print)(struct node_usage *u, struct text *ret))
{
    struct text t = TEXT_EMPTY;
    struct pod_worker *w;
    size_t it = 0, len;

    node_usage_begin(a->usage);
    while ((w = a->opts.next(a->opts.arg, &it)) != NULL)
        node_usage_add(a->usage, w);
    print(a->usage, &t);
    len = t.len;
    http_reply_take(x, 200, type, text_take(&t), len);
}

static void node_api_stats(struct node_api *a, struct http_exchange *x, char **parts)
{
    if (str_eq(parts[1], "summary"))
        node_api_usage(a, x, "application/json", node_usage_print_summary);
    else
        node_api_text(x, 404, "404 page not found\n");
}

/* /metrics: kubelets' own figures, as far as there is something like them here. */
static void node_api_own_metrics(struct node_api *a, struct http_exchange *x)
{
    struct text t = TEXT_EMPTY;
    struct node_counts counts = { 0 };
    struct pod_worker *w;
    size_t it = 0, len;

    while ((w = a->opts.next(a->opts.arg, &it)) != NULL) {
        cleanup(json_decrefpp) json_t *pod = pod_worker_tree(w);

        node_counts_add(&counts, pod);
    }
    node_counts_print(&t, &counts, a->opts.node_name);
    prom_process(&t);
    len = t.len;
    http_reply_take(x, 200, NODE_API_PROMETHEUS, text_take(&t), len);
}

static void node_api_metrics(struct node_api *a, struct http_exchange *x, char **parts)
{
    if (parts[1] == NULL)
        node_api_own_metrics(a, x);
    else if (str_eq(parts[1], "resource"))
        node_api_usage(a, x, NODE_API_PROMETHEUS, node_usage_print_metrics);
    else if (str_eq(parts[1], "cadvisor"))
        node_api_usage(a, x, NODE_API_PROMETHEUS, node_usage_print_cadvisor);
    else
        node_api_text(x, 404, "404 page not found\n");
}

static bool node_api_flag(const struct http_exchange *x, const char *key)
{
    const char *v = http_query(x, key);

    return v != NULL && strcasecmp(v, "false") != 0 && !str_eq(v, "0");
}

/* False: the value is no number (or negative). */
static bool node_api_number(const struct http_exchange *x, const char *key, int64_t *ret)
{
    const char *v = http_query(x, key);
    uint64_t n;

    if (str_empty(v))
        return true;
    if (!str_u64(v, &n) || n > INT64_MAX / 2000)
        return false;
    *ret = (int64_t)n;
    return true;
}

static bool node_api_log_query(const struct http_exchange *x, struct log_query *ret)
{
    int64_t since_s = -1;
    const char *since = http_query(x, "sinceTime");

    *ret = (struct log_query){ .tail_lines = -1,
                               .limit_bytes = -1,
                               .timestamps = node_api_flag(x, "timestamps") };
    if (!node_api_number(x, "tailLines", &ret->tail_lines) ||
        !node_api_number(x, "limitBytes", &ret->limit_bytes) ||
        !node_api_number(x, "sinceSeconds", &since_s))
        return false;
    if (since_s >= 0)
        ret->since_ms = clock_wall_ms() - since_s * 1000;
    return str_empty(since) || clock_parse(since, &ret->since_ms);
}

static bool node_api_log_open(void *arg, const char *uid, const char *container, const char *path)
{
    struct node_api *a = arg;
    struct pod_worker *w = a->opts.find_uid(a->opts.arg, uid);
    bool is_open = false;
    cleanup(freep) char *now = w == NULL ? NULL : pod_worker_log(w, container, false, &is_open);

    return is_open && str_eq(now, path);
}

static bool node_api_has_container(const struct pod_view *pod, const char *name)
{
    for (size_t i = 0; i < pod->n; i++)
        if (str_eq(pod->containers[i].name, name))
            return true;
    return false;
}

/* In the words of the kubelet. */
static void node_api_no_log(struct http_exchange *x, const struct pod_worker *w,
                            const char *container, bool previous)
{
    static const char *const lists[] = { "status.containerStatuses", "status.initContainerStatuses",
                                         "status.ephemeralContainerStatuses" };
    const char *pod = pod_worker_pod(w)->name, *reason = NULL;
    cleanup(json_decrefpp) json_t *tree = pod_worker_tree(w);

    for (size_t i = 0; i < N_ELEMENTS(lists) && reason == NULL; i++)
        reason = json_str(json_find(json_at(tree, lists[i]), "name", container),
                          "state.waiting.reason");
    if (str_eq(reason, "ErrImagePull"))
        reason = "image can't be pulled";
    else if (str_eq(reason, "ImagePullBackOff"))
        reason = "trying and failing to pull image";
    if (previous)
        node_api_text(x, 400, "previous terminated container \"%s\" in pod \"%s\" not found",
                      container, pod);
    else
        node_api_text(x, 400, "container \"%s\" in pod \"%s\" is waiting to start: %s", container,
                      pod, reason != NULL ? reason : "ContainerCreating");
}

/* GET /containerLogs/{ns}/{pod}/{container} */
static void node_api_logs(struct node_api *a, struct http_exchange *x, char **parts)
{
    const char *ns = parts[1], *name = parts[2], *container = parts[3];
    struct pod_worker *w = a->opts.find(a->opts.arg, ns, name);
    bool previous = node_api_flag(x, "previous"), is_open = false;
    struct log_source source = { .is_open = node_api_log_open, .arg = a };
    struct log_query query;

    if (w == NULL) {
        node_api_text(x, 404, "pod \"%s\" not found", name);
        return;
    }
    if (!node_api_has_container(pod_worker_pod(w), container)) {
        node_api_text(x, 404, "container \"%s\" not found in pod \"%s\"", container, name);
        return;
    }
    if (!node_api_log_query(x, &query)) {
        node_api_text(x, 400, "a query parameter is not a number or a time");
        return;
    }
    source.path = pod_worker_log(w, container, previous, &is_open);
    if (source.path == NULL) {
        node_api_no_log(x, w, container, previous);
        return;
    }
    source.uid = mem_str(pod_worker_pod(w)->uid);
    source.container = mem_str(container);
    log_serve(a->loop, x, &source, &query, node_api_flag(x, "follow"));
}

/* The running container of /VERB/{ns}/{pod}/{container}; NULL: answered. */
static const char *node_api_target(struct node_api *a, struct http_exchange *x, char **parts,
                                   pid_t *ret_pid)
{
    struct pod_worker *w = a->opts.find(a->opts.arg, parts[1], parts[2]);
    const char *id = w != NULL ? pod_worker_container(w, parts[3], ret_pid) : NULL;

    if (w == NULL)
        node_api_text(x, 404, "pod does not exist");
    else if (id == NULL)
        node_api_text(x, 500, "unable to upgrade connection: container not found (\"%s\")",
                      parts[3]);
    return id;
}

static void node_api_exec(struct node_api *a, struct http_exchange *x, char **parts)
{
    pid_t pid;
    const char *id = node_api_target(a, x, parts, &pid);

    if (id != NULL)
        streams_exec(a->streams, x, id);
}

static void node_api_attach(struct node_api *a, struct http_exchange *x, char **parts)
{
    pid_t pid;
    const char *id = node_api_target(a, x, parts, &pid);

    if (id != NULL)
        streams_attach(a->streams, x, id, pid);
}

/* /portForward/{ns}/{pod} */
static void node_api_port_forward(struct node_api *a, struct http_exchange *x, char **parts)
{
    struct pod_worker *w = a->opts.find(a->opts.arg, parts[1], parts[2]);
    const char *net_ns = NULL;

    if (w == NULL)
        node_api_text(x, 404, "pod does not exist");
    else if (!pod_worker_net_ns(w, &net_ns))
        node_api_text(x, 500, "unable to upgrade connection: sandbox of pod \"%s\" is not running",
                      parts[2]);
    else
        streams_port_forward(a->streams, x, net_ns, parts[2], pod_worker_pod(w)->uid);
}

static const struct {
    const char *method, *first;
    size_t n_parts; /* of the path, the first included */
    void (*serve)(struct node_api *a, struct http_exchange *x, char **parts);
} node_routes[] = {
    { "GET", "healthz", 1, node_api_health },
    { "GET", "pods", 1, node_api_pods },
    { "GET", "containerLogs", 4, node_api_logs },
    { "GET", "stats", 2, node_api_stats },
    { "GET", "metrics", 1, node_api_metrics },
    { "GET", "metrics", 2, node_api_metrics },
    { "GET", "exec", 4, node_api_exec },
    { "POST", "exec", 4, node_api_exec },
    { "GET", "attach", 4, node_api_attach },
    { "POST", "attach", 4, node_api_attach },
    { "GET", "portForward", 3, node_api_port_forward },
    { "POST", "portForward", 3, node_api_port_forward },
};

static void node_api_on_request(void *arg, struct http_exchange *x)
{
    struct node_api *a = arg;
    cleanup(strv_freep) char **parts = str_split(
        http_path(x)[0] == '/' ? http_path(x) + 1 : http_path(x), '/');
    size_t n = 0;

    while (parts[n] != NULL)
        n++;
    if (!node_api_may(http_peer(x))) {
        node_api_text(x, http_peer(x)->verified ? 403 : 401, "not allowed");
        return;
    }
    for (size_t i = 0; i < N_ELEMENTS(node_routes); i++) {
        if (n == node_routes[i].n_parts && str_eq(parts[0], node_routes[i].first) &&
            str_eq(http_method(x), node_routes[i].method)) {
            node_routes[i].serve(a, x, parts);
            return;
        }
    }
    node_api_text(x, 404, "404 page not found\n");
}

int node_api_new(struct node_api **ret, uv_loop_t *loop, const struct node_api_opts *opts,
                 struct err *err)
{
    struct node_api *a = MEM_NEW(struct node_api);
    struct http_server_opts server = { .address = opts->address,
                                       .port = opts->port,
                                       .creds = opts->creds,
                                       .on_request = node_api_on_request,
                                       .arg = a };
    int rc;

    a->loop = loop;
    a->opts = *opts;
    a->usage = node_usage_new(opts->cgroup, opts->node_name);
    rc = http_server_new(&a->server, loop, &server, err);
    if (rc < 0) {
        node_usage_free(a->usage);
        free(a);
        return err_wrap(err, rc, "node API");
    }
    a->streams = streams_new(loop, opts->rt);
    *ret = a;
    return 0;
}

void node_api_renew(struct node_api *a, struct tls_server *creds)
{
    http_server_renew(a->server, creds);
}

static void node_api_on_closed(void *arg)
{
    struct node_api *a = arg;

    node_usage_free(a->usage);
    free(a);
}

struct node_api *node_api_close(struct node_api *a)
{
    if (a == NULL)
        return NULL;
    a->streams = streams_close(a->streams);
    http_server_close(a->server, node_api_on_closed, a);
    return NULL;
}
