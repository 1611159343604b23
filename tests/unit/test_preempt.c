/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "base/mem.h"

#include <string.h>

#define POD(name) &scheduler_controller, "default", name

static void put_node(struct plan_fixture *f, const char *name)
{
    plan_fixture_putf(f, "nodes",
                      "{'metadata': {'name': '%s', 'labels': {'kubernetes.io/hostname': '%s'}},"
                      " 'status': {'allocatable': {'cpu': '2', 'memory': '4Gi', 'pods': '110'}}}",
                      name, name);
}

/* @node "" = waits. */
static void put_pod(struct plan_fixture *f, const char *name, const char *node, int priority,
                    const char *cpu, const char *start)
{
    plan_fixture_putf(
        f, "pods",
        "{'metadata': {'name': '%s', 'labels': {'app': '%s'}}, 'spec': {'schedulerName':"
        " 'default-scheduler', 'nodeName': '%s', 'priority': %d, 'preemptionPolicy':"
        " 'PreemptLowerPriority', 'containers': [{'name': 'c', 'image': 'i', 'resources':"
        " {'requests': {'cpu': '%s'}}}]}, 'status': {'phase': '%s', 'startTime': '%s'}}",
        name, name, node, priority, cpu, *node ? "Running" : "Pending", start);
}

static void up(struct plan_fixture *f, const char *const *nodes)
{
    plan_fixture_up(f);
    for (; *nodes; nodes++)
        put_node(f, *nodes);
}

static const char *victim(const struct plan_fixture *f, size_t i)
{
    const struct plan_write *w = plan_fixture_write(f, PLAN_DELETE, "pods", i);

    return w ? w->name : NULL;
}

static const char *nominated(struct plan_fixture *f)
{
    const struct plan_write *w = plan_fixture_write(f, PLAN_STATUS, "pods", 0);

    return w ? json_str(w->tree, "status.nominatedNodeName") : NULL;
}

static const char *message(struct plan_fixture *f)
{
    const struct plan_write *w = plan_fixture_write(f, PLAN_STATUS, "pods", 0);

    return w ? json_str(json_array_get(json_at(w->tree, "status.conditions"), 0), "message") : NULL;
}

static const char *const one[] = { "n1", NULL };
static const char *const two[] = { "n1", "n2", NULL };

#define T1 "2026-01-01T00:00:01Z"
#define T2 "2026-01-01T00:00:02Z"

