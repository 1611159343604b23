/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "api/conditions.h"

#define N1   &nodelife_controller, "", "n1"
#define EVIC &eviction_controller, "default", "a"

static void put_node(struct plan_fixture *f, const char *name, const char *ready)
{
    plan_fixture_putf(f, "nodes",
                      "{'metadata': {'name': '%s'}, 'spec': {'podCIDR': '10.244.1.0/24'}, 'status':"
                      " {'conditions': [{'type': 'Ready', 'status': '%s', 'lastHeartbeatTime':"
                      " '2026-01-01T00:00:00Z'}]}}",
                      name, ready);
}

static void renew(struct plan_fixture *f, const char *time)
{
    plan_fixture_putf(f, "leases.coordination.k8s.io",
                      "{'metadata': {'name': 'n1', 'namespace': 'kube-node-lease'}, 'spec':"
                      " {'renewTime': '%s'}}",
                      time);
}

static void later(struct plan_fixture *f, int64_t seconds)
{
    f->now.mono_ms += seconds * 1000;
    f->now.wall_ms += seconds * 1000;
}

/* Runs at every tick, as the runner would. */
static void run_for(struct plan_fixture *f, int seconds)
{
    for (; seconds > 0; seconds -= 5) {
        later(f, 5);
        plan_fixture_settle(f, N1, 6);
    }
}

static const json_t *status_of(struct plan_fixture *f, const char *bucket, const char *name)
{
    return json_at(view_tree(f->view, plan_fixture_get(f, bucket, name)), "status");
}

static size_t n_taints(struct plan_fixture *f, const char *name)
{
    return json_array_size(
        json_at(view_tree(f->view, plan_fixture_get(f, "nodes", name)), "spec.taints"));
}

TEST(nodelife, a_silent_node_becomes_unknown_tainted_and_its_pods_unready)
{
    struct plan_fixture f;
    const json_t *ready;

    plan_fixture_up(&f);
    put_node(&f, "n1", "True");
    put_node(&f, "n2", "True");
    renew(&f, "2001-01-01T00:00:00.000000Z"); /* its clock may say what it likes */
    plan_fixture_put(&f, "pods",
                     "{'metadata': {'name': 'a'}, 'spec': {'nodeName': 'n1'}, 'status':"
                     " {'phase': 'Running', 'conditions': [{'type': 'Ready', 'status':"
                     " 'True'}]}}");
    plan_fixture_run(&f, N1);
    CHECK(plan_fixture_event(&f, "RegisteredNode",
                             "Node n1 event: Registered Node n1 in "
                             "Controller"));
    run_for(&f, 35);
    CHECK(condition_is(status_of(&f, "nodes", "n1"), "Ready", "True"));
    renew(&f, "2001-01-01T00:00:10.000000Z");
    run_for(&f, 40);
    CHECK(condition_is(status_of(&f, "nodes", "n1"), "Ready", "True"));
    run_for(&f, 5);
    ready = condition_get(status_of(&f, "nodes", "n1"), "Ready");
    CHECK_STR(json_str(ready, "status"), "Unknown");
    CHECK_STR(json_str(ready, "reason"), "NodeStatusUnknown");
    CHECK_STR(json_str(ready, "message"), "Kubelet stopped posting node status.");
    CHECK_INT(n_taints(&f, "n1"), 2);
    CHECK(condition_is(status_of(&f, "pods", "a"), "Ready", "False"));
    put_node(&f, "n1", "True");
    renew(&f, "2001-01-01T00:00:20.000000Z");
    run_for(&f, 5);
    CHECK_INT(n_taints(&f, "n1"), 0);
    plan_fixture_down(&f);
}

TEST(nodelife, a_pause_of_our_own_is_not_held_against_nodes)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "True");
    plan_fixture_run(&f, N1);
    run_for(&f, 10);
    later(&f, 3600);
    plan_fixture_settle(&f, N1, 3);
    CHECK(condition_is(status_of(&f, "nodes", "n1"), "Ready", "True"));
    run_for(&f, 35);
    CHECK(condition_is(status_of(&f, "nodes", "n1"), "Ready", "Unknown"));
    plan_fixture_down(&f);
}

