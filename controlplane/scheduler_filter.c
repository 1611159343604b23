/* Where a pod cannot be, and why: a table of filters in Kubernetes' order and words.  The
 * first that refuses a node speaks for it. */
#include "api/taint.h"
#include "controlplane/scheduler_impl.h"

#include "base/mem.h"

void sched_reason(json_t *reasons, const char *fmt, ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    json_object_set_new(
        reasons, text_str(&t),
        json_integer(json_integer_value(json_object_get(reasons, text_str(&t))) + 1));
}

static enum sched_verdict sched_filter_unschedulable(const struct sched_want *w,
                                                     const struct sched_node *n, json_t *reasons)
{
    cleanup(json_decrefpp) json_t *taint = NULL;

    if (!json_bool(n->tree, "spec.unschedulable", false))
        return SCHED_FITS;
    taint = json_pack("{s:s, s:s}", "key", TAINT_UNSCHEDULABLE, "effect", "NoSchedule");
    if (taint_is_tolerated(taint, w->tolerations))
        return SCHED_FITS;
    sched_reason(reasons, "node(s) were unschedulable");
    return SCHED_NEVER;
}

static enum sched_verdict sched_filter_taints(const struct sched_want *w,
                                              const struct sched_node *n, json_t *reasons)
{
    static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
    const json_t *taint = taint_untolerated(json_at(n->tree, "spec.taints"), w->tolerations,
                                            effects);

    if (!taint)
        return SCHED_FITS;
    sched_reason(reasons, "node(s) had untolerated taint {%s: %s}", json_str_or(taint, "key", ""),
                 json_str_or(taint, "value", ""));
    return SCHED_NEVER;
}

/* A pod of a DaemonSet is for one node: the others are not looked at. */
static enum sched_verdict sched_filter_named(const struct sched_want *w, const struct sched_node *n,
                                             json_t *reasons)
{
    if (!node_affinity_names_others(w->required, n->object))
        return SCHED_FITS;
    sched_reason(reasons, "node(s) didn't satisfy plugin(s) [NodeAffinity]");
    return SCHED_NEVER;
}

static enum sched_verdict sched_filter_affinity(const struct sched_want *w,
                                                const struct sched_node *n, json_t *reasons)
{
    if (sched_want_selects(w, n))
        return SCHED_FITS;
    sched_reason(reasons, "node(s) didn't match Pod's node affinity/selector");
    return SCHED_NEVER;
}

/* --- ports --- */

static bool sched_ports_clash(const json_t *a, const json_t *b)
{
    const char *ip_a = json_str_or(a, "hostIP", ""), *ip_b = json_str_or(b, "hostIP", "");
    bool any = !*ip_a || !*ip_b || str_eq(ip_a, "0.0.0.0") || str_eq(ip_b, "0.0.0.0");

    return json_int(a, "hostPort", 0) == json_int(b, "hostPort", 0) &&
           str_eq(json_str_or(a, "protocol", "TCP"), json_str_or(b, "protocol", "TCP")) &&
           (any || str_eq(ip_a, ip_b));
}

static bool sched_ports_taken(const json_t *wanted, const json_t *taken)
{
    const json_t *a, *b;
    size_t i, k;

    json_array_foreach (wanted, i, a)
        json_array_foreach (taken, k, b)
            if (sched_ports_clash(a, b))
                return true;
    return false;
}

static enum sched_verdict sched_filter_ports(const struct sched_want *w, const struct sched_node *n,
                                             json_t *reasons)
{
    if (!w->ports)
        return SCHED_FITS;
    LIST_EACH (it, &n->pods) {
        if (!sched_ports_taken(w->ports, list_entry(it, struct sched_pod, link)->ports))
            continue;
        sched_reason(reasons, "node(s) didn't have free ports for the requested pod ports");
        return SCHED_CROWDED;
    }
    return SCHED_FITS;
}

/* --- resources --- */

static void sched_fit(const char *name, int64_t wanted, int64_t used, int64_t total,
                      json_t *reasons, enum sched_verdict *verdict)
{
    if (wanted <= 0 || wanted <= total - used)
        return;
    sched_reason(reasons, "Insufficient %s", name);
    if (wanted > total)
        *verdict = SCHED_NEVER;
    else if (*verdict == SCHED_FITS)
        *verdict = SCHED_CROWDED;
}

static int64_t sched_extended(const struct pod_resources *r, const char *name)
{
    return json_integer_value(json_object_get(r->extended, name));
}

