/* layer: api */
#include "api/pod_security.h"
#include "tests/unit/registry_fixture.h"

#define BASE         POD_SECURITY_BASELINE
#define REST         POD_SECURITY_RESTRICTED
#define C(more)      "{'containers':[{'name':'c'" more "}]"
#define CTX(context) C(",'securityContext':" context)
/* Keeps to all of restricted; what follows may break it. */
#define GOOD_CTX                                                                            \
    "'allowPrivilegeEscalation':false,'runAsNonRoot':true,'capabilities':{'drop':['ALL']}," \
    "'seccompProfile':{'type':'RuntimeDefault'}"

static const struct security_row {
    enum pod_security_level level;
    int minor;
    const char *spec, *annotations, *want; /* of details; "" = allowed */
} security_rows[] = {
    { BASE, -1, C("") "}", "{}", "" },
    { POD_SECURITY_PRIVILEGED, -1, CTX("{'privileged':true}") "}", "{}", "" },
    { REST, -1, CTX("{" GOOD_CTX "}") "}", "{}", "" },
    { REST, -1, C("") "}", "{}",
      "allowPrivilegeEscalation != false (container \"c\" must set "
      "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "
      "\"c\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or "
      "container \"c\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or "
      "container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
      "\"Localhost\")" },
    /* versions */
    { REST, 7, C("") "}", "{}",
      "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true)" },
    { REST, 18, CTX("{'runAsNonRoot':true,'allowPrivilegeEscalation':false}") "}", "{}", "" },
    { REST, 21,
      CTX("{'runAsNonRoot':true,'allowPrivilegeEscalation':false,'seccompProfile':"
          "{'type':'Localhost'},'capabilities':{'add':['NET_ADMIN']}}") "}",
      "{}",
      "non-default capabilities (container \"c\" must not include \"NET_ADMIN\" in "
      "securityContext.capabilities.add)" },
    { REST, -1, C("") ",'os':{'name':'windows'},'securityContext':{'runAsNonRoot':true}}", "{}",
      "" },
    { REST, 24,
      C("") ",'os':{'name':'windows'},'securityContext':{'runAsNonRoot':true,"
            "'seccompProfile':{'type':'Localhost'}}}",
      "{}",
      "allowPrivilegeEscalation != false (container \"c\" must set "
      "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "
      "\"c\" must set securityContext.capabilities.drop=[\"ALL\"])" },
    /* AppArmor */
    { BASE, -1, CTX("{'appArmorProfile':{'type':'Unconfined'}}") "}", "{}",
      "forbidden AppArmor profile (container \"c\" must not set AppArmor profile type to "
      "\"Unconfined\")" },
    { BASE, -1, CTX("{'appArmorProfile':{'type':'Localhost'}}") "}", "{}", "" },
    { BASE, -1, C("") ",'securityContext':{'appArmorProfile':{'type':'Unconfined'}}}",
      "{'container.apparmor.security.beta.kubernetes.io/c':'unconfined'}",
      "forbidden AppArmor profiles (pod and annotation must not set AppArmor profile type to "
      "\"Unconfined\", \"container.apparmor.security.beta.kubernetes.io/c=\"unconfined\"\")" },
    { BASE, -1, C("") "}", "{'container.apparmor.security.beta.kubernetes.io/c':'localhost/x'}",
      "" },
    /* capabilities */
    { BASE, -1, CTX("{'capabilities':{'add':['SYS_ADMIN','CHOWN','NET_RAW']}}") "}", "{}",
      "non-default capabilities (container \"c\" must not include \"NET_RAW\", \"SYS_ADMIN\" in "
      "securityContext.capabilities.add)" },
    { REST, -1,
      CTX("{'allowPrivilegeEscalation':false,'runAsNonRoot':true,'seccompProfile':"
          "{'type':'RuntimeDefault'},'capabilities':{'add':['CHOWN',"
          "'NET_BIND_SERVICE']}}") "}",
      "{}",
      "unrestricted capabilities (container \"c\" must set "
      "securityContext.capabilities.drop=[\"ALL\"]; container \"c\" must not include \"CHOWN\" in "
      "securityContext.capabilities.add)" },
    /* the host's */
    { BASE, -1, C("") ",'hostNetwork':true,'hostPID':true,'hostIPC':true}", "{}",
      "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)" },
    { BASE, -1,
      C("") ",'volumes':[{'name':'a','hostPath':{'path':'/'}},{'name':'b','emptyDir':{}}]}", "{}",
      "hostPath volumes (volume \"a\")" },
    { BASE, -1, C(",'ports':[{'hostPort':80},{'hostPort':443},{'containerPort':1}]") "}", "{}",
      "hostPort (container \"c\" uses hostPorts 443, 80)" },
    { BASE, -1,
      "{'initContainers':[{'name':'i','securityContext':{'privileged':true}}],"
      "'containers':[{'name':'c','securityContext':{'privileged':true}}]}",
      "{}", "privileged (containers \"i\", \"c\" must not set securityContext.privileged=true)" },
    { BASE, -1, CTX("{'procMount':'Unmasked'}") "}", "{}",
      "procMount (container \"c\" must not set securityContext.procMount to \"Unmasked\")" },
    { BASE, -1,
      CTX("{'windowsOptions':{'hostProcess':true}}") ",'securityContext':"
                                                     "{'windowsOptions':{'hostProcess':true}}}",
      "{}",
      "hostProcess (pod and container \"c\" must not set "
      "securityContext.windowsOptions.hostProcess=true)" },
    /* profiles */
    { BASE, -1, CTX("{'seLinuxOptions':{'type':'a','user':'u','role':'r'}}") "}", "{}",
      "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: type \"a\"; "
      "user may not be set; role may not be set)" },
    { BASE, -1, CTX("{'seLinuxOptions':{'type':'container_engine_t'}}") "}", "{}", "" },
    { BASE, 30, CTX("{'seLinuxOptions':{'type':'container_engine_t'}}") "}", "{}",
      "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: type "
      "\"container_engine_t\")" },
    { BASE, -1, C("") ",'securityContext':{'seccompProfile':{'type':'Unconfined'}}}", "{}",
      "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")" },
    { BASE, 18, C("") ",'securityContext':{'seccompProfile':{'type':'Unconfined'}}}",
      "{'container.seccomp.security.alpha.kubernetes.io/c':'unconfined'}",
      "seccompProfile (forbidden annotation "
      "container.seccomp.security.alpha.kubernetes.io/c=\"unconfined\")" },
    { REST, -1,
      CTX("{'allowPrivilegeEscalation':false,'runAsNonRoot':true,'capabilities':"
          "{'drop':['ALL']},'seccompProfile':{'type':'Unconfined'}}") "}",
      "{}",
      "seccompProfile (container \"c\" must not set securityContext.seccompProfile.type to "
      "\"Unconfined\")" },
    { BASE, -1,
      C("") ",'securityContext':{'sysctls':[{'name':'net.ipv4.tcp_rmem'},{'name':"
            "'kernel.msgmax'},{'name':'a'}]}}",
      "{}", "forbidden sysctls (kernel.msgmax, a)" },
    { BASE, 31, C("") ",'securityContext':{'sysctls':[{'name':'net.ipv4.tcp_rmem'}]}}", "{}",
      "forbidden sysctls (net.ipv4.tcp_rmem)" },
    /* users */
    { REST, -1,
      CTX("{'allowPrivilegeEscalation':false,'runAsNonRoot':false,'runAsUser':0,"
          "'capabilities':{'drop':['ALL']},'seccompProfile':{'type':'Localhost'}}") "}",
      "{}",
      "runAsNonRoot != true (container \"c\" must not set securityContext.runAsNonRoot=false), "
      "runAsUser=0 (container \"c\" must not set runAsUser=0)" },
    { REST, -1,
      CTX("{'allowPrivilegeEscalation':false,'capabilities':{'drop':['ALL']}}") ",'securityContext'"
                                                                                ":{'runAsNonRoot':"
                                                                                "true,'runAsUser':"
                                                                                "0,'seccompProfile'"
                                                                                ":{'type':"
                                                                                "'RuntimeDefault'}}"
                                                                                "}",
      "{}", "runAsUser=0 (pod must not set runAsUser=0)" },
    /* volumes */
    { REST, -1,
      CTX("{" GOOD_CTX "}") ",'volumes':[{'name':'a','hostPath':{}},{'name':'b','nfs':{}},"
                            "{'name':'e','secret':{}},{'name':'d','ephemeral':{}}]}",
      "{}",
      "restricted volume types (volumes \"a\", \"b\" use restricted volume types \"hostPath\", "
      "\"nfs\")" },
};

