/* layer: controlplane */
#include "controlplane/controllers.h"

#include "api/quota.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#define USAGE &usage_controller, "", "default"

static const char *used_pods(struct plan_fixture *f)
{
    return json_str_or(view_tree(f->view, plan_fixture_get(f, "resourcequotas", "q")),
                       "status.used.pods", "");
}

static void put_quota(struct plan_fixture *f, const char *used)
{
    plan_fixture_putf(f, "resourcequotas",
                      "{'metadata': {'name': 'q'}, 'spec': {'hard': {'pods': '9'}}, 'status':"
                      " {'hard': {'pods': '9'}, 'used': {'pods': '%s'}}}",
                      used);
}

TEST(usage, counts_once_at_the_start_and_every_five_minutes)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_quota(&f, "7");
    plan_fixture_put(&f, "pods", "{'metadata': {'name': 'a'}}");
    plan_fixture_settle(&f, USAGE, 3);
    CHECK_STR(used_pods(&f), "1");
    usage_controller.settled(f.state, "", "default", NULL, NULL);
    put_quota(&f, "7");
    CHECK_INT(plan_fixture_run(&f, USAGE)->n, 0);
    CHECK_INT(f.plan.again_ms, 300000);
    f.now.mono_ms += 300000;
    plan_fixture_settle(&f, USAGE, 3);
    CHECK_STR(used_pods(&f), "1");
    plan_fixture_down(&f);
}

TEST(usage, a_status_that_somebody_wrote_is_made_true)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_quota(&f, "0");
    plan_fixture_settle(&f, USAGE, 3);
    usage_controller.settled(f.state, "", "default", NULL, NULL);
    plan_fixture_set(&f, "resourcequotas", "q", "status.hard.pods", "'3'");
    plan_fixture_settle(&f, USAGE, 3);
    CHECK_STR(json_str(view_tree(f.view, plan_fixture_get(&f, "resourcequotas", "q")),
                       "status.hard.pods"),
              "9");
    plan_fixture_down(&f);
}

TEST(usage, a_pod_past_its_grace_counts_no_more)
{
    struct plan_fixture f;
    json_t *tree;

    plan_fixture_up(&f);
    put_quota(&f, "1");
    plan_fixture_put(&f, "pods",
                     "{'metadata': {'name': 'a', 'deletionTimestamp': '2026-01-01T00:00:30Z',"
                     " 'deletionGracePeriodSeconds': 30}}");
    CHECK_INT(plan_fixture_run(&f, USAGE)->n, 0);
    CHECK_INT(f.plan.again_ms, 60001);
    usage_controller.settled(f.state, "", "default", NULL, NULL);
    f.now.wall_ms += 60001;
    f.now.mono_ms += 60001;
    CHECK_INT(plan_fixture_run(&f, USAGE)->n, 1);
    tree = plan_fixture_write(&f, PLAN_STATUS, "resourcequotas", 0)->tree;
    CHECK_STR(json_str(tree, "status.used.pods"), "0");
    CHECK_INT(quota_known_ms(tree), f.now.wall_ms); /* whoever deletes it now takes nothing away */
    plan_fixture_put_tree(&f, "resourcequotas", json_deep_copy(tree));
    CHECK_INT(plan_fixture_run(&f, USAGE)->n, 0);
    plan_fixture_down(&f);
}

TEST(usage, a_refused_count_is_made_again)
{
    struct plan_fixture f;
    struct plan_write refused = { .verb = PLAN_STATUS };

    plan_fixture_up(&f);
    put_quota(&f, "7");
    CHECK_INT(plan_fixture_run(&f, USAGE)->n, 1);
    usage_controller.settled(f.state, "", "default", &refused, "conflict");
    CHECK_INT(plan_fixture_run(&f, USAGE)->n, 1);
    plan_fixture_down(&f);
}

TEST(usage, a_namespace_without_quotas_is_left_alone)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    CHECK_INT(plan_fixture_run(&f, USAGE)->n, 0);
    CHECK_INT(f.plan.again_ms, -1);
    plan_fixture_down(&f);
}
