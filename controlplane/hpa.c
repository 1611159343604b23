/* HorizontalPodAutoscaler: so many replicas as the load asks for.  The order of things, reasons and
 * messages are those of Kubernetes' podautoscaler/horizontal.go.  Metrics are an input of the
 * view; the target is whatever has a scale subresource. */
#include "controlplane/controllers.h"

#include "api/conditions.h"
#include "api/registry.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "controlplane/hpa_impl.h"

#include <stdlib.h>
#include <string.h>

#define HPA_COMPONENT "horizontal-pod-autoscaler"

struct hpa_entry {
    struct hpa_memory memory;
    uint64_t spec; /* a hash: another one is looked at at once */
    char *uid;
    int64_t due_ms;   /* monotonic */
    int64_t from, to; /* a change under way, when they differ */
    int64_t changed_ms;
    char *why; /* owned; why the last change was refused, until it was told */
};

struct hpa_state {
    struct map *entries; /* "ns/name" to struct hpa_entry */
};

/* One look at one autoscaler. */
struct hpa_look {
    struct plan *plan;
    struct view *v;
    const struct object *o;
    json_t *tree; /* owned copy; its status is what will be written */
    const json_t *spec;
    json_t *status; /* borrowed from tree */
    struct hpa_entry *entry;
    struct clock_now now;
    const struct object *target;
    json_t *scale; /* owned */
    int64_t current, min, max;
    json_t *metrics; /* owned; status.currentMetrics, NULL = nothing was asked */
};

/* --- state --- */

static void hpa_entry_free(void *value)
{
    struct hpa_entry *e = value;

    hpa_memory_fini(&e->memory);
    free(e->uid);
    free(e->why);
    free(e);
}

static void *hpa_state_new(void)
{
    struct hpa_state *s = MEM_NEW(struct hpa_state);

    s->entries = map_new(hpa_entry_free);
    return s;
}

static void hpa_state_free(void *state)
{
    struct hpa_state *s = state;

    map_free(s->entries);
    free(s);
}

static struct hpa_entry *hpa_entry_of(struct hpa_state *s, const struct object *o)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", o->ns, o->name);
    struct hpa_entry *e = map_get(s->entries, key);

    if (e != NULL && str_eq(e->uid, o->uid))
        return e;
    e = MEM_NEW(struct hpa_entry);
    e->uid = mem_str(o->uid);
    map_put(s->entries, key, e);
    return e;
}

static void hpa_settled(void *state, const char *ns, const char *name,
                        const struct plan_write *refused, const char *message)
{
    struct hpa_state *s = state;
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    struct hpa_entry *e = map_get(s->entries, key);

    if (e == NULL)
        return;
    if (refused != NULL)
        e->due_ms = 0; /* what was found out is not written down */
    if (refused != NULL && refused->verb == PLAN_SCALE) {
        free(e->why);
        e->why = mem_str(message);
    } else if (e->from != e->to) {
        hpa_remember_change(&e->memory, e->from, e->to, e->changed_ms);
    }
    e->from = e->to = 0;
}

/* --- words --- */

