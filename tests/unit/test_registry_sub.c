/* layer: api */
#include "tests/unit/registry_fixture.h"

/* --- binding --- */

#define BIND(name_, body_) \
    CREATE(.bucket = "pods", .sub = "binding", .name = (name_), .body = (body_))

TEST(registry_sub, binding_gives_a_pod_its_node)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_INT(BIND("p", "{'kind':'Binding','apiVersion':'v1','metadata':{'name':'p',"
                        "'annotations':{'x':'y'}},'target':{'kind':'Node','name':'n1'}}"),
              201);
    CHECK_AT("status", "'Success'");
    CHECK_AT("code", "201");
    CHECK(GET("pods", "default", "p"));
    CHECK_AT("spec.nodeName", "'n1'");
    CHECK_AT("metadata.annotations", "{'x':'y'}");
    CHECK_AT("status.conditions.0.type", "'PodScheduled'");
    CHECK_AT("status.conditions.0.status", "'True'");
    registry_fixture_down(&f);
}

TEST(registry_sub, binding_is_refused_with_a_reason)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(BIND("nope", "{'target':{'name':'n1'}}"), 404);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_INT(BIND("p", "{'target':{}}"), 422);
    CHECK_CAUSE("target.name");
    CHECK_INT(BIND("p", "{}"), 422);
    CHECK_INT(BIND("p", "{'target':{'kind':'Moon','name':'n1'}}"), 422);
    CHECK_CAUSE("target.kind");
    CHECK_INT(BIND("p", "{'target':{'name':5}}"), 400);
    CHECK_INT(BIND("p", "{'metadata':{'uid':'other'},'target':{'name':'n1'}}"), 409);
    CHECK_INT(BIND("p", "{'target':{'name':'n1'}}"), 201);
    CHECK_INT(BIND("p", "{'target':{'name':'n2'}}"), 409);
    CHECK(strstr(json_str(f.body, "message"), "pod p is already assigned to node \"n1\"") != NULL);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("g", ",'schedulingGates':[{'name':'a.b/c'}]")),
              201);
    CHECK_INT(BIND("g", "{'target':{'name':'n1'}}"), 409);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p"), 200);
    CHECK_INT(BIND("p", "{'target':{'name':'n1'}}"), 409);
    CHECK(strstr(json_str(f.body, "message"), "is being deleted") != NULL);
    registry_fixture_down(&f);
}

/* Two schedulers, one pod: the second is told although nothing is on the disk yet. */
TEST(registry_sub, only_one_binding_wins)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    registry_fixture_send(&f, (struct ask){ .bucket = "pods",
                                            .sub = "binding",
                                            .name = "p",
                                            .body = "{'target':{'name':'n1'}}" });
    registry_fixture_send(&f, (struct ask){ .bucket = "pods",
                                            .sub = "binding",
                                            .name = "p",
                                            .body = "{'target':{'name':'n2'}}" });
    CHECK_INT(f.http, 409);
    registry_fixture_settle(&f);
    CHECK_INT(f.http, 201);
    CHECK(GET("pods", "default", "p"));
    CHECK_AT("spec.nodeName", "'n1'");
    registry_fixture_down(&f);
}

/* --- eviction --- */

#define EVICT(name_, more)                                                                  \
    CREATE(.bucket = "pods", .sub = "eviction", .name = (name_),                            \
           .body = "{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'" name_ \
                   "'}" more "}")

static void make_running(struct registry_fixture *f, const char *name, const char *ready)
{
    cleanup(freep) char *pod = mem_fmt("{'metadata':{'name':'%s','labels':{'app':'a'}},'spec':"
                                       "{'nodeName':'n','containers':[{'name':'c','image':'i'}]}}",
                                       name);
    cleanup(freep) char *status = mem_fmt("{'status':{'phase':'Running','conditions':"
                                          "[{'type':'Ready','status':'%s'}]}}",
                                          ready);

    CHECK_INT(registry_fixture_ask(f, (struct ask){ .bucket = "pods", .body = pod }), 201);
    CHECK_INT(registry_fixture_ask(f, (struct ask){ .verb = REGISTRY_PATCH,
                                                    .bucket = "pods",
                                                    .patch = REGISTRY_MERGE_PATCH,
                                                    .sub = "status",
                                                    .name = name,
                                                    .body = status }),
              200);
}

