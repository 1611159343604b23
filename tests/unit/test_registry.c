/* layer: api */
#include "tests/unit/registry_fixture.h"

/* --- create --- */

TEST(registry, create_fills_in_what_the_server_knows)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_AT("apiVersion", "'apps/v1'");
    CHECK_AT("kind", "'Deployment'");
    CHECK_AT("metadata.namespace", "'default'");
    CHECK_AT("metadata.creationTimestamp", "'2026-01-02T03:04:05Z'");
    CHECK_AT("metadata.generation", "1");
    CHECK_INT(strlen(json_str(f.body, "metadata.uid")), 36);
    CHECK(json_str(f.body, "metadata.uid")[14] == '4');
    CHECK(json_str(f.body, "metadata.resourceVersion") != NULL);
    CHECK_AT("spec.replicas", "1");
    CHECK(GET("deployments.apps", "default", "web"));
    registry_fixture_down(&f);
}

TEST(registry, create_wipes_what_only_the_server_may_say)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(
        CREATE(.bucket = "deployments.apps",
               .body = "{'metadata':{'name':'web','uid':'mine','generation':7,"
                       "'creationTimestamp':'2001-01-01T00:00:00Z','selfLink':'/x',"
                       "'deletionTimestamp':'2001-01-01T00:00:00Z',"
                       "'deletionGracePeriodSeconds':3,'managedFields':[{'manager':'m'}]},"
                       "'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':"
                       "{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]}}},"
                       "'status':{'replicas':9}}"),
        201);
    CHECK_AT("metadata.generation", "1");
    CHECK_AT("metadata.creationTimestamp", "'2026-01-02T03:04:05Z'");
    CHECK(!str_eq(json_str(f.body, "metadata.uid"), "mine"));
    CHECK_AT("metadata.deletionTimestamp", "");
    CHECK_AT("metadata.deletionGracePeriodSeconds", "");
    CHECK_STR(json_str(json_array_get(json_at(f.body, "metadata.managedFields"), 0), "manager"),
              "kube-apiserver"); /* what it said itself is no entry, and forgotten */
    CHECK_AT("metadata.selfLink", "");
    CHECK_AT("status.replicas", "");
    registry_fixture_down(&f);
}

/* Clients read "attached" without asking whether there is a status. */
TEST(registry, an_object_begins_with_the_defaults_of_its_status)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "volumeattachments.storage.k8s.io", .ns = "",
                     .body = "{'metadata':{'name':'va'},'spec':{'attacher':'a.b','nodeName':'n',"
                             "'source':{'persistentVolumeName':'pv'}},'status':{'attached':true}}"),
              201);
    CHECK_AT("status", "{'attached':false}");
    registry_fixture_down(&f);
}

TEST(registry, a_name_is_given_once)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 409);
    CHECK_SAYS("configmaps \"a\" already exists");
    CHECK_AT("reason", "'AlreadyExists'");
    CHECK_AT("details", "{'kind':'configmaps','name':'a'}");
    registry_fixture_down(&f);
}

/* Two creates before the first is on the disk: the second must not be told it was first. */
TEST(registry, a_name_under_way_is_taken)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    registry_fixture_send(&f, (struct ask){ .body = CONFIG("a", "{}") });
    CHECK_INT(f.calls, 0);
    registry_fixture_send(&f, (struct ask){ .body = CONFIG("a", "{}") });
    CHECK_INT(f.http, 409);
    registry_fixture_settle(&f);
    CHECK_INT(f.http, 201);
    registry_fixture_down(&f);
}

TEST(registry, a_failed_commit_is_told_and_leaves_nothing)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    backend_memory_fail(f.m, 1, 1, ERR_NOSPACE);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 507);
    CHECK(!GET("configmaps", "default", "a"));
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    registry_fixture_down(&f);
}

TEST(registry, create_refuses_a_resource_version)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = "{'metadata':{'name':'a','resourceVersion':'3'}}"), 500);
    CHECK_SAYS("resourceVersion should not be set on objects to be created");
    registry_fixture_down(&f);
}

