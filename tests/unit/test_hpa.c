/* layer: controlplane */
#include "controlplane/controllers.h"
#include "controlplane/hpa_impl.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define HPA "horizontalpodautoscalers.autoscaling"

static struct plan_fixture f;
static struct metrics *m;

static void up(void)
{
    plan_fixture_up(&f);
    m = metrics_new();
    view_set_metrics(f.view, m);
}

static void down(void)
{
    plan_fixture_down(&f);
    m = metrics_free(m);
}

static char *when(int64_t ago_s)
{
    char *text = mem_zero(CLOCK_TEXT_MAX);

    clock_print(text, f.now.wall_ms - ago_s * 1000);
    return text;
}

static void target(int64_t replicas)
{
    plan_fixture_putf(&f, "deployments.apps",
                      "{'kind': 'Deployment', 'metadata': {'name': 'web'}, 'spec': {'replicas': "
                      "%lld, 'selector': {'matchLabels': {'app': 'web'}}}, 'status': {}}",
                      (long long)replicas);
}

static void scaler(const char *spec)
{
    plan_fixture_putf(&f, HPA,
                      "{'metadata': {'name': 'web'}, 'spec': {'scaleTargetRef': {'apiVersion': "
                      "'apps/v1', 'kind': 'Deployment', 'name': 'web'}, %s}}",
                      spec);
}

/* --- pods, one letter each with what they use in thousandths ---
 *
 * r ready; n has no Ready condition; u unready, started long ago; U unready, young;
 * y ready a moment ago, young; l lost its readiness long after it had it; m without metrics;
 * p pending; d being deleted; F failed; b without a request; two containers: t (as r) */

static void pod(struct metrics_sample *before, struct metrics_sample *now, size_t i, char kind,
                int64_t milli)
{
    bool young = strchr("Uy", kind) != NULL, ready = strchr("rydmFbt", kind) != NULL;
    cleanup(freep) char *start = when(young ? 60 : 3600);
    cleanup(freep) char *moved = when(kind == 'y'   ? 5
                                      : kind == 'l' ? 100
                                      : young       ? 55
                                      : ready       ? 3500
                                                    : 3590);
    cleanup(freep) char *name = mem_fmt("web-%zu", i);
    const char *phase = kind == 'p' ? "Pending" : kind == 'F' ? "Failed" : "Running";
    struct metrics_reading r = { .ns = "default",
                                 .pod = name,
                                 .container = "main",
                                 .cpu_ns = 0,
                                 .memory = milli * 1024,
                                 .at_ms = f.now.wall_ms - 16000,
                                 .start_ms = f.now.wall_ms - 3600000 };
    struct err err = ERR_EMPTY;

    plan_fixture_putf(
        &f, "pods",
        "{'metadata': {'name': '%s', 'labels': {'app': 'web'}%s}, 'spec': {'nodeName': 'n1',"
        " 'containers': [{'name': 'main', 'resources': {'requests': {%s}}}%s]},"
        " 'status': {'phase': '%s', 'startTime': '%s', 'conditions': [%s%s%s%s%s]}}",
        name, kind == 'd' ? ", 'deletionTimestamp': '2026-01-01T00:00:00Z'" : "",
        kind == 'b' ? "" : "'cpu': '100m', 'memory': '100Ki'",
        kind == 't' ? ", {'name': 'side', 'resources': {'requests': {'cpu': '100m'}}}" : "", phase,
        start, kind == 'n' ? "" : "{'type': 'Ready', 'status': '",
        kind == 'n' ? ""
        : ready     ? "True"
                    : "False",
        kind == 'n' ? "" : "', 'lastTransitionTime': '", kind == 'n' ? "" : moved,
        kind == 'n' ? "" : "'}");
    if (kind == 'm' || kind == 'p')
        return;
    CHECK_INT(metrics_sample_add(before, &r, &err), 0);
    r.at_ms += 15000;
    r.cpu_ns = milli * 15 * 1000000;
    CHECK_INT(metrics_sample_add(now, &r, &err), 0);
    if (kind != 't')
        return;
    r.container = "side";
    r.cpu_ns = 0;
    r.at_ms -= 15000;
    CHECK_INT(metrics_sample_add(before, &r, &err), 0);
    r.at_ms += 15000;
    r.cpu_ns = 90 * 15 * 1000000;
    CHECK_INT(metrics_sample_add(now, &r, &err), 0);
}

