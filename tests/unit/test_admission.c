/* layer: api */
#include "tests/unit/registry_fixture.h"

/* --- ServiceAccount --- */

TEST(admission, a_pod_runs_as_an_account)
{
    struct registry_fixture f = { 0 };
    const char *volume;

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_AT("spec.serviceAccountName", "'default'");
    CHECK_AT("spec.serviceAccount", "'default'");
    volume = json_string_value(tree_at(f.body, "spec.volumes.0.name"));
    CHECK(str_starts(volume, "kube-api-access-"));
    CHECK_STR(json_string_value(tree_at(f.body, "spec.containers.0.volumeMounts.0.name")), volume);
    CHECK_AT("spec.containers.0.volumeMounts.0.mountPath",
             "'/var/run/secrets/kubernetes.io/serviceaccount'");
    CHECK_AT("spec.containers.0.volumeMounts.0.readOnly", "true");
    CHECK_AT("spec.volumes.0.projected.defaultMode", "420");
    CHECK_AT("spec.volumes.0.projected.sources.0.serviceAccountToken",
             "{'expirationSeconds':3607,'path':'token'}");
    CHECK_AT("spec.volumes.0.projected.sources.1.configMap",
             "{'items':[{'key':'ca.crt','path':'ca.crt'}],'name':'kube-root-ca.crt'}");
    CHECK_AT(
        "spec.volumes.0.projected.sources.2.downwardAPI.items.0",
        "{'fieldRef':{'apiVersion':'v1','fieldPath':'metadata.namespace'},'path':'namespace'}");
    registry_fixture_down(&f);
}

TEST(admission, an_unknown_account_is_refused)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'serviceAccountName':'bob'")), 403);
    CHECK_SAYS("pods \"p\" is forbidden: error looking up service account default/bob: "
               "serviceaccount \"bob\" not found");
    CHECK_INT(CREATE(.bucket = "pods",
                     .body = "{'metadata':{'generateName':'p-'},'spec':{'serviceAccountName':'bob',"
                             "'containers':[{'name':'c','image':'i'}]}}"),
              403);
    CHECK(str_starts(json_str(f.body, "message"), "pods \"p-\" is forbidden:"));
    registry_fixture_down(&f);
}

TEST(admission, no_token_for_those_who_want_none)
{
    static const struct {
        const char *account, *pod;
        bool mounted;
    } rows[] = {
        { "", "", true },
        { ",'automountServiceAccountToken':false", "", false },
        { "", ",'automountServiceAccountToken':false", false },
        { ",'automountServiceAccountToken':false", ",'automountServiceAccountToken':true", true },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct registry_fixture f = { 0 };
        cleanup(freep) char *account = mem_fmt("{'metadata':{'name':'bob'}%s}", rows[i].account);
        cleanup(freep) char *pod = mem_fmt(
            "{'metadata':{'name':'p'},'spec':{'serviceAccountName':'bob','containers':"
            "[{'name':'c','image':'i'}]%s}}",
            rows[i].pod);

        registry_fixture_up(&f);
        CHECK_INT(CREATE(.bucket = "serviceaccounts", .body = account), 201);
        CHECK_INT(CREATE(.bucket = "pods", .body = pod), 201);
        CHECK_AT("spec.serviceAccountName", "'bob'");
        CHECK_INT(json_array_size(tree_at(f.body, "spec.volumes")), rows[i].mounted);
        registry_fixture_down(&f);
    }
}

TEST(admission, a_mount_of_one_s_own_stays)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(
        CREATE(.bucket = "pods",
               .body = "{'metadata':{'name':'p'},'spec':{'volumes':[{'name':'kube-api-access',"
                       "'emptyDir':{}}],'containers':[{'name':'c','image':'i','volumeMounts':"
                       "[{'name':'kube-api-access','mountPath':"
                       "'/var/run/secrets/kubernetes.io/serviceaccount'}]},"
                       "{'name':'d','image':'i'}],'initContainers':[{'name':'e','image':'i'}]}}"),
        201);
    CHECK_INT(json_array_size(tree_at(f.body, "spec.containers.0.volumeMounts")), 1);
    CHECK_AT("spec.containers.0.volumeMounts.0.name", "'kube-api-access'");
    CHECK(str_starts(json_string_value(tree_at(f.body, "spec.containers.1.volumeMounts.0.name")),
                     "kube-api-access-"));
    CHECK(
        str_starts(json_string_value(tree_at(f.body, "spec.initContainers.0.volumeMounts.0.name")),
                   "kube-api-access-"));
    CHECK_INT(json_array_size(tree_at(f.body, "spec.volumes")), 2);
    registry_fixture_down(&f);
}