TEST(registry, generated_names_have_five_safe_letters)
{
    struct registry_fixture f = { 0 };
    const char *name;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = "{'metadata':{'generateName':'web-'}}"), 201);
    name = json_str(f.body, "metadata.name");
    CHECK(str_starts(name, "web-"));
    CHECK_INT(strspn(name + 4, "bcdfghjklmnpqrstvwxz2456789"), 5);
    CHECK_INT(strlen(name), 9);
    CHECK_AT("metadata.generateName", "'web-'");
    registry_fixture_down(&f);
}

TEST(registry, a_long_generate_name_is_cut)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = "{'metadata':{'generateName':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}}"),
              201);
    CHECK_INT(strlen(json_str(f.body, "metadata.name")), 63);
    registry_fixture_down(&f);
}

TEST(registry, a_given_name_beats_generate_name)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = "{'metadata':{'generateName':'web-','name':'mine'}}"), 201);
    CHECK_AT("metadata.name", "'mine'");
    registry_fixture_down(&f);
}

TEST(registry, a_taken_generated_name_is_drawn_again)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    f.seed = 100;
    f.step = 0; /* dice that always fall the same way */
    CHECK_INT(CREATE(.body = "{'metadata':{'generateName':'web-'}}"), 201);
    CHECK_INT(CREATE(.body = "{'metadata':{'generateName':'web-'}}"), 409);
    CHECK_AT("reason", "'AlreadyExists'");
    CHECK(str_ends(json_str(f.body, "message"),
                   "already exists, the server was not able to generate a unique name for the "
                   "object"));
    f.seed = 100 - 3;
    f.step = 1; /* uid draws two, the first name is the taken one */
    CHECK_INT(CREATE(.body = "{'metadata':{'generateName':'web-'}}"), 201);
    registry_fixture_down(&f);
}

TEST(registry, an_object_needs_a_name)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = "{'data':{'a':'b'}}"), 422);
    CHECK_CAUSE("metadata.name");
    CHECK_SAYS("ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is "
               "required");
    registry_fixture_down(&f);
}

/* --- where it goes --- */

TEST(registry, the_namespace_must_be_there)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.ns = "nowhere", .body = CONFIG("a", "{}")), 404);
    CHECK_SAYS("namespaces \"nowhere\" not found");
    CHECK_AT("details", "{'kind':'namespaces','name':'nowhere'}");
    registry_fixture_down(&f);
}

TEST(registry, nothing_new_in_a_dying_namespace)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "namespaces", .body = "{'metadata':{'name':'n'}}"), 201);
    CHECK_INT(CREATE(.ns = "n", .body = CONFIG("old", "{}")), 201);
    CHECK_INT(DELETE(.bucket = "namespaces", .name = "n"), 200);
    CHECK_INT(CREATE(.ns = "n", .body = CONFIG("a", "{}")), 403);
    CHECK_SAYS("configmaps \"a\" is forbidden: unable to create new content in namespace n because "
               "it is being terminated");
    CHECK_AT("details.causes.0.reason", "'NamespaceTerminating'");
    /* What is there may still be changed: controllers clean up. */
    CHECK_INT(MERGE(.ns = "n", .name = "old", .body = "{'data':{'a':'b'}}"), 200);
    registry_fixture_down(&f);
}

TEST(registry, body_and_url_must_agree)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = "{'metadata':{'name':'a','namespace':'kube-system'}}"), 400);
    CHECK_SAYS("the namespace of the provided object does not match the namespace sent on the "
               "request");
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(UPDATE(.name = "a", .body = CONFIG("b", "{}")), 400);
    CHECK_SAYS("the name of the object (b) does not match the name on the URL (a)");
    CHECK_INT(CREATE(.body = "{'apiVersion':'v2','metadata':{'name':'b'}}"), 400);
    CHECK_INT(CREATE(.body = "{'kind':'Secret','metadata':{'name':'b'}}"), 400);
    CHECK_INT(CREATE(.body = "[1]"), 400);
    CHECK_INT(CREATE(.body = "{'metadata':'x'}"), 400);
    CHECK_INT(CREATE(.body = "{'metadata':null}"), 422);
    registry_fixture_down(&f);
}

