/* layer: api */
#include "api/decode.h"
#include "api/validate.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

/* As the registry does it: types checked, defaults filled in. */
static json_t *object_of(const struct schema_resource *r, const char *text)
{
    json_t *tree = quoted(text);
    struct err err = ERR_EMPTY;

    if (decode_check(tree, r->type, NULL, &err) < 0)
        CHECK_STR(err.text, text);
    if (r->namespaced && json_at(tree, "metadata.namespace") == NULL)
        json_put_str(tree, "metadata.namespace", "d");
    decode_defaults(tree, r);
    return tree;
}

/* @want is what follows `Kind "a" is invalid: `, "" when all is well. */
static void check_create(const char *bucket, const char *text, const char *want)
{
    const struct schema_resource *r = schema_bucket(bucket);
    cleanup(json_decrefpp) json_t *tree = object_of(r, text);
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    struct field_errors e = FIELD_ERRORS_EMPTY;

    validate_create(&e, r, tree);
    field_errors_text(&e, &have);
    field_errors_fini(&e);
    CHECK_STR(text_str(&have), want);
}

static void check_update(const char *bucket, const char *old, const char *text, const char *want)
{
    const struct schema_resource *r = schema_bucket(bucket);
    cleanup(json_decrefpp) json_t *before = object_of(r, old);
    cleanup(json_decrefpp) json_t *tree = object_of(r, text);
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    struct field_errors e = FIELD_ERRORS_EMPTY;

    validate_update(&e, r, tree, before);
    field_errors_text(&e, &have);
    field_errors_fini(&e);
    CHECK_STR(text_str(&have), want);
}

#define META           "'metadata':{'name':'a'}"
#define POD(spec)      "{" META ",'spec':{" spec "}}"
#define ONE(container) POD("'containers':[{'name':'c','image':'i'," container "}]")

TEST(validate, names_have_their_forms)
{
    CHECK(validate_dns1123_label("a-1") == NULL);
    CHECK(validate_dns1123_label("a.b") != NULL);
    CHECK(validate_dns1123_label("-a") != NULL);
    CHECK(validate_dns1123_label("") != NULL);
    CHECK(validate_dns1123_subdomain("a.b-c.1") == NULL);
    CHECK(validate_dns1123_subdomain("a..b") != NULL);
    CHECK(validate_dns1035_label("1a") != NULL);
    CHECK(validate_label_key("app.kubernetes.io/name") == NULL);
    CHECK(validate_label_key("a/b/c") != NULL);
    CHECK_STR(validate_label_key("/b"), "prefix part must be non-empty");
    CHECK_STR(validate_label_key("a/"), "name part must be non-empty");
    CHECK(validate_label_value("") == NULL);
    CHECK(validate_label_value("a_b.C-1") == NULL);
    CHECK(validate_label_value("-a") != NULL);
}

