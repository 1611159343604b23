#include "controlplane/job_impl.h"

#include "api/conditions.h"
#include "api/pod_status.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/replicaset_rank.h"
#include "controlplane/template.h"

#include <stdlib.h>

#define JOB_BURST 500

/* --- what a pod is --- */

static bool job_pods_has_finalizer(const json_t *tree)
{
    json_t *list = json_at(tree, "metadata.finalizers"), *f;
    size_t i;

    json_array_foreach (list, i, f)
        if (str_eq(json_string_value(f), JOB_FINALIZER))
            return true;
    return false;
}

static enum job_pod_state job_pods_state(const struct job *j, const struct object *o)
{
    if (str_eq(o->phase, "Succeeded"))
        return JOB_POD_SUCCEEDED;
    if (str_eq(o->phase, "Failed"))
        return JOB_POD_FAILED;
    if (!o->deleting)
        return JOB_POD_ACTIVE;
    /* A pod that is being deleted may never get to say that it failed. */
    return j->waits_for_leaving ? JOB_POD_LEAVING : JOB_POD_FAILED;
}

static int64_t job_pods_finished_ms(const struct job *j, const json_t *tree)
{
    json_t *list = json_at(tree, "status.containerStatuses"), *c;
    int64_t latest = -1, ms;
    size_t i;

    json_array_foreach (list, i, c)
        if (clock_parse(json_str_or(c, "state.terminated.finishedAt", ""), &ms) && ms > latest)
            latest = ms;
    if (latest < 0 && clock_parse(json_str_or(tree, "metadata.deletionTimestamp", ""), &ms))
        latest = ms;
    return latest >= 0 && latest <= j->now.wall_ms ? latest : j->now.wall_ms;
}

static int64_t job_pods_number(const json_t *tree, const char *annotation, int64_t otherwise)
{
    const json_t *annotations = json_at(tree, "metadata.annotations");
    int64_t n;

    return str_i64(json_string_value(json_object_get(annotations, annotation)), &n) ? n : otherwise;
}

void job_pods_load(struct job *j, const struct object *const *mine, size_t n)
{
    j->pods = MEM_NEW_ARRAY(struct job_pod, n + 1);
    j->n_pods = n;
    for (size_t i = 0; i < n; i++) {
        struct job_pod *p = &j->pods[i];

        p->object = mine[i];
        p->tree = view_tree(j->view, mine[i]);
        p->state = job_pods_state(j, mine[i]);
        p->tracked = job_pods_has_finalizer(p->tree);
        p->index = j->indexed ? job_pods_number(p->tree, JOB_INDEX, -1) : -1;
        p->failures = job_pods_number(p->tree, JOB_INDEX_FAILURES, 0);
        p->finished_ms = job_pods_finished_ms(j, p->tree);
        j->active += p->state == JOB_POD_ACTIVE;
        j->ready += p->state == JOB_POD_ACTIVE && pod_is_ready(p->tree);
        j->leaving += mine[i]->deleting && !pod_is_terminal(p->tree);
    }
}

void job_pods_untrack(struct plan *p, struct view *v, const struct object *pod)
{
    json_t *tree = json_deep_copy(view_tree(v, pod));
    json_t *list = json_at(tree, "metadata.finalizers"), *f;
    size_t i;

    json_array_foreach (list, i, f) {
        if (str_eq(json_string_value(f), JOB_FINALIZER)) {
            json_array_remove(list, i);
            break;
        }
    }
    if (json_array_size(list) == 0)
        json_del(tree, "metadata.finalizers");
    plan_update(p, pod, tree);
}

/* --- new pods --- */

static void job_pods_add_env(json_t *containers)
{
    json_t *c;
    size_t i;

    json_array_foreach (containers, i, c) {
        json_t *env = json_object_get(c, "env");

        if (json_find(env, "name", "JOB_COMPLETION_INDEX"))
            continue;
        if (!env) {
            env = json_array();
            json_object_set_new(c, "env", env);
        }
        json_array_append_new(env, json_pack("{s:s, s:{s:{s:s}}}", "name", "JOB_COMPLETION_INDEX",
                                             "valueFrom", "fieldRef", "fieldPath",
                                             "metadata.labels['" JOB_INDEX "']"));
    }
}

static void job_pods_mark(json_t *pod, const char *map, const char *key, int64_t value)
{
    json_t *metadata = json_object_get(pod, "metadata"), *object = json_object_get(metadata, map);
    char text[24];

    if (!object) {
        object = json_object();
        json_object_set_new(metadata, map, object);
    }
    snprintf(text, sizeof(text), "%lld", (long long)value);
    json_object_set_new(object, key, json_string(text));
}

/* How often this index has failed so far, as its last pod can tell. */
static int64_t job_pods_index_failures(const struct job *j, int64_t index)
{
    int64_t most = 0;

    for (size_t i = 0; i < j->n_pods; i++) {
        const struct job_pod *p = &j->pods[i];
        int64_t n = p->failures + (p->state == JOB_POD_FAILED && p->action == JOB_COUNT);

        if (p->index == index && n > most)
            most = n;
    }
    return most;
}

