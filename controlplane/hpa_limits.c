/* Stabilisation windows and rates of change, as in Kubernetes' podautoscaler/horizontal.go. */
#include "controlplane/hpa_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t hpa_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t hpa_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* --- notes --- */

/* Adds, dropping what is older than @keep_ms, and the oldest when there are too many. */
static void hpa_note_add(struct hpa_note **notes, size_t *n, struct hpa_note note, int64_t keep_ms,
                         size_t max)
{
    size_t drop = 0;

    while (drop < *n && (*notes)[drop].at_ms < note.at_ms - keep_ms)
        drop++;
    if (*n - drop >= max)
        drop = *n - max + 1;
    if (drop > 0)
        memmove(*notes, *notes + drop, (*n - drop) * sizeof(**notes));
    *n -= drop;
    *notes = mem_grow(*notes, *n + 1, sizeof(**notes));
    (*notes)[(*n)++] = note;
}

void hpa_memory_fini(struct hpa_memory *m)
{
    free(m->recommended);
    free(m->ups);
    free(m->downs);
    *m = (struct hpa_memory){ .recommended = NULL };
}

#define HPA_KEEP_MS (3600 * 1000) /* the longest window that validation lets pass */

static void hpa_recommend(struct hpa_memory *m, int64_t replicas, int64_t now_ms)
{
    hpa_note_add(&m->recommended, &m->n_recommended, (struct hpa_note){ now_ms, replicas },
                 HPA_KEEP_MS, HPA_RECOMMENDATIONS);
}

void hpa_remember_start(struct hpa_memory *m, int64_t replicas, int64_t now_ms)
{
    if (m->n_recommended == 0)
        hpa_recommend(m, replicas, now_ms);
}

void hpa_remember_change(struct hpa_memory *m, int64_t from, int64_t to, int64_t now_ms)
{
    if (to > from)
        hpa_note_add(&m->ups, &m->n_ups, (struct hpa_note){ now_ms, to - from }, HPA_KEEP_MS,
                     HPA_CHANGES);
    else if (to < from)
        hpa_note_add(&m->downs, &m->n_downs, (struct hpa_note){ now_ms, from - to }, HPA_KEEP_MS,
                     HPA_CHANGES);
}

static int64_t hpa_changed_within(const struct hpa_note *notes, size_t n, int64_t period_s,
                                  int64_t now_ms)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (notes[i].at_ms > now_ms - period_s * 1000)
            sum += notes[i].n;
    return sum;
}

/* --- stabilisation --- */

static void hpa_stabilize_plain(struct hpa_verdict *ret, const struct hpa_memory *m, int64_t wanted,
                                int64_t now_ms)
{
    ret->replicas = wanted;
    for (size_t i = 0; i < m->n_recommended; i++)
        if (m->recommended[i].at_ms >= now_ms - HPA_DOWN_WINDOW_S * 1000)
            ret->replicas = hpa_max(ret->replicas, m->recommended[i].n);
    ret->able_reason = "ScaleDownStabilized";
    ret->able_message = "recent recommendations were higher than current one, applying the highest "
                        "recent recommendation";
}

static void hpa_stabilize_with(struct hpa_verdict *ret, const struct hpa_memory *m,
                               const struct hpa_bounds *b, int64_t wanted, int64_t now_ms)
{
    int64_t up_ms = json_int(b->behavior, "scaleUp.stabilizationWindowSeconds", 0) * 1000;
    int64_t down_ms = 1000 * json_int(b->behavior, "scaleDown.stabilizationWindowSeconds",
                                      HPA_DOWN_WINDOW_S);
    int64_t lowest = wanted, highest = wanted;

    for (size_t i = 0; i < m->n_recommended; i++) {
        const struct hpa_note *r = &m->recommended[i];

        if (r->at_ms > now_ms - up_ms)
            lowest = hpa_min(lowest, r->n);
        if (r->at_ms > now_ms - down_ms)
            highest = hpa_max(highest, r->n);
    }
    ret->replicas = hpa_min(hpa_max(b->current, lowest), highest);
    if (wanted >= b->current) {
        ret->able_reason = "ScaleUpStabilized";
        ret->able_message = "recent recommendations were lower than current one, applying the "
                            "lowest recent recommendation";
    } else {
        ret->able_reason = "ScaleDownStabilized";
        ret->able_message = "recent recommendations were higher than current one, applying the "
                            "highest recent recommendation";
    }
}