static void make_budget(struct registry_fixture *f, const char *name, int allowed, int healthy)
{
    cleanup(freep) char *budget = mem_fmt("{'metadata':{'name':'%s'},'spec':{'minAvailable':1,"
                                          "'selector':{'matchLabels':{'app':'a'}}}}",
                                          name);
    cleanup(freep) char *status = mem_fmt(
        "{'status':{'observedGeneration':1,'disruptionsAllowed':%d,'currentHealthy':%d,"
        "'desiredHealthy':2,'expectedPods':3}}",
        allowed, healthy);

    CHECK_INT(registry_fixture_ask(
                  f, (struct ask){ .bucket = "poddisruptionbudgets.policy", .body = budget }),
              201);
    CHECK_INT(registry_fixture_ask(f, (struct ask){ .verb = REGISTRY_PATCH,
                                                    .bucket = "poddisruptionbudgets.policy",
                                                    .patch = REGISTRY_MERGE_PATCH,
                                                    .sub = "status",
                                                    .name = name,
                                                    .body = status }),
              200);
}

TEST(registry_sub, eviction_without_a_budget_is_a_deletion)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(EVICT("nope", ""), 404);
    make_running(&f, "p", "True");
    CHECK_INT(EVICT("p", ",'deleteOptions':{'gracePeriodSeconds':3}"), 201);
    CHECK_AT("status", "'Success'");
    CHECK(GET("pods", "default", "p"));
    CHECK_AT("metadata.deletionGracePeriodSeconds", "3");
    CHECK_AT("status.conditions.1.type", "'DisruptionTarget'");
    CHECK_AT("status.conditions.1.reason", "'EvictionByEvictionAPI'");
    CHECK_INT(EVICT("p", ""), 201);
    CHECK_AT("status", "'Success'");
    registry_fixture_down(&f);
}

TEST(registry_sub, eviction_spends_the_budget)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    make_running(&f, "p", "True");
    make_running(&f, "q", "True");
    make_budget(&f, "b", 1, 3);
    CHECK_INT(EVICT("p", ""), 201);
    CHECK(GET("poddisruptionbudgets.policy", "default", "b"));
    CHECK_AT("status.disruptionsAllowed", "0");
    CHECK_AT("status.disruptedPods.p", "'2026-01-02T03:04:05Z'");
    CHECK_INT(EVICT("q", ""), 429);
    CHECK_SAYS("Cannot evict pod as it would violate the pod's disruption budget.");
    CHECK_AT("reason", "'TooManyRequests'");
    CHECK_AT("details.causes.0.reason", "'DisruptionBudget'");
    CHECK_AT("details.causes.0.message",
             "'The disruption budget b needs 2 healthy pods and has 3 currently'");
    registry_fixture_down(&f);
}

TEST(registry_sub, a_refused_eviction_costs_nothing)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    make_running(&f, "p", "True");
    make_budget(&f, "b", 1, 3);
    CHECK_INT(EVICT("p", ",'deleteOptions':{'preconditions':{'uid':'other'}}"), 409);
    CHECK_INT(EVICT("p", ",'deleteOptions':{'dryRun':['All']}"), 201);
    CHECK(GET("poddisruptionbudgets.policy", "default", "b"));
    CHECK_AT("status.disruptionsAllowed", "1");
    CHECK(GET("pods", "default", "p"));
    CHECK_AT("metadata.deletionTimestamp", "");
    registry_fixture_down(&f);
}

