#include "api/quota.h"

#include "api/pod_resources.h"
#include "api/pod_status.h"
#include "api/resource_list.h"
#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define QUOTA_COUNT         "count/"
#define QUOTA_CLASS         ".storageclass.storage.k8s.io/"
#define QUOTA_CLASS_BEFORE  "volume.beta.kubernetes.io/storage-class"
#define QUOTA_KNOWN         "mkube.io/counted-until"
#define QUOTA_SCOPED_BUCKET "pods" /* scopes speak of pods only */

/* --- which names belong to which kind --- */

static const struct quota_name {
    const char *name, *bucket;
} quota_names[] = {
    { "pods", "pods" },
    { "cpu", "pods" },
    { "memory", "pods" },
    { "ephemeral-storage", "pods" },
    { "services", "services" },
    { "services.loadbalancers", "services" },
    { "services.nodeports", "services" },
    { "persistentvolumeclaims", "persistentvolumeclaims" },
    { "requests.storage", "persistentvolumeclaims" },
    { "configmaps", "configmaps" },
    { "secrets", "secrets" },
    { "replicationcontrollers", "replicationcontrollers" },
    { "resourcequotas", "resourcequotas" },
};

/* After the names. */
static const struct quota_name quota_prefixes[] = {
    { "requests.", "pods" },
    { "limits.", "pods" },
    { "hugepages-", "pods" },
};

const char *quota_bucket(const char *name)
{
    if (str_starts(name, QUOTA_COUNT))
        return name + strlen(QUOTA_COUNT);
    if (strstr(name, QUOTA_CLASS) != NULL)
        return "persistentvolumeclaims";
    for (size_t i = 0; i < N_ELEMENTS(quota_names); i++)
        if (str_eq(name, quota_names[i].name))
            return quota_names[i].bucket;
    for (size_t i = 0; i < N_ELEMENTS(quota_prefixes); i++)
        if (str_starts(name, quota_prefixes[i].name))
            return quota_prefixes[i].bucket;
    return NULL;
}

/* --- what one object uses --- */

static void quota_put(json_t *usage, const char *name, int64_t n)
{
    resource_list_set(usage, name,
                      (struct quantity){ .nano = (__int128)n * 1000000000, .format = 'd' });
}

/* Of a name with its domain, only "requests.NAME" is limited: such resources are not overcommitted
 * (core/helper: IsExtendedResourceName). */
static bool quota_is_extended(const char *name)
{
    return strchr(name, '/') != NULL && strstr(name, "kubernetes.io/") == NULL &&
           !str_starts(name, "requests.");
}

/* Requests and limits of a pod or of one container, under the names of quotas. */
static void quota_compute(json_t *usage, const json_t *requests, const json_t *limits)
{
    static const char *const plain[] = { "cpu", "memory", "ephemeral-storage" };
    const char *name;
    json_t *value;

    for (size_t i = 0; i < N_ELEMENTS(plain); i++) {
        json_t *request = json_object_get(requests, plain[i]);
        json_t *limit = json_object_get(limits, plain[i]);
        cleanup(freep) char *as_request = mem_fmt("requests.%s", plain[i]);
        cleanup(freep) char *as_limit = mem_fmt("limits.%s", plain[i]);

        if (request != NULL) {
            json_object_set(usage, plain[i], request);
            json_object_set(usage, as_request, request);
        }
        if (limit != NULL)
            json_object_set(usage, as_limit, limit);
    }
    json_object_foreach ((json_t *)(uintptr_t)requests, name, value) {
        cleanup(freep) char *as_request = mem_fmt("requests.%s", name);
        bool huge = str_starts(name, "hugepages-");

        if (huge)
            json_object_set(usage, name, value);
        if (huge || quota_is_extended(name))
            json_object_set(usage, as_request, value);
    }
}

