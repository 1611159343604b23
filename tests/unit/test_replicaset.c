/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#define SET                                                                  \
    "{'metadata': {'name': 'web', 'generation': 2}, 'spec': {'replicas': 3," \
    " 'selector': {'matchLabels': {'app': 'web'}}, 'template': {"            \
    " 'metadata': {'labels': {'app': 'web', 'v': '1'}},"                     \
    " 'spec': {'containers': [{'name': 'c', 'image': 'i'}]}}}}"
#define OWNER                                                                            \
    "'ownerReferences': [{'apiVersion': 'apps/v1', 'kind': 'ReplicaSet', 'name': 'web'," \
    " 'uid': 'uid-web', 'controller': true}]"
#define RS &replicaset_controller, "default", "web"

static void put_pod(struct plan_fixture *f, const char *name, const char *spec, const char *status)
{
    plan_fixture_putf(f, "pods",
                      "{'metadata': {'name': '%s', 'labels': {'app': 'web'}, " OWNER "},"
                      " 'spec': %s, 'status': %s}",
                      name, spec, status);
}

#define RUNNING                                                               \
    "{'phase': 'Running', 'conditions': [{'type': 'Ready', 'status': 'True'," \
    " 'lastTransitionTime': '2025-12-31T23:00:00Z'}]}"

TEST(replicaset, makes_missing_pods_of_its_template)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicasets.apps", SET);
    put_pod(&f, "web-a", "{}", "{}");
    plan_fixture_run(&f, RS);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 2);
    w = plan_fixture_write(&f, PLAN_CREATE, "pods", 0);
    CHECK_STR(json_str(w->tree, "metadata.generateName"), "web-");
    CHECK_STR(json_str(w->tree, "metadata.labels.v"), "1");
    CHECK_STR(json_str(json_array_get(json_at(w->tree, "metadata.ownerReferences"), 0), "uid"),
              "uid-web");
    CHECK(plan_fixture_event(&f, "SuccessfulCreate", "Created pod: {name}"));
    plan_fixture_settle(&f, RS, 5);
    CHECK_INT(store_count(f.store, "pods"), 3);
    plan_fixture_down(&f);
}

TEST(replicaset, ignores_pods_that_end)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicasets.apps", SET);
    put_pod(&f, "web-a", "{}", "{'phase': 'Failed'}");
    put_pod(&f, "web-b", "{}", "{}");
    plan_fixture_set(&f, "pods", "web-b", "metadata.deletionTimestamp", "'2026-01-01T00:00:30Z'");
    plan_fixture_run(&f, RS);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 3);
    plan_fixture_down(&f);
}

TEST(replicaset, adopts_what_matches_and_releases_what_no_longer_does)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicasets.apps", SET);
    plan_fixture_put(&f, "pods", "{'metadata': {'name': 'free', 'labels': {'app': 'web'}}}");
    put_pod(&f, "web-a", "{}", "{}");
    plan_fixture_set(&f, "pods", "web-a", "metadata.labels.app", "'other'");
    plan_fixture_run(&f, RS);
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "pods"), 2);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 2);
    plan_fixture_apply(&f);
    CHECK(object_owned_by(plan_fixture_get(&f, "pods", "free"), "uid-web"));
    CHECK(!object_owned_by(plan_fixture_get(&f, "pods", "web-a"), "uid-web"));
    plan_fixture_down(&f);
}

TEST(replicaset, deletes_the_least_useful_pods_first)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicasets.apps", SET);
    plan_fixture_set(&f, "replicasets.apps", "web", "spec.replicas", "1");
    put_pod(&f, "running", "{'nodeName': 'n'}", RUNNING);
    put_pod(&f, "unready", "{'nodeName': 'n'}", "{'phase': 'Running'}");
    put_pod(&f, "unassigned", "{}", "{'phase': 'Pending'}");
    plan_fixture_run(&f, RS);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 2);
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->name, "unassigned");
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 1)->name, "unready");
    CHECK(plan_fixture_event(&f, "SuccessfulDelete", "Deleted pod: unready"));
    plan_fixture_down(&f);
}

TEST(replicaset, deletion_cost_and_crowding_break_ties)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicasets.apps", SET);
    put_pod(&f, "a", "{'nodeName': 'n1'}", RUNNING);
    put_pod(&f, "b", "{'nodeName': 'n2'}", RUNNING);
    put_pod(&f, "c", "{'nodeName': 'n2'}", RUNNING);
    put_pod(&f, "d", "{'nodeName': 'n3'}", RUNNING);
    plan_fixture_set(&f, "pods", "b", "metadata.annotations",
                     "{'controller.kubernetes.io/pod-deletion-cost': '10'}");
    plan_fixture_run(&f, RS);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->name, "c");
    plan_fixture_down(&f);
}