static void pods(const char *text)
{
    struct metrics_sample *before = metrics_sample_new(), *now = metrics_sample_new();
    size_t i = 0;

    while (*text != '\0') {
        char kind = *text++;
        int64_t milli = 0;

        while (isdigit((unsigned char)*text))
            milli = milli * 10 + *text++ - '0';
        pod(before, now, i++, kind, milli);
        while (*text == ' ')
            text++;
    }
    metrics_clear(m);
    metrics_put(m, "n1", before);
    metrics_put(m, "n1", now);
}

static void look(void)
{
    plan_fixture_run(&f, &hpa_controller, "default", "web");
}

/* What is written as the new size; 0 = nothing is. */
static int64_t written(void)
{
    const struct plan_write *w = plan_fixture_write(&f, PLAN_SCALE, NULL, 0);

    return w != NULL ? json_int(w->tree, "spec.replicas", -1) : 0;
}

static const json_t *status(void)
{
    const struct plan_write *w = plan_fixture_write(&f, PLAN_STATUS, HPA, 0);
    const struct object *o = plan_fixture_get(&f, HPA, "web");

    return json_at(w != NULL ? w->tree : view_tree(f.view, o), "status");
}

static const char *reason(const char *type)
{
    return json_str_or(condition_get(status(), type), "reason", "");
}

static const char *message(const char *type)
{
    return json_str_or(condition_get(status(), type), "message", "");
}

/* --- how many are asked for --- */

#define CPU(percent)                                                                   \
    "'metrics': [{'type': 'Resource', 'resource': {'name': 'cpu', 'target': {'type': " \
    "'Utilization', 'averageUtilization': " #percent "}}}]"
#define CPU_VALUE(value)                                                               \
    "'metrics': [{'type': 'Resource', 'resource': {'name': 'cpu', 'target': {'type': " \
    "'AverageValue', 'averageValue': '" value "'}}}]"
#define MEMORY(percent)                                                                   \
    "'metrics': [{'type': 'Resource', 'resource': {'name': 'memory', 'target': {'type': " \
    "'Utilization', 'averageUtilization': " #percent "}}}]"
#define SIDE(percent)                                                                              \
    "'metrics': [{'type': 'ContainerResource', 'containerResource': {'name': 'cpu', 'container': " \
    "'side', 'target': {'type': 'Utilization', 'averageUtilization': " #percent "}}}]"
#define BOTH                                                                                 \
    "'metrics': [{'type': 'Resource', 'resource': {'name': 'cpu', 'target': {'type': "       \
    "'Utilization', 'averageUtilization': 50}}}, {'type': 'Resource', 'resource': {'name': " \
    "'memory', 'target': {'type': 'Utilization', 'averageUtilization': 20}}}]"
#define CPU_AND_PODS                                                                            \
    "'metrics': [{'type': 'Pods', 'pods': {'metric': {'name': 'rps'}, 'target': {'type': "      \
    "'AverageValue', 'averageValue': '1'}}}, {'type': 'Resource', 'resource': {'name': 'cpu', " \
    "'target': {'type': 'Utilization', 'averageUtilization': 50}}}]"
/* No windows: what the metrics say is what is done. */
#define NOW                                                                                      \
    ", 'behavior': {'scaleDown': {'stabilizationWindowSeconds': 0, 'selectPolicy': 'Max', "      \
    "'policies': [{'type': 'Percent', 'value': 100, 'periodSeconds': 15}]}, 'scaleUp': "         \
    "{'stabilizationWindowSeconds': 0, 'selectPolicy': 'Max', 'policies': [{'type': 'Percent', " \
    "'value': 1000, 'periodSeconds': 15}]}}"

