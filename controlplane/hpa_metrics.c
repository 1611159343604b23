/* How many replicas each metric asks for, as in Kubernetes' podautoscaler/replica_calculator.go. */
#include "controlplane/hpa_impl.h"

#include "api/conditions.h"
#include "api/quantity.h"
#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct hpa_ask { /* one resource metric */
    const struct hpa_question *q;
    const char *resource, *container; /* container "" = all */
    int64_t target;                   /* percent, or thousandths */
};

struct hpa_group {
    struct hpa_pod *pods; /* owned */
    size_t n;
    int64_t ready, missing, unready;
};

static void hpa_group_fini(struct hpa_group *g)
{
    free(g->pods);
}

/* --- one pod --- */

/* Thousandths, rounded up; false: nobody measures that resource. */
static bool hpa_usage(const struct metrics_usage *u, const char *resource, int64_t *ret)
{
    if (str_eq(resource, "cpu"))
        *ret = (u->cpu_nano + 999999) / 1000000;
    else if (str_eq(resource, "memory"))
        *ret = u->memory * 1000;
    else
        return false;
    return true;
}

static int hpa_value(struct hpa_pod *ret, const struct hpa_ask *ask, const struct object *pod,
                     const struct metrics_pod *usage, struct err *err)
{
    bool found = ask->container[0] == '\0';

    ret->has_value = true;
    for (size_t i = 0; i < usage->n; i++) {
        int64_t n = 0;

        if (ask->container[0] != '\0' && !str_eq(usage->containers[i].name, ask->container))
            continue;
        found = true;
        ret->has_value &= hpa_usage(&usage->containers[i], ask->resource, &n);
        ret->value += n;
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND,
                       "failed to get container metrics: container %s not present in metrics for "
                       "pod %s/%s",
                       ask->container, pod->ns, pod->name);
    return 0;
}

static int64_t hpa_time(const json_t *tree, const char *path)
{
    const char *text = json_str(tree, path);
    int64_t ms;

    return text != NULL && clock_parse(text, &ms) ? ms : -1;
}

/* A CPU that only just began says nothing about the load to come. */
static bool hpa_cpu_is_unready(const json_t *pod, const struct metrics_pod *usage, int64_t now_ms)
{
    const json_t *ready = condition_get(json_at(pod, "status"), "Ready");
    int64_t start_ms = hpa_time(pod, "status.startTime");
    int64_t moved_ms = hpa_time(ready, "lastTransitionTime");
    bool is_false = ready != NULL && str_eq(json_str(ready, "status"), "False");

    if (ready == NULL || start_ms < 0)
        return true;
    if (start_ms + HPA_CPU_INIT_MS > now_ms)
        return is_false || usage->at_ms < moved_ms + usage->window_ms;
    return is_false && start_ms + HPA_READY_DELAY_MS > moved_ms; /* it has never been ready */
}

static enum hpa_pod_fate hpa_fate(const struct hpa_ask *ask, const struct object *o,
                                  const json_t *pod, const struct hpa_pod *p,
                                  const struct metrics_pod *usage)
{
    if (o->deleting || str_eq(o->phase, "Failed"))
        return HPA_IGNORED;
    if (str_eq(o->phase, "Pending"))
        return HPA_UNREADY;
    if (!p->has_value)
        return HPA_MISSING;
    if (str_eq(ask->resource, "cpu") && hpa_cpu_is_unready(pod, usage, ask->q->now_ms))
        return HPA_UNREADY;
    return HPA_READY;
}

/* What a pod asks for in all containers that count: the main ones, and the sidecars. */
static int hpa_request(int64_t *ret, const struct hpa_ask *ask, const json_t *pod, struct err *err)
{
    static const char *const lists[] = { "spec.containers", "spec.initContainers" };
    const json_t *c;
    size_t i;

    *ret = 0;
    for (size_t l = 0; l < N_ELEMENTS(lists); l++)
        json_array_foreach (json_at(pod, lists[l]), i, c) {
            const char *name = json_str_or(c, "name", ""), *text;

            if ((l > 0 && !str_eq(json_str(c, "restartPolicy"), "Always")) ||
                (ask->container[0] != '\0' && !str_eq(name, ask->container)))
                continue;
            text = json_str(json_at(c, "resources.requests"), ask->resource);
            if (text == NULL)
                return err_set(err, ERR_INVALID, "missing request for %s in container %s of Pod %s",
                               ask->resource, name, json_str_or(pod, "metadata.name", ""));
            *ret += quantity_text_milli(text, 0);
        }
    return 0;
}