TEST(registry_sub, a_budget_that_is_behind_is_waited_for)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    make_running(&f, "p", "True");
    make_budget(&f, "b", 1, 3);
    CHECK_INT(MERGE(.bucket = "poddisruptionbudgets.policy", .name = "b",
                    .body = "{'spec':{'minAvailable':2}}"),
              200);
    CHECK_INT(EVICT("p", ""), 429);
    CHECK_AT("details.retryAfterSeconds", "10");
    registry_fixture_down(&f);
}

TEST(registry_sub, who_serves_nobody_needs_no_budget)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods",
                     .body = "{'metadata':{'name':'w','labels':{'app':'a'}},'spec':{'containers':"
                             "[{'name':'c','image':'i'}]}}"),
              201);
    make_running(&f, "sick", "False");
    make_running(&f, "ill", "False");
    make_budget(&f, "b", 0, 2);
    CHECK_INT(EVICT("w", ""), 201);    /* pending */
    CHECK_INT(EVICT("sick", ""), 201); /* the budget is met without it */
    CHECK_INT(MERGE(.bucket = "poddisruptionbudgets.policy", .sub = "status", .name = "b",
                    .body = "{'status':{'currentHealthy':1}}"),
              200);
    CHECK_INT(EVICT("ill", ""), 429);
    CHECK_INT(MERGE(.bucket = "poddisruptionbudgets.policy", .name = "b",
                    .body = "{'spec':{'unhealthyPodEvictionPolicy':'AlwaysAllow'}}"),
              200);
    CHECK_INT(MERGE(.bucket = "poddisruptionbudgets.policy", .sub = "status", .name = "b",
                    .body = "{'status':{'observedGeneration':2}}"),
              200);
    CHECK_INT(EVICT("ill", ""), 201);
    registry_fixture_down(&f);
}

TEST(registry_sub, two_budgets_for_one_pod_are_too_many)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    make_running(&f, "p", "True");
    make_budget(&f, "b", 1, 3);
    make_budget(&f, "c", 1, 3);
    CHECK_INT(EVICT("p", ""), 500);
    registry_fixture_down(&f);
}

/* --- scale --- */

#define SCALE_PUT(name_, body_) \
    UPDATE(.bucket = "deployments.apps", .sub = "scale", .name = (name_), .body = (body_))
#define SCALE_PATCH(name_, body_) \
    MERGE(.bucket = "deployments.apps", .sub = "scale", .name = (name_), .body = (body_))

TEST(registry_sub, scale_changes_replicas_only)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(SCALE_PATCH("web", "{'spec':{'replicas':3}}"), 200);
    CHECK_AT("kind", "'Scale'");
    CHECK_AT("apiVersion", "'autoscaling/v1'");
    CHECK_AT("spec.replicas", "3");
    CHECK_AT("status", "{'replicas':0,'selector':'a=b'}");
    CHECK_AT("metadata.name", "'web'");
    CHECK(GET("deployments.apps", "default", "web"));
    CHECK_AT("spec.replicas", "3");
    CHECK_AT("metadata.generation", "2");
    CHECK_INT(SCALE_PUT("web", "{'metadata':{'name':'web','namespace':'default'},"
                               "'spec':{'replicas':0}}"),
              200);
    CHECK(GET("deployments.apps", "default", "web"));
    CHECK_AT("spec.replicas", "0");
    registry_fixture_down(&f);
}

TEST(registry_sub, scale_answers_a_scale_when_nothing_changed)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(SCALE_PATCH("web", "{'spec':{'replicas':1}}"), 200);
    CHECK_AT("kind", "'Scale'");
    registry_fixture_down(&f);
}