TEST(pod_security, each_control_allows_and_refuses)
{
    for (size_t i = 0; i < N_ELEMENTS(security_rows); i++) {
        const struct security_row *row = &security_rows[i];
        cleanup(json_decrefpp) json_t *spec = quoted(row->spec);
        cleanup(json_decrefpp) json_t *annotations = quoted(row->annotations);
        cleanup(json_decrefpp) json_t *metadata = json_pack("{s:O}", "annotations", annotations);
        cleanup(pod_security_findings_fini) struct pod_security_findings f =
            POD_SECURITY_FINDINGS_EMPTY;
        const struct pod_security_policy p = { row->level, row->minor };

        CHECK(pod_security_check(&f, p, metadata, spec) == (row->want[0] == '\0'));
        CHECK_STR(text_str(&f.details), row->want);
    }
}

TEST(pod_security, labels_name_levels_and_versions)
{
    static const struct {
        const char *labels, *enforce, *warn, *wrong;
    } rows[] = {
        { "{}", "privileged:latest", "privileged:latest", "" },
        { "{'pod-security.kubernetes.io/enforce':'baseline','pod-security.kubernetes.io/warn':"
          "'restricted','pod-security.kubernetes.io/warn-version':'v1.25'}",
          "baseline:latest", "restricted:v1.25", "" },
        { "{'pod-security.kubernetes.io/enforce':'high'}", "restricted:latest", "privileged:latest",
          "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"high\": must be "
          "one of privileged, baseline, restricted" },
        { "{'pod-security.kubernetes.io/warn':'high','pod-security.kubernetes.io/warn-version':"
          "'v1.07'}",
          "privileged:latest", "privileged:latest",
          "[metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: \"high\": must be one "
          "of privileged, baseline, restricted, "
          "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"v1.07\": "
          "must be \"latest\" or \"v1.x\"]" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(json_decrefpp) json_t *labels = quoted(rows[i].labels);
        struct pod_security_policy p[POD_SECURITY_MODES];
        struct field_errors errors = FIELD_ERRORS_EMPTY;
        cleanup(text_fini) struct text enforce = TEXT_EMPTY;
        cleanup(text_fini) struct text warn = TEXT_EMPTY;
        cleanup(text_fini) struct text wrong = TEXT_EMPTY;

        pod_security_read(p, labels, &errors);
        pod_security_print(&enforce, p[POD_SECURITY_ENFORCE]);
        pod_security_print(&warn, p[POD_SECURITY_WARN]);
        field_errors_text(&errors, &wrong);
        CHECK_STR(text_str(&enforce), rows[i].enforce);
        CHECK_STR(text_str(&warn), rows[i].warn);
        CHECK_STR(text_str(&wrong), rows[i].wrong);
        field_errors_fini(&errors);
    }
}

/* --- the way of a write --- */

#define LABELS(level) "{'metadata':{'labels':{'pod-security.kubernetes.io/" level "'}}}"

static const char *warning(struct registry_fixture *f, size_t i)
{
    const char *text = json_string_value(json_array_get(f->warnings, i));

    return text != NULL ? text : "";
}

TEST(pod_security, a_namespace_enforces_its_level)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(MERGE(.bucket = "namespaces", .ns = "", .name = "default",
                    .body = LABELS("enforce':'baseline")),
              200);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'hostNetwork':true")), 403);
    CHECK_SAYS("pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": host "
               "namespaces (hostNetwork=true)");
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", "")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .ns = "kube-system", .body = POD("p", ",'hostPID':true")),
              201);
    CHECK_INT(MERGE(.bucket = "namespaces", .ns = "", .name = "default",
                    .body = LABELS("enforce':'restricted")),
              200);
    CHECK_INT(MERGE(.bucket = "pods", .name = "p", .body = "{'metadata':{'labels':{'a':'b'}}}"),
              200); /* nothing that matters */
    CHECK_INT(ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_STRATEGIC_PATCH, .bucket = "pods",
                  .name = "p", .body = "{'spec':{'containers':[{'name':'c','image':'j'}]}}"),
              403);
    registry_fixture_down(&f);
}