TEST(preempt, the_lowest_priorities_leave_and_no_more_than_needed)
{
    struct plan_fixture f;

    up(&f, one);
    put_pod(&f, "low", "n1", 1, "1", T1);
    put_pod(&f, "mid", "n1", 5, "1", T1);
    put_pod(&f, "high", "", 10, "1", T1);
    plan_fixture_run(&f, POD("high"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    CHECK_STR(victim(&f, 0), "low");
    CHECK_STR(nominated(&f), "n1");
    CHECK_STR(message(&f), "0/1 nodes are available: 1 Insufficient cpu.");
    CHECK(plan_fixture_event(&f, "Preempted", "Preempted by pod uid-high on node n1"));
    plan_fixture_down(&f);
}

TEST(preempt, equals_and_those_that_may_not_are_left_alone)
{
    struct plan_fixture f;

    up(&f, one);
    put_pod(&f, "peer", "n1", 10, "2", T1);
    put_pod(&f, "high", "", 10, "1", T1);
    plan_fixture_run(&f, POD("high"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 0);
    CHECK_STR(message(&f), "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are "
                           "available: 1 No preemption victims found for incoming pod.");
    plan_fixture_set(&f, "pods", "peer", "spec.priority", "1");
    plan_fixture_set(&f, "pods", "high", "spec.preemptionPolicy", "'Never'");
    plan_fixture_run(&f, POD("high"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 0);
    CHECK_STR(message(&f), "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible "
                           "due to preemptionPolicy=Never.");
    plan_fixture_down(&f);
}

TEST(preempt, when_all_leaving_would_not_do_nobody_leaves)
{
    struct plan_fixture f;

    up(&f, one);
    put_pod(&f, "low", "n1", 1, "1", T1);
    put_pod(&f, "peer", "n1", 10, "1", T1);
    put_pod(&f, "high", "", 10, "1500m", T1);
    plan_fixture_run(&f, POD("high"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 0);
    CHECK_STR(message(&f), "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are "
                           "available: 1 Insufficient cpu.");
    plan_fixture_down(&f);
}

TEST(preempt, the_node_of_the_least_important_victims_is_chosen)
{
    struct plan_fixture f;

    up(&f, two);
    put_pod(&f, "mid", "n1", 5, "2", T1);
    put_pod(&f, "low-a", "n2", 1, "1", T1);
    put_pod(&f, "low-b", "n2", 1, "1", T1);
    put_pod(&f, "high", "", 10, "2", T1);
    plan_fixture_run(&f, POD("high"));
    CHECK_STR(nominated(&f), "n2");
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 2);
    plan_fixture_down(&f);
}

TEST(preempt, of_equals_those_that_started_last_leave)
{
    struct plan_fixture f;

    up(&f, two);
    put_pod(&f, "old", "n1", 1, "2", T1);
    put_pod(&f, "young", "n2", 1, "2", T2);
    put_pod(&f, "high", "", 10, "2", T1);
    plan_fixture_run(&f, POD("high"));
    CHECK_STR(victim(&f, 0), "young");
    plan_fixture_down(&f);
}

TEST(preempt, budgets_are_respected_where_they_can_be)
{
    struct plan_fixture f;

    up(&f, two);
    put_pod(&f, "kept", "n1", 1, "2", T1);
    put_pod(&f, "free", "n2", 5, "2", T1);
    put_pod(&f, "high", "", 10, "2", T1);
    plan_fixture_put(&f, "poddisruptionbudgets.policy",
                     "{'metadata': {'name': 'b'}, 'spec': {'selector': {'matchLabels': {'app':"
                     " 'kept'}}}, 'status': {'disruptionsAllowed': 0}}");
    plan_fixture_run(&f, POD("high"));
    CHECK_STR(victim(&f, 0), "free");
    plan_fixture_remove(&f, "pods", "free");
    plan_fixture_remove(&f, "nodes", "n2");
    plan_fixture_run(&f, POD("high"));
    CHECK_STR(victim(&f, 0), "kept");
    plan_fixture_down(&f);
}

TEST(preempt, room_that_was_made_is_kept_for_whom_it_was_made)
{
    struct plan_fixture f;

    up(&f, one);
    put_pod(&f, "low", "n1", 1, "2", T1);
    put_pod(&f, "high", "", 10, "2", T1);
    put_pod(&f, "late", "", 1, "1", T1);
    plan_fixture_run(&f, POD("high"));
    plan_fixture_apply(&f); /* the victim is gone, the pod has its promise */
    plan_fixture_run(&f, POD("late"));
    CHECK_INT(plan_fixture_count(&f, PLAN_BIND, "pods"), 0);
    plan_fixture_run(&f, POD("high"));
    CHECK_INT(plan_fixture_count(&f, PLAN_BIND, "pods"), 1);
    plan_fixture_down(&f);
}

TEST(preempt, while_the_victim_leaves_nobody_else_does)
{
    struct plan_fixture f;

    up(&f, one);
    put_pod(&f, "low", "n1", 1, "1", T1);
    put_pod(&f, "mid", "n1", 5, "1", T1);
    put_pod(&f, "high", "", 10, "1", T1);
    plan_fixture_set(&f, "pods", "low", "metadata.deletionTimestamp", "'2026-01-01T00:00:30Z'");
    plan_fixture_set(&f, "pods", "low", "status.conditions",
                     "[{'type': 'DisruptionTarget', 'status': 'True', 'reason':"
                     " 'PreemptionByScheduler'}]");
    plan_fixture_set(&f, "pods", "high", "status.nominatedNodeName", "'n1'");
    plan_fixture_run(&f, POD("high"));
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(preempt, anti_affinity_of_the_lower_gives_way_too)
{
    struct plan_fixture f;

    up(&f, one);
    put_pod(&f, "low", "n1", 1, "1", T1);
    put_pod(&f, "high", "", 10, "100m", T1);
    plan_fixture_set(&f, "pods", "high", "spec.affinity",
                     "{'podAntiAffinity': {'requiredDuringSchedulingIgnoredDuringExecution':"
                     " [{'topologyKey': 'kubernetes.io/hostname', 'labelSelector': {'matchLabels':"
                     " {'app': 'low'}}}]}}");
    plan_fixture_run(&f, POD("high"));
    CHECK_STR(victim(&f, 0), "low");
    plan_fixture_down(&f);
}
