/* layer: api */
#include "tests/unit/registry_fixture.h"

TEST(registry_delete, answers_with_what_is_gone)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *uid = NULL;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    uid = mem_str(json_str(f.body, "metadata.uid"));
    CHECK_INT(DELETE(.bucket = "deployments.apps", .name = "web"), 200);
    CHECK_AT("status", "'Success'");
    CHECK_AT("details.name", "'web'");
    CHECK_AT("details.group", "'apps'");
    CHECK_AT("details.kind", "'deployments'");
    CHECK_STR(json_str(f.body, "details.uid"), uid);
    CHECK(!GET("deployments.apps", "default", "web"));
    CHECK_INT(DELETE(.bucket = "deployments.apps", .name = "web"), 404);
    registry_fixture_down(&f);
}

/* --- grace --- */

TEST(registry_delete, a_running_pod_gets_its_grace)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'nodeName':'n'")), 201);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p"), 200);
    CHECK_AT("kind", "'Pod'");
    CHECK_AT("metadata.deletionTimestamp", "'2026-01-02T03:04:35Z'");
    CHECK_AT("metadata.deletionGracePeriodSeconds", "30");
    CHECK(GET("pods", "default", "p"));
    registry_fixture_down(&f);
}

TEST(registry_delete, grace_is_the_request_s_then_the_pod_s)
{
    static const struct {
        const char *spec, *query, *body, *want; /* want "" = gone at once */
    } rows[] = {
        { ",'nodeName':'n','terminationGracePeriodSeconds':7", NULL, NULL, "7" },
        { ",'nodeName':'n','terminationGracePeriodSeconds':0", NULL, NULL, "" },
        { ",'nodeName':'n'", "5", NULL, "5" },
        { ",'nodeName':'n'", "5", "{'gracePeriodSeconds':9}", "9" },
        { ",'nodeName':'n'", "0", NULL, "" },
        { ",'nodeName':'n'", NULL, "{'gracePeriodSeconds':-5}", "1" },
        { ",'nodeName':'n'", NULL, "{'gracePeriodSeconds':-1}", "1" },
        { ",'nodeName':'n'", "-2", NULL, "1" },
        { "", NULL, NULL, "" }, /* nobody runs it yet */
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct registry_fixture f = { 0 };
        cleanup(freep) char *pod = mem_fmt("{'metadata':{'name':'p'},'spec':{'containers':"
                                           "[{'name':'c','image':'i'}]%s}}",
                                           rows[i].spec);

        registry_fixture_up(&f);
        CHECK_INT(CREATE(.bucket = "pods", .body = pod), 201);
        CHECK_INT(
            DELETE(.bucket = "pods", .name = "p", .grace = rows[i].query, .body = rows[i].body),
            200);
        CHECK_AT("metadata.deletionGracePeriodSeconds", rows[i].want);
        CHECK_INT(GET("pods", "default", "p"), rows[i].want[0] != '\0');
        registry_fixture_down(&f);
    }
}

TEST(registry_delete, an_ended_pod_needs_no_grace)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'nodeName':'n'")), 201);
    CHECK_INT(MERGE(.bucket = "pods", .sub = "status", .name = "p",
                    .body = "{'status':{'phase':'Succeeded'}}"),
              200);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p"), 200);
    CHECK(!GET("pods", "default", "p"));
    registry_fixture_down(&f);
}

TEST(registry_delete, a_second_deletion_only_shortens)
{
    struct registry_fixture f = { 0 };
    uint64_t before;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'nodeName':'n'")), 201);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p"), 200);
    before = store_revision(f.s);
    f.now_ms += 5000;
    CHECK_INT(DELETE(.bucket = "pods", .name = "p"), 200);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p", .grace = "60"), 200);
    CHECK_INT(store_revision(f.s), before);
    CHECK_AT("metadata.deletionTimestamp", "'2026-01-02T03:04:35Z'");
    CHECK_INT(DELETE(.bucket = "pods", .name = "p", .grace = "10"), 200);
    CHECK_AT("metadata.deletionGracePeriodSeconds", "10");
    CHECK_AT("metadata.deletionTimestamp", "'2026-01-02T03:04:15Z'"); /* from the first one on */
    CHECK_INT(DELETE(.bucket = "pods", .name = "p", .grace = "0"), 200);
    CHECK(!GET("pods", "default", "p"));
    registry_fixture_down(&f);
}

TEST(registry_delete, others_have_no_grace)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(DELETE(.name = "a", .grace = "30"), 200);
    CHECK(!GET("configmaps", "default", "a"));
    registry_fixture_down(&f);
}

/* --- finalizers --- */

