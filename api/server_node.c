/* What the server does for nodes and through them: joining, logs. */
#include "api/server_impl.h"

#include "api/validate.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define NODE_CERT_DAYS  365
#define NODE_API_PORT   10250
#define LOG_BACKLOG_MAX (16 * 1024 * 1024)

/* --- join: a token is changed into certificates, once --- */

static int join_sign(struct call *c, const char *node, char **ret_client, char **ret_serving,
                     struct err *err)
{
    cleanup(freep) char *cn = mem_fmt("system:node:%s", node);
    const char *const orgs[] = { "system:nodes", NULL };
    const char *const dns[] = { node, NULL };
    const char *ip = json_str_or(c->body, "ip", http_remote(c->x));
    const char *const ips[] = { ip, NULL };
    struct tls_spec client = { .cn = cn,
                               .orgs = orgs,
                               .is_client = true,
                               .days = NODE_CERT_DAYS,
                               .seconds = c->s->certificate_seconds };
    struct tls_spec serving = { .cn = cn,
                                .orgs = orgs,
                                .dns = dns,
                                .ips = ips,
                                .is_server = true,
                                .days = NODE_CERT_DAYS,
                                .seconds = c->s->certificate_seconds };
    int rc = tls_csr_sign(ret_client, &c->s->ca, json_str_or(c->body, "clientRequest", ""), &client,
                          err);

    if (rc == 0)
        rc = tls_csr_sign(ret_serving, &c->s->ca, json_str_or(c->body, "servingRequest", ""),
                          &serving, err);
    return rc;
}

/* A node's serving certificate must never pass for the API's. */
static bool join_is_ours(const char *node)
{
    return str_eq(node, "localhost") || str_eq(node, "kubernetes") ||
           str_starts(node, "kubernetes.");
}

static void join_answer(struct call *c, const char *client, const char *serving)
{
    struct server *s = c->s;
    cleanup(json_decrefpp) json_t *body = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ca", s->ca.cert_pem, "clientCertificate", client,
        "servingCertificate", serving, "clusterCIDR", s->cluster_cidr, "serviceCIDR",
        s->service_cidr, "clusterDNS", s->dns_ip, "clusterDomain", s->domain);

    call_send_json(c, 200, body);
}

struct join {
    struct call *call;
    char *client, *serving; /* owned */
};

/* Only when the token's end is durable are the certificates handed out: used once, also
 * across a power cut. */
static void join_on_token_used(void *arg, const struct registry_answer *answer)
{
    struct join *j = arg;

    if (answer->http == 200)
        join_answer(j->call, j->client, j->serving);
    else if (answer->http == 404)
        call_fail(j->call, ERR_UNAUTHORIZED, "the join token was used already");
    else
        call_send_status(j->call, json_deep_copy(answer->body));
    free(j->client);
    free(j->serving);
    free(j);
}

static void join_use_token(struct join *j)
{
    struct call *c = j->call;
    cleanup(freep) char *name = mem_fmt("bootstrap-token-%s", c->user.join_id);
    struct registry_request req = { .verb = REGISTRY_DELETE,
                                    .resource = schema_bucket("secrets"),
                                    .sub = "",
                                    .ns = "kube-system",
                                    .name = name,
                                    .user = &registry_itself,
                                    .grace_seconds = -1 };

    registry_write(c->s->registry, &req, join_on_token_used, j);
}

void server_join(struct call *c)
{
    struct err err = ERR_EMPTY;
    const char *node;
    struct join *j;

    if (!call_read_body(c))
        return;
    if (c->user.join_id == NULL) {
        call_fail(c, ERR_FORBIDDEN,
                  "joining needs a join token: run `mkube token create` on the "
                  "server");
        return;
    }
    node = json_str_or(c->body, "nodeName", "");
    if (join_is_ours(node)) {
        call_fail(c, ERR_INVALID, "nodeName \"%s\" is a name of the server itself", node);
        return;
    }
    if (validate_dns1123_subdomain(node) != NULL) {
        call_fail(c, ERR_INVALID, "nodeName \"%s\": %s", node, validate_dns1123_subdomain(node));
        return;
    }
    j = MEM_NEW(struct join);
    j->call = c;
    if (join_sign(c, node, &j->client, &j->serving, &err) < 0) {
        free(j->client);
        free(j->serving);
        free(j);
        call_fail(c, ERR_BAD_REQUEST, "%s", err.text);
        return;
    }
    join_use_token(j);
}

/* --- logs: streamed through from the node that runs the pod --- */

struct log_proxy {
    struct call *call;
    struct http_call *upstream; /* NULL once done */
    bool streaming, gone;
};

static void log_proxy_free(struct log_proxy *p)
{
    call_free(p->call);
    free(p);
}

static void log_on_gone(void *arg)
{
    struct log_proxy *p = arg;

    if (p->upstream != NULL)
        http_call_cancel(p->upstream);
    log_proxy_free(p);
}

static void log_begin(struct log_proxy *p)
{
    struct http_stream_listener listener = { .on_gone = log_on_gone, .arg = p };

    p->streaming = true;
    server_observe_answer(p->call, 200, NULL, 0);
    http_stream(p->call->x, 200, "text/plain", &listener);
}

/* A reader slower than the log would make us hold it: so far behind, it is cut off. */
static int log_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct log_proxy *p = arg;

    (void)head;
    if (!p->streaming)
        log_begin(p);
    http_write(p->call->x, data, len);
    return http_backlog(p->call->x) > LOG_BACKLOG_MAX ? -1 : 0;
}