static const struct {
    const char *name, *spec, *pods;
    int64_t replicas, expected; /* 0 = stays */
    const char *reason;         /* of ScalingActive */
    int64_t percent;            /* shown; -1 = none */
} sizes[] = {
    { "above target", CPU(50), "r100 r100", 2, 4, "ValidMetricFound", 100 },
    { "far above target", CPU(10), "r100 r100", 2, 20, "ValidMetricFound", 100 },
    { "below target", CPU(50), "r10 r10 r10 r10", 4, 1, "ValidMetricFound", 10 },
    { "rounded up", CPU(60), "r70 r70 r70", 3, 4, "ValidMetricFound", 70 },
    { "on target", CPU(50), "r50 r50", 2, 0, "ValidMetricFound", 50 },
    { "within tolerance above", CPU(50), "r54 r54", 2, 0, "ValidMetricFound", 54 },
    { "a tenth above is more than a tenth, in floats", CPU(50), "r55 r55", 2, 3, "ValidMetricFound",
      55 },
    { "within tolerance below", CPU(50), "r45 r45", 2, 0, "ValidMetricFound", 45 },
    { "beyond tolerance above", CPU(50), "r56 r56", 2, 3, "ValidMetricFound", 56 },
    { "beyond tolerance below", CPU(50), "r44 r44 r44 r44 r44 r44 r44 r44 r44", 9, 8,
      "ValidMetricFound", 44 },
    { "unequal load is averaged", CPU(50), "r0 r100", 2, 0, "ValidMetricFound", 50 },
    { "idle goes to the minimum", CPU(50), "r0 r0 r0", 3, 1, "ValidMetricFound", 0 },
    { "two containers are summed", CPU(50), "t110 t110", 2, 4, "ValidMetricFound", 100 },
    { "one container alone", SIDE(30), "t0 t0", 2, 6, "ValidMetricFound", 90 },
    { "a container that is not there", SIDE(30), "r0 r0", 2, 0, "FailedGetContainerResourceMetric",
      -1 },
    { "a value", CPU_VALUE("50m"), "r100 r100", 2, 4, "ValidMetricFound", -1 },
    { "a value below", CPU_VALUE("100m"), "r20 r20 r20 r20 r20", 5, 1, "ValidMetricFound", -1 },
    { "a value within tolerance", CPU_VALUE("100m"), "r105", 1, 0, "ValidMetricFound", -1 },
    { "a value needs no requests", CPU_VALUE("50m"), "b100 b100", 2, 4, "ValidMetricFound", -1 },
    { "memory", MEMORY(50), "r100 r100", 2, 4, "ValidMetricFound", 100 },
    { "a missing request", CPU(50), "r100 b100", 2, 0, "FailedGetResourceMetric", -1 },
    { "no metrics at all", CPU(50), "m m", 2, 0, "FailedGetResourceMetric", -1 },
    { "no pods", CPU(50), "", 2, 0, "FailedGetResourceMetric", -1 },
    { "only unready ones", CPU(50), "U100 U100", 2, 0, "FailedGetResourceMetric", -1 },
    { "a missing one damps growth", CPU(50), "r100 r100 m", 3, 4, "ValidMetricFound", 100 },
    { "a missing one counts in full below", CPU(50), "r10 r10 m", 3, 0, "ValidMetricFound", 10 },
    { "a missing one lets it shrink less", CPU(50), "r0 r0 r0 r0 r0 m", 6, 2, "ValidMetricFound",
      0 },
    { "missing ones never turn it round", CPU(50), "r60 m m m", 4, 0, "ValidMetricFound", 60 },
    { "missing above a target over 100", CPU(150), "r10 m", 2, 0, "ValidMetricFound", 10 },
    { "a missing one, by value, above", CPU_VALUE("50m"), "r200 m", 2, 4, "ValidMetricFound", -1 },
    { "a missing one, by value, below", CPU_VALUE("100m"), "r10 r10 m", 3, 2, "ValidMetricFound",
      -1 },
    { "a young unready one counts as idle above", CPU(50), "r100 r100 U500", 3, 4,
      "ValidMetricFound", 100 },
    { "an unready one is left out below", CPU(50), "r10 r10 U500", 3, 1, "ValidMetricFound", 10 },
    { "one that has never been ready", CPU(50), "r100 u500", 2, 0, "ValidMetricFound", 100 },
    { "one that lost its readiness counts", CPU(50), "r100 l100", 2, 4, "ValidMetricFound", 100 },
    { "ready too short to be measured", CPU(50), "r100 y500", 2, 0, "ValidMetricFound", 100 },
    { "without a condition it is unready", CPU(50), "r100 n500", 2, 0, "ValidMetricFound", 100 },
    { "unready memory counts all the same", MEMORY(50), "r100 U100", 2, 4, "ValidMetricFound",
      100 },
    { "a pending one counts as idle above", CPU(50), "r100 r100 p", 3, 4, "ValidMetricFound", 100 },
    { "a pending one is left out below", CPU(50), "r10 r10 p", 3, 1, "ValidMetricFound", 10 },
    { "one being deleted is ignored", CPU(50), "r100 r100 d0", 2, 4, "ValidMetricFound", 100 },
    { "a failed one is ignored", CPU(50), "r100 r100 F0", 2, 4, "ValidMetricFound", 100 },
    { "the largest of two metrics", BOTH, "r60 r60", 2, 6, "ValidMetricFound", 60 },
    { "one metric fails, the other grows", CPU_AND_PODS, "r100 r100", 2, 4, "ValidMetricFound",
      -1 },
    { "one metric fails, nothing shrinks", CPU_AND_PODS, "r10 r10", 2, 0, "FailedGetPodsMetric",
      -1 },
};

