/* layer: controlplane */
#include "controlplane/plan.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <stdio.h>

TEST(plan, an_update_is_bound_to_what_it_was_computed_from)
{
    struct plan_fixture f;
    const struct object *pod;
    char version[24];

    plan_fixture_up(&f);
    pod = plan_fixture_put(&f, "pods", "{'metadata': {'name': 'a'}}");
    plan_update(&f.plan, pod, object_tree(pod));
    CHECK_INT(f.plan.writes[0].expect, pod->revision);
    snprintf(version, sizeof(version), "%llu", (unsigned long long)pod->revision);
    CHECK_STR(json_str(f.plan.writes[0].tree, "metadata.resourceVersion"), version);
    CHECK_STR(f.plan.writes[0].uid, "uid-a");
    plan_fixture_down(&f);
}

TEST(plan, a_deletion_means_this_very_object)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_delete(&f.plan, plan_fixture_put(&f, "pods", "{'metadata': {'name': 'a'}}"));
    CHECK_STR(f.plan.writes[0].uid, "uid-a");
    CHECK_INT(f.plan.writes[0].grace_seconds, -1);
    plan_fixture_down(&f);
}

TEST(plan, an_event_tells_whom_it_regards)
{
    struct plan_fixture f;
    const json_t *e;

    plan_fixture_up(&f);
    plan_event(&f.plan, plan_fixture_put(&f, "deployments.apps", "{'metadata': {'name': 'web'}}"),
               true, "tester", "Because", "%d things", 3);
    e = f.plan.writes[0].tree;
    CHECK_STR(json_str(e, "involvedObject.kind"), "Deployment");
    CHECK_STR(json_str(e, "involvedObject.apiVersion"), "apps/v1");
    CHECK_STR(json_str(e, "involvedObject.uid"), "uid-web");
    CHECK_STR(json_str(e, "metadata.namespace"), "default");
    CHECK_STR(json_str(e, "message"), "3 things");
    CHECK_STR(json_str(e, "type"), "Warning");
    plan_fixture_down(&f);
}

TEST(plan, events_of_cluster_scoped_objects_go_to_default)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_event(&f.plan, plan_fixture_put(&f, "nodes", "{'metadata': {'name': 'n'}}"), false, "t",
               "R", "m");
    CHECK_STR(f.plan.writes[0].ns, "default");
    CHECK_STR(json_str(f.plan.writes[0].tree, "involvedObject.namespace"), NULL);
    plan_fixture_down(&f);
}

TEST(plan, the_sooner_look_wins)
{
    struct plan p = PLAN_EMPTY;

    plan_again(&p, 500);
    plan_again(&p, 900);
    CHECK_INT(p.again_ms, 500);
    plan_again(&p, -3);
    CHECK_INT(p.again_ms, 0);
    plan_fini(&p);
}
