/* layer: api */
#include "tests/unit/hooks_fixture.h"

TEST(hooks, nobody_is_asked_about_what_no_rule_names)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    MUTATING("m", HOOK("a", RULE("'CREATE'", "''", "'secrets'"), ""));
    SEND(.body = CONFIG("c", "{'a':'b'}"));
    ANSWERED(201);
    CHECK_INT(f.n, 0);
    hooks_down(&f);
}

TEST(hooks, a_question_says_who_wants_what)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ",'timeoutSeconds':3"));
    SEND(.body = CONFIG("c", "{'a':'b'}"), .dry_run = true);
    WAITING;
    CHECK_INT(f.n, 1);
    CHECK_INT(f.questions[0].timeout_ms, 3000);
    CHECK_STR(json_str(f.questions[0].review, "apiVersion"), "admission.k8s.io/v1");
    ASKED(0, "operation", "'CREATE'");
    ASKED(0, "kind", "{'group':'','kind':'ConfigMap','version':'v1'}");
    ASKED(0, "resource", "{'group':'','resource':'configmaps','version':'v1'}");
    ASKED(0, "requestKind", "{'group':'','kind':'ConfigMap','version':'v1'}");
    ASKED(0, "name", "'c'");
    ASKED(0, "namespace", "'default'");
    ASKED(0, "userInfo.username", "'ann'");
    ASKED(0, "userInfo.groups.0", "'system:masters'");
    ASKED(0, "object.data", "{'a':'b'}");
    ASKED(0, "oldObject", "null");
    ASKED(0, "dryRun", "true");
    ASKED(0, "options.kind", "'CreateOptions'");
    hooks_answer(&f, 0, "'allowed':true");
    ANSWERED(201);
    hooks_down(&f);
}

TEST(hooks, a_patch_changes_the_object_and_gets_defaults)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    MUTATING("m", HOOK("a", RULE("'CREATE'", "''", "'pods'"), ""));
    SEND(.bucket = "pods", .body = POD("p", ""));
    WAITING;
    hooks_patch(&f, 0,
                "[{'op':'add','path':'/spec/containers/-','value':{'name':'side','image':'s'}}]");
    ANSWERED(201);
    HAS("spec.containers.1.imagePullPolicy", "'Always'");
    /* The sidecar reaches the API as the others do, with the same token. */
    HAS("spec.containers.1.volumeMounts.0.mountPath",
        "'/var/run/secrets/kubernetes.io/serviceaccount'");
    CHECK_INT(json_array_size(json_at(f.base.body, "spec.volumes")), 1);
    hooks_down(&f);
}

TEST(hooks, each_sees_what_the_one_before_made_in_order_of_names)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    MUTATING("b", HOOK("second", RULE_CONFIGMAPS, ""));
    MUTATING("a", HOOK("first", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{'k':'v'}"));
    CHECK_INT(f.n, 1);
    CHECK_STR(f.questions[0].name, "first");
    hooks_patch(&f, 0, "[{'op':'add','path':'/data/one','value':'1'}]");
    CHECK_INT(f.n, 2);
    CHECK_STR(f.questions[1].name, "second");
    ASKED(1, "object.data", "{'k':'v','one':'1'}");
    hooks_patch(&f, 1, "[{'op':'add','path':'/data/two','value':'2'}]");
    ANSWERED(201);
    HAS("data", "{'k':'v','one':'1','two':'2'}");
    hooks_down(&f);
}

TEST(hooks, one_that_may_repeat_is_asked_again_after_a_change)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    MUTATING("a", HOOK("first", RULE_CONFIGMAPS, ",'reinvocationPolicy':'IfNeeded'"));
    MUTATING("b", HOOK("second", RULE_CONFIGMAPS, ",'reinvocationPolicy':'IfNeeded'"));
    SEND(.body = CONFIG("c", "{}"));
    hooks_answer(&f, 0, "'allowed':true");
    hooks_patch(&f, 1, "[{'op':'add','path':'/data','value':{'two':'2'}}]");
    CHECK_INT(f.n, 3); /* the second changed it last and need not look again */
    CHECK_STR(f.questions[2].name, "first");
    ASKED(2, "object.data", "{'two':'2'}");
    hooks_answer(&f, 2, "'allowed':true");
    ANSWERED(201);
    hooks_down(&f);
}