TEST(admission, pull_secrets_come_from_the_account)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(MERGE(.bucket = "serviceaccounts", .name = "default",
                    .body = "{'imagePullSecrets':[{'name':'r'}]}"),
              200);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_AT("spec.imagePullSecrets", "[{'name':'r'}]");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("q", ",'imagePullSecrets':[{'name':'s'}]")),
              201);
    CHECK_AT("spec.imagePullSecrets", "[{'name':'s'}]");
    registry_fixture_down(&f);
}

/* --- Priority --- */

TEST(admission, priority_comes_from_its_class)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("a", "")), 201);
    CHECK_AT("spec.priority", "0");
    CHECK_AT("spec.preemptionPolicy", "'PreemptLowerPriority'");
    CHECK_INT(
        CREATE(.bucket = "pods", .body = POD("b", ",'priorityClassName':'system-node-critical'")),
        201);
    CHECK_AT("spec.priority", "2000001000");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("c", ",'priorityClassName':'nope'")), 403);
    CHECK_SAYS("pods \"c\" is forbidden: no PriorityClass with name nope was found");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("d", ",'priority':7")), 403);
    CHECK_INT(CREATE(.bucket = "priorityclasses.scheduling.k8s.io",
                     .body = "{'metadata':{'name':'usual'},'value':5,'globalDefault':true,"
                             "'preemptionPolicy':'Never'}"),
              201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("e", "")), 201);
    CHECK_AT("spec.priority", "5");
    CHECK_AT("spec.priorityClassName", "'usual'");
    CHECK_AT("spec.preemptionPolicy", "'Never'");
    registry_fixture_down(&f);
}

/* --- tolerations, status --- */

TEST(admission, pods_stay_five_minutes_on_a_silent_node)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("a", "")), 201);
    CHECK_AT(
        "spec.tolerations",
        "[{'effect':'NoExecute','key':'node.kubernetes.io/not-ready','operator':'Exists',"
        "'tolerationSeconds':300},{'effect':'NoExecute','key':'node.kubernetes.io/unreachable',"
        "'operator':'Exists','tolerationSeconds':300}]");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("b", ",'tolerations':[{'operator':'Exists'}]")),
              201);
    CHECK_AT("spec.tolerations", "[{'operator':'Exists'}]");
    CHECK_INT(CREATE(.bucket = "pods",
                     .body = POD("c", ",'tolerations':[{'key':'node.kubernetes.io/unreachable',"
                                      "'operator':'Exists','effect':'NoExecute',"
                                      "'tolerationSeconds':5}]")),
              201);
    CHECK_INT(json_array_size(tree_at(f.body, "spec.tolerations")), 2);
    CHECK_AT("spec.tolerations.0.tolerationSeconds", "5");
    registry_fixture_down(&f);
}

TEST(admission, a_new_pod_is_pending)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods",
                     .body = "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':"
                             "'i'}]},'status':{'phase':'Running','podIP':'1.2.3.4'}}"),
              201);
    CHECK_AT("status", "{'phase':'Pending','qosClass':'BestEffort'}");
    registry_fixture_down(&f);
}

/* --- others --- */

TEST(admission, claims_get_the_default_class)
{
    struct registry_fixture f = { 0 };
#define CLAIM(name, more)                                    \
    "{'metadata':{'name':'" name "'},'spec':{'accessModes':" \
    "['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}" more "}}"

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "persistentvolumeclaims", .body = CLAIM("a", "")), 201);
    CHECK_AT("spec.storageClassName", "'local'");
    CHECK_AT("status.phase", "'Pending'");
    CHECK_INT(
        CREATE(.bucket = "persistentvolumeclaims", .body = CLAIM("b", ",'storageClassName':''")),
        201);
    CHECK_AT("spec.storageClassName", "''");
    CHECK_INT(MERGE(.bucket = "storageclasses.storage.k8s.io", .name = "local",
                    .body = "{'metadata':{'annotations':null}}"),
              200);
    CHECK_INT(CREATE(.bucket = "persistentvolumeclaims", .body = CLAIM("c", "")), 201);
    CHECK_AT("spec.storageClassName", "");
    registry_fixture_down(&f);
}