TEST(replicaset, status_counts_and_waits_for_min_ready_seconds)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicasets.apps", SET);
    plan_fixture_set(&f, "replicasets.apps", "web", "spec.minReadySeconds", "3610");
    put_pod(&f, "a", "{}", RUNNING);
    put_pod(&f, "b", "{}", "{}");
    plan_fixture_set(&f, "pods", "b", "metadata.labels.v", "'1'");
    plan_fixture_run(&f, RS);
    w = plan_fixture_write(&f, PLAN_STATUS, NULL, 0);
    CHECK_INT(json_int(w->tree, "status.replicas", -1), 2);
    CHECK_INT(json_int(w->tree, "status.readyReplicas", -1), 1);
    CHECK_INT(json_int(w->tree, "status.availableReplicas", 0), 0);
    CHECK_INT(json_int(w->tree, "status.fullyLabeledReplicas", -1), 1);
    CHECK_INT(json_int(w->tree, "status.observedGeneration", -1), 2);
    CHECK_INT(f.plan.again_ms, 10000);
    f.now.wall_ms += 10000;
    plan_fixture_run(&f, RS);
    w = plan_fixture_write(&f, PLAN_STATUS, NULL, 0);
    CHECK_INT(json_int(w->tree, "status.availableReplicas", 0), 1);
    plan_fixture_down(&f);
}

TEST(replicaset, tells_that_pods_could_not_be_made)
{
    struct plan_fixture f;
    const json_t *condition;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicasets.apps", SET);
    plan_fixture_run(&f, RS);
    replicaset_controller.settled(f.state, "default", "web",
                                  plan_fixture_write(&f, PLAN_CREATE, "pods", 0), "quota");
    plan_fixture_run(&f, RS);
    condition = json_array_get(
        json_at(plan_fixture_write(&f, PLAN_STATUS, NULL, 0)->tree, "status.conditions"), 0);
    CHECK_STR(json_str(condition, "type"), "ReplicaFailure");
    CHECK_STR(json_str(condition, "reason"), "FailedCreate");
    CHECK_STR(json_str(condition, "message"), "quota");
    plan_fixture_settle(&f, RS, 5);
    CHECK_STR(json_str(view_tree(f.view, plan_fixture_get(&f, "replicasets.apps", "web")),
                       "status.conditions"),
              NULL);
    plan_fixture_down(&f);
}

#define CONTROLLER                                                                      \
    "{'metadata': {'name': 'old', 'generation': 1}, 'spec': {'replicas': 2,"            \
    " 'selector': {'app': 'old'}, 'template': {'metadata': {'labels': {'app': 'old'}}," \
    " 'spec': {'containers': [{'name': 'c', 'image': 'i'}]}}}}"
#define RC &replication_controller, "default", "old"

TEST(replicaset, replication_controllers_are_sets_of_another_name)
{
    struct plan_fixture f;
    const json_t *owner;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicationcontrollers", CONTROLLER);
    plan_fixture_put(&f, "pods", "{'metadata': {'name': 'stray', 'labels': {'app': 'old'}}}");
    plan_fixture_put(&f, "pods", "{'metadata': {'name': 'other', 'labels': {'app': 'new'}}}");
    plan_fixture_run(&f, RC);
    CHECK_STR(plan_fixture_write(&f, PLAN_UPDATE, "pods", 0)->name, "stray");
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "pods"), 1);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 1);
    owner = json_array_get(
        json_at(plan_fixture_write(&f, PLAN_CREATE, "pods", 0)->tree, "metadata.ownerReferences"),
        0);
    CHECK_STR(json_str(owner, "kind"), "ReplicationController");
    CHECK_STR(json_str(owner, "apiVersion"), "v1");
    plan_fixture_settle(&f, RC, 5);
    plan_fixture_set(&f, "replicationcontrollers", "old", "spec.replicas", "1");
    plan_fixture_run(&f, RC);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    plan_fixture_down(&f);
}

TEST(replicaset, a_pod_that_left_its_controller_is_released)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "replicationcontrollers", CONTROLLER);
    plan_fixture_settle(&f, RC, 5);
    plan_fixture_set(&f, "pods", view_list(f.view, "pods", NULL, NULL)[0]->name,
                     "metadata.labels.app", "'mine'");
    plan_fixture_run(&f, RC);
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "pods"), 1);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 1);
    plan_fixture_down(&f);
}