TEST(pod_security, what_makes_pods_is_only_remarked_upon)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(MERGE(.bucket = "namespaces", .ns = "", .name = "default",
                    .body = "{'metadata':{'labels':{'pod-security.kubernetes.io/enforce':"
                            "'restricted','pod-security.kubernetes.io/warn':'baseline'}}}"),
              200);
    CHECK_INT(CREATE(.bucket = "deployments.apps", .body = DEPLOYMENT("d", "")), 201);
    CHECK_INT(json_array_size(f.warnings), 0);
    CHECK_INT(CREATE(.bucket = "cronjobs.batch",
                     .body = "{'metadata':{'name':'j'},'spec':{'schedule':'* * * * *',"
                             "'jobTemplate':{'spec':{'template':{'spec':{'hostPID':true,"
                             "'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}}}}"
                             "}}"),
              201);
    CHECK_STR(warning(&f, 0),
              "would violate PodSecurity \"baseline:latest\": host namespaces (hostPID=true)");
    registry_fixture_down(&f);
}

TEST(pod_security, a_new_level_is_held_against_the_pods_that_are_there)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("a", ",'hostPID':true")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("b", ",'hostPID':true")), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("c", ",'hostNetwork':true,'volumes':[{'name':"
                                                        "'h','hostPath':{'path':'/'}}]")),
              201);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("d", "")), 201);
    CHECK_INT(MERGE(.bucket = "namespaces", .ns = "", .name = "default",
                    .body = LABELS("enforce':'baseline")),
              200);
    CHECK_STR(warning(&f, 0), "existing pods in namespace \"default\" violate the new PodSecurity "
                              "enforce level \"baseline:latest\"");
    CHECK_STR(warning(&f, 1), "a (and 1 other pod): host namespaces");
    CHECK_STR(warning(&f, 2), "c: host namespaces, hostPath volumes");
    CHECK_INT(json_array_size(f.warnings), 3);
    CHECK_INT(MERGE(.bucket = "namespaces", .ns = "", .name = "default",
                    .body = LABELS("enforce':'privileged")),
              200);
    CHECK_INT(json_array_size(f.warnings), 0);
    registry_fixture_down(&f);
}