int64_t quota_expiry(const json_t *pod)
{
    const char *text = json_str_or(pod, "metadata.deletionTimestamp", "");
    int64_t end;

    if (pod_is_terminal(pod) || !clock_parse(text, &end) ||
        json_at(pod, "metadata.deletionGracePeriodSeconds") == NULL)
        return -1;
    return end + json_int(pod, "metadata.deletionGracePeriodSeconds", 0) * 1000;
}

static void quota_usage_pod(json_t *usage, const json_t *pod, int64_t known_ms)
{
    const json_t *spec = json_object_get(pod, "spec");
    cleanup(json_decrefpp) json_t *requests = NULL;
    cleanup(json_decrefpp) json_t *limits = NULL;
    int64_t expiry = quota_expiry(pod);

    if (pod_is_terminal(pod) || (expiry >= 0 && known_ms > expiry))
        return;
    requests = resource_list_of_pod_charged(spec, "requests");
    limits = resource_list_of_pod_charged(spec, "limits");
    quota_put(usage, "pods", 1);
    quota_compute(usage, requests, limits);
}

/* Node ports are counted by intent: they are allocated later. */
static void quota_usage_service(json_t *usage, const json_t *service)
{
    const char *type = json_str_or(service, "spec.type", "");
    const json_t *ports = json_at(service, "spec.ports"), *port;
    bool balancer = str_eq(type, "LoadBalancer");
    int64_t n = 0;
    size_t i;

    json_array_foreach (ports, i, port) {
        bool given = json_int(port, "nodePort", 0) != 0;

        if (str_eq(type, "NodePort") ||
            (balancer && (given || json_bool(service, "spec.allocateLoadBalancerNodePorts", true))))
            n++;
    }
    quota_put(usage, "services", 1);
    quota_put(usage, "services.loadbalancers", balancer);
    quota_put(usage, "services.nodeports", n);
}

static void quota_usage_claim(json_t *usage, const json_t *claim)
{
    const char *class = json_string_value(
        json_object_get(json_at(claim, "metadata.annotations"), QUOTA_CLASS_BEFORE));
    const char *names[] = { "persistentvolumeclaims", "requests.storage" };
    struct quantity asked, allocated;
    bool sized = resource_list_get(json_at(claim, "spec.resources.requests"), "storage", &asked);

    resource_list_get(json_at(claim, "status.allocatedResources"), "storage", &allocated);
    asked = quantity_cmp(allocated, asked) > 0 ? allocated : asked;
    asked.nano = (__int128)quantity_value(asked) * 1000000000; /* whole bytes */
    if (class == NULL)
        class = json_str_or(claim, "spec.storageClassName", "");
    quota_put(usage, names[0], 1);
    if (sized)
        resource_list_set(usage, names[1], asked);
    for (size_t i = 0; class[0] != '\0' && i < N_ELEMENTS(names); i++) {
        cleanup(freep) char *name = mem_fmt("%s" QUOTA_CLASS "%s", class, names[i]);

        if (json_object_get(usage, names[i]) != NULL)
            json_object_set(usage, name, json_object_get(usage, names[i]));
    }
}

bool quota_needs_tree(const char *bucket)
{
    return str_eq(bucket, "pods") || str_eq(bucket, "services") ||
           str_eq(bucket, "persistentvolumeclaims");
}

json_t *quota_usage(const char *bucket, const json_t *tree, int64_t known_ms)
{
    json_t *usage = json_object();
    cleanup(freep) char *count = mem_fmt(QUOTA_COUNT "%s", bucket);

    quota_put(usage, count, 1);
    if (str_eq(bucket, "pods"))
        quota_usage_pod(usage, tree, known_ms);
    else if (str_eq(bucket, "services"))
        quota_usage_service(usage, tree);
    else if (str_eq(bucket, "persistentvolumeclaims"))
        quota_usage_claim(usage, tree);
    else if (str_eq(quota_bucket(bucket), bucket)) /* the old name of a count: "secrets" */
        quota_put(usage, bucket, 1);
    return usage;
}

/* --- scopes --- */