static enum sched_verdict sched_filter_resources(const struct sched_want *w,
                                                 const struct sched_node *n, json_t *reasons)
{
    const struct pod_resources *want = &w->requests, *all = &n->allocatable, *used = &n->used;
    enum sched_verdict verdict = SCHED_FITS;
    const char *name;
    json_t *value;

    if (n->n_pods >= n->max_pods) {
        sched_reason(reasons, "Too many pods");
        verdict = SCHED_CROWDED;
    }
    sched_fit("cpu", want->cpu_milli, used->cpu_milli, all->cpu_milli, reasons, &verdict);
    sched_fit("memory", want->memory, used->memory, all->memory, reasons, &verdict);
    sched_fit("ephemeral-storage", want->ephemeral, used->ephemeral, all->ephemeral, reasons,
              &verdict);
    json_object_foreach (want->extended, name, value)
        sched_fit(name, json_integer_value(value), sched_extended(used, name),
                  sched_extended(all, name), reasons, &verdict);
    return verdict;
}

/* --- other pods --- */

static enum sched_verdict sched_filter_spread(const struct sched_want *w,
                                              const struct sched_node *n, json_t *reasons)
{
    for (size_t i = 0; i < w->topology.n_spreads; i++) {
        const struct sched_spread *s = &w->topology.spreads[i];
        int64_t count = sched_spread_count(s, n);

        if (!s->hard)
            continue;
        if (!object_label(n->object, s->key)) {
            sched_reason(reasons, "node(s) didn't match pod topology spread constraints "
                                  "(missing required label)");
            return SCHED_NEVER;
        }
        if ((count > 0 ? count : 0) + s->self - s->min > s->max_skew) {
            sched_reason(reasons, "node(s) didn't match pod topology spread constraints");
            return SCHED_CROWDED;
        }
    }
    return SCHED_FITS;
}

/* Each term's domain must hold a pod that all terms match; or the pod is the first of a group
 * that is drawn to itself. */
static bool sched_affinity_holds(const struct sched_want *w, const struct sched_node *n)
{
    const struct sched_term_list *l = &w->terms.affinity;

    for (size_t i = 0; i < l->n; i++) {
        if (!object_label(n->object, l->items[i].topology_key))
            return false;
        if (!w->topology.first_of_kind &&
            sched_pairs_get(w->topology.affinity, l->items[i].topology_key, n) == 0)
            return false;
    }
    return true;
}

static bool sched_anti_holds(const struct sched_want *w, const struct sched_node *n)
{
    const struct sched_term_list *l = &w->terms.anti;

    for (size_t i = 0; i < l->n; i++)
        if (sched_pairs_get(w->topology.anti, l->items[i].topology_key, n) > 0)
            return false;
    return true;
}

/* Do the pods that are there put up with the wanted one? */
static bool sched_existing_hold(const struct sched_want *w, const struct sched_node *n)
{
    if (!w->topology.existing_anti)
        return true;
    for (size_t i = 0; i < n->object->n_labels; i++) {
        const struct object_pair *label = &n->object->labels[i];

        if (sched_pairs_get(w->topology.existing_anti, label->key, n) > 0)
            return false;
    }
    return true;
}

static enum sched_verdict sched_filter_pods(const struct sched_want *w, const struct sched_node *n,
                                            json_t *reasons)
{
    if (!sched_affinity_holds(w, n)) {
        sched_reason(reasons, "node(s) didn't match pod affinity rules");
        return SCHED_NEVER;
    }
    if (!sched_anti_holds(w, n)) {
        sched_reason(reasons, "node(s) didn't match pod anti-affinity rules");
        return SCHED_CROWDED;
    }
    if (!sched_existing_hold(w, n)) {
        sched_reason(reasons, "node(s) didn't satisfy existing pods anti-affinity rules");
        return SCHED_CROWDED;
    }
    return SCHED_FITS;
}

typedef enum sched_verdict (*sched_filter_fn)(const struct sched_want *w,
                                              const struct sched_node *n, json_t *reasons);

static const sched_filter_fn sched_filters[] = {
    sched_filter_named,    sched_filter_unschedulable, sched_filter_taints,
    sched_filter_affinity, sched_filter_ports,         sched_filter_resources,
    sched_filter_volumes,  sched_filter_spread,        sched_filter_pods,
};

enum sched_verdict sched_filter(const struct sched_want *w, const struct sched_node *n,
                                json_t *reasons)
{
    for (size_t i = 0; i < N_ELEMENTS(sched_filters); i++) {
        enum sched_verdict verdict = sched_filters[i](w, n, reasons);

        if (verdict != SCHED_FITS)
            return verdict;
    }
    return SCHED_FITS;
}
