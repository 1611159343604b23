#include "api/node_auth.h"

#include "api/auth.h"
#include "api/pod_refs.h"
#include "base/mem.h"

#include <string.h>

/* --- whose is it? --- */

typedef bool (*node_auth_fn)(const char *node, const struct store *store,
                             const struct auth_question *q);

/* The object is called like the node; a create tells its name only in its body (admission). */
static bool node_auth_own(const char *node, const struct store *store,
                          const struct auth_question *q)
{
    (void)store;
    return q->name[0] != '\0' ? str_eq(q->name, node) : str_eq(q->verb, "create");
}

static bool node_auth_own_lease(const char *node, const struct store *store,
                                const struct auth_question *q)
{
    return str_eq(q->ns, "kube-node-lease") && node_auth_own(node, store, q);
}

/* Of a pod that is not there, the answer is that: to its node it is gone. */
static bool node_auth_bound(const char *node, const struct store *store,
                            const struct auth_question *q)
{
    const struct object *pod = store_get(store, "pods", q->ns, q->name);

    return q->name[0] != '\0' && (pod == NULL || str_eq(pod->node, node));
}

/* Some pod on the node needs it: one name, so a list or watch is one of that name.  Most pods are told apart by their bytes: only those that hold the
 * name are read. */
static bool node_auth_referenced(const char *node, const struct store *store,
                                 const struct auth_question *q)
{
    bool claim = str_eq(q->resource, "persistentvolumeclaims");
    struct store_walk walk;
    const struct object *pod;

    if (q->name[0] == '\0')
        return false;
    store_walk_node(&walk, store, "pods", node);
    while ((pod = store_walk_next(&walk)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = NULL;

        if (!str_eq(pod->ns, q->ns) || (!claim && strstr(pod->json, q->name) == NULL))
            continue;
        tree = object_tree(pod);
        if (pod_refs_has(tree, q->resource, q->name))
            return true;
    }
    return false;
}

/* Tokens of the accounts of its pods. */
static bool node_auth_account(const char *node, const struct store *store,
                              const struct auth_question *q)
{
    struct store_walk walk;
    const struct object *pod;

    store_walk_node(&walk, store, "pods", node);
    while ((pod = store_walk_next(&walk)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = NULL;

        if (!str_eq(pod->ns, q->ns) || strstr(pod->json, q->name) == NULL)
            continue;
        tree = object_tree(pod);
        if (str_eq(json_str(tree, "spec.serviceAccountName"), q->name))
            return true;
    }
    return false;
}

/* A volume whose data is on the node. */
static bool node_auth_local(const char *node, const struct store *store,
                            const struct auth_question *q)
{
    const struct object *volume = store_get(store, "persistentvolumes", "", q->name);
    cleanup(json_decrefpp) json_t *tree = volume != NULL ? object_tree(volume) : NULL;
    const json_t *annotations = json_at(tree, "metadata.annotations");

    return str_eq(json_string_value(json_object_get(annotations, "mkube.io/node")), node);
}

/* --- the table --- */

#define NODE_AUTH_READ "get list watch"

static const struct {
    const char *group, *resource, *sub, *verbs;
    node_auth_fn only; /* NULL: any */
} node_auth_rows[] = {
    { "", "nodes", "", "get list watch", NULL },
    { "", "nodes", "", "create update patch", node_auth_own },
    { "", "nodes", "status", "get update patch", node_auth_own },
    { "", "pods", "", NODE_AUTH_READ, NULL },
    { "", "pods", "", "delete", node_auth_bound },
    { "", "pods", "status", "get update patch", node_auth_bound },
    { "", "pods", "eviction", "create", node_auth_bound },
    { "", "services", "", NODE_AUTH_READ, NULL },
    { "", "endpoints", "", NODE_AUTH_READ, NULL },
    { "discovery.k8s.io", "endpointslices", "", NODE_AUTH_READ, NULL },
    { "", "configmaps", "", NODE_AUTH_READ, node_auth_referenced },
    { "", "secrets", "", NODE_AUTH_READ, node_auth_referenced },
    { "", "serviceaccounts", "", "get", node_auth_account },
    { "", "serviceaccounts", "token", "create", node_auth_account },
    { "", "persistentvolumeclaims", "", "get", node_auth_referenced },
    { "", "persistentvolumes", "", NODE_AUTH_READ, NULL },
    { "", "persistentvolumes", "", "patch", node_auth_local }, /* lets go of what it removed */
    { "", "namespaces", "", NODE_AUTH_READ, NULL },
    { "networking.k8s.io", "networkpolicies", "", NODE_AUTH_READ, NULL },
    { "node.k8s.io", "runtimeclasses", "", NODE_AUTH_READ, NULL },
    { "", "events", "", "create update patch", NULL },
    { "events.k8s.io", "events", "", "create update patch", NULL },
    { "coordination.k8s.io", "leases", "", "get create update patch delete", node_auth_own_lease },
    { "storage.k8s.io", "csinodes", "", "get create update patch delete", node_auth_own },
    { "storage.k8s.io", "csidrivers", "", NODE_AUTH_READ, NULL },
    { "certificates.k8s.io", "certificatesigningrequests", "", "create get list watch", NULL },
    { "authentication.k8s.io", "tokenreviews", "", "create", NULL },
    { "authorization.k8s.io", "subjectaccessreviews", "", "create", NULL },
    { "authorization.k8s.io", "localsubjectaccessreviews", "", "create", NULL },
};

static bool node_auth_word_in(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = words; len > 0 && (p = strstr(p, word)) != NULL; p += len)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

bool node_auth_may(const char *node, const struct store *store, const struct auth_question *q)
{
    for (size_t i = 0; i < N_ELEMENTS(node_auth_rows); i++)
        if (str_eq(node_auth_rows[i].resource, q->resource) &&
            str_eq(node_auth_rows[i].sub, q->sub) && str_eq(node_auth_rows[i].group, q->group) &&
            node_auth_word_in(node_auth_rows[i].verbs, q->verb) &&
            (node_auth_rows[i].only == NULL || node_auth_rows[i].only(node, store, q)))
            return true;
    return false;
}