TEST(hpa, metrics_ask_for_a_size)
{
    for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
        cleanup(freep) char *spec = mem_fmt("'minReplicas': 1, 'maxReplicas': 50, %s" NOW,
                                            sizes[i].spec);
        int64_t have, percent;

        up();
        target(sizes[i].replicas);
        scaler(spec);
        pods(sizes[i].pods);
        look();
        have = written();
        percent = json_int(json_array_get(json_at(status(), "currentMetrics"), 0),
                           "resource.current.averageUtilization",
                           json_int(json_array_get(json_at(status(), "currentMetrics"), 0),
                                    "containerResource.current.averageUtilization", -1));
        if (have != sizes[i].expected || percent != sizes[i].percent ||
            !str_eq(reason("ScalingActive"), sizes[i].reason)) {
            print_error("%s: %lld at %lld%%, %s: %s\n", sizes[i].name, (long long)have,
                        (long long)percent, reason("ScalingActive"), message("ScalingActive"));
            CHECK(!"as in the table");
        }
        down();
    }
}

/* --- bounds, without any metrics --- */

static const struct {
    int64_t replicas, min, max, expected;
    const char *event, *active;
} bounds[] = {
    { 1, 2, 4, 2, "New size: 2; reason: Current number of replicas below Spec.MinReplicas", "" },
    { 9, 2, 4, 4, "New size: 4; reason: Current number of replicas above Spec.MaxReplicas", "" },
    { 0, 2, 4, 0, NULL, "ScalingDisabled" },
};

TEST(hpa, bounds_hold_at_once_and_without_metrics)
{
    for (size_t i = 0; i < N_ELEMENTS(bounds); i++) {
        cleanup(freep) char *spec = mem_fmt("'minReplicas': %lld, 'maxReplicas': %lld, " CPU(50),
                                            (long long)bounds[i].min, (long long)bounds[i].max);

        up();
        target(bounds[i].replicas);
        scaler(spec);
        look();
        CHECK_INT(written(), bounds[i].expected);
        CHECK_STR(reason("ScalingActive"), bounds[i].active);
        if (bounds[i].event != NULL) {
            CHECK(plan_fixture_event(&f, "SuccessfulRescale", bounds[i].event));
            CHECK_STR(reason("AbleToScale"), "SucceededRescale");
            CHECK_INT(json_int(status(), "desiredReplicas", -1), bounds[i].expected);
            CHECK(json_str(status(), "lastScaleTime") != NULL);
        }
        CHECK_INT(json_int(status(), "currentReplicas", -1), bounds[i].replicas);
        down();
    }
}

/* --- what it cannot do, and says --- */

static const struct {
    const char *ref, *reason, *message;
} targets[] = {
    { "'apiVersion': 'apps/v1', 'kind': 'Deployment', 'name': 'gone'", "FailedGetScale",
      "deployments.apps \"gone\" not found" },
    { "'apiVersion': 'apps/v1', 'kind': 'Sink', 'name': 'x'", "FailedGetScale",
      "no matches for kind \"Sink\" in group \"apps\"" },
    { "'kind': 'Deployment', 'name': 'web'", "FailedGetScale",
      "no matches for kind \"Deployment\" in group \"\"" },
    { "'apiVersion': 'a/b/c', 'kind': 'Deployment', 'name': 'web'", "FailedGetScale",
      "unexpected GroupVersion string: a/b/c" },
    { "'apiVersion': 'apps/v1', 'kind': 'DaemonSet', 'name': 'x'", "FailedGetScale",
      "the server could not find the requested resource" },
};