/* --- all pods --- */

static int hpa_look(struct hpa_pod *ret, const struct hpa_ask *ask, const struct object *o,
                    bool *has_metrics, struct err *err)
{
    const json_t *pod = view_tree(ask->q->v, o);
    const struct metrics *m = view_metrics(ask->q->v);
    struct metrics_pod usage = { .n = 0 };
    int rc = 0;

    *ret = (struct hpa_pod){ .value = 0 };
    if (m != NULL && str_eq(o->phase, "Running") &&
        metrics_pod(m, o->node, o->ns, o->name, &usage)) {
        *has_metrics = true;
        rc = hpa_value(ret, ask, o, &usage, err);
    }
    ret->fate = hpa_fate(ask, o, pod, ret, &usage);
    return rc;
}

static int hpa_group(struct hpa_group *ret, const struct hpa_ask *ask, bool wants_requests,
                     struct err *err)
{
    const struct object *const *pods = view_list(ask->q->v, "pods", ask->q->ns, NULL);
    struct err request_err = ERR_EMPTY;
    bool has_metrics = false;
    int rc = 0, request_rc = 0;

    *ret = (struct hpa_group){ .n = 0 };
    for (; *pods != NULL && rc == 0; pods++) {
        struct hpa_pod *p;

        if (!selector_matches(ask->q->selector, *pods))
            continue;
        ret->pods = mem_grow(ret->pods, ret->n + 1, sizeof(*ret->pods));
        p = &ret->pods[ret->n++];
        rc = hpa_look(p, ask, *pods, &has_metrics, err);
        if (rc == 0 && wants_requests && request_rc == 0)
            request_rc = hpa_request(&p->request, ask, view_tree(ask->q->v, *pods), &request_err);
        p->has_value = p->has_value && p->fate == HPA_READY;
        ret->ready += p->fate == HPA_READY;
        ret->missing += p->fate == HPA_MISSING;
        ret->unready += p->fate == HPA_UNREADY;
    }
    if (rc == 0 && !has_metrics)
        rc = err_set(err, ERR_NOT_FOUND, "no metrics returned from resource metrics API");
    if (rc < 0)
        return err_wrap(err, rc, "unable to get metrics for resource %s", ask->resource);
    if (ret->ready == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "did not receive metrics for targeted pods (pods might be unready)");
    if (request_rc < 0)
        *err = request_err;
    return request_rc;
}

/* Pods of that fate count with @percent of what they ask for; of @flat when that is not negative. */
static void hpa_assume(struct hpa_group *g, enum hpa_pod_fate fate, int64_t percent, int64_t flat)
{
    for (size_t i = 0; i < g->n; i++) {
        struct hpa_pod *p = &g->pods[i];

        if (p->fate != fate)
            continue;
        p->has_value = true;
        p->value = flat >= 0 ? flat : p->request * percent / 100;
    }
}

struct hpa_ratio {
    double ratio;
    int64_t percent, average, n;
};

/* False: what is asked for sums up to nothing. */
static bool hpa_ratio(struct hpa_ratio *ret, const struct hpa_group *g, bool is_percent,
                      int64_t target)
{
    int64_t used = 0, asked = 0, n = 0;

    for (size_t i = 0; i < g->n; i++) {
        if (!g->pods[i].has_value)
            continue;
        used += g->pods[i].value;
        asked += g->pods[i].request;
        n++;
    }
    if (n == 0 || (is_percent && asked == 0))
        return false;
    *ret = (struct hpa_ratio){ .average = used / n, .n = n };
    if (is_percent)
        ret->percent = used * 100 / asked;
    ret->ratio = (double)(is_percent ? ret->percent : ret->average) / (double)target;
    return true;
}

