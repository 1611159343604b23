#include "cmd/node_peers.h"

#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#define NODE_PEERS_SETTLE_MS 20

struct node_peers {
    struct informer *nodes; /* borrowed */
    struct podnet *podnet;  /* borrowed, NULL until it stands */
    char *own_name;         /* owned or NULL */
    struct timer *settle;
};

static const char *node_peers_ip(const json_t *node)
{
    return json_str(json_find(json_at(node, "status.addresses"), "type", "InternalIP"), "address");
}

static void node_peers_apply(void *arg)
{
    struct node_peers *p = arg;
    size_t n = informer_count(p->nodes);
    struct podnet_peer *peers = MEM_NEW_ARRAY(struct podnet_peer, n + 1);
    json_t **trees = MEM_NEW_ARRAY(json_t *, n + 1);
    const struct object *o;
    size_t it = 0, count = 0, held = 0;

    /* Only a complete list may take routes away. */
    if (p->podnet != NULL && informer_synced(p->nodes)) {
        while ((o = informer_next(p->nodes, &it)) != NULL) {
            json_t *node = trees[held++] = object_tree(o);
            const char *ip = node_peers_ip(node);
            const char *cidr = json_str(node, "spec.podCIDR");

            if (ip != NULL && cidr != NULL && !str_eq(o->name, p->own_name))
                peers[count++] = (struct podnet_peer){ .node_ip = ip, .pod_cidr = cidr };
        }
        podnet_set_peers(p->podnet, peers, count);
    }
    for (size_t i = 0; i < held; i++)
        json_decref(trees[i]);
    free(trees);
    free(peers);
}

/* Heartbeats change Nodes all the time; routes follow addresses only. */
static bool node_peers_matters(const struct object *object, const struct object *before)
{
    cleanup(json_decrefpp) json_t *now = object != NULL ? object_tree(object) : NULL;
    cleanup(json_decrefpp) json_t *was = before != NULL ? object_tree(before) : NULL;

    return now == NULL || was == NULL || !str_eq(node_peers_ip(now), node_peers_ip(was)) ||
           !str_eq(json_str(now, "spec.podCIDR"), json_str(was, "spec.podCIDR"));
}

static void node_peers_on_change(void *arg, const struct object *object,
                                 const struct object *before)
{
    struct node_peers *p = arg;

    if (node_peers_matters(object, before))
        timer_start(p->settle, NODE_PEERS_SETTLE_MS);
}

static void node_peers_on_synced(void *arg)
{
    struct node_peers *p = arg;

    timer_start(p->settle, 0);
}

struct node_peers *node_peers_new(uv_loop_t *loop, struct informer *nodes, const char *own_name)
{
    struct node_peers *p = MEM_NEW(struct node_peers);
    struct informer_listener listener = { .on_change = node_peers_on_change,
                                          .on_synced = node_peers_on_synced,
                                          .arg = p };

    p->nodes = nodes;
    p->own_name = mem_str(own_name);
    p->settle = timer_new(loop, node_peers_apply, p);
    informer_listen(nodes, &listener);
    return p;
}

void node_peers_set_podnet(struct node_peers *p, struct podnet *podnet)
{
    p->podnet = podnet;
    timer_start(p->settle, 0);
}

struct node_peers *node_peers_close(struct node_peers *p)
{
    if (p == NULL)
        return NULL;
    timer_close(p->settle);
    free(p->own_name);
    free(p);
    return NULL;
}
