/* Who has to leave so that a pod that fits nowhere has room: as kube-scheduler's
 * DefaultPreemption decides.  All is tried on the snapshot, which is left as it was. */
#include "controlplane/scheduler_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SCHED_BUDGETS "poddisruptionbudgets.policy"

/* --- trying --- */

/* Would the pod fit on @n as the snapshot is now?  What is counted over pods is counted anew. */
static bool sched_preempt_fits(struct sched_want *w, const struct sched_node *n, json_t *reasons)
{
    sched_topology_fini(&w->topology);
    w->topology = (struct sched_topology){ 0 };
    sched_topology_load(w);
    return sched_filter(w, n, reasons) == SCHED_FITS;
}

/* Higher priority first, then those that run longer. */
static int sched_preempt_order(const void *a, const void *b)
{
    const struct sched_pod *x = *(struct sched_pod *const *)a, *y = *(struct sched_pod *const *)b;

    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    return strcmp(x->object->uid, y->object->uid);
}

/* --- budgets: which of the pods may not be disrupted --- */

static bool sched_preempt_selects(const json_t *budget, const struct object *o,
                                  const struct sched_pod *p)
{
    const json_t *selector = json_at(budget, "spec.selector");
    cleanup(selector_freep) struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    return str_eq(o->ns, p->object->ns) && json_object_size(selector) > 0 &&
           selector_from_json(&s, selector, &err) == 0 && selector_matches(s, p->object) &&
           !json_object_get(json_at(budget, "status.disruptedPods"), p->object->name);
}

/* Marks pods whose leaving would break a budget; @pods is in order of importance. */
static void sched_preempt_mark(struct sched_want *w, struct sched_pod **pods, size_t n)
{
    size_t n_budgets;
    const struct object *const *budgets = view_list(w->view, SCHED_BUDGETS, NULL, &n_budgets);

    for (size_t i = 0; i < n; i++)
        pods[i]->violates = false;
    for (size_t b = 0; b < n_budgets; b++) {
        const json_t *tree = view_tree(w->view, budgets[b]);
        int64_t allowed = json_int(tree, "status.disruptionsAllowed", 0);

        for (size_t i = 0; i < n; i++)
            if (sched_preempt_selects(tree, budgets[b], pods[i]) && --allowed < 0)
                pods[i]->violates = true;
    }
}

/* --- one node --- */

/* As many as can are given their place back. */
static void sched_preempt_reprieve(struct sched_want *w, struct sched_node *node,
                                   struct sched_pod **pods, size_t n, bool violating)
{
    cleanup(json_decrefpp) json_t *ignored = json_object();

    for (size_t i = 0; i < n; i++) {
        if (pods[i]->violates != violating)
            continue;
        sched_snapshot_return(pods[i], node);
        if (!sched_preempt_fits(w, node, ignored))
            sched_snapshot_lift(pods[i]);
    }
}

/* The pods that must leave @node; false when that does not help, and @reasons says why. */
static bool sched_preempt_node(struct sched_want *w, struct sched_node *node,
                               struct sched_victims *ret, json_t *reasons)
{
    cleanup(freep) struct sched_pod **pods = MEM_NEW_ARRAY(struct sched_pod *,
                                                           (size_t)node->n_pods + 1);
    size_t n = 0, n_victims = 0;
    bool fits;

    LIST_EACH (it, &node->pods) {
        struct sched_pod *p = list_entry(it, struct sched_pod, link);

        if (p->priority < w->priority && !p->nominated)
            pods[n++] = p;
    }
    if (n == 0) {
        sched_reason(reasons, "No preemption victims found for incoming pod");
        return false;
    }
    qsort(pods, n, sizeof(*pods), sched_preempt_order);
    sched_preempt_mark(w, pods, n);
    for (size_t i = 0; i < n; i++)
        sched_snapshot_lift(pods[i]);
    fits = sched_preempt_fits(w, node, reasons);
    for (int violating = 1; fits && violating >= 0; violating--)
        sched_preempt_reprieve(w, node, pods, n, violating);
    *ret = (struct sched_victims){ .node = node };
    for (size_t i = 0; i < n; i++) {
        if (pods[i]->node)
            continue;
        sched_snapshot_return(pods[i], node);
        ret->violations += pods[i]->violates;
        pods[n_victims++] = pods[i];
    }
    if (!fits)
        return false;
    ret->pods = STEAL(pods);
    ret->n = n_victims;
    return true;
}