static bool hpa_is_small(double ratio)
{
    return fabs(1.0 - ratio) <= HPA_TOLERANCE;
}

/* Those that say nothing are taken to argue against the change. */
static int hpa_damp(int64_t *ret, struct hpa_group *g, const struct hpa_ask *ask, bool is_percent,
                    double ratio, struct err *err)
{
    struct hpa_ratio again;
    int64_t n;

    *ret = ask->q->replicas;
    if (ratio < 1.0)
        hpa_assume(g, HPA_MISSING, ask->target > 100 ? ask->target : 100,
                   is_percent ? -1 : ask->target);
    else if (ratio > 1.0 || !is_percent)
        hpa_assume(g, HPA_MISSING, 0, 0);
    if (ratio > 1.0)
        hpa_assume(g, HPA_UNREADY, 0, 0);
    if (!hpa_ratio(&again, g, is_percent, ask->target))
        return err_set(err, ERR_NOT_FOUND, "no metrics returned matched known pods");
    if (hpa_is_small(again.ratio) || (ratio < 1.0 && again.ratio > 1.0) ||
        (ratio > 1.0 && again.ratio < 1.0))
        return 0;
    n = (int64_t)ceil(again.ratio * (double)again.n);
    if ((again.ratio < 1.0 && n > ask->q->replicas) || (again.ratio > 1.0 && n < ask->q->replicas))
        return 0;
    *ret = n;
    return 0;
}

static int hpa_calculate(int64_t *ret, struct hpa_ratio *ret_now, const struct hpa_ask *ask,
                         bool is_percent, struct err *err)
{
    cleanup(hpa_group_fini) struct hpa_group g;
    int rc = hpa_group(&g, ask, is_percent, err);

    if (rc < 0)
        return rc;
    if (!hpa_ratio(ret_now, &g, is_percent, ask->target))
        return err_set(err, ERR_NOT_FOUND, "no metrics returned matched known pods");
    if (g.missing > 0 || (g.unready > 0 && ret_now->ratio > 1.0))
        return hpa_damp(ret, &g, ask, is_percent, ret_now->ratio, err);
    *ret = hpa_is_small(ret_now->ratio) ? ask->q->replicas
                                        : (int64_t)ceil(ret_now->ratio * (double)g.ready);
    return 0;
}

/* --- the kinds of metrics --- */

static json_t *hpa_milli(int64_t milli)
{
    char text[QUANTITY_TEXT_MAX];

    quantity_print(text, (struct quantity){ .nano = (__int128)milli * 1000000, .format = 'd' });
    return json_string(text);
}

/* Resource and ContainerResource; @body is the member of the spec that tells it. */
static int hpa_resource(struct hpa_proposal *ret, const struct hpa_question *q, const json_t *body,
                        json_t *ret_current, struct err *err)
{
    const json_t *target = json_at(body, "target");
    const char *value = json_str(target, "averageValue");
    struct hpa_ask ask = { .q = q,
                           .resource = json_str_or(body, "name", ""),
                           .container = json_str_or(body, "container", "") };
    struct hpa_ratio now;
    int rc;

    if (value == NULL && json_at(target, "averageUtilization") == NULL)
        return err_set(err, ERR_INVALID,
                       "invalid resource metric source: neither an average utilization target nor "
                       "an average value (usage) target was set");
    ask.target = value != NULL ? quantity_text_milli(value, 0)
                               : json_int(target, "averageUtilization", 0);
    if (ask.target < 1) /* less than a thousandth: nothing could be divided by it */
        return err_set(err, ERR_INVALID, "invalid resource metric source: the target is too small");
    rc = hpa_calculate(&ret->replicas, &now, &ask, value == NULL, err);
    if (rc < 0)
        return err_wrap(err, rc, "failed to get %s %s", ask.resource,
                        value != NULL ? "usage" : "utilization");
    snprintf(ret->name, sizeof(ret->name), "%.100s %s%s", ask.resource,
             ask.container[0] != '\0' && value == NULL ? "container " : "",
             value != NULL ? "resource" : "resource utilization (percentage of request)");
    if (value == NULL)
        json_put_int(ret_current, "averageUtilization", now.percent);
    json_put(ret_current, "averageValue", hpa_milli(now.average));
    return 0;
}

