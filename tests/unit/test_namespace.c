/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "api/conditions.h"

#define NS     &namespace_controller, "", "shop"
#define EXTRAS &namespace_extras_controller, "", "shop"
#define IN     "'namespace': 'shop'"

static void put_dying(struct plan_fixture *f)
{
    plan_fixture_put(f, "namespaces",
                     "{'metadata': {'name': 'shop', 'deletionTimestamp': '2026-01-01T00:00:00Z'},"
                     " 'spec': {'finalizers': ['kubernetes']}, 'status': {'phase':"
                     " 'Terminating'}}");
}

static void gone(struct plan_fixture *f, const char *bucket, const char *name)
{
    struct store_write w = { .verb = STORE_DELETE, .bucket = bucket, .ns = "shop", .name = name };
    struct err err = ERR_EMPTY;

    CHECK_INT(store_submit(f->store, &w, NULL, NULL, NULL, &err), STORE_OK);
    while (backend_memory_step(f->memory))
        ;
}

TEST(namespace, pods_go_first_then_the_rest_then_itself)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_dying(&f);
    plan_fixture_put(&f, "pods", "{'metadata': {'name': 'p', " IN "}}");
    plan_fixture_put(&f, "deployments.apps", "{'metadata': {'name': 'd', " IN "}}");
    plan_fixture_put(&f, "secrets", "{'metadata': {'name': 's', " IN "}}");
    plan_fixture_put(&f, "secrets", "{'metadata': {'name': 'mine', 'namespace': 'other'}}");
    plan_fixture_run(&f, NS);
    CHECK_INT(f.plan.n, 2);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "deployments.apps"), 1);
    gone(&f, "pods", "p");
    gone(&f, "deployments.apps", "d");
    plan_fixture_run(&f, NS);
    CHECK_INT(f.plan.n, 1);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "secrets"), 1);
    gone(&f, "secrets", "s");
    plan_fixture_run(&f, NS);
    CHECK_INT(plan_fixture_count(&f, PLAN_FINALIZE, "namespaces"), 1);
    CHECK_INT(json_array_size(json_at(f.plan.writes[0].tree, "spec.finalizers")), 0);
    plan_fixture_down(&f);
}

TEST(namespace, tells_what_it_waits_for)
{
    struct plan_fixture f;
    const json_t *status;

    plan_fixture_up(&f);
    put_dying(&f);
    plan_fixture_put(&f, "pods",
                     "{'metadata': {'name': 'p', " IN ", 'finalizers': ['x/y'],"
                     " 'deletionTimestamp': '2026-01-01T00:00:00Z'}}");
    plan_fixture_run(&f, NS);
    CHECK_INT(f.plan.n, 1);
    status = json_at(plan_fixture_write(&f, PLAN_STATUS, "namespaces", 0)->tree, "status");
    CHECK_STR(json_str(condition_get(status, "NamespaceContentRemaining"), "message"),
              "Some resources are remaining: pods. has 1 resource instances");
    CHECK_STR(json_str(condition_get(status, "NamespaceFinalizersRemaining"), "message"),
              "Some content in the namespace has finalizers remaining: x/y in 1 resource "
              "instances");
    CHECK(condition_is(status, "NamespaceDeletionContentFailure", "False"));
    plan_fixture_apply(&f);
    plan_fixture_run(&f, NS);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(namespace, what_every_namespace_has_comes_back)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "namespaces", "{'metadata': {'name': 'shop'}}");
    plan_fixture_settle(&f, EXTRAS, 3);
    CHECK(store_get(f.store, "serviceaccounts", "shop", "default") != NULL);
    CHECK(store_get(f.store, "configmaps", "shop", "kube-root-ca.crt") != NULL);
    gone(&f, "serviceaccounts", "default");
    plan_fixture_run(&f, EXTRAS);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "serviceaccounts"), 1);
    put_dying(&f);
    plan_fixture_run(&f, EXTRAS);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}