static void log_fail(struct log_proxy *p, int rc, const struct http_head *head, const void *body,
                     size_t len, const struct err *err)
{
    struct call *c = p->call;
    cleanup(freep) char *why = rc < 0 ? NULL : mem_strn(body, len);

    free(p);
    if (rc < 0)
        call_fail(c, ERR_INTERNAL, "cannot reach the pod's node: %s", err->text);
    else
        call_send_status(c, server_node_refusal(head->status, why));
}

static void log_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                        size_t len, const struct err *err)
{
    struct log_proxy *p = arg;

    p->upstream = NULL;
    if (!p->streaming && (rc < 0 || head->status != 200)) {
        log_fail(p, rc, head, body, len, err);
        return;
    }
    if (!p->streaming)
        log_begin(p); /* an empty log */
    if (rc < 0)
        http_abort(p->call->x); /* cut short: not to be taken for the whole */
    else
        http_end(p->call->x);
}

static void log_add_names(struct text *ret, const json_t *containers)
{
    size_t i;
    json_t *container;

    json_array_foreach (containers, i, container)
        text_fmt(ret, "%s%s", i > 0 ? " " : "", json_str_or(container, "name", ""));
}

static void log_refuse_unnamed(struct call *c, const json_t *pod)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    text_fmt(&t, "a container name must be specified for pod %s, choose one of: [", c->route.name);
    log_add_names(&t, json_at(pod, "spec.containers"));
    text_putc(&t, ']');
    if (json_array_size(json_at(pod, "spec.initContainers")) > 0) {
        text_puts(&t, " or one of the init containers: [");
        log_add_names(&t, json_at(pod, "spec.initContainers"));
        text_putc(&t, ']');
    }
    call_fail(c, ERR_BAD_REQUEST, "%s", text_str(&t));
}

const char *server_container(struct call *c, const json_t *pod)
{
    static const char *const lists[] = { "spec.initContainers", "spec.containers",
                                         "spec.ephemeralContainers" };
    const char *asked = http_query(c->x, "container");
    const json_t *containers = json_at(pod, "spec.containers");

    if (str_empty(asked) && json_array_size(containers) == 1)
        return json_str(json_array_get(containers, 0), "name");
    for (size_t l = 0; l < N_ELEMENTS(lists); l++)
        if (!str_empty(asked) && json_find(json_at(pod, lists[l]), "name", asked) != NULL)
            return asked;
    if (str_empty(asked))
        log_refuse_unnamed(c, pod);
    else
        call_fail(c, ERR_BAD_REQUEST, "container %s is not valid for pod %s", asked, c->route.name);
    return NULL;
}

static char *server_node_ip(const struct call *c, const char *name, uint16_t *ret_port)
{
    const struct object *o = store_get(c->s->store, "nodes", "", name);
    cleanup(json_decrefpp) json_t *node = o != NULL ? object_tree(o) : NULL;
    const char *ip = json_str(json_find(json_at(node, "status.addresses"), "type", "InternalIP"),
                              "address");
    int64_t port = json_int(node, "status.daemonEndpoints.kubeletEndpoint.Port", NODE_API_PORT);

    *ret_port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : NODE_API_PORT;
    return mem_str(ip);
}

char *server_pod_node(struct call *c, const struct object *pod, uint16_t *ret_port)
{
    char *ip;

    if (pod->node[0] == '\0') {
        call_fail(c, ERR_BAD_REQUEST, "pod %s does not have a host assigned", pod->name);
        return NULL;
    }
    ip = server_node_ip(c, pod->node, ret_port);
    if (ip == NULL)
        call_fail(c, ERR_INTERNAL, "the address of node %s is not known", pod->node);
    return ip;
}

void server_add_query(struct text *ret, const char *key, const char *value)
{
    text_fmt(ret, "%s=", key);
    for (const char *s = value; *s != '\0'; s++)
        if (isalnum((unsigned char)*s) || *s == '-' || *s == '.')
            text_putc(ret, *s);
        else
            text_fmt(ret, "%%%02X", (unsigned char)*s);
    text_putc(ret, '&');
}

static void log_add_path(struct text *ret, const struct call *c, const char *container)
{
    static const char *const passed[] = { "follow",    "previous",   "tailLines", "sinceSeconds",
                                          "sinceTime", "timestamps", "limitBytes" };

    text_fmt(ret, "/containerLogs/%s/%s/%s?", c->route.ns, c->route.name, container);
    for (size_t i = 0; i < N_ELEMENTS(passed); i++)
        if (http_query(c->x, passed[i]) != NULL)
            server_add_query(ret, passed[i], http_query(c->x, passed[i]));
}

static void log_start(struct call *c, const char *url)
{
    struct log_proxy *p = MEM_NEW(struct log_proxy);
    struct http_call_listener listener = { .on_data = log_on_data,
                                           .on_done = log_on_done,
                                           .arg = p };
    struct http_call_spec spec = { .method = "GET", .url = url, .timeout_ms = -1 };

    p->call = c;
    p->upstream = http_call(c->s->nodes, &spec, &listener);
}

void server_log(struct call *c)
{
    const struct object *o = store_get(c->s->store, "pods", c->route.ns, c->route.name);
    cleanup(json_decrefpp) json_t *pod = o != NULL ? object_tree(o) : NULL;
    cleanup(text_fini) struct text url = TEXT_EMPTY;
    cleanup(freep) char *ip = NULL;
    const char *container;
    uint16_t port;

    if (o == NULL) {
        call_send_status(c, status_not_found(c->route.resource, c->route.name));
        return;
    }
    container = server_container(c, pod);
    if (container == NULL)
        return;
    ip = server_pod_node(c, o, &port);
    if (ip == NULL)
        return;
    text_fmt(&url, "https://%s:%u", ip, port);
    log_add_path(&url, c, container);
    log_start(c, text_str(&url));
}
