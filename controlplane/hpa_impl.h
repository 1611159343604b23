/* hpa_impl: what the files of the HorizontalPodAutoscaler controller share.
 *
 *   hpa.c          one look: target, bounds, metrics, stabilisation, the write, the status
 *   hpa_target.c   what is turned, and whether somebody else turns it too
 *   hpa_metrics.c  how many replicas each metric asks for (kube: podautoscaler/replica_calculator.go)
 *   hpa_limits.c   stabilisation windows and rates of change (kube: horizontal.go)
 *
 * All but hpa.c is pure arithmetic over what it is given.
 */
#ifndef CONTROLPLANE_HPA_IMPL_H
#define CONTROLPLANE_HPA_IMPL_H

#include "api/metrics.h"
#include "api/selector.h"
#include "base/json.h"
#include "base/text.h"
#include "controlplane/view.h"

#include <stdbool.h>
#include <stdint.h>

#define HPA_BUCKET         "horizontalpodautoscalers.autoscaling"
#define HPA_SYNC_MS        15000
#define HPA_TOLERANCE      0.1
#define HPA_CPU_INIT_MS    (5 * 60 * 1000) /* --horizontal-pod-autoscaler-cpu-initialization-period */
#define HPA_READY_DELAY_MS 30000           /* --horizontal-pod-autoscaler-initial-readiness-delay */
#define HPA_DOWN_WINDOW_S  300             /* --horizontal-pod-autoscaler-downscale-stabilization */
#define HPA_RECOMMENDATIONS \
    512                 /* kept of one autoscaler: more than an hour's, the longest window */
#define HPA_CHANGES 512 /* kept of each direction: a policy's period is half an hour at most */

/* --- hpa_target.c --- */

/* What @spec of the autoscaler @hpa names: the object borrowed, its Scale the caller's.  @err is in
 * the words of the client that Kubernetes would ask with. */
int hpa_find(struct view *v, const struct object *hpa, const json_t *spec,
             const struct object **ret, json_t **ret_scale, struct err *err);
/* How many autoscalers, @hpa with them, have one of the pods of @mine; adds "{name ns} ...". */
unsigned hpa_sharers(struct view *v, const struct object *hpa, const struct selector *mine,
                     struct text *ret_names);

/* --- hpa_metrics.c --- */

/* What a pod is asked about, in thousandths of the resource's unit. */
enum hpa_pod_fate { HPA_READY, HPA_UNREADY, HPA_MISSING, HPA_IGNORED };
struct hpa_pod {
    enum hpa_pod_fate fate;
    bool has_value; /* counts in the sums */
    int64_t value, request;
};

struct hpa_proposal {
    int64_t replicas;
    char name[160]; /* "cpu resource utilization (percentage of request)" */
    json_t *status; /* the caller's: a MetricStatus; NULL when it failed */
};

/* Of one metric of the spec.  Negative: @err is told as Kubernetes' chain of reasons, @ret_reason
 * (a literal) is the reason of the condition and the Event, and *ret_detail, which the caller
 * frees, what the Event says. */
struct hpa_question {
    struct view *v;
    const char *ns;
    const struct selector *selector;
    int64_t replicas; /* the target's spec.replicas */
    int64_t now_ms;   /* wall clock */
};
int hpa_metric(struct hpa_proposal *ret, const struct hpa_question *q, const json_t *spec,
               const char **ret_reason, char **ret_detail, struct err *err);

/* --- hpa_limits.c --- */

struct hpa_note {     /* a recommendation, or a change of size */
    int64_t at_ms, n; /* monotonic */
};

/* What an autoscaler remembers; lost with the process, as in Kubernetes. */
struct hpa_memory {
    struct hpa_note *recommended, *ups, *downs; /* owned */
    size_t n_recommended, n_ups, n_downs;
};

struct hpa_bounds {
    const json_t *behavior; /* spec.behavior, or NULL */
    int64_t min, max, current;
};

struct hpa_verdict {
    int64_t replicas;
    const char *able_reason, *able_message; /* AbleToScale, True */
    bool is_limited;                        /* ScalingLimited */
    const char *limit_reason, *limit_message;
};

/* Times are monotonic.  From the metrics' proposal to what may be done now; remembers the proposal. */
void hpa_limit(struct hpa_verdict *ret, struct hpa_memory *m, const struct hpa_bounds *b,
               int64_t proposed, int64_t now_ms);
/* The first recommendation is the size that was found. */
void hpa_remember_start(struct hpa_memory *m, int64_t replicas, int64_t now_ms);
void hpa_remember_change(struct hpa_memory *m, int64_t from, int64_t to, int64_t now_ms);
void hpa_memory_fini(struct hpa_memory *m);

#endif
