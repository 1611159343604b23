/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "api/conditions.h"

#define POD &podgc_controller, "default", "a"

static void put_pod(struct plan_fixture *f, const char *meta)
{
    plan_fixture_putf(f, "pods",
                      "{'metadata': {'name': 'a' %s}, 'spec': {'nodeName': 'n1'}, 'status':"
                      " {'phase': 'Running'}}",
                      meta);
}

TEST(podgc, a_pod_without_its_node_goes_after_a_while)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    put_pod(&f, "");
    plan_fixture_run(&f, POD);
    CHECK_INT(f.plan.n, 0);
    CHECK_INT(f.plan.again_ms, 40000);
    f.now.mono_ms += 40000;
    plan_fixture_run(&f, POD);
    w = plan_fixture_write(&f, PLAN_STATUS, "pods", 0);
    CHECK_STR(json_str(w->tree, "status.phase"), "Failed");
    CHECK_STR(json_str(condition_get(json_at(w->tree, "status"), "DisruptionTarget"), "reason"),
              "DeletionByPodGC");
    CHECK_INT(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->grace_seconds, 0);
    plan_fixture_put(&f, "nodes", "{'metadata': {'name': 'n1'}}");
    plan_fixture_run(&f, POD);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(podgc, pods_dying_on_a_node_out_of_service_go_at_once)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "nodes",
                     "{'metadata': {'name': 'n1'}, 'spec': {'taints': [{'key':"
                     " 'node.kubernetes.io/out-of-service', 'effect': 'NoExecute'}]}, 'status':"
                     " {'conditions': [{'type': 'Ready', 'status': 'Unknown'}]}}");
    put_pod(&f, "");
    plan_fixture_run(&f, POD);
    CHECK_INT(f.plan.n, 0);
    put_pod(&f, ", 'deletionTimestamp': '2026-01-01T00:00:00Z'");
    plan_fixture_run(&f, POD);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    plan_fixture_down(&f);
}

TEST(podgc, the_oldest_of_too_many_ended_pods_go)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    for (int i = 0; i < 1003; i++)
        plan_fixture_putf(&f, "pods",
                          "{'metadata': {'name': 'p%04d', 'creationTimestamp':"
                          " '2025-01-01T00:%02d:%02dZ'}, 'status': {'phase': 'Succeeded'}}",
                          i, i / 60, i % 60);
    plan_fixture_run(&f, &podgc_controller, "", "ended");
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 3);
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->name, "p0000");
    plan_fixture_down(&f);
}