TEST(hooks, a_denial_is_told_in_kubernetes_words)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{}"));
    hooks_answer(&f, 0,
                 "'allowed':false,'status':{'code':403,'reason':'Forbidden','message':'no'}");
    ANSWERED(403);
    SAID("admission webhook \"a.example.com\" denied the request: no");
    HAS("reason", "'Forbidden'");
    SEND(.body = CONFIG("c", "{}"));
    hooks_answer(&f, 1, "'allowed':false");
    ANSWERED(400);
    SAID("admission webhook \"a.example.com\" denied the request without explanation");
    CHECK(!registry_fixture_get(&f.base, "configmaps", "default", "c"));
    hooks_down(&f);
}

TEST(hooks, warnings_reach_the_client)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{}"));
    hooks_answer(&f, 0, "'allowed':true,'warnings':['mind the gap']");
    ANSWERED(201);
    CHECK_STR(registry_fixture_print(&f.base, f.base.warnings, "0"), "'mind the gap'");
    hooks_down(&f);
}

TEST(hooks, annotations_reach_the_audit_log_under_the_webhook_s_name)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{}"));
    hooks_answer(&f, 0,
                 "'allowed':true,'auditAnnotations':{'seen':'yes','no key':'x','a/b':'x','n':1}");
    ANSWERED(201);
    CHECK_STR(registry_fixture_print(&f.base, f.base.annotations, ""),
              "{'a.example.com/seen':'yes'}");
    SEND(.body = CONFIG("d", "{}"));
    hooks_answer(&f, 1, "'allowed':false,'auditAnnotations':{'why':'because'}");
    ANSWERED(400);
    CHECK_STR(registry_fixture_print(&f.base, f.base.annotations, ""),
              "{'a.example.com/why':'because'}");
    hooks_down(&f);
}

static void check_failure(struct hooks_fixture *f, const char *want)
{
    cleanup(freep) char *text = mem_fmt(
        "Internal error occurred: failed calling webhook \"a.example.com\": %s", want);

    CHECK_INT(f->base.calls, 1);
    CHECK_INT(f->base.http, 500);
    CHECK_STR(json_str_or(f->base.body, "message", ""), text);
}

TEST(hooks, who_cannot_be_asked_or_answers_nonsense_blocks)
{
    static const struct {
        int http;
        const char *body, *want;
    } rows[] = {
        { 500, "oops",
          "failed to call webhook: an error on the server (\"oops\") has prevented the request "
          "from succeeding" },
        { 404, "", "failed to call webhook: the server could not find the requested resource" },
        { 200, "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\"}",
          "received invalid webhook response: webhook response was absent" },
    };
    struct hooks_fixture f = { 0 };
    char want[256];

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{}"));
    hooks_fail(&f, 0, ERR_TIMEOUT, "Post \"https://a/?timeout=10s\": context deadline exceeded");
    check_failure(&f, "failed to call webhook: Post \"https://a/?timeout=10s\": context deadline "
                      "exceeded");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        SEND(.body = CONFIG("c", "{}"));
        hooks_say(&f, i + 1, rows[i].http, rows[i].body);
        check_failure(&f, rows[i].want);
    }
    SEND(.body = CONFIG("c", "{}"));
    snprintf(want, sizeof(want),
             "received invalid webhook response: expected response.uid=\"%s\", "
             "got \"other\"",
             json_str_or(f.questions[f.n - 1].review, "request.uid", ""));
    hooks_say(&f, f.n - 1, 200,
              "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\","
              "\"response\":{\"uid\":\"other\",\"allowed\":true}}");
    check_failure(&f, want);
    SEND(.body = CONFIG("c", "{}"));
    hooks_say(&f, f.n - 1, 200, "{");
    CHECK_INT(f.base.http, 500);
    SEND(.body = CONFIG("c", "{}"));
    hooks_answer(&f, f.n - 1, "'allowed':true,'patchType':'JSONPatch','patch':'W10='");
    check_failure(&f, "received invalid webhook response: validating webhook may not return "
                      "response.patch");
    hooks_down(&f);
}

TEST(hooks, failures_of_one_that_may_fail_are_passed_over)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ",'failurePolicy':'Ignore'"));
    MUTATING("m", HOOK("b", RULE_CONFIGMAPS, ",'failurePolicy':'Ignore'"));
    SEND(.body = CONFIG("c", "{}"));
    hooks_fail(&f, 0, ERR_TIMEOUT, "late");
    hooks_fail(&f, 1, ERR_TIMEOUT, "late");
    ANSWERED(201);
    hooks_down(&f);
}