TEST(registry, cluster_wide_objects_have_no_namespace)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "namespaces", .body = "{'metadata':{'name':'n','namespace':'x'}}"),
              201);
    CHECK_AT("metadata.namespace", "");
    registry_fixture_down(&f);
}

/* --- strictness --- */

TEST(registry, unknown_fields_are_dropped_told_or_refused)
{
    struct registry_fixture f = { 0 };
    const char *body = "{'metadata':{'name':'a'},'dta':{'x':'y'},'extra':1}";

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = body, .validation = REGISTRY_STRICT), 400);
    CHECK_SAYS("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding "
               "error: unknown field \"dta\", unknown field \"extra\"");
    CHECK(!GET("configmaps", "default", "a"));
    CHECK_INT(CREATE(.body = body, .validation = REGISTRY_WARN), 201);
    CHECK_INT(json_array_size(f.warnings), 2);
    CHECK_STR(json_string_value(json_array_get(f.warnings, 0)), "unknown field \"dta\"");
    CHECK_AT("dta", "");
    CHECK_INT(DELETE(.name = "a"), 200);
    CHECK_INT(CREATE(.body = body, .validation = REGISTRY_IGNORE), 201);
    CHECK(f.warnings == NULL);
    registry_fixture_down(&f);
}

TEST(registry, duplicate_fields_are_told)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}"), .dups = "['data','metadata.name']",
                     .validation = REGISTRY_WARN),
              201);
    CHECK_INT(json_array_size(f.warnings), 2);
    CHECK_INT(UPDATE(.name = "a", .body = CONFIG("a", "{'x':'y'}"), .dups = "['data']",
                     .validation = REGISTRY_STRICT),
              400);
    CHECK_SAYS("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding "
               "error: duplicate field \"data\"");
    registry_fixture_down(&f);
}

TEST(registry, wrong_types_are_refused_in_any_mode)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", ",'replicas':'two'")),
              400);
    CHECK_AT("reason", "'BadRequest'");
    registry_fixture_down(&f);
}

TEST(registry, strictness_holds_for_patches_too)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'spec':{'foo':1}}",
                    .validation = REGISTRY_STRICT),
              400);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'spec':{'foo':1}}",
                    .validation = REGISTRY_WARN),
              200);
    CHECK_INT(json_array_size(f.warnings), 1);
    registry_fixture_down(&f);
}

/* --- update --- */

TEST(registry, update_keeps_system_fields)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *uid = NULL;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{'x':'1'}")), 201);
    uid = mem_str(json_str(f.body, "metadata.uid"));
    f.now_ms += 60000;
    CHECK_INT(UPDATE(.name = "a", .body = "{'metadata':{'name':'a','creationTimestamp':"
                                          "'2001-01-01T00:00:00Z'},'data':{'x':'2'}}"),
              200);
    CHECK_STR(json_str(f.body, "metadata.uid"), uid);
    CHECK_AT("metadata.creationTimestamp", "'2026-01-02T03:04:05Z'");
    CHECK_AT("data", "{'x':'2'}");
    registry_fixture_down(&f);
}

TEST(registry, an_old_version_is_a_conflict)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *first = NULL;
    cleanup(freep) char *body = NULL;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    first = mem_str(json_str(f.body, "metadata.resourceVersion"));
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'spec':{'replicas':2}}"),
              200);
    body = mem_fmt("{'metadata':{'resourceVersion':'%s'},'spec':{'replicas':3}}", first);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = body), 409);
    CHECK_SAYS("Operation cannot be fulfilled on deployments.apps \"web\": the object has been "
               "modified; please apply your changes to the latest version and try again");
    CHECK_AT("reason", "'Conflict'");
    registry_fixture_down(&f);
}