TEST(admission, string_data_ends_in_data)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "secrets", .body = "{'metadata':{'name':'s'},'data':{'a':'YQ=='},"
                                                  "'stringData':{'b':'hello','a':'z'}}"),
              201);
    CHECK_AT("data", "{'a':'eg==','b':'aGVsbG8='}");
    CHECK_AT("stringData", "");
    CHECK_AT("type", "'Opaque'");
    CHECK_INT(MERGE(.bucket = "secrets", .name = "s", .body = "{'stringData':{'b':'x'}}"), 200);
    CHECK_AT("data", "{'a':'eg==','b':'eA=='}");
    registry_fixture_down(&f);
}

TEST(admission, the_root_ca_cannot_be_forged)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(MERGE(.name = "kube-root-ca.crt", .body = "{'data':{'ca.crt':'mine'}}"), 200);
    CHECK_STR(json_string_value(json_object_get(json_at(f.body, "data"), "ca.crt")), "the CA");
    registry_fixture_down(&f);
}

/* --- kinds that mkube keeps without acting on them --- */

TEST(admission, what_has_no_effect_is_not_taken_in_silence)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
                     .body = "{'metadata':{'name':'n'},'spec':{'type':'Exempt'}}"),
              201);
    CHECK_INT(json_array_size(f.warnings), 1);
    CHECK_STR(json_string_value(json_array_get(f.warnings, 0)),
              "mkube keeps this PriorityLevelConfiguration but does not act on it yet");
    CHECK_INT(CREATE(.bucket = "configmaps", .body = "{'metadata':{'name':'c'}}"), 201);
    CHECK(f.warnings == NULL);
    registry_fixture_down(&f);
}

/* --- claims and volumes --- */

#define GIBI(more)                                                                  \
    "{'metadata':{'name':'v'},'spec':{'accessModes':['ReadWriteOnce'],'resources':" \
    "{'requests':{'storage':'1Gi'}}" more "}}"
#define CLASS(name, more)                                                           \
    "{'metadata':{'name':'" name "','annotations':{'storageclass.kubernetes.io/is-" \
    "default-class':'true'}},'provisioner':'x'" more "}"
#define CLASSES "storageclasses.storage.k8s.io"

TEST(admission, the_newest_default_class_is_taken)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    f.now_ms += 5000;
    CHECK_INT(CREATE(.bucket = CLASSES, .ns = "", .body = CLASS("z", "")), 201);
    CHECK_INT(CREATE(.bucket = CLASSES, .ns = "", .body = CLASS("b", "")), 201);
    CHECK_INT(CREATE(.bucket = "persistentvolumeclaims", .body = GIBI("")), 201);
    CHECK_AT("spec.storageClassName", "'b'");
    CHECK_AT("metadata.finalizers", "['kubernetes.io/pvc-protection']");
    CHECK_INT(CREATE(.bucket = "persistentvolumes", .ns = "",
                     .body = "{'metadata':{'name':'v'},'spec':{'accessModes':['ReadWriteOnce'],"
                             "'capacity':{'storage':'1Gi'},'hostPath':{'path':'/x'}}}"),
              201);
    CHECK_AT("metadata.finalizers", "['kubernetes.io/pv-protection']");
    registry_fixture_down(&f);
}

TEST(admission, claims_grow_only_where_their_class_lets_them)
{
    static const char grow[] = "{'spec':{'resources':{'requests':{'storage':'2Gi'}}}}";
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "persistentvolumeclaims", .body = GIBI("")), 201);
    CHECK_INT(MERGE(.bucket = "persistentvolumeclaims", .name = "v", .sub = "status",
                    .body = "{'status':{'phase':'Bound'}}"),
              200);
    CHECK_INT(MERGE(.bucket = "persistentvolumeclaims", .name = "v", .body = grow), 403);
    CHECK_SAYS("persistentvolumeclaims \"v\" is forbidden: only dynamically provisioned pvc can be "
               "resized and the storageclass that provisions the pvc must support resize");
    CHECK_INT(MERGE(.bucket = CLASSES, .ns = "", .name = "local",
                    .body = "{'allowVolumeExpansion':true}"),
              200);
    CHECK_INT(MERGE(.bucket = "persistentvolumeclaims", .name = "v", .body = grow), 200);
    registry_fixture_down(&f);
}