TEST(registry_sub, scale_refuses_nonsense)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *stale = NULL;

    registry_fixture_up(&f);
    CHECK_INT(SCALE_PATCH("nope", "{'spec':{'replicas':1}}"), 404);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    stale = mem_fmt("{'metadata':{'name':'web','resourceVersion':'%s'},'spec':{'replicas':5}}",
                    json_str(f.body, "metadata.resourceVersion"));
    CHECK_INT(SCALE_PATCH("web", "{'spec':{'replicas':-1}}"), 422);
    CHECK_SAYS("Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be "
               "greater than or equal to 0");
    CHECK_INT(SCALE_PATCH("web", "{'spec':{'replicas':'x'}}"), 400);
    CHECK_INT(SCALE_PATCH("web", "{'spec':{'replicas':99999999999}}"), 400);
    CHECK_INT(SCALE_PUT("web", "[]"), 400);
    CHECK_INT(SCALE_PUT("web", "{'metadata':{'name':'other'},'spec':{'replicas':1}}"), 400);
    CHECK_INT(SCALE_PATCH("web", "{'spec':{'replicas':2}}"), 200);
    CHECK_INT(SCALE_PUT("web", stale), 409);
    CHECK(GET("deployments.apps", "default", "web"));
    CHECK_AT("spec.replicas", "2");
    registry_fixture_down(&f);
}

/* --- ephemeral containers --- */

#define EPHEMERAL(verb_kind, text)                                    \
    ASK(.verb = REGISTRY_PATCH, .patch = verb_kind, .bucket = "pods", \
        .sub = "ephemeralcontainers", .name = "p", .body = text)
#define ADD(text) EPHEMERAL(REGISTRY_STRATEGIC_PATCH, "{'spec':{'ephemeralContainers':[" text "]}}")

TEST(registry_sub, ephemeral_containers_are_added_only)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(ADD("{'name':'d','image':'i'}"), 404);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_INT(ADD("{'name':'d','image':'i'}"), 200);
    CHECK_AT("spec.ephemeralContainers.0.imagePullPolicy", "'Always'");
    CHECK_AT("spec.ephemeralContainers.0.terminationMessagePath", "'/dev/termination-log'");
    CHECK_INT(ADD("{'name':'e','image':'i'}"), 200);
    CHECK_AT("spec.ephemeralContainers.0.name", "'d'");
    CHECK_AT("spec.ephemeralContainers.1.name", "'e'");
    CHECK_INT(ADD("{'name':'d','image':'j'}"), 422);
    CHECK_SAYS("Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral "
               "containers \"d\" may not be changed\n");
    CHECK_INT(EPHEMERAL(REGISTRY_MERGE_PATCH, "{'spec':{'ephemeralContainers':null}}"), 422);
    CHECK_INT(ADD("{'name':'x'}"), 422);
    CHECK_INT(ADD("{'name':'x','image':'i','volumeMounts':[{'name':'none','mountPath':'/x',"
                  "'subPath':'y'}]}"),
              422);
    CHECK_AT("details.causes.1.field", "'spec.ephemeralContainers[2].volumeMounts[0].subPath'");
    CHECK_INT(EPHEMERAL(REGISTRY_MERGE_PATCH,
                        "{'metadata':{'labels':{'a':'b'}},'spec':{'nodeName':'n'},"
                        "'status':{'phase':'Failed'}}"),
              200);
    CHECK_AT("metadata.labels", "");
    CHECK_AT("spec.nodeName", "");
    CHECK_AT("status.phase", "'Pending'");
    CHECK_INT(MERGE(.bucket = "pods", .name = "p", .body = "{'spec':{'ephemeralContainers':null}}"),
              422);
    CHECK_INT(
        CREATE(.bucket = "pods",
               .body = "{'metadata':{'name':'q'},'spec':{'containers':[{'name':'c','image':'i'}],"
                       "'ephemeralContainers':[{'name':'d','image':'i'}]}}"),
        422);
    CHECK_SAYS(
        "Pod \"q\" is invalid: spec.ephemeralContainers: Forbidden: cannot be set on create");
    registry_fixture_down(&f);
}

/* --- others --- */

TEST(registry_sub, what_is_not_served_is_refused)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_INT(UPDATE(.bucket = "pods", .sub = "log", .name = "p", .body = "{}"), 405);
    registry_fixture_down(&f);
}