TEST(hooks, a_patch_that_breaks_managed_fields_is_undone_there)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    MUTATING("m", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{'a':'1'}"));
    WAITING;
    hooks_patch(&f, 0,
                "[{'op':'replace','path':'/metadata/managedFields/0/operation','value':'Own'},"
                "{'op':'add','path':'/data/b','value':'2'}]");
    ANSWERED(201);
    HAS("data.b", "'2'");
    HAS("metadata.managedFields.0.operation", "'Update'");
    CHECK_INT(json_array_size(f.base.warnings), 1);
    hooks_down(&f);
}

TEST(hooks, a_patch_that_breaks_the_object_is_refused)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    MUTATING("m", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{}"));
    hooks_patch(&f, 0, "[{'op':'replace','path':'/data/none','value':'x'}]");
    ANSWERED(500);
    SEND(.body = CONFIG("c", "{}"));
    hooks_patch(&f, 1, "[{'op':'add','path':'/data','value':7}]");
    ANSWERED(500);
    SEND(.body = CONFIG("c", "{}"));
    hooks_patch(&f, 2, "[{'op':'add','path':'/data','value':{'bad key':'x'}}]");
    ANSWERED(422); /* what comes out is validated as what goes in */
    hooks_down(&f);
}

TEST(hooks, a_dry_run_is_asked_about_and_keeps_nothing)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.body = CONFIG("c", "{}"), .dry_run = true);
    hooks_answer(&f, 0, "'allowed':true");
    ANSWERED(201);
    CHECK(!registry_fixture_get(&f.base, "configmaps", "default", "c"));
    hooks_down(&f);
}

TEST(hooks, an_update_asks_with_both_states_and_a_deletion_with_the_last)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    SEND(.body = CONFIG("c", "{'a':'1'}"));
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ""));
    SEND(.verb = REGISTRY_PATCH, .patch = REGISTRY_MERGE_PATCH, .name = "c",
         .body = "{'data':{'a':'2'}}");
    ASKED(0, "operation", "'UPDATE'");
    ASKED(0, "object.data", "{'a':'2'}");
    ASKED(0, "oldObject.data", "{'a':'1'}");
    hooks_answer(&f, 0, "'allowed':true");
    ANSWERED(200);
    SEND(.verb = REGISTRY_DELETE, .name = "c");
    ASKED(1, "operation", "'DELETE'");
    ASKED(1, "object", "null");
    ASKED(1, "oldObject.data", "{'a':'2'}");
    ASKED(1, "options.kind", "'DeleteOptions'");
    hooks_answer(&f, 1, "'allowed':false,'status':{'message':'keep it'}");
    ANSWERED(400);
    CHECK(registry_fixture_get(&f.base, "configmaps", "default", "c"));
    SEND(.verb = REGISTRY_DELETE, .name = "c");
    hooks_answer(&f, 2, "'allowed':true");
    ANSWERED(200);
    CHECK(!registry_fixture_get(&f.base, "configmaps", "default", "c"));
    hooks_down(&f);
}

TEST(hooks, others_write_meanwhile_and_a_patch_begins_anew)
{
    struct hooks_fixture f = { 0 };
    struct registry_fixture second;

    hooks_up(&f);
    SEND(.body = CONFIG("c", "{'a':'1'}"));
    VALIDATING("v", HOOK("a", RULE("'UPDATE'", "''", "'configmaps'"),
                         ",'objectSelector':{'matchLabels':{'watched':'yes'}}"));
    SEND(.verb = REGISTRY_PATCH, .patch = REGISTRY_MERGE_PATCH, .name = "c",
         .body = "{'metadata':{'labels':{'watched':'yes'}}}");
    WAITING;
    /* Somebody else's write is not watched, and goes through at once. */
    second = f.base;
    second.body = NULL;
    second.warnings = NULL;
    second.printed = NULL;
    CHECK_INT(registry_fixture_ask(&second, (struct ask){ .verb = REGISTRY_PATCH,
                                                          .patch = REGISTRY_MERGE_PATCH,
                                                          .name = "c",
                                                          .body = "{'data':{'b':'2'}}" }),
              200);
    json_decref(second.body);
    json_decref(second.warnings);
    hooks_answer(&f, 0, "'allowed':true");
    WAITING; /* asked again, about what is there now */
    ASKED(1, "object.data", "{'a':'1','b':'2'}");
    hooks_answer(&f, 1, "'allowed':true");
    ANSWERED(200);
    HAS("data", "{'a':'1','b':'2'}");
    HAS("metadata.labels", "{'watched':'yes'}");
    hooks_down(&f);
}

