/* job_impl: what the files of the Job controller share.  Private to controlplane/job*.c.
 *
 * Counting is exact although pods may be deleted at any time: a pod holds a finalizer until its end
 * is in the Job's status.  First its uid is written into status.uncountedTerminatedPods, then
 * the finalizer goes, then the uid becomes a number: three plans, each of which may be repeated.
 */
#ifndef CONTROLPLANE_JOB_IMPL_H
#define CONTROLPLANE_JOB_IMPL_H

#include "controlplane/controller.h"

#define JOB                "jobs.batch"
#define JOB_NAME           "job-controller"
#define JOB_FINALIZER      "batch.kubernetes.io/job-tracking"
#define JOB_INDEX          "batch.kubernetes.io/job-completion-index"
#define JOB_INDEX_FAILURES "batch.kubernetes.io/job-index-failure-count"

enum job_pod_state { JOB_POD_ACTIVE, JOB_POD_LEAVING, JOB_POD_SUCCEEDED, JOB_POD_FAILED };
enum job_action { JOB_COUNT, JOB_IGNORE, JOB_FAIL_INDEX, JOB_FAIL_JOB };

struct job_pod {
    const struct object *object; /* borrowed */
    const json_t *tree;          /* borrowed */
    enum job_pod_state state;
    enum job_action action; /* of podFailurePolicy, for one that failed */
    bool tracked;           /* holds the finalizer */
    int64_t index;          /* of an Indexed Job; -1 = none */
    int64_t failures;       /* of its index before it */
    int64_t finished_ms;    /* wall clock */
};

/* A set of completion indexes. */
struct job_indexes {
    bool *has; /* owned */
    int64_t n, count;
};

struct job {
    struct plan *plan;
    struct view *view;
    const struct object *object;
    const json_t *tree;
    json_t *status; /* owned; what it is to become */
    struct clock_now now;
    struct job_pod *pods; /* owned */
    size_t n_pods;
    int64_t completions; /* -1 = a work queue: one success is enough */
    int64_t parallelism, backoff_limit;
    int64_t per_index_limit; /* -1 = not limited by index */
    bool indexed, suspended, waits_for_leaving;
    struct job_indexes succeeded_indexes, failed_indexes;
    int64_t active, ready, leaving, succeeded, failed; /* the last two with all that is known */
    bool ending;                                       /* decided: no pod may run any more */
};

/* --- job_pods.c: what pods are, and new ones --- */
void job_pods_load(struct job *j, const struct object *const *mine, size_t n);
void job_pods_create(struct job *j);
void job_pods_delete_active(struct job *j, int64_t n);
void job_pods_untrack(struct plan *p, struct view *v, const struct object *pod);

/* --- job_index.c: "0-2,4" --- */
void job_indexes_init(struct job_indexes *s, int64_t n, const char *text);
void job_indexes_fini(struct job_indexes *s);
bool job_indexes_has(const struct job_indexes *s, int64_t i);
void job_indexes_add(struct job_indexes *s, int64_t i);
void job_indexes_print(const struct job_indexes *s, struct text *ret);

/* --- job_policy.c: when it is over --- */
void job_policy_judge_pods(struct job *j);
/* Sets condition FailureTarget or SuccessCriteriaMet, and j->ending. */
void job_policy_decide(struct job *j);
/* Milliseconds until another pod may be tried. */
int64_t job_policy_backoff(const struct job *j, int64_t index);

/* --- job_status.c: counts --- */
void job_status_count(struct job *j);
void job_status_write(struct job *j);
bool job_status_is_finished(const json_t *status);

#endif