TEST(registry_delete, the_last_finalizer_lets_it_go)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(
        CREATE(.bucket = "deployments.apps",
               .body = "{'metadata':{'name':'web','finalizers':['a.b/1','a.b/2']},'spec':"
                       "{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':"
                       "{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}"),
        201);
    CHECK_INT(DELETE(.bucket = "deployments.apps", .name = "web"), 200);
    CHECK_AT("metadata.deletionTimestamp", "'2026-01-02T03:04:05Z'");
    CHECK_AT("metadata.deletionGracePeriodSeconds", "0");
    CHECK_AT("metadata.generation", "2");
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web",
                    .body = "{'metadata':{'finalizers':['a.b/2','a.b/3']}}"),
              422);
    CHECK(strstr(json_str(f.body, "message"), "no new finalizers can be added") != NULL);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web",
                    .body = "{'metadata':{'finalizers':['a.b/2']}}"),
              200);
    CHECK(GET("deployments.apps", "default", "web"));
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web",
                    .body = "{'metadata':{'finalizers':null}}"),
              200);
    CHECK_AT("kind", "'Deployment'");
    CHECK(!GET("deployments.apps", "default", "web"));
    registry_fixture_down(&f);
}

TEST(registry_delete, the_dying_cannot_be_revived)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = "{'metadata':{'name':'a','finalizers':['a.b/1']}}"), 201);
    CHECK_INT(DELETE(.name = "a"), 200);
    CHECK_INT(UPDATE(.name = "a", .body = "{'metadata':{'name':'a','finalizers':['a.b/1']},"
                                          "'data':{'x':'y'}}"),
              200);
    CHECK_AT("metadata.deletionTimestamp", "'2026-01-02T03:04:05Z'");
    CHECK_INT(MERGE(.name = "a", .body = "{'metadata':{'deletionTimestamp':null}}"), 200);
    CHECK_AT("metadata.deletionTimestamp", "'2026-01-02T03:04:05Z'");
    registry_fixture_down(&f);
}

/* The node agent says "it has stopped" by a deletion without grace. */
TEST(registry_delete, a_held_pod_waits_for_grace_and_finalizers)
{
    struct registry_fixture f = { 0 };
    const char *pod = "{'metadata':{'name':'p','finalizers':['a.b/1']},'spec':{'nodeName':'n',"
                      "'containers':[{'name':'c','image':'i'}]}}";

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = pod), 201);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p"), 200);
    CHECK_AT("metadata.deletionGracePeriodSeconds", "30");
    CHECK_INT(DELETE(.bucket = "pods", .name = "p", .grace = "0"), 200);
    CHECK_AT("metadata.deletionGracePeriodSeconds", "0");
    CHECK(GET("pods", "default", "p"));
    CHECK_INT(MERGE(.bucket = "pods", .name = "p", .body = "{'metadata':{'finalizers':[]}}"), 200);
    CHECK(!GET("pods", "default", "p"));

    /* The other way round: the finalizer goes first, the containers still run. */
    CHECK_INT(CREATE(.bucket = "pods", .body = pod), 201);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p"), 200);
    CHECK_INT(MERGE(.bucket = "pods", .name = "p", .body = "{'metadata':{'finalizers':[]}}"), 200);
    CHECK(GET("pods", "default", "p"));
    CHECK_INT(DELETE(.bucket = "pods", .name = "p", .grace = "0"), 200);
    CHECK(!GET("pods", "default", "p"));
    registry_fixture_down(&f);
}

/* --- propagation --- */

TEST(registry_delete, policies_leave_work_for_the_collector)
{
    static const struct {
        const char *query, *body, *finalizers; /* "" = gone at once */
    } rows[] = {
        { NULL, NULL, "" },
        { "Background", NULL, "" },
        { "Foreground", NULL, "['foregroundDeletion']" },
        { "Orphan", NULL, "['orphan']" },
        { "Background", "{'propagationPolicy':'Orphan'}", "['orphan']" },
        { NULL, "{'orphanDependents':true}", "['orphan']" },
        { NULL, "{'orphanDependents':false}", "" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct registry_fixture f = { 0 };

        registry_fixture_up(&f);
        CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
        CHECK_INT(DELETE(.bucket = "deployments.apps", .name = "web", .propagation = rows[i].query,
                         .body = rows[i].body),
                  200);
        CHECK_INT(GET("deployments.apps", "default", "web"), rows[i].finalizers[0] != '\0');
        CHECK_AT("metadata.finalizers", rows[i].finalizers);
        registry_fixture_down(&f);
    }
}

TEST(registry_delete, a_later_policy_replaces_the_first)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(DELETE(.name = "a", .propagation = "Foreground"), 200);
    CHECK_INT(DELETE(.name = "a", .propagation = "Orphan"), 200);
    CHECK_AT("metadata.finalizers", "['orphan']");
    CHECK_INT(DELETE(.name = "a", .propagation = "Background"), 200);
    CHECK(!GET("configmaps", "default", "a"));
    registry_fixture_down(&f);
}