TEST(hooks, namespaces_and_labels_choose)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    SEND(.bucket = "namespaces", .ns = "",
         .body = "{'metadata':{'name':'free','labels':{'hooks':'off'}}}");
    VALIDATING("v", HOOK("a", RULE("'CREATE'", "''", "'configmaps','namespaces'"),
                         ",'namespaceSelector':{'matchExpressions':[{'key':'hooks','operator':"
                         "'NotIn','values':['off']}]}"));
    SEND(.ns = "free", .body = CONFIG("c", "{}"));
    ANSWERED(201);
    SEND(.bucket = "namespaces", .ns = "",
         .body = "{'metadata':{'name':'freer','labels':{'hooks':'off'}}}");
    ANSWERED(201); /* a namespace is judged by its own labels */
    SEND(.body = CONFIG("c", "{}"));
    WAITING;
    hooks_answer(&f, 0, "'allowed':true");
    ANSWERED(201);
    hooks_down(&f);
}

TEST(hooks, conditions_choose)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING(
        "v",
        HOOK(
            "a", RULE_CONFIGMAPS,
            ",'matchConditions':[{'name':'n','expression':'object.metadata.name != \\'skip-me\\''},"
            "{'name':'d','expression':'object.data.x != \\'0\\''}]"));
    SEND(.body = CONFIG("skip-me", "{'x':'1'}"));
    ANSWERED(201);
    SEND(.body = CONFIG("a", "{'x':'0'}"));
    ANSWERED(201);
    SEND(.body = CONFIG("skip-me-2", "{'x':'1'}"));
    WAITING;
    hooks_answer(&f, 0, "'allowed':true");
    ANSWERED(201);
    SEND(.body = CONFIG("b", "{'y':'1'}")); /* it cannot be told: failurePolicy Fail */
    ANSWERED(403);
    SAID("configmaps \"b\" is forbidden: expression 'object.data.x != \"0\"' resulted in error: no "
         "such key: x");
    hooks_down(&f);
}

TEST(hooks, another_version_of_the_same_is_meant_too)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a",
                         "{'operations':['CREATE'],'apiGroups':['autoscaling'],"
                         "'apiVersions':['v1'],'resources':['horizontalpodautoscalers']}",
                         ""));
    SEND(.bucket = "horizontalpodautoscalers.autoscaling",
         .body = "{'metadata':{'name':'h'},'spec':{'maxReplicas':2,'scaleTargetRef':{'kind':"
                 "'Deployment','name':'d'},'metrics':[{'type':'Resource','resource':{'name':'cpu',"
                 "'target':{'type':'Utilization','averageUtilization':70}}}]}}");
    WAITING;
    ASKED(0, "kind.version", "'v1'");
    ASKED(0, "requestKind.version", "'v2'");
    ASKED(0, "object.spec.targetCPUUtilizationPercentage", "70");
    hooks_answer(&f, 0, "'allowed':true");
    ANSWERED(201);
    hooks_down(&f);
}

TEST(hooks, subresources_are_asked_about_by_their_own_names)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    SEND(.bucket = "deployments.apps", .body = DEPLOYMENT("d", ""));
    SEND(.bucket = "pods", .body = POD("p", ""));
    MUTATING("m", HOOK("a", RULE("'*'", "'*'", "'*/scale','pods/binding','pods/exec'"), ""));
    SEND(.verb = REGISTRY_PATCH, .patch = REGISTRY_MERGE_PATCH, .bucket = "deployments.apps",
         .sub = "scale", .name = "d", .body = "{'spec':{'replicas':5}}");
    ASKED(0, "kind", "{'group':'autoscaling','kind':'Scale','version':'v1'}");
    ASKED(0, "subResource", "'scale'");
    ASKED(0, "object.spec.replicas", "5");
    ASKED(0, "oldObject.spec.replicas", "1");
    hooks_patch(&f, 0, "[{'op':'replace','path':'/spec/replicas','value':3}]");
    ANSWERED(200);
    HAS("spec.replicas", "3");
    SEND(.verb = REGISTRY_CREATE, .bucket = "pods", .sub = "binding", .name = "p",
         .body = "{'metadata':{'name':'p'},'target':{'kind':'Node','name':'n'}}");
    ASKED(1, "kind.kind", "'Binding'");
    ASKED(1, "object.target.name", "'n'");
    hooks_answer(&f, 1, "'allowed':false");
    ANSWERED(400);
    SEND(.verb = REGISTRY_CONNECT, .bucket = "pods", .sub = "exec", .name = "p",
         .body = "{'kind':'PodExecOptions','apiVersion':'v1','command':['sh']}");
    ASKED(2, "operation", "'CONNECT'");
    ASKED(2, "object.command", "['sh']");
    hooks_answer(&f, 2, "'allowed':false,'status':{'message':'no shells'}");
    ANSWERED(400);
    hooks_down(&f);
}

