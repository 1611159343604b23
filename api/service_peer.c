#include "api/service_peer.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

#define PEER_CANDIDATES 64

struct peer_search {
    const char *port_name;
    char found[PEER_CANDIDATES][64];
    size_t n;
};

static int64_t peer_slice_port(const json_t *slice, const char *name)
{
    size_t i;
    json_t *port;

    json_array_foreach (json_at(slice, "ports"), i, port)
        if (str_eq(json_str_or(port, "name", ""), name))
            return json_int(port, "port", 0);
    return 0;
}

static void peer_add_slice(struct peer_search *s, const json_t *slice)
{
    int64_t port = peer_slice_port(slice, s->port_name);
    size_t i;
    json_t *endpoint;

    json_array_foreach (json_at(slice, "endpoints"), i, endpoint) {
        const char *ip = json_string_value(json_array_get(json_at(endpoint, "addresses"), 0));

        if (port == 0 || ip == NULL || s->n == PEER_CANDIDATES ||
            !json_bool(endpoint, "conditions.ready", true))
            continue;
        snprintf(s->found[s->n++], sizeof(s->found[0]), "%.45s:%d", ip, (int)port);
    }
}

static const json_t *peer_service_port(const json_t *service, int64_t number)
{
    size_t i;
    json_t *port;

    json_array_foreach (json_at(service, "spec.ports"), i, port)
        if (json_int(port, "port", 0) == number)
            return port;
    return NULL;
}

static int peer_choose(char ret[SERVICE_PEER_MAX], const struct store *store, const char *ns,
                       const char *name, const char *port, uint64_t random, struct err *err)
{
    struct peer_search s = { .port_name = port };
    const struct object *slice;
    struct store_iter it;

    store_iter_init(&it, store, "endpointslices.discovery.k8s.io", ns, NULL, NULL);
    while ((slice = store_iter_next(&it)) != NULL)
        if (str_eq(object_label(slice, "kubernetes.io/service-name"), name)) {
            cleanup(json_decrefpp) json_t *tree = object_tree(slice);

            peer_add_slice(&s, tree);
        }
    if (s.n == 0)
        return err_set(err, ERR_UNAVAILABLE, "no endpoints available for service \"%s\"", name);
    snprintf(ret, SERVICE_PEER_MAX, "%s", s.found[random % s.n]);
    return 0;
}

int service_peer(char ret[SERVICE_PEER_MAX], const struct store *store, const char *ns,
                 const char *name, int64_t port, uint64_t random, struct err *err)
{
    const struct object *o = store_get(store, "services", ns, name);
    cleanup(json_decrefpp) json_t *service = o != NULL ? object_tree(o) : NULL;
    const json_t *own = peer_service_port(service, port);

    if (o == NULL)
        return err_set(err, ERR_NOT_FOUND, "service \"%s\" not found", name);
    if (str_eq(json_str(service, "spec.type"), "ExternalName")) {
        snprintf(ret, SERVICE_PEER_MAX, "%.253s:%d", json_str_or(service, "spec.externalName", ""),
                 (int)port);
        return 0;
    }
    if (own == NULL)
        return err_set(err, ERR_NOT_FOUND, "no service port %d found for service \"%s\"", (int)port,
                       name);
    return peer_choose(ret, store, ns, name, json_str_or(own, "name", ""), random, err);
}

int service_peer_named(char ret[SERVICE_PEER_MAX], const struct store *store, const char *ns,
                       const char *name, const char *port, uint64_t random, struct err *err)
{
    if (store_get(store, "services", ns, name) == NULL)
        return err_set(err, ERR_NOT_FOUND, "services \"%s\" not found", name);
    return peer_choose(ret, store, ns, name, port, random, err);
}
