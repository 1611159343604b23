/* What every cluster has from its first moment on.  Each row is created if absent;
 * an existing one is left as its owner made it (but for roles and flows, see bootstrap_renewed). */
#include "api/bootstrap_flow.h"
#include "api/bootstrap_roles.h"
#include "api/registry_impl.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

struct bootstrap {
    struct registry *r;
    json_t *objects; /* owned array of {bucket, tree} */
    size_t waiting;  /* writes under way, plus one while they are being started */
    struct err err;  /* the first that failed */
    void (*done)(void *arg, int rc, const struct err *err);
    void *arg;
};

static void bootstrap_add(struct bootstrap *b, const char *bucket, json_t *tree_steal)
{
    json_array_append_new(b->objects,
                          json_pack("{s:s, s:o}", "bucket", bucket, "tree", tree_steal));
}

static void bootstrap_namespaces(struct bootstrap *b)
{
    static const char *const names[] = { "default", "kube-system", "kube-public",
                                         "kube-node-lease" };

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        bootstrap_add(b, "namespaces", json_pack("{s:{s:s}}", "metadata", "name", names[i]));
}

static void bootstrap_priorities(struct bootstrap *b)
{
    static const struct {
        const char *name;
        int value;
    } classes[] = { { "system-cluster-critical", 2000000000 },
                    { "system-node-critical", 2000001000 } };

    for (size_t i = 0; i < N_ELEMENTS(classes); i++)
        bootstrap_add(b, "priorityclasses.scheduling.k8s.io",
                      json_pack("{s:{s:s}, s:i, s:s, s:s}", "metadata", "name", classes[i].name,
                                "value", classes[i].value, "preemptionPolicy",
                                "PreemptLowerPriority", "description",
                                "Used for system critical pods."));
}

static void bootstrap_add_all(struct bootstrap *b, const char *bucket, json_t *trees_steal)
{
    cleanup(json_decrefpp) json_t *trees = trees_steal;
    size_t i;
    json_t *tree;

    json_array_foreach (trees, i, tree)
        bootstrap_add(b, bucket, json_incref(tree));
}

static void bootstrap_access(struct bootstrap *b)
{
    bootstrap_add_all(b, RBAC_CLUSTER_ROLES, bootstrap_cluster_roles());
    bootstrap_add_all(b, RBAC_CLUSTER_ROLEBINDINGS, bootstrap_cluster_role_bindings());
    bootstrap_add_all(b, RBAC_ROLES, bootstrap_roles());
}

static void bootstrap_storage(struct bootstrap *b)
{
    bootstrap_add(b, "storageclasses.storage.k8s.io",
                  json_pack("{s:{s:s, s:{s:s}}, s:s, s:s, s:s}", "metadata", "name", "local",
                            "annotations", "storageclass.kubernetes.io/is-default-class", "true",
                            "provisioner", "mkube.io/local", "reclaimPolicy", "Delete",
                            "volumeBindingMode", "WaitForFirstConsumer"));
}

static void bootstrap_flows(struct bootstrap *b)
{
    bootstrap_add_all(b, FLOW_LEVELS, bootstrap_flow_levels());
    bootstrap_add_all(b, FLOW_SCHEMAS, bootstrap_flow_schemas());
}

/* Who is asked first when several serve a kind (kube-apiserver's aggregator.go). */
static const struct {
    const char *group;
    int group_priority, version_priority;
} bootstrap_api_priorities[] = {
    { "", 18000, 1 },
    { "apps", 17800, 15 },
    { "events.k8s.io", 17750, 15 },
    { "authentication.k8s.io", 17700, 15 },
    { "authorization.k8s.io", 17600, 15 },
    { "autoscaling", 17500, 15 },
    { "batch", 17400, 15 },
    { "certificates.k8s.io", 17300, 15 },
    { "networking.k8s.io", 17200, 15 },
    { "policy", 17100, 15 },
    { "rbac.authorization.k8s.io", 17000, 15 },
    { "storage.k8s.io", 16800, 15 },
    { "apiextensions.k8s.io", 16700, 15 },
    { "admissionregistration.k8s.io", 16700, 15 },
    { "scheduling.k8s.io", 16600, 15 },
    { "coordination.k8s.io", 16500, 15 },
    { "node.k8s.io", 16300, 10 },
    { "discovery.k8s.io", 16200, 15 },
    { "flowcontrol.apiserver.k8s.io", 16100, 21 },
};

static json_t *bootstrap_api(const char *group, const char *version)
{
    int group_priority = 100, version_priority = 100;
    cleanup(freep) char *name = mem_fmt("%s.%s", version, group);
    json_t *api;

    for (size_t i = 0; i < N_ELEMENTS(bootstrap_api_priorities); i++)
        if (str_eq(group, bootstrap_api_priorities[i].group)) {
            group_priority = bootstrap_api_priorities[i].group_priority;
            version_priority = bootstrap_api_priorities[i].version_priority;
        }
    api = json_pack("{s:{s:s, s:{s:s}}, s:{s:s, s:i, s:i}}", "metadata", "name", name, "labels",
                    "kube-aggregator.kubernetes.io/automanaged", "onstart", "spec", "version",
                    version, "groupPriorityMinimum", group_priority, "versionPriority",
                    version_priority);
    if (group[0] != '\0')
        json_put_str(api, "spec.group", group);
    return api;
}

/* Clients look here for what is served.  No Service stands behind: it is served here. */
static void bootstrap_apis(struct bootstrap *b)
{
    const char *group = NULL, *version = NULL;
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if (r->custom != NULL ||
            (group != NULL && str_eq(group, r->group) && str_eq(version, r->version)))
            continue;
        group = r->group;
        version = r->version;
        bootstrap_add(b, "apiservices.apiregistration.k8s.io", bootstrap_api(group, version));
    }
}