/* --- which node: each row decides among those that are equal so far; less is better --- */

static int64_t sched_preempt_violations(const struct sched_victims *v)
{
    return v->violations;
}

static int64_t sched_preempt_highest(const struct sched_victims *v)
{
    return v->n > 0 ? v->pods[0]->priority : INT64_MIN;
}

/* Shifted, so that many of negative priority do not look better than few. */
static int64_t sched_preempt_sum(const struct sched_victims *v)
{
    int64_t sum = 0;

    for (size_t i = 0; i < v->n; i++)
        sum += v->pods[i]->priority + INT32_MAX + 1;
    return sum;
}

static int64_t sched_preempt_number(const struct sched_victims *v)
{
    return (int64_t)v->n;
}

/* Of the most important ones the oldest; the node where it is youngest wins. */
static int64_t sched_preempt_youngest(const struct sched_victims *v)
{
    int64_t earliest = INT64_MAX;

    for (size_t i = 0; i < v->n && v->pods[i]->priority == v->pods[0]->priority; i++)
        if (v->pods[i]->start_ms < earliest)
            earliest = v->pods[i]->start_ms;
    return -earliest;
}

static int64_t (*const sched_preempt_scores[])(const struct sched_victims *v) = {
    sched_preempt_violations, sched_preempt_highest,  sched_preempt_sum,
    sched_preempt_number,     sched_preempt_youngest,
};

static bool sched_preempt_better(const struct sched_victims *a, const struct sched_victims *b)
{
    for (size_t i = 0; i < N_ELEMENTS(sched_preempt_scores); i++) {
        int64_t x = sched_preempt_scores[i](a), y = sched_preempt_scores[i](b);

        if (x != y)
            return x < y;
    }
    return false;
}

void sched_preempt(struct sched_want *w, const bool *crowded, struct sched_victims *ret,
                   json_t *reasons)
{
    *ret = (struct sched_victims){ .node = NULL };
    for (size_t i = 0; i < w->snapshot->n_nodes; i++) {
        struct sched_victims v = { .node = NULL };

        if (!crowded[i]) {
            sched_reason(reasons, "Preemption is not helpful for scheduling");
            continue;
        }
        if (!sched_preempt_node(w, w->snapshot->order[i], &v, reasons))
            continue;
        if (!ret->node || sched_preempt_better(&v, ret)) {
            free(ret->pods);
            *ret = v;
        } else {
            free(v.pods);
        }
    }
}

/* --- may it? --- */

bool sched_preempt_waits(const struct sched_want *w)
{
    const char *name = json_str_or(w->tree, "status.nominatedNodeName", "");
    const struct sched_node *n = map_get(w->snapshot->nodes, name);

    if (!n)
        return false;
    LIST_EACH (it, &n->pods) {
        const struct sched_pod *p = list_entry(it, struct sched_pod, link);
        const json_t *status = json_object_get(view_tree(w->view, p->object), "status");

        if (p->object->deleting && p->priority < w->priority &&
            str_eq(json_str(condition_get(status, "DisruptionTarget"), "reason"),
                   "PreemptionByScheduler"))
            return true;
    }
    return false;
}

const char *sched_preempt_obstacle(const struct sched_want *w)
{
    if (str_eq(json_str(w->spec, "preemptionPolicy"), "Never"))
        return "not eligible due to preemptionPolicy=Never.";
    if (sched_preempt_waits(w))
        return "not eligible due to a terminating pod on the nominated node.";
    return NULL;
}

/* --- carrying out --- */

void sched_preempt_plan(struct plan *ret, const struct sched_want *w, const struct sched_victims *v,
                        const char *component, int64_t wall_ms)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct object *victim = v->pods[i]->object;
        json_t *tree;

        if (victim->deleting)
            continue;
        tree = json_deep_copy(view_tree(w->view, victim));
        if (!json_object_get(tree, "status"))
            json_object_set_new(tree, "status", json_object());
        if (condition_set(json_object_get(tree, "status"), "DisruptionTarget", "True",
                          "PreemptionByScheduler",
                          "default-scheduler: preempting to accommodate a higher priority pod",
                          wall_ms))
            plan_status(ret, victim, tree);
        else
            json_decref(tree);
        plan_delete(ret, victim);
        plan_on_success(ret, victim, component, "Preempted", "Preempted by pod %s on node %s",
                        w->object->uid, v->node->object->name);
    }
}
