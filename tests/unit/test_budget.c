/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "api/conditions.h"

#define BUDGET &budget_controller, "default", "b"

static void put_budget(struct plan_fixture *f, const char *rule, const char *status)
{
    plan_fixture_putf(f, "poddisruptionbudgets.policy",
                      "{'metadata': {'name': 'b', 'generation': 1}, 'spec': {'selector':"
                      " {'matchLabels': {'app': 'web'}}, %s}, 'status': %s}",
                      rule, status);
}

static void put_web(struct plan_fixture *f, int ready, int unready)
{
    plan_fixture_put(f, "deployments.apps", "{'metadata': {'name': 'd'}, 'spec': {'replicas': 4}}");
    plan_fixture_put(f, "replicasets.apps",
                     "{'metadata': {'name': 'rs', 'ownerReferences': [{'apiVersion': 'apps/v1',"
                     " 'kind': 'Deployment', 'name': 'd', 'uid': 'uid-d', 'controller': true}]},"
                     " 'spec': {'replicas': 4}}");
    for (int i = 0; i < ready + unready; i++)
        plan_fixture_putf(f, "pods",
                          "{'metadata': {'name': 'p%d', 'labels': {'app': 'web'},"
                          " 'ownerReferences': [{'apiVersion': 'apps/v1', 'kind': 'ReplicaSet',"
                          " 'name': 'rs', 'uid': 'uid-rs', 'controller': true}]}, 'status':"
                          " {'conditions': [{'type': 'Ready', 'status': '%s'}]}}",
                          i, i < ready ? "True" : "False");
}

static const json_t *status_of(struct plan_fixture *f)
{
    plan_fixture_settle(f, BUDGET, 3);
    return json_at(view_tree(f->view, plan_fixture_get(f, "poddisruptionbudgets.policy", "b")),
                   "status");
}

TEST(budget, counts_by_the_rule)
{
    static const struct {
        const char *rule;
        int expected, desired, allowed;
    } rows[] = {
        { "'minAvailable': 2", 4, 2, 1 },   { "'minAvailable': '50%'", 4, 2, 1 },
        { "'maxUnavailable': 1", 4, 3, 0 }, { "'maxUnavailable': '40%'", 4, 2, 1 },
        { "'minAvailable': 9", 4, 9, 0 },   { "'maxUnavailable': '100%'", 4, 0, 3 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plan_fixture f;
        const json_t *status;

        plan_fixture_up(&f);
        put_web(&f, 3, 1);
        put_budget(&f, rows[i].rule, "{}");
        status = status_of(&f);
        CHECK_INT(json_int(status, "expectedPods", -1), rows[i].expected);
        CHECK_INT(json_int(status, "desiredHealthy", -1), rows[i].desired);
        CHECK_INT(json_int(status, "currentHealthy", -1), 3);
        CHECK_INT(json_int(status, "disruptionsAllowed", -1), rows[i].allowed);
        CHECK_INT(json_int(status, "observedGeneration", -1), 1);
        CHECK(condition_is(status, "DisruptionAllowed", rows[i].allowed ? "True" : "False"));
        plan_fixture_down(&f);
    }
}

TEST(budget, an_evicted_pod_counts_as_gone_for_two_minutes)
{
    struct plan_fixture f;
    const json_t *status;

    plan_fixture_up(&f);
    put_web(&f, 4, 0);
    put_budget(&f, "'minAvailable': 2",
               "{'disruptedPods': {'p0': '2026-01-01T00:00:00Z', 'gone': '2026-01-01T00:00:00Z'}}");
    status = status_of(&f);
    CHECK_INT(json_int(status, "disruptionsAllowed", -1), 1);
    CHECK_INT(json_object_size(json_at(status, "disruptedPods")), 1);
    CHECK_INT(f.plan.again_ms, 120000);
    f.now.wall_ms += 120000;
    status = status_of(&f);
    CHECK_INT(json_int(status, "disruptionsAllowed", -1), 2);
    plan_fixture_down(&f);
}