static void job_pods_create_one(struct job *j, int64_t index)
{
    json_t *pod = template_pod(json_at(j->tree, "spec.template"), j->object, "batch/v1", "Job");
    json_t *finalizers = json_at(pod, "metadata.finalizers");
    cleanup(freep) char *prefix = NULL;

    if (!finalizers) {
        finalizers = json_array();
        json_put(pod, "metadata.finalizers", finalizers);
    }
    json_array_append_new(finalizers, json_string(JOB_FINALIZER));
    if (index >= 0) {
        cleanup(freep) char *host = mem_fmt("%s-%lld", j->object->name, (long long)index);

        prefix = mem_fmt("%s-", host);
        job_pods_mark(pod, "annotations", JOB_INDEX, index);
        job_pods_mark(pod, "labels", JOB_INDEX, index);
        if (j->per_index_limit >= 0)
            job_pods_mark(pod, "annotations", JOB_INDEX_FAILURES,
                          job_pods_index_failures(j, index));
        json_put_str(pod, "spec.hostname", host);
        job_pods_add_env(json_at(pod, "spec.containers"));
        job_pods_add_env(json_at(pod, "spec.initContainers"));
    } else {
        prefix = mem_fmt("%s-", j->object->name);
    }
    json_put_str(pod, "metadata.generateName", prefix);
    plan_create(j->plan, "pods", j->object->ns, pod);
    plan_on_success(j->plan, j->object, JOB_NAME, "SuccessfulCreate", "Created pod: {name}");
    plan_on_failure(j->plan, j->object, JOB_NAME, "FailedCreate", "Error creating: {error}");
}

static bool job_pods_index_is_busy(const struct job *j, int64_t index)
{
    for (size_t i = 0; i < j->n_pods; i++)
        if (j->pods[i].index == index &&
            (j->pods[i].state == JOB_POD_ACTIVE || j->pods[i].state == JOB_POD_LEAVING))
            return true;
    return false;
}

static void job_pods_create_indexed(struct job *j, int64_t n)
{
    for (int64_t i = 0; i < j->completions && n > 0; i++) {
        int64_t wait_ms;

        if (job_indexes_has(&j->succeeded_indexes, i) || job_indexes_has(&j->failed_indexes, i) ||
            job_pods_index_is_busy(j, i))
            continue;
        wait_ms = j->per_index_limit >= 0 ? job_policy_backoff(j, i) : 0;
        if (wait_ms > 0) {
            plan_again(j->plan, wait_ms);
            continue;
        }
        job_pods_create_one(j, i);
        n--;
    }
}

static void job_pods_delete_one(struct job *j, const struct object *pod, const json_t *tree)
{
    /* Taken by us, it is no failure to be counted, unless the Job has failed: then all that still
     * ran have failed with it. */
    if (!condition_is(j->status, "FailureTarget", "True") && job_pods_has_finalizer(tree))
        job_pods_untrack(j->plan, j->view, pod);
    plan_delete(j->plan, pod);
    plan_on_success(j->plan, j->object, JOB_NAME, "SuccessfulDelete", "Deleted pod: %s", pod->name);
    plan_on_failure(j->plan, j->object, JOB_NAME, "FailedDelete", "Error deleting: {error}");
}

/* Of an Indexed Job that was made smaller, or an index twice: these go, however many may run. */
static int64_t job_pods_delete_odd(struct job *j)
{
    int64_t n = 0;

    for (size_t i = 0; j->indexed && i < j->n_pods; i++) {
        struct job_pod *p = &j->pods[i];
        bool odd = p->index < 0 || p->index >= j->completions;

        if (p->state != JOB_POD_ACTIVE)
            continue;
        for (size_t k = 0; k < i && !odd; k++)
            odd = j->pods[k].state == JOB_POD_ACTIVE && j->pods[k].index == p->index;
        if (!odd)
            continue;
        job_pods_delete_one(j, p->object, p->tree);
        p->state = JOB_POD_LEAVING;
        n++;
    }
    return n;
}

void job_pods_create(struct job *j)
{
    int64_t want = j->parallelism, missing, wait_ms;

    j->active -= job_pods_delete_odd(j);
    if (j->completions >= 0 && j->completions - j->succeeded < want)
        want = j->completions - j->succeeded;
    else if (j->completions < 0 && j->succeeded > 0)
        want = j->active; /* a work queue that is about to be empty */
    missing = want - j->active - (j->waits_for_leaving ? j->leaving : 0);
    if (j->active > want)
        job_pods_delete_active(j, j->active - want);
    if (missing <= 0)
        return;
    if (missing > JOB_BURST)
        missing = JOB_BURST;
    wait_ms = j->per_index_limit < 0 ? job_policy_backoff(j, -1) : 0;
    if (wait_ms > 0) {
        plan_again(j->plan, wait_ms);
        return;
    }
    if (j->indexed)
        job_pods_create_indexed(j, missing);
    for (int64_t i = 0; !j->indexed && i < missing; i++)
        job_pods_create_one(j, -1);
}

void job_pods_delete_active(struct job *j, int64_t n)
{
    cleanup(freep) struct replicaset_pod *ranked = MEM_NEW_ARRAY(struct replicaset_pod,
                                                                 j->n_pods + 1);
    size_t count = 0;

    for (size_t i = 0; i < j->n_pods; i++) {
        if (j->pods[i].state != JOB_POD_ACTIVE)
            continue;
        ranked[count].object = j->pods[i].object;
        ranked[count++].tree = j->pods[i].tree;
    }
    replicaset_rank(ranked, count, j->now.wall_ms);
    for (size_t i = 0; i < count && (int64_t)i < n && i < JOB_BURST; i++)
        job_pods_delete_one(j, ranked[i].object, ranked[i].tree);
}