static void hpa_say(struct hpa_look *l, const char *type, bool is_true, const char *reason,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void hpa_say(struct hpa_look *l, const char *type, bool is_true, const char *reason,
                    const char *fmt, ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    condition_set(l->status, type, is_true ? "True" : "False", reason, text_str(&t),
                  l->now.wall_ms);
}

static void hpa_warn(struct hpa_look *l, const char *reason, const char *message)
{
    plan_event(l->plan, l->o, true, HPA_COMPONENT, reason, "%s", message);
}

/* --- the target --- */

static bool hpa_get_scale(struct hpa_look *l)
{
    struct err err = ERR_EMPTY;

    if (hpa_find(l->v, l->o, l->spec, &l->target, &l->scale, &err) < 0) {
        hpa_warn(l, "FailedGetScale", err.text);
        hpa_say(l, "AbleToScale", false, "FailedGetScale",
                "the HPA controller was unable to get the target's current scale: %s", err.text);
        return false;
    }
    hpa_say(l, "AbleToScale", true, "SucceededGetScale",
            "the HPA controller was able to get the target's current scale");
    l->current = json_int(l->scale, "spec.replicas", 0);
    return true;
}

/* --- whose pods --- */

/* Two hands on one wheel: neither steers. */
static bool hpa_is_alone(struct hpa_look *l, const struct selector *mine, const char *text)
{
    cleanup(text_fini) struct text names = TEXT_EMPTY;
    cleanup(freep) char *message = NULL;

    if (hpa_sharers(l->v, l->o, mine, &names) <= 1)
        return true;
    message = mem_fmt("pods by selector %s are controlled by multiple HPAs: [%s]", text,
                      text_str(&names));
    hpa_warn(l, "AmbiguousSelector", message);
    hpa_say(l, "ScalingActive", false, "AmbiguousSelector", "%s", message);
    hpa_warn(l, "FailedComputeMetricsReplicas", message);
    return false;
}

static bool hpa_selector(struct hpa_look *l, struct selector **ret)
{
    const char *text = json_str_or(l->scale, "status.selector", "");
    struct err err = ERR_EMPTY;
    cleanup(freep) char *message = NULL;

    if (text[0] == '\0') {
        hpa_warn(l, "SelectorRequired", "selector is required");
        hpa_say(l, "ScalingActive", false, "InvalidSelector",
                "the HPA target's scale is missing a selector");
        hpa_warn(l, "FailedComputeMetricsReplicas", "selector is required");
        return false;
    }
    if (selector_parse(ret, text, &err) == 0)
        return hpa_is_alone(l, *ret, text);
    message = mem_fmt("couldn't convert selector into a corresponding internal selector object: %s",
                      err.text);
    hpa_warn(l, "InvalidSelector", message);
    hpa_say(l, "ScalingActive", false, "InvalidSelector", "%s", message);
    hpa_warn(l, "FailedComputeMetricsReplicas", message);
    return false;
}

/* --- all metrics: the largest answer --- */

struct hpa_sum {
    struct hpa_proposal best;
    unsigned n_bad;
    char *first; /* owned; why the first that failed did */
    char *detail;
    const char *reason;
};

static void hpa_sum_fini(struct hpa_sum *s)
{
    free(s->first);
    free(s->detail);
}

static void hpa_ask_one(struct hpa_look *l, struct hpa_sum *sum, const struct hpa_question *q,
                        const json_t *spec)
{
    struct hpa_proposal one = { .replicas = 0 };
    struct err err = ERR_EMPTY;
    cleanup(freep) char *detail = NULL;
    const char *reason = NULL;

    if (hpa_metric(&one, q, spec, &reason, &detail, &err) < 0) {
        hpa_warn(l, reason, detail);
        if (sum->n_bad++ == 0) {
            sum->first = mem_str(err.text);
            sum->detail = STEAL(detail);
            sum->reason = reason;
        }
        /* Clients find the status of a metric by its place. */
        json_array_append_new(l->metrics,
                              json_pack("{s:s}", "type", json_str_or(spec, "type", "")));
        return;
    }
    json_array_append_new(l->metrics, one.status);
    if (sum->best.replicas == 0 || one.replicas > sum->best.replicas)
        sum->best = one;
}

/* False: nothing can be said, and why was told. */
static bool hpa_compute(struct hpa_look *l, struct hpa_sum *sum)
{
    cleanup(selector_freep) struct selector *selector = NULL;
    struct hpa_question q = {
        .v = l->v, .ns = l->o->ns, .replicas = l->current, .now_ms = l->now.wall_ms
    };
    const json_t *specs = json_at(l->spec, "metrics"), *spec;
    cleanup(freep) char *message = NULL;
    size_t i;

    if (!hpa_selector(l, &selector))
        return false;
    q.selector = selector;
    l->metrics = json_array();
    json_array_foreach (specs, i, spec)
        hpa_ask_one(l, sum, &q, spec);
    if (sum->n_bad < json_array_size(specs) &&
        (sum->n_bad == 0 || sum->best.replicas >= l->current)) {
        hpa_say(l, "ScalingActive", true, "ValidMetricFound",
                "the HPA was able to successfully calculate a replica count from %s",
                sum->best.name);
        return true;
    }
    if (sum->reason != NULL)
        hpa_say(l, "ScalingActive", false, sum->reason,
                "the HPA was unable to compute the replica count: %s", sum->detail);
    message = mem_fmt("invalid metrics (%u invalid out of %zu), first error is: %s", sum->n_bad,
                      json_array_size(specs), sum->first != NULL ? sum->first : "");
    hpa_warn(l, "FailedComputeMetricsReplicas", message);
    return false;
}

/* The size that the metrics want, within windows and rates; *ret_why says why it is another. */
static bool hpa_measure(struct hpa_look *l, int64_t *ret, char **ret_why)
{
    cleanup(hpa_sum_fini) struct hpa_sum sum = { .n_bad = 0 };
    struct hpa_bounds bounds = { .behavior = json_at(l->spec, "behavior"),
                                 .min = l->min,
                                 .max = l->max,
                                 .current = l->current };
    struct hpa_verdict verdict;

    if (!hpa_compute(l, &sum))
        return false;
    if (sum.best.replicas > l->current)
        *ret_why = mem_fmt("%s above target", sum.best.name);
    else
        *ret_why = mem_str("All metrics below target");
    hpa_limit(&verdict, &l->entry->memory, &bounds, sum.best.replicas, l->now.mono_ms);
    hpa_say(l, "AbleToScale", true, verdict.able_reason, "%s", verdict.able_message);
    hpa_say(l, "ScalingLimited", verdict.is_limited, verdict.limit_reason, "%s",
            verdict.limit_message);
    *ret = verdict.replicas;
    return true;
}

/* --- the decision --- */

/* False: nobody can say what the size should be. */
static bool hpa_decide(struct hpa_look *l, int64_t *ret, char **ret_why)
{
    if (l->current == 0 && l->min != 0) {
        hpa_say(l, "ScalingActive", false, "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero");
        *ret = 0;
    } else if (l->current > l->max) {
        *ret_why = mem_str("Current number of replicas above Spec.MaxReplicas");
        *ret = l->max;
    } else if (l->current < l->min) {
        *ret_why = mem_str("Current number of replicas below Spec.MinReplicas");
        *ret = l->min;
    } else {
        return hpa_measure(l, ret, ret_why);
    }
    return true;
}

static void hpa_set_status(struct hpa_look *l, int64_t desired)
{
    json_put_int(l->status, "currentReplicas", l->current);
    if (desired >= 0)
        json_put_int(l->status, "desiredReplicas", desired);
    else if (json_object_get(l->status, "desiredReplicas") == NULL)
        json_put_int(l->status, "desiredReplicas", 0);
    if (l->metrics != NULL)
        json_put(l->status, "currentMetrics", json_incref(l->metrics));
    else
        json_del(l->status, "currentMetrics");
}

static void hpa_rescale(struct hpa_look *l, int64_t desired, const char *why)
{
    char now[CLOCK_TEXT_MAX];

    plan_scale(l->plan, l->target, desired);
    plan_on_success(l->plan, l->o, HPA_COMPONENT, "SuccessfulRescale", "New size: %lld; reason: %s",
                    (long long)desired, why);
    plan_on_failure(l->plan, l->o, HPA_COMPONENT, "FailedRescale",
                    "New size: %lld; reason: %s; error: {error}", (long long)desired, why);
    hpa_say(l, "AbleToScale", true, "SucceededRescale",
            "the HPA controller was able to update the target scale to %lld", (long long)desired);
    clock_print(now, l->now.wall_ms);
    json_put_str(l->status, "lastScaleTime", now);
    l->entry->from = l->current;
    l->entry->to = desired;
    l->entry->changed_ms = l->now.mono_ms;
}

static void hpa_act(struct hpa_look *l)
{
    cleanup(freep) char *why = NULL;
    cleanup(freep) char *refusal = STEAL(l->entry->why);
    int64_t desired;

    if (!hpa_get_scale(l))
        return;
    hpa_remember_start(&l->entry->memory, l->current, l->now.mono_ms);
    if (!hpa_decide(l, &desired, &why)) {
        hpa_set_status(l, -1);
        return;
    }
    if (desired != l->current && refusal != NULL) { /* it is tried again at the next look */
        hpa_say(l, "AbleToScale", false, "FailedUpdateScale",
                "the HPA controller was unable to update the target scale: %s", refusal);
        hpa_set_status(l, -1);
        return;
    }
    if (desired != l->current)
        hpa_rescale(l, desired, why);
    hpa_set_status(l, desired);
}

/* --- the row --- */

static void hpa_map(struct queue *q, struct view *v, const struct store_change *change)
{
    (void)v;
    queue_add(q, change->object->ns, change->object->name);
}

static uint64_t hpa_hash(const json_t *spec)
{
    size_t len;
    cleanup(freep) char *text = json_print_sorted(spec, &len);

    return bits_fnv64a(text, len);
}

static void hpa_look_at(struct hpa_look *l)
{
    const json_t *before = json_at(view_tree(l->v, l->o), "status");

    l->tree = json_deep_copy(view_tree(l->v, l->o));
    l->spec = json_at(l->tree, "spec");
    l->status = json_at(l->tree, "status");
    if (l->status == NULL) {
        l->status = json_object();
        json_object_set_new(l->tree, "status", l->status);
    }
    l->min = json_int(l->spec, "minReplicas", 1);
    l->max = json_int(l->spec, "maxReplicas", 1);
    hpa_act(l);
    if (before == NULL || !json_equal(before, l->status))
        plan_status(l->plan, l->o, json_incref(l->tree));
    json_decref(l->tree);
    json_decref(l->scale);
    json_decref(l->metrics);
}

static void hpa_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                     const char *name, struct clock_now now)
{
    struct hpa_state *s = state;
    struct hpa_look l = { .plan = ret, .v = v, .now = now };
    uint64_t hash;

    l.o = view_get(v, HPA_BUCKET, ns, name);
    if (l.o == NULL) {
        cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);

        map_del(s->entries, key);
        return;
    }
    l.entry = hpa_entry_of(s, l.o);
    hash = hpa_hash(json_at(view_tree(v, l.o), "spec"));
    /* Our own status comes back as a change: only time or another wish is a reason to look. */
    if (l.entry->due_ms <= now.mono_ms || hash != l.entry->spec) {
        l.entry->spec = hash;
        l.entry->due_ms = now.mono_ms + HPA_SYNC_MS;
        hpa_look_at(&l);
    }
    plan_again(ret, l.entry->due_ms - now.mono_ms);
}

static const char *const hpa_buckets[] = { HPA_BUCKET, NULL };

const struct controller hpa_controller = {
    .name = "horizontal-pod-autoscaler",
    .buckets = hpa_buckets,
    .map = hpa_map,
    .plan = hpa_plan,
    .state_new = hpa_state_new,
    .state_free = hpa_state_free,
    .settled = hpa_settled,
};