static bool quota_term_crosses(const json_t *term)
{
    return json_array_size(json_object_get(term, "namespaces")) > 0 ||
           json_object_get(term, "namespaceSelector") != NULL;
}

static bool quota_crosses_namespaces(const json_t *pod)
{
    static const char *const kinds[] = { "podAffinity", "podAntiAffinity" };
    const json_t *term;
    size_t j;

    for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
        const json_t *affinity = json_object_get(json_at(pod, "spec.affinity"), kinds[i]);

        json_array_foreach (
            json_object_get(affinity, "requiredDuringSchedulingIgnoredDuringExecution"), j, term)
            if (quota_term_crosses(term))
                return true;
        json_array_foreach (
            json_object_get(affinity, "preferredDuringSchedulingIgnoredDuringExecution"), j, term)
            if (quota_term_crosses(json_object_get(term, "podAffinityTerm")))
                return true;
    }
    return false;
}

/* A label selector's rules over the one label "priority class", which a pod without lacks. */
static bool quota_class_matches(const json_t *pod, const char *operator, const json_t * values)
{
    const char *class = json_str_or(pod, "spec.priorityClassName", "");
    bool listed = false;
    const json_t *value;
    size_t i;

    json_array_foreach (values, i, value)
        listed = listed || str_eq(json_string_value(value), class);
    if (str_eq(operator, "In"))
        return class[0] != '\0' && listed;
    if (str_eq(operator, "NotIn"))
        return class[0] == '\0' || !listed;
    return (class[0] != '\0') == str_eq(operator, "Exists");
}

static bool quota_scope_matches(const json_t *pod, const char *scope, const char *operator,
                                const json_t * values)
{
    bool best_effort = str_eq(pod_qos(json_object_get(pod, "spec")), "BestEffort");
    bool terminating = json_int(pod, "spec.activeDeadlineSeconds", -1) >= 0;

    if (str_eq(scope, "Terminating"))
        return terminating;
    if (str_eq(scope, "NotTerminating"))
        return !terminating;
    if (str_eq(scope, "BestEffort"))
        return best_effort;
    if (str_eq(scope, "NotBestEffort"))
        return !best_effort;
    if (str_eq(scope, "PriorityClass"))
        return quota_class_matches(pod, operator, values);
    if (str_eq(scope, "CrossNamespacePodAffinity"))
        return quota_crosses_namespaces(pod);
    return false;
}

bool quota_covers(const json_t *quota, const char *bucket, const json_t *tree)
{
    const json_t *scopes = json_at(quota, "spec.scopes"), *scope;
    const json_t *terms = json_at(quota, "spec.scopeSelector.matchExpressions"), *term;
    size_t i;

    if (json_array_size(scopes) + json_array_size(terms) == 0)
        return true;
    if (!str_eq(bucket, QUOTA_SCOPED_BUCKET))
        return false;
    json_array_foreach (scopes, i, scope)
        if (!quota_scope_matches(tree, json_string_value(scope), "Exists", NULL))
            return false;
    json_array_foreach (terms, i, term)
        if (!quota_scope_matches(tree, json_str_or(term, "scopeName", ""),
                                 json_str_or(term, "operator", ""),
                                 json_object_get(term, "values")))
            return false;
    return true;
}

/* --- sums --- */

int64_t quota_known_ms(const json_t *quota)
{
    const json_t *said = json_object_get(json_at(quota, "metadata.annotations"), QUOTA_KNOWN);
    int64_t ms;

    return said != NULL && str_i64(json_string_value(said), &ms) ? ms : -1;
}

void quota_know(json_t *quota, int64_t known_ms)
{
    cleanup(freep) char *text = mem_fmt("%lld", (long long)known_ms);

    if (json_at(quota, "metadata.annotations") == NULL)
        json_put(quota, "metadata.annotations", json_object());
    json_object_set_new(json_at(quota, "metadata.annotations"), QUOTA_KNOWN, json_string(text));
}

