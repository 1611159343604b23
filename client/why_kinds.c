/* Which kinds are looked at, in the order of who owns whom, and what they stand on. */
#include "api/pod_status.h"
#include "api/selector.h"
#include "base/mem.h"
#include "client/why_impl.h"

/* Those of @plural that @c's object controls. */
static void why_owned(struct why_walk *walk, struct why_case *c, const char *plural)
{
    const char *uid = json_str_or(c->o, "metadata.uid", "");
    const json_t *o;
    size_t i;

    json_array_foreach (why_list(c->w, plural), i, o)
        if (json_find(json_at(o, "metadata.ownerReferences"), "uid", uid) != NULL)
            why_down(walk, plural, o);
}

static void why_to_replica_sets(struct why_walk *walk, struct why_case *c)
{
    why_owned(walk, c, "replicasets");
}

static void why_to_pods(struct why_walk *walk, struct why_case *c)
{
    why_owned(walk, c, "pods");
}

static void why_to_jobs(struct why_walk *walk, struct why_case *c)
{
    why_owned(walk, c, "jobs");
}

static void why_to_claims(struct why_walk *walk, struct why_case *c)
{
    const json_t *volumes = json_at(c->o, "spec.volumes"), *v;
    size_t i;

    json_array_foreach (volumes, i, v) {
        const char *name = json_str(v, "persistentVolumeClaim.claimName");
        const json_t *claim = why_get(c->w, "persistentvolumeclaims", why_ns(c->o), name);

        if (name != NULL && claim != NULL)
            why_down(walk, "persistentvolumeclaims", claim);
    }
}

static void why_to_picked(struct why_walk *walk, struct why_case *c)
{
    cleanup(selector_freep) struct selector *s = selector_from_map(json_at(c->o, "spec.selector"));
    const json_t *pod;
    size_t i;

    json_array_foreach (why_list(c->w, "pods"), i, pod)
        if (str_eq(why_ns(pod), why_ns(c->o)) && !pod_is_ready(pod) && !pod_is_terminal(pod) &&
            selector_matches_labels(s, json_at(pod, "metadata.labels")))
            why_down(walk, "pods", pod);
}

static void why_to_service(struct why_walk *walk, struct why_case *c, const json_t *backend)
{
    const json_t *service = why_get(c->w, "services", why_ns(c->o),
                                    json_str_or(backend, "name", ""));

    if (service != NULL)
        why_down(walk, "services", service);
}

static void why_to_services(struct why_walk *walk, struct why_case *c)
{
    const json_t *rules = json_at(c->o, "spec.rules"), *rule, *path;
    size_t i, k;

    why_to_service(walk, c, json_at(c->o, "spec.defaultBackend.service"));
    json_array_foreach (rules, i, rule)
        json_array_foreach (json_at(rule, "http.paths"), k, path)
            why_to_service(walk, c, json_at(path, "backend.service"));
}

const struct why_kind why_kinds[] = {
    { .plural = "nodes", .singular = "node", .rules = why_node_rules },
    { .plural = "deployments",
      .singular = "deployment",
      .rules = why_deployment_rules,
      .down = why_to_replica_sets },
    { .plural = "statefulsets",
      .singular = "statefulset",
      .rules = why_stateful_set_rules,
      .after = why_after_stateful_set_rules,
      .down = why_to_pods },
    { .plural = "daemonsets",
      .singular = "daemonset",
      .rules = why_daemon_set_rules,
      .down = why_to_pods,
      .down_always = true },
    { .plural = "cronjobs",
      .singular = "cronjob",
      .rules = why_cron_job_rules,
      .down = why_to_jobs },
    { .plural = "jobs",
      .singular = "job",
      .rules = why_job_rules,
      .down = why_to_pods,
      .down_always = true },
    { .plural = "replicasets",
      .singular = "replicaset",
      .rules = why_replica_set_rules,
      .down = why_to_pods,
      .down_always = true },
    { .plural = "pods",
      .singular = "pod",
      .rules = why_pod_rules,
      .containers = why_container_rules,
      .down = why_to_claims },
    { .plural = "persistentvolumeclaims",
      .singular = "persistentvolumeclaim",
      .rules = why_claim_rules },
    { .plural = "ingresses",
      .singular = "ingress",
      .rules = why_ingress_rules,
      .down = why_to_services },
    { .plural = "services",
      .singular = "service",
      .rules = why_service_rules,
      .down = why_to_picked,
      .down_always = true },
    { .plural = "horizontalpodautoscalers",
      .singular = "horizontalpodautoscaler",
      .rules = why_scaler_rules },
    { .plural = "persistentvolumes", .singular = "persistentvolume", .rules = why_volume_rules },
    { .plural = "certificatesigningrequests",
      .singular = "certificatesigningrequest",
      .rules = why_csr_rules },
    { .plural = "namespaces", .singular = "namespace", .rules = why_namespace_rules },
    { .plural = NULL },
};