TEST(pod_security, labels_that_say_nothing_known_are_refused)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "namespaces", .ns = "",
                     .body = "{'metadata':{'name':'n','labels':{'pod-security.kubernetes.io/"
                             "enforce':'high'}}}"),
              422);
    CHECK_SAYS("Namespace \"n\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: "
               "Invalid value: \"high\": must be one of privileged, baseline, restricted");
    CHECK_INT(MERGE(.bucket = "namespaces", .ns = "", .name = "default",
                    .body = LABELS("audit-version':'1.25")),
              422);
    registry_fixture_down(&f);
}

TEST(pod_security, the_audit_log_hears_of_it)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("a", ",'hostPID':true")), 201);
    CHECK(f.annotations == NULL);
    CHECK_INT(MERGE(.bucket = "namespaces", .ns = "", .name = "default",
                    .body = LABELS("audit':'baseline")),
              200);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("b", ",'hostPID':true")), 201);
    CHECK_STR(registry_fixture_print(&f, f.annotations, ""),
              "{'pod-security.kubernetes.io/audit-violations':'would violate PodSecurity "
              "\\'baseline:latest\\': host namespaces (hostPID=true)',"
              "'pod-security.kubernetes.io/enforce-policy':'privileged:latest'}");
    CHECK_INT(json_array_size(f.warnings), 0);
    registry_fixture_down(&f);
}