TEST(registry_delete, an_unknown_policy_is_refused)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(DELETE(.name = "a", .propagation = "Sideways"), 422);
    CHECK(GET("configmaps", "default", "a"));
    registry_fixture_down(&f);
}

/* --- preconditions --- */

TEST(registry_delete, preconditions_hold_or_nothing_happens)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *body = NULL;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    body = mem_fmt("{'preconditions':{'uid':'%s','resourceVersion':'%s'}}",
                   json_str(f.body, "metadata.uid"), json_str(f.body, "metadata.resourceVersion"));
    CHECK_INT(DELETE(.name = "a", .body = "{'preconditions':{'uid':'other'}}"), 409);
    CHECK(strstr(json_str(f.body, "message"), "Precondition failed: UID in precondition: other") !=
          NULL);
    CHECK_INT(DELETE(.name = "a", .body = "{'preconditions':{'resourceVersion':'1'}}"), 409);
    CHECK(strstr(json_str(f.body, "message"), "ResourceVersion in precondition: 1") != NULL);
    CHECK_INT(DELETE(.name = "a", .body = body), 200);
    registry_fixture_down(&f);
}

TEST(registry_delete, wrong_options_are_refused)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(DELETE(.name = "a", .body = "{'gracePeriodSeconds':'soon'}"), 400);
    CHECK_INT(DELETE(.name = "a", .body = "[]"), 400);
    CHECK_INT(DELETE(.name = "a", .body = "{'kind':'ConfigMap','apiVersion':'v1'}"), 400);
    CHECK_INT(DELETE(.name = "a", .body = "{'dryRun':['Some']}"), 422);
    CHECK(GET("configmaps", "default", "a"));
    CHECK_INT(DELETE(.name = "a", .body = "{'kind':'DeleteOptions','apiVersion':'apps/v1'}"), 200);
    registry_fixture_down(&f);
}

/* --- namespaces --- */

TEST(registry_delete, a_namespace_dies_through_finalize)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *stale = NULL;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "namespaces", .body = "{'metadata':{'name':'n'}}"), 201);
    CHECK_AT("spec.finalizers", "['kubernetes']");
    CHECK_AT("status.phase", "'Active'");
    stale = mem_fmt("{'metadata':{'name':'n','resourceVersion':'%s'},'spec':{}}",
                    json_str(f.body, "metadata.resourceVersion"));
    CHECK_INT(DELETE(.bucket = "namespaces", .name = "n"), 200);
    CHECK_AT("status.phase", "'Terminating'");
    CHECK_AT("metadata.deletionTimestamp", "'2026-01-02T03:04:05Z'");
    CHECK_INT(DELETE(.bucket = "namespaces", .name = "n"), 200);
    CHECK(GET("namespaces", "", "n"));
    /* Only finalize takes spec.finalizers away. */
    CHECK_INT(MERGE(.bucket = "namespaces", .name = "n", .body = "{'spec':{'finalizers':[]}}"),
              200);
    CHECK(GET("namespaces", "", "n"));
    CHECK_AT("spec.finalizers", "['kubernetes']");
    CHECK_INT(UPDATE(.bucket = "namespaces", .sub = "finalize", .name = "n", .body = stale), 409);
    CHECK_INT(UPDATE(.bucket = "namespaces", .sub = "finalize", .name = "n",
                     .body = "{'metadata':{'name':'n'},'spec':{'finalizers':[]}}"),
              200);
    CHECK(!GET("namespaces", "", "n"));
    registry_fixture_down(&f);
}

TEST(registry_delete, some_namespaces_are_immortal)
{
    static const char *const names[] = { "default", "kube-system", "kube-public" };
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        CHECK_INT(DELETE(.bucket = "namespaces", .name = names[i]), 403);
    CHECK_SAYS("namespaces \"kube-public\" is forbidden: this namespace may not be deleted");
    CHECK_INT(DELETE(.bucket = "namespaces", .name = "kube-node-lease"), 200);
    registry_fixture_down(&f);
}

TEST(registry_delete, a_new_namespace_has_its_account_and_ca)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "namespaces", .body = "{'metadata':{'generateName':'n-'}}"), 201);
    {
        cleanup(freep) char *ns = mem_str(json_str(f.body, "metadata.name"));
        cleanup(freep) char *label = mem_fmt("{'kubernetes.io/metadata.name':'%s'}", ns);

        CHECK_AT("metadata.labels", label);
        CHECK(GET("serviceaccounts", ns, "default"));
        CHECK(GET("configmaps", ns, "kube-root-ca.crt"));
        CHECK_STR(json_string_value(json_object_get(json_at(f.body, "data"), "ca.crt")), "the CA");
        CHECK_INT(CREATE(.bucket = "pods", .ns = ns, .body = POD("p", "")), 201);
    }
    registry_fixture_down(&f);
}