json_t *quota_nothing(const json_t *quota)
{
    json_t *used = json_object();
    const char *name;
    json_t *value;

    json_object_foreach (json_at(quota, "spec.hard"), name, value)
        quota_put(used, name, 0);
    return used;
}

void quota_take(json_t *used, const json_t *quota, const char *bucket, const json_t *tree)
{
    cleanup(json_decrefpp) json_t *usage = NULL;
    const json_t *hard = json_at(quota, "spec.hard");
    const char *name;
    json_t *value;
    void *tmp;

    if (!quota_covers(quota, bucket, tree))
        return;
    usage = quota_usage(bucket, tree, quota_known_ms(quota));
    json_object_foreach_safe (usage, tmp, name, value)
        if (json_object_get(hard, name) == NULL)
            json_object_del(usage, name);
    resource_list_add(used, usage);
}

bool quota_is_told(const json_t *quota)
{
    const json_t *hard = json_at(quota, "spec.hard");
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)hard, name, value)
        if (json_object_get(json_at(quota, "status.used"), name) == NULL)
            return false;
    if (json_object_size(hard) == 0)
        return json_object_size(json_at(quota, "status.hard")) == 0;
    return json_equal(hard, json_at(quota, "status.hard"));
}

static void quota_count_bucket(json_t *used, const struct store *store, const json_t *quota,
                               const char *bucket, bool latest)
{
    bool needs_tree = quota_needs_tree(bucket);
    const struct object *o;
    struct store_iter it;

    store_iter_init(&it, store, bucket, json_str_or(quota, "metadata.namespace", ""), NULL, NULL);
    it.latest = latest;
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = needs_tree ? object_tree_lean(o) : NULL;

        quota_take(used, quota, bucket, tree);
    }
}

json_t *quota_count(const struct store *store, const json_t *quota, bool latest)
{
    json_t *used = quota_nothing(quota);
    cleanup(json_decrefpp) json_t *seen = json_object(); /* several names are of one bucket */
    const char *name;
    json_t *value;

    json_object_foreach (json_at(quota, "spec.hard"), name, value) {
        const char *bucket = quota_bucket(name);

        if (bucket == NULL || json_object_get(seen, bucket) != NULL)
            continue;
        json_object_set_new(seen, bucket, json_true());
        quota_count_bucket(used, store, quota, bucket, latest);
    }
    return used;
}

/* --- what a pod must say --- */

/* A quota of these, and only these, obliges each container to name them (Kubernetes calls that a
 * mistake that it will not repeat). */
static const char *const quota_obliging[] = { "cpu",    "limits.cpu",   "limits.memory",
                                              "memory", "requests.cpu", "requests.memory" };

static void quota_silent(json_t *names, const json_t *containers, const char *resource)
{
    const json_t *c;
    size_t i;

    json_array_foreach (containers, i, c) {
        cleanup(json_decrefpp) json_t *said = json_object();

        quota_compute(said, json_at(c, "resources.requests"), json_at(c, "resources.limits"));
        if (json_object_get(said, resource) == NULL)
            json_object_set_new(names, json_str_or(c, "name", ""), json_true());
    }
}

void quota_missing(struct text *ret, const json_t *quota, const json_t *pod)
{
    for (size_t i = 0; i < N_ELEMENTS(quota_obliging); i++) {
        const char *resource = quota_obliging[i];
        cleanup(json_decrefpp) json_t *names = json_object();
        cleanup(freep) const char **sorted = NULL;

        if (json_object_get(json_at(quota, "spec.hard"), resource) == NULL)
            continue;
        quota_silent(names, json_at(pod, "spec.containers"), resource);
        quota_silent(names, json_at(pod, "spec.initContainers"), resource);
        sorted = json_keys(names);
        for (size_t j = 0; sorted[j] != NULL; j++) {
            if (j == 0)
                text_fmt(ret, "%s%s for: ", ret->len > 0 ? "; " : "must specify ", resource);
            text_fmt(ret, "%s%s", j > 0 ? "," : "", sorted[j]);
        }
    }
}