TEST(hooks, configurations_of_webhooks_are_exempt)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE("'*'", "'*'", "'*/*'"), ""));
    SEND(.verb = REGISTRY_DELETE, .ns = "", .name = "v",
         .bucket = "validatingwebhookconfigurations.admissionregistration.k8s.io");
    ANSWERED(200);
    SEND(.body = CONFIG("c", "{}"));
    ANSWERED(201); /* and it is gone at once */
    hooks_down(&f);
}

TEST(hooks, an_end_of_the_server_counts_as_no_answer)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    VALIDATING("v", HOOK("a", RULE_CONFIGMAPS, ""));
    registry_on_outcall(f.base.r, NULL);
    SEND(.body = CONFIG("c", "{}"));
    check_failure(&f, "failed to call webhook: the server is shutting down");
    hooks_down(&f);
}

/* --- configurations --- */

static void check_refused(struct hooks_fixture *f, const char *hook, const char *want)
{
    CHECK_INT(hooks_register(f, "validatingwebhookconfigurations.admissionregistration.k8s.io", "x",
                             hook),
              422);
    CHECK_STR(json_string_value(tree_at(f->base.body, "details.causes.0.message")), want);
}

TEST(hooks, configurations_are_validated_as_in_kubernetes)
{
    struct hooks_fixture f = { 0 };

    hooks_up(&f);
    check_refused(&f, HOOK("a", RULE("'*','CREATE'", "''", "'pods'"), ""),
                  "Invalid value: []string{\"*\", \"CREATE\"}: if '*' is present, must not specify "
                  "other operations");
    check_refused(&f, HOOK("a", RULE("'CREATE'", "''", "'pods/*','pods/status'"), ""),
                  "Invalid value: \"pods/status\": if 'pods/*' is present, must not specify "
                  "pods/status");
    check_refused(&f, HOOK("a", RULE("'CREATE'", "''", "'*','pods'"), ""),
                  "Invalid value: []string{\"*\", \"pods\"}: if '*' is present, must not specify "
                  "other resources without subresources");
    check_refused(&f, HOOK("a", RULE_CONFIGMAPS, ",'timeoutSeconds':31"),
                  "Invalid value: 31: the timeout value must be between 1 and 30 seconds");
    check_refused(
        &f,
        HOOK("a", RULE_CONFIGMAPS, ",'matchConditions':[{'name':'n','expression':'object.x +'}]"),
        "Invalid value: \"object.x +\": compilation failed: ERROR: <input>:1:11: Syntax error: "
        "mismatched "
        "input '<EOF>' expecting an expression\n | object.x +\n | ..........^");
    check_refused(&f,
                  "{'name':'a.b.c','admissionReviewVersions':['v1'],'sideEffects':'Some',"
                  "'clientConfig':{'url':'https://h'}}",
                  "Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"");
    check_refused(&f,
                  "{'name':'a.b.c','admissionReviewVersions':['v2'],'sideEffects':'None',"
                  "'clientConfig':{'url':'https://h'}}",
                  "Invalid value: []string{\"v2\"}: must include at least one of v1, v1beta1");
    check_refused(&f,
                  "{'name':'a.b.c','admissionReviewVersions':['v1'],'sideEffects':'None',"
                  "'clientConfig':{'url':'http://h'}}",
                  "Invalid value: \"http\": 'https' is the only allowed URL scheme; desired "
                  "format: https://host[/path]");
    check_refused(&f,
                  "{'name':'a.b.c','admissionReviewVersions':['v1'],'sideEffects':'None',"
                  "'clientConfig':{'service':{'name':'s','namespace':'n','path':'/a//b'}}}",
                  "Invalid value: \"/a//b\": segment[1] may not be empty");
    check_refused(&f,
                  "{'name':'a.b','admissionReviewVersions':['v1'],'sideEffects':'None',"
                  "'clientConfig':{'url':'https://h'}}",
                  "Invalid value: \"a.b\": should be a domain with at least three segments "
                  "separated by dots");
    hooks_down(&f);
}
