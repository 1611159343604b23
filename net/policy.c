#include "net/policy.h"

#include "api/alloc.h"
#include "base/mem.h"
#include "net/nft.h"
#include "net/policy_rules.h"

#include <stdlib.h>

#define POLICY_SETTLE_MS 30

struct policy {
    uv_loop_t *loop;
    struct client *client;              /* borrowed */
    struct informer *nodes, *slices;    /* borrowed */
    struct informer *policies;          /* owned */
    struct informer *pods, *namespaces; /* owned; NULL while there is no policy */
    char *node_name;                    /* owned */
    struct nft *nft;
};

/* --- gathering: trees live one at a time, only what matters stays --- */

static json_t *policy_pods(const struct policy *p)
{
    json_t *ret = json_array();
    const struct object *o;
    size_t it = 0;

    while (p->pods != NULL && (o = informer_next(p->pods, &it)) != NULL) {
        cleanup(json_decrefpp) json_t *pod = object_tree(o);
        json_t *facts = policy_pod_facts(pod, p->node_name);

        if (facts != NULL)
            json_array_append_new(ret, facts);
    }
    return ret;
}

static json_t *policy_namespaces(const struct policy *p)
{
    json_t *ret = json_object();
    const struct object *o;
    size_t it = 0;

    while (p->namespaces != NULL && (o = informer_next(p->namespaces, &it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);
        json_t *labels = json_at(tree, "metadata.labels");

        json_object_set_new_nocheck(ret, o->name,
                                    labels != NULL ? json_incref(labels) : json_null());
    }
    return ret;
}

static json_t *policy_list(const struct policy *p)
{
    json_t *ret = json_array();
    const struct object *o;
    size_t it = 0;

    while ((o = informer_next(p->policies, &it)) != NULL)
        json_array_append_new(ret, object_tree(o));
    return ret;
}

static void policy_trust(json_t *trusted, const char *ip)
{
    uint32_t parsed;

    if (ip != NULL && alloc_ip_parse(ip, &parsed))
        json_array_append_new(trusted, json_string(ip));
}

/* The first address of a pod network is its bridge: what a node's own packets carry there. */
static void policy_trust_bridge(json_t *trusted, const char *cidr)
{
    char ip[ALLOC_IP_MAX];
    struct err err = ERR_EMPTY;
    uint32_t base;
    unsigned bits;

    if (cidr != NULL && alloc_cidr(&base, &bits, cidr, &err) == 0) {
        alloc_ip_print(ip, base + 1);
        policy_trust(trusted, ip);
    }
}

static json_t *policy_trusted(const struct policy *p)
{
    json_t *ret = json_array(), *endpoint;
    const struct object *o;
    size_t it = 0, i;

    while ((o = informer_next(p->nodes, &it)) != NULL) {
        cleanup(json_decrefpp) json_t *node = object_tree(o);

        policy_trust(ret,
                     json_str(json_find(json_at(node, "status.addresses"), "type", "InternalIP"),
                              "address"));
        policy_trust_bridge(ret, json_str(node, "spec.podCIDR"));
    }
    for (it = 0; (o = informer_next(p->slices, &it)) != NULL;) {
        cleanup(json_decrefpp) json_t *slice = NULL;

        if (!str_eq(o->ns, "default") || !str_starts(o->name, "kubernetes"))
            continue;
        slice = object_tree(o);
        json_array_foreach (json_at(slice, "endpoints"), i, endpoint)
            policy_trust(
                ret, json_string_value(json_array_get(json_object_get(endpoint, "addresses"), 0)));
    }
    return ret;
}

static void policy_gather(const struct policy *p, struct text *ret)
{
    cleanup(json_decrefpp) json_t *policies = policy_list(p);
    cleanup(json_decrefpp) json_t *namespaces = policy_namespaces(p);
    cleanup(json_decrefpp) json_t *pods = policy_pods(p);
    cleanup(json_decrefpp) json_t *trusted = policy_trusted(p);

    policy_rules_print(ret, &(struct policy_world){ .policies = policies,
                                                    .namespaces = namespaces,
                                                    .pods = pods,
                                                    .trusted = trusted });
}

/* Half of the world would refuse what is allowed: no rules before every first list is in. */
static bool policy_knows_all(const struct policy *p)
{
    return informer_synced(p->policies) && informer_synced(p->nodes) &&
           informer_synced(p->slices) && (p->pods == NULL || informer_synced(p->pods)) &&
           (p->namespaces == NULL || informer_synced(p->namespaces));
}

/* --- following --- */

static void policy_on_change(void *arg, const struct object *object UNUSED,
                             const struct object *before UNUSED)
{
    struct policy *p = arg;

    nft_changed(p->nft);
}

static void policy_on_synced(void *arg)
{
    struct policy *p = arg;

    nft_changed(p->nft);
}

static int policy_follow(struct policy *p, struct informer **ret, const char *bucket,
                         struct err *err)
{
    struct informer_opts opts = { .client = p->client, .bucket = bucket };
    struct informer_listener listener = { .on_change = policy_on_change,
                                          .on_synced = policy_on_synced,
                                          .arg = p };
    int rc = informer_new(ret, p->loop, &opts, err);

    if (rc < 0)
        return rc;
    informer_listen(*ret, &listener);
    informer_start(*ret);
    return 0;
}

/* Pods and namespaces are followed while there is a policy to apply to them. */
static int policy_follow_world(struct policy *p, struct err *err)
{
    int rc = 0;

    if (!informer_synced(p->policies))
        return 0;
    if (informer_count(p->policies) == 0) {
        p->pods = informer_close(p->pods);
        p->namespaces = informer_close(p->namespaces);
        return 0;
    }
    if (p->pods == NULL)
        rc = policy_follow(p, &p->pods, "pods", err);
    if (rc == 0 && p->namespaces == NULL)
        rc = policy_follow(p, &p->namespaces, "namespaces", err);
    return rc;
}

static int policy_on_print(void *arg, struct text *ret, struct err *err)
{
    struct policy *p = arg;
    int rc = policy_follow_world(p, err);

    if (rc < 0 || !policy_knows_all(p))
        return rc;
    policy_gather(p, ret);
    return 1;
}

int policy_new(struct policy **ret, uv_loop_t *loop, const struct policy_opts *opts,
               struct err *err)
{
    struct policy *p = MEM_NEW(struct policy);
    struct informer_listener listener = { .on_change = policy_on_change,
                                          .on_synced = policy_on_synced,
                                          .arg = p };

    p->loop = loop;
    p->client = opts->client;
    p->nodes = opts->nodes;
    p->slices = opts->slices;
    p->node_name = mem_str(opts->node_name);
    p->nft = nft_new(loop, &(struct nft_opts){ .what = "network policies",
                                               .table = "mkube_policy",
                                               .settle_ms = POLICY_SETTLE_MS,
                                               .print = policy_on_print,
                                               .arg = p });
    informer_listen(opts->nodes, &listener);
    informer_listen(opts->slices, &listener);
    *ret = p;
    return policy_follow(p, &p->policies, "networkpolicies.networking.k8s.io", err);
}

struct policy *policy_close(struct policy *p)
{
    if (p == NULL)
        return NULL;
    nft_close(p->nft);
    p->policies = informer_close(p->policies);
    p->pods = informer_close(p->pods);
    p->namespaces = informer_close(p->namespaces);
    free(p->node_name);
    free(p);
    return NULL;
}
