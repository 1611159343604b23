/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#define POD(name) &collector_controller, "default", "pods|" name
#define RC        &collector_controller, "default", "replicationcontrollers|rc"

#define DYING "'deletionTimestamp': '2026-01-01T00:00:00Z', "

static void put_rc(struct plan_fixture *f, const char *name, const char *more)
{
    plan_fixture_putf(f, "replicationcontrollers", "{'metadata': {%s 'name': '%s'}}", more, name);
}

static void put_owned(struct plan_fixture *f, const char *name, const char *owners)
{
    plan_fixture_putf(f, "pods", "{'metadata': {'name': '%s', 'ownerReferences': [%s]}}", name,
                      owners);
}

#define REF(kind, name)                                                                    \
    "{'apiVersion': 'v1', 'kind': '" kind "', 'name': '" name "', 'uid': 'uid-" name "', " \
    "'blockOwnerDeletion': true}"

TEST(collector, dependents_of_the_absent_go)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_rc(&f, "rc", "");
    put_owned(&f, "a", REF("ReplicationController", "rc"));
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(f.plan.n, 0);
    plan_fixture_remove(&f, "replicationcontrollers", "rc");
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    plan_fixture_put(&f, "replicationcontrollers",
                     "{'metadata': {'name': 'rc', 'uid': 'another'}}");
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    plan_fixture_down(&f);
}

TEST(collector, one_owner_left_is_enough_to_stay)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_rc(&f, "rc", "");
    put_owned(&f, "a", REF("ReplicationController", "rc") ", " REF("ReplicationController", "no"));
    plan_fixture_settle(&f, POD("a"), 3);
    CHECK(object_owned_by(plan_fixture_get(&f, "pods", "a"), "uid-rc"));
    CHECK_INT(plan_fixture_get(&f, "pods", "a")->n_owners, 1);
    plan_fixture_down(&f);
}

TEST(collector, kinds_it_does_not_know_are_left_alone)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_owned(&f, "a", "{'apiVersion': 'x.io/v1', 'kind': 'Odd', 'name': 'o', 'uid': 'u'}");
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(collector, tells_of_an_owner_in_another_namespace)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_rc(&f, "rc", "'namespace': 'other', ");
    put_owned(&f, "a", REF("ReplicationController", "rc"));
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    CHECK(plan_fixture_event(&f, "OwnerRefInvalidNamespace",
                             "ownerRef [v1/ReplicationController, namespace: default, name: rc, "
                             "uid: uid-rc] does not exist in namespace \"default\""));
    plan_fixture_down(&f);
}

TEST(collector, foreground_waits_for_blocking_dependents)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_rc(&f, "rc", DYING "'finalizers': ['foregroundDeletion'], ");
    put_owned(&f, "a", REF("ReplicationController", "rc"));
    plan_fixture_run(&f, RC);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    plan_fixture_apply(&f);
    plan_fixture_run(&f, RC);
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "replicationcontrollers"), 1);
    CHECK(json_at(f.plan.writes[0].tree, "metadata.finalizers") == NULL);
    plan_fixture_down(&f);
}

TEST(collector, orphaning_takes_the_references_away)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_rc(&f, "rc", DYING "'finalizers': ['orphan'], ");
    put_owned(&f, "a", REF("ReplicationController", "rc"));
    put_owned(&f, "b", REF("ReplicationController", "rc"));
    plan_fixture_run(&f, RC);
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "pods"), 2);
    plan_fixture_apply(&f);
    CHECK_INT(plan_fixture_get(&f, "pods", "a")->n_owners, 0);
    plan_fixture_run(&f, RC);
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "replicationcontrollers"), 1);
    plan_fixture_down(&f);
}

TEST(collector, a_ring_of_owners_comes_apart)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "pods",
                     "{'metadata': {" DYING "'name': 'a', 'finalizers': ['foregroundDeletion'],"
                     " 'ownerReferences': [" REF("Pod", "c") "]}}");
    put_owned(&f, "b", REF("Pod", "a"));
    put_owned(&f, "c", REF("Pod", "b"));
    plan_fixture_run(&f, POD("b"));
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->propagation, "Foreground");
    plan_fixture_set(&f, "pods", "b", "metadata.deletionTimestamp", "'2026-01-01T00:00:00Z'");
    plan_fixture_set(&f, "pods", "b", "metadata.finalizers", "['foregroundDeletion']");
    plan_fixture_run(&f, POD("c"));
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->propagation, NULL);
    plan_fixture_apply(&f);
    plan_fixture_run(&f, POD("b"));
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, "pods"), 1);
    plan_fixture_down(&f);
}