/* default/kubernetes has the first address of the range: the serving certificate names it. */
static void bootstrap_service(struct bootstrap *b, const char *server_ip, uint16_t port)
{
    char ip[ALLOC_IP_MAX];

    alloc_ip_print(ip, b->r->service_first + 1);
    bootstrap_add(b, "services",
                  json_pack("{s:{s:s, s:s, s:{s:s, s:s}}, s:{s:s, s:s, s:[{s:s, s:i, s:i, s:s}]}}",
                            "metadata", "name", "kubernetes", "namespace", "default", "labels",
                            "component", "apiserver", "provider", "kubernetes", "spec", "type",
                            "ClusterIP", "clusterIP", ip, "ports", "name", "https", "port", 443,
                            "targetPort", port, "protocol", "TCP"));
    bootstrap_add(b, "endpoints",
                  json_pack("{s:{s:s, s:s, s:{s:s}}, s:[{s:[{s:s}], s:[{s:s, s:i, s:s}]}]}",
                            "metadata", "name", "kubernetes", "namespace", "default", "labels",
                            "endpointslice.kubernetes.io/skip-mirror", "true", "subsets",
                            "addresses", "ip", server_ip, "ports", "name", "https", "port", port,
                            "protocol", "TCP"));
    bootstrap_add(
        b, "endpointslices.discovery.k8s.io",
        json_pack("{s:{s:s, s:s, s:{s:s}}, s:s, s:[{s:[s], s:{s:b}}], s:[{s:s, s:i, s:s}]}",
                  "metadata", "name", "kubernetes", "namespace", "default", "labels",
                  "kubernetes.io/service-name", "kubernetes", "addressType", "IPv4", "endpoints",
                  "addresses", server_ip, "conditions", "ready", 1, "ports", "name", "https",
                  "port", port, "protocol", "TCP"));
}

static void bootstrap_settle(struct bootstrap *b)
{
    void (*done)(void *arg, int rc, const struct err *err) = b->done;
    void *arg = b->arg;
    struct err err = b->err;

    if (--b->waiting > 0)
        return;
    json_decref(b->objects);
    free(b);
    done(arg, err.code, &err);
}

static void bootstrap_on_written(void *arg, const struct registry_answer *answer)
{
    struct bootstrap *b = arg;

    if (answer->http >= 300 && answer->http != 409 && b->err.code == 0)
        err_set(&b->err, ERR_INTERNAL, "cannot make the cluster's first objects: %s",
                json_str_or(answer->body, "message", "no reason given"));
    bootstrap_settle(b);
}

/* What becomes of an object that is there: NULL, it stays as its owner made it.  The server's own
 * address may have changed since the last start; a later version may know more roles. */
static json_t *bootstrap_renewed(const struct object *have, json_t *want)
{
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (str_starts(have->bucket, "endpoint"))
        return json_incref(want);
    tree = object_tree(have);
    if (str_eq(have->bucket, FLOW_LEVELS) || str_eq(have->bucket, FLOW_SCHEMAS))
        return bootstrap_flow_reconcile(tree, want) ? STEAL(tree) : NULL;
    if (!str_ends(have->bucket, RBAC_GROUP))
        return NULL;
    return bootstrap_reconcile(tree, want) ? STEAL(tree) : NULL;
}

static void bootstrap_send(struct bootstrap *b, enum registry_verb verb, const char *bucket,
                           const char *ns, const char *name, json_t *body)
{
    struct registry_request req = {
        .verb = verb,
        .resource = schema_bucket(bucket),
        .sub = "",
        .ns = ns,
        .name = verb == REGISTRY_CREATE ? "" : name,
        .body = body,
        .user = &registry_itself,
        .grace_seconds = -1,
    };

    b->waiting++;
    registry_write(b->r, &req, bootstrap_on_written, b);
}

static void bootstrap_write(struct bootstrap *b, const char *bucket, json_t *want)
{
    const char *ns = json_str_or(want, "metadata.namespace", "");
    const char *name = json_str(want, "metadata.name");
    const struct object *have = store_latest(registry_store(b->r), bucket, ns, name);
    cleanup(json_decrefpp) json_t *old = have != NULL ? object_tree(have) : NULL;
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (old != NULL && bootstrap_is_misbound(old, want)) {
        bootstrap_send(b, REGISTRY_DELETE, bucket, ns, name, NULL);
        have = NULL;
    }
    tree = have != NULL ? bootstrap_renewed(have, want) : json_incref(want);
    if (tree != NULL)
        bootstrap_send(b, have != NULL ? REGISTRY_UPDATE : REGISTRY_CREATE, bucket, ns, name, tree);
}

void registry_bootstrap(struct registry *r, const char *server_ip, uint16_t server_port,
                        void (*done)(void *arg, int rc, const struct err *err), void *arg)
{
    struct bootstrap *b = MEM_NEW(struct bootstrap);
    size_t i;
    json_t *row;

    b->r = r;
    b->objects = json_array();
    b->done = done;
    b->arg = arg;
    bootstrap_namespaces(b);
    bootstrap_priorities(b);
    bootstrap_access(b);
    bootstrap_storage(b);
    bootstrap_flows(b);
    bootstrap_apis(b);
    bootstrap_service(b, server_ip, server_port);
    /* All at once: together they cost one fsync or two, one after the other a hundred. */
    b->waiting = 1;
    json_array_foreach (b->objects, i, row)
        bootstrap_write(b, json_str(row, "bucket"), json_object_get(row, "tree"));
    bootstrap_settle(b);
}