TEST(registry, a_wrong_uid_is_a_conflict)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(UPDATE(.name = "a", .body = "{'metadata':{'name':'a','uid':'other'}}"), 409);
    CHECK(strstr(json_str(f.body, "message"), "UID in precondition: other") != NULL);
    registry_fixture_down(&f);
}

TEST(registry, some_kinds_are_not_replaced_blindly)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *body = NULL;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "leases.coordination.k8s.io", .body = "{'metadata':{'name':'l'}}"),
              201);
    body = mem_fmt("{'metadata':{'name':'l','resourceVersion':'%s'},'spec':{'holderIdentity':'b'}}",
                   json_str(f.body, "metadata.resourceVersion"));
    CHECK_INT(UPDATE(.bucket = "leases.coordination.k8s.io", .name = "l",
                     .body = "{'metadata':{'name':'l'},'spec':{'holderIdentity':'a'}}"),
              422);
    CHECK_SAYS("Lease.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid "
               "value: 0: must be specified for an update");
    CHECK_INT(UPDATE(.bucket = "leases.coordination.k8s.io", .name = "l", .body = body), 200);
    registry_fixture_down(&f);
}

TEST(registry, update_creates_only_a_few_kinds)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(UPDATE(.name = "a", .body = CONFIG("a", "{}")), 404);
    CHECK_SAYS("configmaps \"a\" not found");
    CHECK_INT(UPDATE(.bucket = "leases.coordination.k8s.io", .name = "l", .body = "{}"), 201);
    CHECK_AT("metadata.name", "'l'");
    /* Somebody saw it and it is gone: not to be made again behind their back. */
    CHECK_INT(UPDATE(.bucket = "leases.coordination.k8s.io", .name = "m",
                     .body = "{'metadata':{'resourceVersion':'5'}}"),
              404);
    CHECK_INT(MERGE(.name = "nope", .body = "{}"), 404);
    registry_fixture_down(&f);
}

TEST(registry, a_write_that_changes_nothing_is_none)
{
    struct registry_fixture f = { 0 };
    uint64_t before;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(CREATE(.bucket = "namespaces", .body = "{'metadata':{'name':'n'}}"), 201);
    CHECK_INT(CREATE(.bucket = "services",
                     .body = "{'metadata':{'name':'s'},'spec':{'type':'NodePort','ports':"
                             "[{'port':80}]}}"),
              201);
    before = store_revision(f.s);
    CHECK_INT(UPDATE(.bucket = "deployments.apps", .name = "web", .body = DEPLOYMENT("web", "")),
              200);
    CHECK_AT("spec.replicas", "1");
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "{}"), 200);
    CHECK_INT(UPDATE(.bucket = "namespaces", .name = "n",
                     .body = "{'metadata':{'name':'n'},'spec':{'finalizers':['kubernetes']}}"),
              200);
    /* Address and port left out mean "as they are". */
    CHECK_INT(
        UPDATE(.bucket = "services", .name = "s",
               .body = "{'metadata':{'name':'s'},'spec':{'type':'NodePort','ports':"
                       "[{'port':80}],'ipFamilies':['IPv4'],'ipFamilyPolicy':'SingleStack'}}"),
        200);
    CHECK_INT(store_revision(f.s), before);
    registry_fixture_down(&f);
}

/* "Nothing to do" is a promise that the state is stored. */
TEST(registry, no_change_to_a_state_under_way_waits_for_the_disk)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{'x':'1'}")), 201);
    registry_fixture_send(
        &f, (struct ask){ .verb = REGISTRY_UPDATE, .name = "a", .body = CONFIG("a", "{'x':'2'}") });
    backend_memory_fail(f.m, 1, 2, ERR_IO);
    registry_fixture_send(
        &f, (struct ask){ .verb = REGISTRY_UPDATE, .name = "a", .body = CONFIG("a", "{'x':'2'}") });
    CHECK_INT(f.calls, 0);
    registry_fixture_settle(&f);
    CHECK_INT(f.http, 500);
    registry_fixture_down(&f);
}

/* --- generation and status --- */