TEST(hpa, a_target_that_cannot_be_scaled_is_told)
{
    for (size_t i = 0; i < N_ELEMENTS(targets); i++) {
        cleanup(freep) char *said = mem_fmt(
            "the HPA controller was unable to get the target's current scale: %s",
            targets[i].message);

        up();
        target(1);
        plan_fixture_putf(&f, HPA,
                          "{'metadata': {'name': 'web'}, 'spec': {'scaleTargetRef': {%s}, "
                          "'maxReplicas': 3, " CPU(50) "}}",
                          targets[i].ref);
        look();
        CHECK_STR(reason("AbleToScale"), targets[i].reason);
        CHECK_STR(message("AbleToScale"), said);
        CHECK(plan_fixture_event(&f, targets[i].reason, targets[i].message));
        CHECK_INT(written(), 0);
        down();
    }
}

static const struct {
    const char *metric, *reason, *event, *first;
} refusals[] = {
    { "{'type': 'Pods', 'pods': {'metric': {'name': 'rps'}, 'target': {'type': 'AverageValue', "
      "'averageValue': '1'}}}",
      "FailedGetPodsMetric",
      "unable to get metric rps: unable to fetch metrics from custom metrics API: no custom "
      "metrics API (custom.metrics.k8s.io) registered",
      "failed to get pods metric value: " },
    { "{'type': 'Object', 'object': {'metric': {'name': 'rps'}, 'describedObject': {'kind': "
      "'Ingress', 'name': 'main'}, 'target': {'type': 'Value', 'value': '1'}}}",
      "FailedGetObjectMetric",
      "unable to get metric rps: Ingress on default main/unable to fetch metrics from custom "
      "metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
      "failed to get object metric value: " },
    { "{'type': 'External', 'external': {'metric': {'name': 'q'}, 'target': {'type': 'Value', "
      "'value': '1'}}}",
      "FailedGetExternalMetric",
      "unable to get external metric default/q: unable to fetch metrics from external metrics "
      "API: no external metrics API (external.metrics.k8s.io) registered",
      "failed to get q external metric value: " },
    { "{'type': 'Resource', 'resource': {'name': 'cpu', 'target': {'type': 'Utilization', "
      "'averageUtilization': 50}}}",
      "FailedGetResourceMetric",
      "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned "
      "from resource metrics API",
      "failed to get cpu resource metric value: " },
};

TEST(hpa, a_metric_that_nobody_serves_is_told)
{
    for (size_t i = 0; i < N_ELEMENTS(refusals); i++) {
        cleanup(freep) char *spec = mem_fmt("'maxReplicas': 3, 'metrics': [%s]",
                                            refusals[i].metric);
        cleanup(freep) char *all = mem_fmt("invalid metrics (1 invalid out of 1), first error "
                                           "is: %s%s",
                                           refusals[i].first, refusals[i].event);
        cleanup(freep) char *said = mem_fmt("the HPA was unable to compute the replica count: %s",
                                            refusals[i].event);

        up();
        target(1);
        scaler(spec);
        look();
        CHECK_STR(reason("ScalingActive"), refusals[i].reason);
        CHECK_STR(message("ScalingActive"), said);
        CHECK(plan_fixture_event(&f, refusals[i].reason, refusals[i].event));
        CHECK(plan_fixture_event(&f, "FailedComputeMetricsReplicas", all));
        CHECK_INT(written(), 0);
        down();
    }
}

TEST(hpa, two_hands_on_one_wheel_do_not_steer)
{
    up();
    target(2);
    scaler("'maxReplicas': 9, " CPU(50));
    plan_fixture_put(&f, HPA,
                     "{'metadata': {'name': 'again'}, 'spec': {'scaleTargetRef': {'apiVersion': "
                     "'apps/v1', 'kind': 'Deployment', 'name': 'web'}, 'maxReplicas': 3}}");
    pods("r100 r100");
    look();
    CHECK_INT(written(), 0);
    CHECK_STR(reason("ScalingActive"), "AmbiguousSelector");
    CHECK_STR(message("ScalingActive"), "pods by selector app=web are controlled by multiple "
                                        "HPAs: [{again default} {web default}]");
    down();
}