static void hpa_stabilize(struct hpa_verdict *ret, struct hpa_memory *m, const struct hpa_bounds *b,
                          int64_t wanted, int64_t now_ms)
{
    if (b->behavior == NULL)
        hpa_stabilize_plain(ret, m, wanted, now_ms);
    else
        hpa_stabilize_with(ret, m, b, wanted, now_ms);
    hpa_recommend(m, wanted, now_ms);
    if (ret->replicas != wanted)
        return;
    ret->able_reason = "ReadyForNewScale";
    ret->able_message = "recommended size matches current size";
}

/* --- limits --- */

static const struct hpa_bound {
    const char *reason, *message;
} hpa_scale_up = { "ScaleUpLimit",
                   "the desired replica count is increasing faster than the maximum scale rate" },
  hpa_too_many = { "TooManyReplicas",
                   "the desired replica count is more than the maximum replica count" },
  hpa_scale_down = { "ScaleDownLimit",
                     "the desired replica count is decreasing faster than the maximum scale rate" },
  hpa_too_few = { "TooFewReplicas",
                  "the desired replica count is less than the minimum replica count" };

static void hpa_bound(struct hpa_verdict *ret, int64_t replicas, const struct hpa_bound *bound)
{
    ret->replicas = replicas;
    ret->is_limited = true;
    ret->limit_reason = bound->reason;
    ret->limit_message = bound->message;
}

/* Without a behavior: at most twice as many, or four. */
static void hpa_limit_plain(struct hpa_verdict *ret, const struct hpa_bounds *b)
{
    int64_t rate = hpa_max(2 * b->current, 4);

    if (ret->replicas < b->min)
        hpa_bound(ret, b->min, &hpa_too_few);
    else if (ret->replicas > hpa_min(b->max, rate))
        hpa_bound(ret, hpa_min(b->max, rate), b->max > rate ? &hpa_scale_up : &hpa_too_many);
}

/* What one policy lets the number become. */
static int64_t hpa_policy(const json_t *policy, const struct hpa_memory *m, int64_t current,
                          bool up, int64_t now_ms)
{
    int64_t period_s = json_int(policy, "periodSeconds", 0), value = json_int(policy, "value", 0);
    int64_t start = current - hpa_changed_within(m->ups, m->n_ups, period_s, now_ms) +
                    hpa_changed_within(m->downs, m->n_downs, period_s, now_ms);

    if (str_eq(json_str(policy, "type"), "Pods"))
        return up ? start + value : start - value;
    /* Up is rounded up: otherwise a small number would never grow. */
    return up ? (int64_t)ceil((double)start * (1 + (double)value / 100))
              : (int64_t)((double)start * (1 - (double)value / 100));
}

/* Max is the largest change, Min the smallest; Disabled none. */
static int64_t hpa_rate(const json_t *rules, const struct hpa_memory *m, int64_t current, bool up,
                        int64_t now_ms)
{
    const char *select = json_str_or(rules, "selectPolicy", "Max");
    bool wants_high = str_eq(select, "Min") ? !up : up;
    int64_t ret = wants_high ? INT32_MIN : INT32_MAX;
    const json_t *policy;
    size_t i;

    if (str_eq(select, "Disabled"))
        return current;
    json_array_foreach (json_at(rules, "policies"), i, policy) {
        int64_t n = hpa_policy(policy, m, current, up, now_ms);

        ret = wants_high ? hpa_max(ret, n) : hpa_min(ret, n);
    }
    return ret;
}

static void hpa_limit_with(struct hpa_verdict *ret, const struct hpa_memory *m,
                           const struct hpa_bounds *b, int64_t now_ms)
{
    bool up = ret->replicas > b->current;
    const json_t *rules = json_at(b->behavior, up ? "scaleUp" : "scaleDown");
    int64_t rate;

    if (ret->replicas == b->current)
        return;
    rate = hpa_rate(rules, m, b->current, up, now_ms);
    if (up) {
        rate = hpa_max(rate, b->current);
        if (ret->replicas > hpa_min(b->max, rate))
            hpa_bound(ret, hpa_min(b->max, rate), b->max > rate ? &hpa_scale_up : &hpa_too_many);
    } else {
        rate = hpa_min(rate, b->current);
        if (ret->replicas < hpa_max(b->min, rate))
            hpa_bound(ret, hpa_max(b->min, rate), b->min < rate ? &hpa_scale_down : &hpa_too_few);
    }
}

void hpa_limit(struct hpa_verdict *ret, struct hpa_memory *m, const struct hpa_bounds *b,
               int64_t proposed, int64_t now_ms)
{
    *ret = (struct hpa_verdict){ .limit_reason = "DesiredWithinRange",
                                 .limit_message = "the desired count is within the acceptable "
                                                  "range" };
    hpa_stabilize(ret, m, b, proposed, now_ms);
    if (b->behavior == NULL)
        hpa_limit_plain(ret, b);
    else
        hpa_limit_with(ret, m, b, now_ms);
}
