#include "api/proxy_target.h"

#include "api/service_peer.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define TARGET_NODE_PORT 10250

struct target_name {
    char *scheme, *name, *port; /* "" = not said */
};

static void target_name_fini(struct target_name *n)
{
    free(n->scheme);
    free(n->name);
    free(n->port);
}

static bool target_name_parse(struct target_name *ret, const char *text)
{
    cleanup(strv_freep) char **part = str_split(text, ':');
    size_t n = 0;

    while (part[n] != NULL)
        n++;
    if (n < 1 || n > 3)
        return false;
    ret->scheme = mem_str(n == 3 ? part[0] : "");
    ret->name = mem_str(n == 3 ? part[1] : part[0]);
    ret->port = mem_str(n == 1 ? "" : part[n - 1]);
    return ret->name[0] != '\0' &&
           (ret->scheme[0] == '\0' || str_eq(ret->scheme, "http") || str_eq(ret->scheme, "https"));
}

static bool target_number(const char *text, uint64_t *ret)
{
    return str_u64(text, ret) && *ret <= UINT16_MAX;
}

/* Not of this machine, nor of a wire: who may ask for a pod's address shall not reach those. */
static int target_address(struct proxy_target *t, const char *ip, struct err *err)
{
    struct in_addr a;
    uint32_t host;

    if (ip == NULL || inet_pton(AF_INET, ip, &a) != 1)
        return err_set(err, ERR_BAD_REQUEST, "address not allowed");
    host = ntohl(a.s_addr);
    if (host >> 24 == 127 || host >> 16 == 0xa9fe || host >> 8 == 0xe00000 || host == 0)
        return err_set(err, ERR_BAD_REQUEST, "address not allowed");
    snprintf(t->ip, sizeof(t->ip), "%s", ip);
    return 0;
}

static int target_pod(struct proxy_target *t, const json_t *pod, struct err *err)
{
    size_t i;
    json_t *container;

    json_array_foreach (json_at(pod, "spec.containers"), i, container) {
        const json_t *first = json_array_get(json_at(container, "ports"), 0);

        if (t->port == 0 && first != NULL)
            t->port = (uint16_t)json_int(first, "containerPort", 0);
    }
    if (t->port == 0)
        t->port = t->is_tls ? 443 : 80;
    return target_address(t, json_str(pod, "status.podIP"), err);
}

static int target_node(struct proxy_target *t, const json_t *node, struct err *err)
{
    const char *ip = json_str(json_find(json_at(node, "status.addresses"), "type", "InternalIP"),
                              "address");
    uint16_t api = (uint16_t)json_int(node, "status.daemonEndpoints.kubeletEndpoint.Port",
                                      TARGET_NODE_PORT);

    if (t->port == 0)
        t->port = api;
    t->is_node_api = t->port == api;
    t->is_tls = t->is_tls || t->is_node_api;
    return target_address(t, ip, err);
}

/* A port of the Service by its number has a name; a new string, NULL: there is no such number. */
static char *target_port_name(const struct store *store, const char *ns,
                              const struct target_name *n)
{
    const struct object *o = store_get(store, "services", ns, n->name);
    cleanup(json_decrefpp) json_t *service = o != NULL ? object_tree(o) : NULL;
    uint64_t number;
    size_t i;
    json_t *port;

    if (o == NULL || !str_u64(n->port, &number))
        return mem_str(n->port);
    json_array_foreach (json_at(service, "spec.ports"), i, port)
        if (json_int(port, "port", 0) == (int64_t)number)
            return mem_str(json_str_or(port, "name", ""));
    return NULL;
}

static int target_service(struct proxy_target *t, const struct store *store, const char *ns,
                          const struct target_name *n, uint64_t random, struct err *err)
{
    char peer[SERVICE_PEER_MAX];
    cleanup(freep) char *port = target_port_name(store, ns, n);
    uint64_t number = 0;
    char *colon;
    int rc;

    if (port == NULL)
        return err_set(err, ERR_UNAVAILABLE, "no service port %s found for service \"%s\"", n->port,
                       n->name);
    rc = service_peer_named(peer, store, ns, n->name, port, random, err);
    if (rc < 0)
        return rc;
    colon = strrchr(peer, ':');
    if (colon == NULL || !target_number(colon + 1, &number))
        return err_set(err, ERR_UNAVAILABLE, "no endpoints available for service \"%s\"", n->name);
    *colon = '\0';
    t->port = (uint16_t)number;
    return target_address(t, peer, err);
}

static int target_object(struct proxy_target *t, const struct store *store, const char *bucket,
                         const char *ns, const struct target_name *n, struct err *err)
{
    bool is_pod = str_eq(bucket, "pods");
    const struct object *o = store_get(store, bucket, ns, n->name);
    cleanup(json_decrefpp) json_t *tree = o != NULL ? object_tree(o) : NULL;
    uint64_t port = 0;

    if (o == NULL)
        return err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", bucket, n->name);
    if (n->port[0] != '\0' && (!target_number(n->port, &port) || port == 0))
        return err_set(err, ERR_BAD_REQUEST, "invalid %s request \"%s:%s:%s\"",
                       is_pod ? "pod" : "node", n->scheme, n->name, n->port);
    t->port = (uint16_t)port;
    return is_pod ? target_pod(t, tree, err) : target_node(t, tree, err);
}

int proxy_target(struct proxy_target *ret, const struct store *store, const char *bucket,
                 const char *ns, const char *name, uint64_t random, struct err *err)
{
    cleanup(target_name_fini) struct target_name n = { .scheme = NULL };
    struct proxy_target t = { .port = 0 };
    int rc;

    if (!target_name_parse(&n, name))
        return err_set(err, ERR_BAD_REQUEST, "invalid %.*s request \"%s\"", (int)strlen(bucket) - 1,
                       bucket, name);
    t.is_tls = str_eq(n.scheme, "https");
    rc = str_eq(bucket, "services") ? target_service(&t, store, ns, &n, random, err)
                                    : target_object(&t, store, bucket, ns, &n, err);
    if (rc == 0)
        *ret = t;
    return rc;
}