/* Metrics that an adapter would serve: there is none, in the words clients know. */
static int hpa_no_custom(const struct hpa_question *q, const json_t *body, struct err *err)
{
    const char *what = "unable to fetch metrics from custom metrics API: no custom metrics API "
                       "(custom.metrics.k8s.io) registered";
    const char *metric = json_str_or(body, "metric.name", "");

    if (json_at(body, "describedObject") == NULL)
        return err_set(err, ERR_UNAVAILABLE, "unable to get metric %s: %s", metric, what);
    return err_set(err, ERR_UNAVAILABLE, "unable to get metric %s: %s on %s %s/%s", metric,
                   json_str_or(body, "describedObject.kind", ""), q->ns,
                   json_str_or(body, "describedObject.name", ""), what);
}

static int hpa_no_external(const struct hpa_question *q, const json_t *body, struct err *err)
{
    const char *metric = json_str_or(body, "metric.name", "");

    return err_set(err, ERR_UNAVAILABLE,
                   "unable to get external metric %s/%s: unable to fetch metrics from external "
                   "metrics API: no external metrics API (external.metrics.k8s.io) registered",
                   q->ns, metric);
}

static const struct hpa_source {
    const char *type, *member, *reason;
    const char *noun;  /* "failed to get NAME NOUN: ..." */
    const char *named; /* path of the name in the body */
    int (*refuse)(const struct hpa_question *q, const json_t *body,
                  struct err *err); /* or measured */
} hpa_sources[] = {
    { "Resource", "resource", "FailedGetResourceMetric", "resource metric value", "name", NULL },
    { "ContainerResource", "containerResource", "FailedGetContainerResourceMetric",
      "container metric value", "container", NULL },
    { "Pods", "pods", "FailedGetPodsMetric", "pods metric value", NULL, hpa_no_custom },
    { "Object", "object", "FailedGetObjectMetric", "object metric value", NULL, hpa_no_custom },
    { "External", "external", "FailedGetExternalMetric", "external metric value", "metric.name",
      hpa_no_external },
};

static int hpa_of_source(struct hpa_proposal *ret, const struct hpa_question *q, const json_t *spec,
                         const struct hpa_source *s, struct err *err)
{
    const json_t *body = json_object_get(spec, s->member);
    cleanup(json_decrefpp) json_t *current = json_object();
    int rc;

    *ret = (struct hpa_proposal){ .replicas = 0 };
    rc = s->refuse != NULL ? s->refuse(q, body, err) : hpa_resource(ret, q, body, current, err);
    if (rc < 0)
        return rc;
    ret->status = json_pack("{s:s, s:{s:s, s:O}}", "type", s->type, s->member, "name",
                            json_str_or(body, "name", ""), "current", current);
    if (json_str(body, "container") != NULL)
        json_put_str(json_object_get(ret->status, s->member), "container",
                     json_str(body, "container"));
    return 0;
}

int hpa_metric(struct hpa_proposal *ret, const struct hpa_question *q, const json_t *spec,
               const char **ret_reason, char **ret_detail, struct err *err)
{
    const char *type = json_str_or(spec, "type", "");

    for (size_t i = 0; i < N_ELEMENTS(hpa_sources); i++) {
        const struct hpa_source *s = &hpa_sources[i];
        const char *name = s->named != NULL ? json_str(json_object_get(spec, s->member), s->named)
                                            : NULL;
        int rc;

        if (!str_eq(type, s->type))
            continue;
        rc = hpa_of_source(ret, q, spec, s, err);
        if (rc == 0)
            return 0;
        *ret_reason = s->reason;
        *ret_detail = mem_str(err->text);
        return err_wrap(err, rc, "failed to get %s%s%s", name != NULL ? name : "",
                        name != NULL ? " " : "", s->noun);
    }
    *ret_reason = "InvalidMetricSourceType";
    err_set(err, ERR_INVALID, "unknown metric source type \"%s\"", type);
    *ret_detail = mem_str(err->text);
    return ERR_INVALID;
}