TEST(validate, metadata_is_checked_for_every_kind)
{
    check_create("configmaps", "{'metadata':{}}",
                 "metadata.name: Required value: name or generateName is required");
    check_create("configmaps", "{'metadata':{'generateName':'a-'}}", "");
    check_create("configmaps", "{'metadata':{'name':'A'}}",
                 "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist "
                 "of lower case alphanumeric characters, '-' or '.', and must start and end with "
                 "an alphanumeric character (e.g. 'example.com', regex used for validation is "
                 "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
    check_create("services", "{'metadata':{'name':'1a'},'spec':{'ports':[{'port':80}]}}",
                 "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of lower "
                 "case alphanumeric characters or '-', start with an alphabetic character, and end "
                 "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
                 "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
    check_create("configmaps", "{'metadata':{'name':'a','labels':{'k':'b c'}}}",
                 "metadata.labels: Invalid value: \"b c\": a valid label must be an empty string "
                 "or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
                 "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
                 "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
    check_create("configmaps", "{'metadata':{'name':'a','finalizers':['x']}}",
                 "metadata.finalizers[0]: Invalid value: \"x\": name is neither a standard "
                 "finalizer name nor is it fully qualified");
    check_create("configmaps",
                 "{'metadata':{'name':'a','ownerReferences':[{'apiVersion':'v1','kind':'Pod',"
                 "'name':'p'}]}}",
                 "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty");
    check_update("configmaps",
                 "{'metadata':{'name':'a','deletionTimestamp':'2026-01-01T00:00:00Z','finalizers':"
                 "['x/y']}}",
                 "{'metadata':{'name':'a','deletionTimestamp':'2026-01-01T00:00:00Z','finalizers':"
                 "['x/y','x/z']}}",
                 "metadata.finalizers: Forbidden: no new finalizers can be added if the object is "
                 "being deleted, found new finalizers []string{\"x/z\"}");
}

TEST(validate, a_pod_needs_named_containers_with_images)
{
    check_create("pods", ONE("'ports':[{'containerPort':80}]"), "");
    check_create("pods", "{" META "}", "spec.containers: Required value");
    check_create("pods", POD("'containers':[{'name':'c'}]"),
                 "spec.containers[0].image: Required value");
    check_create("pods", POD("'containers':[{'image':'i'}]"),
                 "spec.containers[0].name: Required value");
    check_create("pods", POD("'containers':[{'name':'c','image':'i'},{'name':'c','image':'i'}]"),
                 "spec.containers[1].name: Duplicate value: \"c\"");
    check_create("pods", POD("'restartPolicy':'Sometimes','containers':[{'name':'c','image':'i'}]"),
                 "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: "
                 "\"Always\", \"OnFailure\", \"Never\"");
    check_create("pods", ONE("'imagePullPolicy':'x'"),
                 "spec.containers[0].imagePullPolicy: Unsupported value: \"x\": supported values: "
                 "\"Always\", \"IfNotPresent\", \"Never\"");
    check_create("pods", POD("'containers':[{'name':'A.b','image':' i'}]"),
                 "[spec.containers[0].name: Invalid value: \"A.b\": a lowercase RFC 1123 label "
                 "must consist of lower case alphanumeric characters or '-', and must start and "
                 "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
                 "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.containers[0].image: "
                 "Invalid value: \" i\": must not have leading or trailing whitespace]");
}

TEST(validate, container_parts)
{
    check_create("pods", ONE("'ports':[{'containerPort':70000},{}]"),
                 "[spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be "
                 "between 1 and 65535, inclusive, spec.containers[0].ports[1].containerPort: "
                 "Required value]");
    check_create("pods",
                 ONE("'ports':[{'name':'h','containerPort':1},{'name':'h',"
                     "'containerPort':2}]"),
                 "spec.containers[0].ports[1].name: Duplicate value: \"h\"");
    check_create("pods", ONE("'volumeMounts':[{'name':'v','mountPath':'/x'}]"),
                 "spec.containers[0].volumeMounts[0].name: Not found: \"v\"");
    check_create("pods", ONE("'env':[{'name':'A=B','value':'1'}]"),
                 "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment "
                 "variable name must consist only of printable ASCII characters other than '='");
    check_create("pods",
                 ONE("'env':[{'name':'A','valueFrom':{'fieldRef':{'fieldPath':"
                     "'spec.foo'}}}]"),
                 "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "
                 "\"spec.foo\": error converting fieldPath: field label not supported: spec.foo");
    check_create("pods", ONE("'resources':{'requests':{'cpu':'200m'},'limits':{'cpu':'100m'}}"),
                 "spec.containers[0].resources.requests: Invalid value: \"200m\": must be less "
                 "than or equal to cpu limit of 100m");
    check_create("pods", ONE("'resources':{'limits':{'cpu':'-1'}}"),
                 "[spec.containers[0].resources.limits[cpu]: Invalid value: \"-1\": must be "
                 "greater than or equal to 0, spec.containers[0].resources.requests[cpu]: Invalid "
                 "value: \"-1\": must be greater than or equal to 0]");
    check_create("pods", ONE("'livenessProbe':{'successThreshold':2,'tcpSocket':{'port':80}}"),
                 "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1");
    check_create("pods", ONE("'readinessProbe':{}"),
                 "spec.containers[0].readinessProbe: Required value: must specify a handler type");
    check_create("pods", ONE("'readinessProbe':{'httpGet':{'port':'http-port'}}"), "");
}

#define SYSCTL_FORM                                     \
    "must have at most 253 characters and match regex " \
    "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
#define SYSCTLS(list) \
    POD("'securityContext':{'sysctls':[" list "]},'containers':[{'name':'c','image':'i'}]")

TEST(validate, names_of_sysctls)
{
    check_create("pods",
                 SYSCTLS("{'name':'kernel.shm_rmid_forced','value':'1'},{'name':'net/ipv4/"
                         "a-b_c.d','value':'1'},{'name':'"
                         "safe-and-unsafe','value':'1'}"),
                 "");
    check_create("pods",
                 SYSCTLS("{'name':'foo-','value':'1'},{'name':'kernel.shmmax','value':'1'},{'name':"
                         "'bar..','value':'1'}"),
                 "[spec.securityContext.sysctls[0].name: Invalid value: \"foo-\": " SYSCTL_FORM
                 ", spec.securityContext.sysctls[2].name: Invalid value: \"bar..\": " SYSCTL_FORM
                 "]");
    check_create("pods", SYSCTLS("{'name':'_a','value':'1'}"),
                 "spec.securityContext.sysctls[0].name: Invalid value: \"_a\": " SYSCTL_FORM);
    check_create("pods", SYSCTLS("{'name':'a.b','value':'1'},{'name':'a.b','value':'1'}"),
                 "spec.securityContext.sysctls[1].name: Duplicate value: \"a.b\"");
    check_create("pods", SYSCTLS("{'value':'1'}"),
                 "spec.securityContext.sysctls[0].name: Required value");
}

TEST(validate, volumes_have_one_source_and_one_name)
{
    check_create("pods",
                 POD("'containers':[{'name':'c','image':'i','volumeMounts':[{'name':'v',"
                     "'mountPath':'/a'},{'name':'v','mountPath':'/a'}]}],'volumes':[{'name':'v'},"
                     "{'name':'v','emptyDir':{}},{'name':'w','emptyDir':{},'hostPath':{'path':"
                     "'/x'}}]"),
                 "[spec.volumes[1].name: Duplicate value: \"v\", spec.volumes[2].hostPath: "
                 "Forbidden: may not specify more than 1 volume type, "
                 "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be "
                 "unique]");
    check_create("pods",
                 POD("'containers':[{'name':'c','image':'i'}],'volumes':[{'name':'v','secret':{"
                     "'secretName':'s','items':[{'key':'k','path':'../x'}]}}]"),
                 "spec.volumes[0].secret.items[0].path: Invalid value: \"../x\": must not contain "
                 "'..'");
}

#define WORKLOAD(extra)                                                                          \
    "{" META ",'spec':{'selector':{'matchLabels':{'app':'x'}},'template':{'metadata':{'labels':" \
    "{'app':'x'}},'spec':{'containers':[{'name':'c','image':'i'}]}}" extra "}}"

TEST(validate, deployments)
{
    check_create("deployments.apps", WORKLOAD(""), "");
    check_create("deployments.apps",
                 "{" META ",'spec':{'template':{'metadata':{'labels':{'app':'x'}},'spec':"
                 "{'containers':[{'name':'c','image':'i'}]}}}}",
                 "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: "
                 "map[string]string{\"app\":\"x\"}: `selector` does not match template `labels`]");
    check_create("deployments.apps",
                 "{" META ",'spec':{'selector':{'matchLabels':{'app':'x'}},'template':{'metadata':"
                 "{'labels':{'app':'y'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}",
                 "spec.template.metadata.labels: Invalid value: map[string]string{\"app\":\"y\"}: "
                 "`selector` does not match template `labels`");
    check_create("deployments.apps", "{" META ",'spec':{'selector':{'matchLabels':{'a':'b'}}}}",
                 "[spec.template.spec.containers: Required value, spec.template.metadata.labels: "
                 "Invalid value: map[string]string(nil): `selector` does not match template "
                 "`labels`]");
    check_create("deployments.apps", WORKLOAD(",'replicas':-1"),
                 "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
    check_create("deployments.apps",
                 WORKLOAD(",'strategy':{'rollingUpdate':{'maxSurge':0,'maxUnavailable':'0%'}}"),
                 "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 "
                 "when `maxSurge` is 0");
    check_create("deployments.apps", WORKLOAD(",'strategy':{'type':'Fast'}"),
                 "spec.strategy.type: Unsupported value: \"Fast\": supported values: \"Recreate\", "
                 "\"RollingUpdate\"");
    check_create("deployments.apps",
                 "{" META ",'spec':{'selector':{'matchLabels':{'app':'x'}},'template':{'metadata':"
                 "{'labels':{'app':'x'}},'spec':{'restartPolicy':'Never','containers':[{'name':"
                 "'c','image':'i'}]}}}}",
                 "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported "
                 "values: \"Always\"");
    check_update("deployments.apps", WORKLOAD(""),
                 "{" META ",'spec':{'selector':{'matchLabels':{'app':'y'}},'template':{'metadata':"
                 "{'labels':{'app':'y'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}",
                 "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"
                 "\"app\":\"y\"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is "
                 "immutable");
}

TEST(validate, other_workloads)
{
    check_create("statefulsets.apps", WORKLOAD(",'serviceName':'s'"), "");
    check_update("statefulsets.apps", WORKLOAD(",'serviceName':'s'"),
                 WORKLOAD(",'serviceName':'s','replicas':5"), "");
    check_update("statefulsets.apps", WORKLOAD(",'serviceName':'s'"),
                 WORKLOAD(",'serviceName':'t'"),
                 "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
                 "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
                 "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
    check_create("daemonsets.apps", WORKLOAD(""), "");
    check_create("replicasets.apps", WORKLOAD(""), "");
    check_create("jobs.batch",
                 "{" META
                 ",'spec':{'template':{'spec':{'containers':[{'name':'c','image':'i'}]}}}}",
                 "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", "
                 "\"Never\"");
    check_create("jobs.batch",
                 "{" META ",'spec':{'template':{'spec':{'restartPolicy':'Never','containers':"
                 "[{'name':'c','image':'i'}]}}}}",
                 "");
    check_create("horizontalpodautoscalers.autoscaling",
                 "{" META ",'spec':{'minReplicas':5,'maxReplicas':2,'scaleTargetRef':{'kind':"
                 "'Deployment','name':'x'}}}",
                 "spec.maxReplicas: Invalid value: 2: must be greater than or equal to "
                 "`minReplicas`");
    check_create("poddisruptionbudgets.policy",
                 "{" META ",'spec':{'minAvailable':'50%','selector':{'matchLabels':{'a':'b'}}}}",
                 "");
}

#define SCALER(rest) \
    "{" META ",'spec':{'maxReplicas':2,'scaleTargetRef':{'kind':'Deployment','name':'x'}," rest "}}"
#define SCALER_CPU(target) \
    SCALER("'metrics':[{'type':'Resource','resource':{'name':'cpu','target':{" target "}}}]")
#define SCALER_UP(rules) SCALER("'behavior':{'scaleUp':{" rules "}}")

TEST(validate, autoscalers)
{
    static const struct {
        const char *tree, *problem;
    } rows[] = {
        { SCALER_CPU("'type':'Utilization','averageUtilization':50"), "" },
        { SCALER_CPU("'type':'Utilization','averageUtilization':0"),
          "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater "
          "than 0" },
        { SCALER_CPU("'type':'AverageValue','averageValue':'0'"),
          "spec.metrics[0].resource.target.averageValue: Invalid value: \"0\": must be positive" },
        { SCALER_CPU("'type':'Utilization'"),
          "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a "
          "target raw value or a target utilization" },
        { SCALER_CPU("'type':'Utilization','averageUtilization':5,'averageValue':'1'"),
          "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw "
          "value and a target utilization" },
        { SCALER_CPU("'type':'Much','averageUtilization':5"),
          "spec.metrics[0].resource.target.type: Invalid value: \"Much\": must be either "
          "Utilization, Value, or AverageValue" },
        { SCALER("'metrics':[{'type':'Pods'}]"),
          "spec.metrics[0].pods: Required value: must populate information for the given metric "
          "source" },
        { SCALER("'metrics':[{'type':'Moon'}]"),
          "spec.metrics[0].type: Unsupported value: \"Moon\": supported values: "
          "\"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"" },
        { SCALER_UP("'stabilizationWindowSeconds':3601,'policies':[{'type':'Pods','value':1,"
                    "'periodSeconds':1}]"),
          "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less "
          "than or equal to 3600" },
        { SCALER_UP("'policies':[{'type':'Pods','value':0,'periodSeconds':1}]"),
          "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero" },
        { SCALER_UP("'policies':[{'type':'Pods','value':1,'periodSeconds':1801}]"),
          "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than "
          "or equal to 1800" },
        { SCALER_UP("'selectPolicy':'Some','policies':[{'type':'Pods','value':1,"
                    "'periodSeconds':1}]"),
          "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Some\": supported values: "
          "\"Disabled\", \"Max\", \"Min\"" },
        { SCALER_UP("'policies':[]"), "" }, /* as if it were absent: defaults */
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        check_create("horizontalpodautoscalers.autoscaling", rows[i].tree, rows[i].problem);
}

TEST(validate, cron_schedules)
{
    static const char *const good[] = { "* * * * *",    "*/5 0-6 1,15 jan-mar MON",
                                        "@hourly",      "0 0 * * 0",
                                        "@every 1h30m", "59 23 31 12 6" };
    static const char *const bad[] = { "* * * *",     "60 * * * *", "* * 0 * *",  "a * * * *",
                                       "*/0 * * * *", "@never",     "5-1 * * * *" };

    for (size_t i = 0; i < N_ELEMENTS(good) + N_ELEMENTS(bad); i++) {
        bool fine = i < N_ELEMENTS(good);
        const char *schedule = fine ? good[i] : bad[i - N_ELEMENTS(good)];
        const struct schema_resource *r = schema_bucket("cronjobs.batch");
        cleanup(freep) char *text = mem_fmt(
            "{" META ",'spec':{'schedule':'%s','jobTemplate':{'spec':{'template':{'spec':"
            "{'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}}}}}}",
            schedule);
        cleanup(json_decrefpp) json_t *tree = object_of(r, text);
        struct field_errors e = FIELD_ERRORS_EMPTY;

        validate_create(&e, r, tree);
        if ((e.n == 0) != fine)
            CHECK_STR(schedule, fine ? "(taken)" : "(refused)");
        field_errors_fini(&e);
    }
}

#define JOB(spec)                                                                          \
    "{" META ",'spec':{" spec ",'template':{'spec':{'restartPolicy':'Never','containers':" \
    "[{'name':'c','image':'i'}]}}}}"
#define INDEXED "'completionMode':'Indexed','completions':3"

TEST(validate, policies_of_jobs)
{
    const char *rule = "spec.podFailurePolicy.rules[0]";
    static const char rules[] = JOB("'podReplacementPolicy':'Failed','podFailurePolicy':{'rules':"
                                    "[{'action':'FailIndex','onExitCodes':{'operator':'In',"
                                    "'containerName':'x','values':[2,1,0]}}]}");
    cleanup(freep) char *want = mem_fmt(
        "[%s.action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set, "
        "%s.onExitCodes.containerName: Invalid value: \"x\": must be one of the container or "
        "initContainer names in the pod template, %s.onExitCodes.values[2]: Invalid value: 0: must "
        "not be 0 for the In operator, %s.onExitCodes.values: Invalid value: []int32{2, 1, 0}: "
        "must "
        "be ordered]",
        rule, rule, rule, rule);

    check_create("jobs.batch", rules, want);
    check_create("jobs.batch",
                 JOB("'podReplacementPolicy':'Failed','podFailurePolicy':{'rules':[{'action':"
                     "'Ignore'}]}"),
                 "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and "
                 "OnPodConditions is required");
    check_create("jobs.batch", JOB("'maxFailedIndexes':1"),
                 "[spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified, "
                 "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode]");
    check_create("jobs.batch", JOB(INDEXED ",'successPolicy':{'rules':[{}]}"),
                 "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or "
                 "succeededIndexes must be specified");
    check_create("jobs.batch",
                 JOB(INDEXED ",'successPolicy':{'rules':[{'succeededIndexes':'0-3'}]}"),
                 "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0-3\": error "
                 "parsing succeededIndexes: too large index: \"3\"");
    check_create("jobs.batch",
                 JOB(INDEXED ",'successPolicy':{'rules':[{'succeededIndexes':'0,2',"
                             "'succeededCount':2}]}"),
                 "");
}

TEST(validate, services)
{
    check_create("services", "{" META ",'spec':{'ports':[{'port':80}]}}", "");
    check_create("services", "{" META "}", "spec.ports: Required value");
    check_create("services", "{" META ",'spec':{'clusterIP':'None'}}", "");
    check_create("services", "{" META ",'spec':{'ports':[{'port':80},{'port':80}]}}",
                 "[spec.ports[0].name: Required value, spec.ports[1].name: Required value, "
                 "spec.ports[1]: Duplicate value: core.ServicePort{Name:\"\", Protocol:\"TCP\", "
                 "AppProtocol:(*string)(nil), Port:80, TargetPort:intstr.IntOrString{Type:0, "
                 "IntVal:0, StrVal:\"\"}, NodePort:0}]");
    check_create("services", "{" META ",'spec':{'ports':[{'port':80,'nodePort':30000}]}}",
                 "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'");
    check_create("services", "{" META ",'spec':{'type':'ExternalName'}}",
                 "spec.externalName: Required value");
    check_create("services", "{" META ",'spec':{'type':'Odd','ports':[{'port':80}]}}",
                 "spec.type: Unsupported value: \"Odd\": supported values: \"ClusterIP\", "
                 "\"ExternalName\", \"LoadBalancer\", \"NodePort\"");
    check_update("services",
                 "{" META ",'spec':{'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1'],'ports':"
                 "[{'port':80}]}}",
                 "{" META ",'spec':{'clusterIP':'10.0.0.2','clusterIPs':['10.0.0.2'],'ports':"
                 "[{'port':80}]}}",
                 "spec.clusterIPs[0]: Invalid value: []string{\"10.0.0.2\"}: may not change once "
                 "set");
}

TEST(validate, pods_change_little)
{
    const char *old = POD("'nodeName':'n','tolerations':[{'key':'a','operator':'Exists'}],"
                          "'containers':[{'name':'c','image':'i:1'}]");

    check_update("pods", old,
                 POD("'nodeName':'n','tolerations':[{'key':'a','operator':'Exists'},{'key':'b',"
                     "'operator':'Exists'}],'containers':[{'name':'c','image':'i:2',"
                     "'imagePullPolicy':'IfNotPresent'}]"),
                 "");
    check_update("pods", old,
                 POD("'nodeName':'m','tolerations':[{'key':'a','operator':'Exists'}],"
                     "'containers':[{'name':'c','image':'i:1'}]"),
                 "spec: Forbidden: pod updates may not change fields other than "
                 "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                 "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
                 "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
                 "was previously negative)");
    check_update("pods", old,
                 POD("'nodeName':'n','containers':[{'name':'c','image':'i'},{'name':"
                     "'d','image':'i'}]"),
                 "spec.containers: Forbidden: pod updates may not add or remove containers");
}

/* Only a binding places a pod, and only its subresource adds ephemeral containers. */
TEST(validate, pods_are_not_placed_by_an_update)
{
    const char *old = POD("'containers':[{'name':'c','image':'i'}]");
    const char
        *said = "spec: Forbidden: pod updates may not change fields other than "
                "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
                "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
                "was previously negative)";

    check_update("pods", old, POD("'nodeName':'n','containers':[{'name':'c','image':'i'}]"), said);
    check_update("pods", old,
                 POD("'containers':[{'name':'c','image':'i'}],'ephemeralContainers':[{'name':'d',"
                     "'image':'i'}]"),
                 said);
}

TEST(validate, configuration)
{
    check_create("configmaps", "{" META ",'data':{'a b':'1'}}",
                 "data[a b]: Invalid value: \"a b\": a valid config key must consist of "
                 "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
                 "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
    check_update("configmaps", "{" META ",'immutable':true,'data':{'a':'1'}}",
                 "{" META ",'immutable':true,'data':{'a':'2'}}",
                 "data: Forbidden: field is immutable when `immutable` is set");
    check_create("secrets", "{" META ",'type':'kubernetes.io/tls','data':{'tls.crt':'eA=='}}",
                 "data[tls.key]: Required value");
    check_create("secrets", "{" META ",'data':{'x':'eA=='}}", "");
    check_update("secrets", "{" META "}", "{" META ",'type':'x/y'}",
                 "type: Invalid value: \"x/y\": field is immutable");
    check_create("namespaces", "{'metadata':{'name':'a.b'}}",
                 "metadata.name: Invalid value: \"a.b\": must not contain dots");
}

TEST(validate, storage)
{
    check_create("persistentvolumeclaims", "{" META ",'spec':{}}",
                 "[spec.accessModes: Required value: at least 1 access mode is required, "
                 "spec.resources[storage]: Required value]");
    check_create("persistentvolumeclaims",
                 "{" META ",'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':"
                 "{'storage':'1Gi'}}}}",
                 "");
    check_update("persistentvolumeclaims",
                 "{" META ",'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':"
                 "{'storage':'1Gi'}}}}",
                 "{" META ",'spec':{'accessModes':['ReadWriteOnce'],'volumeName':'v','resources':"
                 "{'requests':{'storage':'1Gi'}}}}",
                 "");
    check_update("persistentvolumeclaims",
                 "{" META ",'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':"
                 "{'storage':'1Gi'}}}}",
                 "{" META ",'spec':{'accessModes':['ReadWriteMany'],'resources':{'requests':"
                 "{'storage':'1Gi'}}}}",
                 "spec: Forbidden: spec is immutable after creation except resources.requests and "
                 "volumeAttributesClassName for bound claims");
    check_create("storageclasses.storage.k8s.io", "{" META "}", "provisioner: Required value");
    check_update("csidrivers.storage.k8s.io", "{" META ",'spec':{'attachRequired':true}}",
                 "{" META ",'spec':{'attachRequired':false}}",
                 "spec.attachedRequired: Invalid value: false: field is immutable");
    check_update("csistoragecapacities.storage.k8s.io", "{" META ",'storageClassName':'a'}",
                 "{" META ",'storageClassName':'b'}",
                 "storageClassName: Invalid value: \"b\": field is immutable");
    check_update(
        "csinodes.storage.k8s.io", "{" META ",'spec':{'drivers':[{'name':'d','nodeID':'n'}]}}",
        "{" META ",'spec':{'drivers':[{'name':'d','nodeID':'m'}]}}",
        "CSINodeDriver: Invalid value: map[string]string{\"name\":\"d\", \"nodeID\":\"m\"}: "
        "field is immutable");
    check_update("storageclasses.storage.k8s.io", "{" META ",'provisioner':'p'}",
                 "{" META ",'provisioner':'p','parameters':{'a':'b'}}",
                 "parameters: Forbidden: updates to parameters are forbidden.");
    check_create("persistentvolumes",
                 "{" META ",'spec':{'capacity':{'storage':'1Gi'},'accessModes':['ReadWriteOnce'],"
                 "'local':{'path':'/x'}}}",
                 "spec.nodeAffinity: Required value: Local volume requires node affinity");
}

TEST(validate, network_and_access)
{
    check_create(
        "ingresses.networking.k8s.io",
        "{" META ",'spec':{'rules':[{'host':'h.example','http':{'paths':[{'path':'/',"
        "'pathType':'Prefix','backend':{'service':{'name':'s','port':{'number':80}}}}]}}]}}",
        "");
    check_create("ingresses.networking.k8s.io", "{" META ",'spec':{}}",
                 "spec: Invalid value: {}: either `defaultBackend` or `rules` must be "
                 "specified");
    check_create("ingresses.networking.k8s.io",
                 "{" META ",'spec':{'rules':[{'http':{'paths':[{'path':'x','backend':{'service':"
                 "{'name':'s','port':{}}}}]}}]}}",
                 "[spec.rules[0].http.paths[0].pathType: Required value: pathType must be "
                 "specified, spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an "
                 "absolute path, spec.rules[0].http.paths[0].backend.service.port: Required value: "
                 "port name or number is required]");
    check_create("networkpolicies.networking.k8s.io", "{" META ",'spec':{'podSelector':{}}}", "");
    check_create("roles.rbac.authorization.k8s.io", "{" META ",'rules':[{'apiGroups':['']}]}",
                 "[rules[0].verbs: Required value: verbs must contain at least one value, "
                 "rules[0].resources: Required value: resource rules must supply at least one "
                 "resource]");
    check_update("rolebindings.rbac.authorization.k8s.io",
                 "{" META ",'roleRef':{'kind':'Role','name':'r'}}",
                 "{" META ",'roleRef':{'kind':'ClusterRole','name':'r'}}",
                 "roleRef: Invalid value: rbac.RoleRef{APIGroup:\"rbac.authorization.k8s.io\", "
                 "Kind:\"ClusterRole\", Name:\"r\"}: cannot change roleRef");
    check_create("leases.coordination.k8s.io", "{" META ",'spec':{'leaseDurationSeconds':0}}",
                 "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0");
}

TEST(validate, every_kind_takes_its_smallest_object)
{
    const struct schema_resource *r;

    /* Nothing crashes on an object that holds only its name. */
    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        cleanup(json_decrefpp) json_t *tree = object_of(r, "{" META "}");
        struct field_errors e = FIELD_ERRORS_EMPTY;

        validate_create(&e, r, tree);
        field_errors_fini(&e);
        validate_update(&e, r, tree, tree);
        field_errors_fini(&e);
        validate_status(&e, r, tree, tree);
        CHECK_INT(e.n, 0);
        field_errors_fini(&e);
    }
}