/* --- over time --- */

static void after(int64_t s)
{
    f.now.wall_ms += s * 1000;
    f.now.mono_ms += s * 1000;
}

static void settle(void)
{
    for (size_t i = 0; i < f.plan.n; i++)
        if (f.plan.writes[i].verb == PLAN_SCALE)
            target(json_int(f.plan.writes[i].tree, "spec.replicas", -1));
    for (size_t i = 0; i < f.plan.n; i++)
        if (f.plan.writes[i].verb == PLAN_STATUS)
            plan_fixture_put_tree(&f, HPA, json_deep_copy(f.plan.writes[i].tree));
    hpa_controller.settled(f.state, "default", "web", NULL, NULL);
}

TEST(hpa, words_of_a_rescale)
{
    up();
    target(2);
    scaler("'maxReplicas': 9, " CPU(50));
    pods("r100 r100");
    look();
    CHECK_INT(written(), 4);
    CHECK(plan_fixture_event(&f, "SuccessfulRescale",
                             "New size: 4; reason: cpu resource utilization (percentage of "
                             "request) above target"));
    CHECK(plan_fixture_event(&f, "FailedRescale",
                             "New size: 4; reason: cpu resource utilization (percentage of "
                             "request) above target; error: {error}"));
    CHECK_STR(message("AbleToScale"),
              "the HPA controller was able to update the target scale to 4");
    CHECK_STR(message("ScalingActive"),
              "the HPA was able to successfully calculate a replica count from cpu resource "
              "utilization (percentage of request)");
    CHECK_STR(json_str_or(json_array_get(json_at(status(), "currentMetrics"), 0),
                          "resource.current.averageValue", ""),
              "100m");
    CHECK_INT(f.plan.again_ms, HPA_SYNC_MS);
    down();
}

TEST(hpa, it_looks_every_15_s_or_when_the_wish_is_another)
{
    up();
    target(2);
    scaler("'maxReplicas': 9, " CPU(50));
    pods("r50 r50");
    look();
    CHECK(f.plan.n > 0);
    settle();
    after(5);
    look(); /* its own status came back */
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, HPA_SYNC_MS - 5000);
    scaler("'minReplicas': 3, 'maxReplicas': 9, " CPU(50));
    look();
    CHECK_INT(written(), 3);
    down();
}

TEST(hpa, load_that_went_is_believed_after_300_s)
{
    int64_t looks = 0;

    up();
    target(4);
    scaler("'maxReplicas': 9, " CPU(50));
    pods("r50 r50 r50 r50");
    look();
    settle();
    pods("r0 r0 r0 r0");
    do {
        after(15);
        pods("r0 r0 r0 r0");
        look();
        settle();
        looks++;
        if (written() == 0)
            CHECK_STR(reason("AbleToScale"), "ScaleDownStabilized");
    } while (written() == 0 && looks < 30);
    CHECK_INT(looks, 21);
    CHECK_INT(written(), 1);
    CHECK(plan_fixture_event(&f, "SuccessfulRescale",
                             "New size: 1; reason: All metrics below target"));
    down();
}

TEST(hpa, a_refusal_is_told_and_tried_again)
{
    const struct plan_write *w;

    up();
    target(1);
    scaler("'minReplicas': 2, 'maxReplicas': 9, " CPU(50));
    look();
    w = plan_fixture_write(&f, PLAN_SCALE, NULL, 0);
    CHECK(w != NULL);
    hpa_controller.settled(f.state, "default", "web", w, "no");
    look();
    CHECK_INT(written(), 0);
    CHECK_STR(reason("AbleToScale"), "FailedUpdateScale");
    CHECK_STR(message("AbleToScale"),
              "the HPA controller was unable to update the target scale: no");
    after(15);
    look();
    CHECK_INT(written(), 2);
    down();
}

TEST(hpa, an_unchanged_world_needs_no_write)
{
    up();
    target(2);
    scaler("'maxReplicas': 9, " CPU(50));
    pods("r50 r50");
    for (int i = 0; i < 3; i++) {
        look();
        settle();
        after(15);
    }
    CHECK_INT(f.plan.n, 0);
    down();
}