TEST(registry, generation_counts_changes_of_spec_only)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web",
                    .body = "{'metadata':{'labels':{'x':'y'},'generation':50}}"),
              200);
    CHECK_AT("metadata.generation", "1");
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'spec':{'replicas':3}}"),
              200);
    CHECK_AT("metadata.generation", "2");
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .sub = "status",
                    .body = "{'status':{'replicas':3,'observedGeneration':2}}"),
              200);
    CHECK_AT("metadata.generation", "2");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_AT("metadata.generation", "");
    registry_fixture_down(&f);
}

TEST(registry, the_main_resource_does_not_write_status)
{
    struct registry_fixture f = { 0 };
    uint64_t before;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    before = store_revision(f.s);
    CHECK_INT(
        MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'status':{'replicas':3}}"),
        200);
    CHECK_AT("status.replicas", "");
    CHECK_INT(store_revision(f.s), before);
    registry_fixture_down(&f);
}

TEST(registry, the_status_subresource_writes_only_status_and_labels)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .sub = "status",
                    .body = "{'metadata':{'labels':{'x':'y'},'finalizers':['a.b/c']},"
                            "'spec':{'replicas':9},'status':{'replicas':3}}"),
              200);
    CHECK_AT("spec.replicas", "1");
    CHECK_AT("status.replicas", "3");
    CHECK_AT("metadata.labels", "{'x':'y'}");
    CHECK_AT("metadata.finalizers", "");
    registry_fixture_down(&f);
}

TEST(registry, status_keeps_when_the_main_resource_is_replaced)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .sub = "status",
                    .body = "{'status':{'replicas':3}}"),
              200);
    CHECK_INT(UPDATE(.bucket = "deployments.apps", .name = "web",
                     .body = DEPLOYMENT("web", ",'replicas':2")),
              200);
    CHECK_AT("status.replicas", "3");
    registry_fixture_down(&f);
}

/* --- patches --- */

TEST(registry, patches_of_three_kinds)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_STRATEGIC_PATCH,
                  .bucket = "deployments.apps", .name = "web",
                  .body = "{'spec':{'template':{'spec':{'containers':[{'name':'c','image':'j:1'},"
                          "{'name':'d','image':'k'}]}}}}"),
              200);
    CHECK_AT("spec.template.spec.containers.1.image", "'k'");
    CHECK_AT("spec.template.spec.containers.1.imagePullPolicy", "'Always'");
    CHECK_INT(ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_JSON_PATCH,
                  .bucket = "deployments.apps", .name = "web",
                  .body = "[{'op':'replace','path':'/spec/replicas','value':4}]"),
              200);
    CHECK_AT("spec.replicas", "4");
    CHECK_INT(ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_JSON_PATCH,
                  .bucket = "deployments.apps", .name = "web",
                  .body = "[{'op':'test','path':'/spec/replicas','value':5}]"),
              422);
    CHECK_INT(
        MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'spec':{'replicas':null}}"),
        200);
    CHECK_AT("spec.replicas", "1");
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'spec':null}"), 422);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "[]"), 400);
    registry_fixture_down(&f);
}

TEST(registry, a_patch_may_not_rename)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    CHECK_INT(MERGE(.name = "a", .body = "{'metadata':{'name':'b'}}"), 400);
    CHECK_INT(MERGE(.name = "a", .body = "{'metadata':{'namespace':'b'}}"), 400);
    CHECK_INT(MERGE(.name = "a", .body = "{'kind':'Secret'}"), 400);
    registry_fixture_down(&f);
}

/* Patches that meet before the first is on the disk build on each other. */
TEST(registry, patches_without_version_do_not_collide)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}")), 201);
    registry_fixture_send(&f, (struct ask){ .verb = REGISTRY_PATCH,
                                            .name = "a",
                                            .patch = REGISTRY_MERGE_PATCH,
                                            .body = "{'data':{'x':'1'}}" });
    registry_fixture_send(&f, (struct ask){ .verb = REGISTRY_PATCH,
                                            .name = "a",
                                            .patch = REGISTRY_MERGE_PATCH,
                                            .body = "{'data':{'y':'2'}}" });
    registry_fixture_settle(&f);
    CHECK_INT(f.http, 200);
    CHECK_AT("data", "{'x':'1','y':'2'}");
    registry_fixture_down(&f);
}