TEST(nodelife, nobody_is_evicted_when_no_node_is_ready)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "False");
    put_node(&f, "n2", "Unknown");
    plan_fixture_settle(&f, N1, 3);
    CHECK_INT(n_taints(&f, "n1"), 1);
    put_node(&f, "n2", "True");
    plan_fixture_settle(&f, N1, 3);
    CHECK_INT(n_taints(&f, "n1"), 2);
    plan_fixture_down(&f);
}

TEST(nodelife, cordoned_and_pressed_nodes_are_tainted_and_foreign_taints_stay)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "True");
    plan_fixture_set(&f, "nodes", "n1", "spec",
                     "{'unschedulable': true, 'taints': [{'key': 'mine', 'effect':"
                     " 'NoSchedule'}]}");
    plan_fixture_settle(&f, N1, 3);
    CHECK_INT(n_taints(&f, "n1"), 2);
    plan_fixture_set(&f, "nodes", "n1", "spec.unschedulable", "false");
    plan_fixture_set(&f, "nodes", "n1", "status.conditions",
                     "[{'type': 'Ready', 'status': 'True'}, {'type': 'DiskPressure', 'status':"
                     " 'True'}]");
    plan_fixture_settle(&f, N1, 3);
    CHECK_INT(n_taints(&f, "n1"), 2);
    plan_fixture_set(&f, "nodes", "n1", "status.conditions",
                     "[{'type': 'Ready', 'status': 'True'}]");
    plan_fixture_settle(&f, N1, 3);
    CHECK_INT(n_taints(&f, "n1"), 1);
    plan_fixture_down(&f);
}

/* --- eviction --- */

static void put_pod(struct plan_fixture *f, const char *tolerations)
{
    plan_fixture_putf(f, "pods",
                      "{'metadata': {'name': 'a'}, 'spec': {'nodeName': 'n1', 'tolerations': %s}}",
                      tolerations);
}

static void taint(struct plan_fixture *f, const char *taints)
{
    put_node(f, "n1", "True");
    plan_fixture_set(f, "nodes", "n1", "spec.taints", taints);
}

#define UNREACHABLE "[{'key': 'node.kubernetes.io/unreachable', 'effect': 'NoExecute'}]"

TEST(eviction, waits_for_toleration_seconds)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    taint(&f, UNREACHABLE);
    put_pod(&f, "[{'key': 'node.kubernetes.io/unreachable', 'operator': 'Exists', 'effect':"
                " 'NoExecute', 'tolerationSeconds': 300}]");
    plan_fixture_run(&f, EVIC);
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 300000);
    later(&f, 299);
    plan_fixture_run(&f, EVIC);
    CHECK_INT(f.plan.again_ms, 1000);
    later(&f, 1);
    plan_fixture_run(&f, EVIC);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    w = plan_fixture_write(&f, PLAN_STATUS, "pods", 0);
    CHECK_STR(json_str(condition_get(json_at(w->tree, "status"), "DisruptionTarget"), "reason"),
              "DeletionByTaintManager");
    CHECK(plan_fixture_event(&f, "TaintManagerEviction", "Marking for deletion Pod default/a"));
    plan_fixture_down(&f);
}

TEST(eviction, is_called_off_when_the_taint_goes)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    taint(&f, UNREACHABLE);
    put_pod(&f, "[{'operator': 'Exists', 'tolerationSeconds': 60}]");
    plan_fixture_run(&f, EVIC);
    later(&f, 50);
    taint(&f, "[]");
    plan_fixture_run(&f, EVIC);
    CHECK(plan_fixture_event(&f, "TaintManagerEviction", "Cancelling deletion of Pod default/a"));
    taint(&f, UNREACHABLE);
    plan_fixture_run(&f, EVIC);
    CHECK_INT(f.plan.again_ms, 60000);
    plan_fixture_down(&f);
}

TEST(eviction, is_at_once_without_and_never_with_endless_toleration)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    taint(&f, UNREACHABLE);
    put_pod(&f, "[]");
    plan_fixture_run(&f, EVIC);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    put_pod(&f, "[{'operator': 'Exists'}]");
    plan_fixture_run(&f, EVIC);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 0);
    CHECK_INT(f.plan.again_ms, -1);
    plan_fixture_down(&f);
}