/* --- nodes --- */

TEST(admission, a_new_node_is_not_ready)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "nodes", .ns = "", .body = "{'metadata':{'name':'n'}}"), 201);
    CHECK_AT("spec.taints", "[{'effect':'NoSchedule','key':'node.kubernetes.io/not-ready'}]");
    registry_fixture_down(&f);
}

/* --- one global default --- */

TEST(admission, there_is_one_global_default_of_priorities)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "priorityclasses.scheduling.k8s.io", .ns = "",
                     .body = "{'metadata':{'name':'a'},'value':7,'globalDefault':true,"
                             "'preemptionPolicy':'Never'}"),
              201);
    CHECK_INT(CREATE(.bucket = "priorityclasses.scheduling.k8s.io", .ns = "",
                     .body = "{'metadata':{'name':'b'},'value':3,'globalDefault':true}"),
              403);
    CHECK_SAYS("priorityclasses.scheduling.k8s.io \"b\" is forbidden: PriorityClass a is already "
               "marked as default. Only one default can exist");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_AT("spec.priority", "7");
    CHECK_AT("spec.preemptionPolicy", "'Never'");
    CHECK_INT(
        CREATE(.bucket = "pods", .body = POD("q", ",'preemptionPolicy':'PreemptLowerPriority'")),
        403);
    CHECK_SAYS("pods \"q\" is forbidden: the string value of PreemptionPolicy "
               "(PreemptLowerPriority) must not be provided in pod spec; priority admission "
               "controller computed Never from the given PriorityClass name");
    registry_fixture_down(&f);
}

/* --- RuntimeClass --- */

#define RUNTIME "runtimeclasses.node.k8s.io"

TEST(admission, a_runtime_class_brings_its_overhead_and_place)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = RUNTIME, .ns = "",
                     .body = "{'metadata':{'name':'r'},'handler':'h','overhead':{'podFixed':"
                             "{'cpu':'50m'}},'scheduling':{'nodeSelector':{'a':'b'},'tolerations':"
                             "[{'key':'k','operator':'Exists'}]}}"),
              201);
    CHECK(f.warnings == NULL);
    CHECK_INT(
        CREATE(.bucket = "pods",
               .body = POD("p", ",'runtimeClassName':'r','nodeSelector':{'c':'d'},"
                                "'tolerations':[{'key':'k','value':'v','operator':'Equal'}]")),
        201);
    CHECK_AT("spec.overhead", "{'cpu':'50m'}");
    CHECK_AT("spec.nodeSelector", "{'a':'b','c':'d'}");
    CHECK_AT("spec.tolerations.0.key", "'node.kubernetes.io/not-ready'");
    CHECK_AT("spec.tolerations.2", "{'key':'k','operator':'Exists'}");
    CHECK_INT(CREATE(.bucket = "pods",
                     .body = POD("q", ",'runtimeClassName':'r','nodeSelector':{'a':'x'}")),
              403);
    CHECK_SAYS("pods \"q\" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[a] = b; "
               "pod.spec.nodeSelector[a] = x");
    CHECK_INT(CREATE(.bucket = "pods",
                     .body = POD("q", ",'runtimeClassName':'r','overhead':{'cpu':'1'}")),
              403);
    CHECK_SAYS("pods \"q\" is forbidden: pod rejected: Pod's Overhead doesn't match RuntimeClass's "
               "defined Overhead");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("q", ",'overhead':{'cpu':'1'}")), 403);
    CHECK_SAYS("pods \"q\" is forbidden: pod rejected: Pod Overhead set without corresponding "
               "RuntimeClass defined Overhead");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("q", ",'runtimeClassName':'gone'")), 403);
    CHECK_SAYS("pods \"q\" is forbidden: pod rejected: RuntimeClass \"gone\" not found");
    registry_fixture_down(&f);
}