/* --- dry run --- */

TEST(registry, dry_run_answers_and_stores_nothing)
{
    struct registry_fixture f = { 0 };
    uint64_t before;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("web", "")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'nodeName':'n'")), 201);
    before = store_revision(f.s);
    CHECK_INT(CREATE(.body = CONFIG("a", "{}"), .dry_run = true), 201);
    CHECK_INT(strlen(json_str(f.body, "metadata.uid")), 36);
    CHECK_INT(MERGE(.bucket = "deployments.apps", .name = "web", .body = "{'spec':{'replicas':7}}",
                    .dry_run = true),
              200);
    CHECK_AT("spec.replicas", "7");
    CHECK_AT("metadata.generation", "2");
    CHECK_INT(MERGE(.bucket = "deployments.apps", .sub = "scale", .name = "web",
                    .body = "{'spec':{'replicas':7}}", .dry_run = true),
              200);
    CHECK_AT("kind", "'Scale'");
    CHECK_AT("spec.replicas", "7");
    CHECK_INT(DELETE(.bucket = "deployments.apps", .name = "web", .dry_run = true), 200);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p", .dry_run = true), 200);
    CHECK_INT(DELETE(.bucket = "pods", .name = "p", .body = "{'dryRun':['All']}"), 200);
    CHECK_INT(store_revision(f.s), before);
    CHECK(!GET("configmaps", "default", "a"));
    CHECK_INT(CREATE(.body = CONFIG("A!", "{}"), .dry_run = true), 422);
    registry_fixture_down(&f);
}

/* --- what costs an fsync --- */

TEST(registry, heartbeats_and_events_are_lazy)
{
    struct registry_fixture f = { 0 };
    cleanup(freep) char *body = NULL;
    uint64_t before;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "nodes", .body = "{'metadata':{'name':'n'}}"), 201);
    CHECK_INT(MERGE(.bucket = "nodes", .name = "n", .sub = "status",
                    .body = "{'status':{'conditions':[{'type':'Ready','status':'True',"
                            "'lastHeartbeatTime':'2026-01-02T03:04:05Z'}]}}"),
              200);
    CHECK_INT(CREATE(.bucket = "leases.coordination.k8s.io",
                     .body = "{'metadata':{'name':'l'},'spec':{'holderIdentity':'a',"
                             "'renewTime':'2026-01-02T03:04:05.000000Z'}}"),
              201);
    before = backend_memory_commits(f.m);
    body = mem_fmt("{'metadata':{'name':'l','resourceVersion':'%s'},'spec':{'holderIdentity':'a',"
                   "'renewTime':'2026-01-02T03:04:15.000000Z'}}",
                   json_str(f.body, "metadata.resourceVersion"));
    CHECK_INT(UPDATE(.bucket = "leases.coordination.k8s.io", .name = "l", .body = body), 200);
    CHECK_INT(MERGE(.bucket = "nodes", .name = "n", .sub = "status",
                    .body = "{'status':{'conditions':[{'type':'Ready','status':'True',"
                            "'lastHeartbeatTime':'2026-01-02T03:05:05Z'}]}}"),
              200);
    CHECK_INT(CREATE(.bucket = "events",
                     .body = "{'metadata':{'name':'e'},'involvedObject':{'kind':'Pod','name':'p',"
                             "'namespace':'default'},'reason':'R','message':'m','type':'Normal'}"),
              201);
    CHECK_INT(backend_memory_commits(f.m), before);
    /* A new holder and a condition that turned are no heartbeats. */
    CHECK_INT(MERGE(.bucket = "leases.coordination.k8s.io", .name = "l",
                    .body = "{'spec':{'holderIdentity':'b'}}"),
              200);
    CHECK_INT(backend_memory_commits(f.m), before + 1);
    CHECK_INT(MERGE(.bucket = "nodes", .name = "n", .sub = "status",
                    .body = "{'status':{'conditions':[{'type':'Ready','status':'False'}]}}"),
              200);
    CHECK_INT(backend_memory_commits(f.m), before + 2);
    CHECK_INT(DELETE(.bucket = "leases.coordination.k8s.io", .name = "l"), 200);
    CHECK_INT(backend_memory_commits(f.m), before + 3);
    registry_fixture_down(&f);
}

/* --- start --- */

static size_t count_all(struct registry_fixture *f)
{
    struct store_stats stats;

    store_stats(f->s, &stats);
    return stats.objects;
}

TEST(registry, bootstrap_makes_each_thing_once)
{
    struct registry_fixture f = { 0 };
    uint64_t before;
    size_t n;

    registry_fixture_up(&f);
    CHECK(GET("namespaces", "", "kube-system"));
    CHECK_AT("metadata.labels", "{'kubernetes.io/metadata.name':'kube-system'}");
    CHECK_AT("status.phase", "'Active'");
    CHECK(GET("namespaces", "", "kube-public"));
    CHECK(GET("namespaces", "", "kube-node-lease"));
    CHECK(GET("storageclasses.storage.k8s.io", "", "local"));
    CHECK(GET("priorityclasses.scheduling.k8s.io", "", "system-node-critical"));
    CHECK(GET("endpoints", "default", "kubernetes"));
    CHECK_AT("subsets.0.addresses.0.ip", "'10.0.0.1'");
    CHECK(GET("endpointslices.discovery.k8s.io", "default", "kubernetes"));
    CHECK(GET("services", "default", "kubernetes"));
    CHECK_AT("spec.clusterIP", "'10.96.0.1'");
    CHECK_INT(MERGE(.bucket = "services", .name = "kubernetes",
                    .body = "{'metadata':{'labels':{'mine':'yes'}}}"),
              200);
    n = count_all(&f);
    before = store_revision(f.s);
    registry_fixture_restart(&f);
    CHECK_INT(count_all(&f), n);
    CHECK_INT(store_revision(f.s), before);
    CHECK(GET("services", "default", "kubernetes"));
    CHECK_AT("metadata.labels.mine", "'yes'");
    registry_fixture_down(&f);
}

static int bootstrap_failures;

static void on_bootstrap(void *arg, int rc, const struct err *err)
{
    (void)arg;
    CHECK(rc < 0 && err->text[0] != '\0');
    bootstrap_failures++;
}

TEST(registry, bootstrap_tells_when_the_disk_fails)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    bootstrap_failures = 0;
    CHECK_INT(DELETE(.bucket = "services", .name = "kubernetes"), 200);
    backend_memory_fail(f.m, 1, 1, ERR_IO);
    registry_bootstrap(f.r, "10.0.0.1", 6443, on_bootstrap, NULL);
    registry_fixture_settle(&f);
    CHECK_INT(bootstrap_failures, 1);
    registry_fixture_down(&f);
}

TEST(registry, bad_ranges_are_refused)
{
    struct registry_fixture f = { 0 };
    static const struct {
        const char *service, *pod;
    } rows[] = {
        { "10.96.0.0", "10.244.0.0/16" }, { "10.96.0.0/33", "10.244.0.0/16" },
        { "x/16", "10.244.0.0/16" },      { "10.96.0.0/16", "10.244.0.0/25" },
        { "10.96.0.0/16", "fd00::/64" },  { "10.96.0.0/16", "" },
    };

    registry_fixture_up(&f);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct registry_opts opts = { .store = f.s,
                                      .service_cidr = rows[i].service,
                                      .pod_cidr = rows[i].pod,
                                      .node_port_min = 30000,
                                      .node_port_max = 32767 };
        struct registry *r = NULL;
        struct err err = ERR_EMPTY;

        CHECK_INT(registry_new(&r, &opts, &err), ERR_INVALID);
        CHECK(r == NULL);
    }
    registry_fixture_down(&f);
}
