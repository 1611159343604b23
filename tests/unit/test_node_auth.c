/* layer: api */
#include "api/auth.h"
#include "api/node_auth.h"
#include "tests/lib/test.h"
#include "tests/unit/registry_fixture.h"

#define BIG_POD                                                                                    \
    "{'metadata':{'name':'p'},'spec':{'nodeName':'w1','serviceAccountName':'sa',"                  \
    "'imagePullSecrets':[{'name':'pull'}],'initContainers':[{'name':'i','image':'x','env':[{"      \
    "'name':'A','valueFrom':{'secretKeyRef':{'name':'env','key':'k'}}}]}],'containers':[{'name':"  \
    "'c','image':'x','envFrom':[{'configMapRef':{'name':'from'}},{'secretRef':{'name':'sfrom'}}]," \
    "'env':[{'name':'B','valueFrom':{'configMapKeyRef':{'name':'cenv','key':'k'}}}]}],"            \
    "'volumes':[{'name':'a','secret':{'secretName':'vol'}},{'name':'b','configMap':{'name':"       \
    "'cvol'}},{'name':'c','projected':{'sources':[{'secret':{'name':'proj'}},{'configMap':{"       \
    "'name':'cproj'}}]}},{'name':'d','persistentVolumeClaim':{'claimName':'claim'}},{'name':'e',"  \
    "'ephemeral':{'volumeClaimTemplate':{'spec':{'accessModes':['ReadWriteOnce'],'resources':{"    \
    "'requests':{'storage':'1Mi'}}}}}}]}}"

TEST(node_auth, an_agent_has_what_its_pods_need)
{
    struct registry_fixture f = { 0 };
    static const struct {
        const char *verb, *group, *resource, *sub, *ns, *name;
        bool may;
    } rows[] = {
        { "get", "", "secrets", "", "default", "pull", true },
        { "get", "", "secrets", "", "default", "env", true },
        { "get", "", "secrets", "", "default", "sfrom", true },
        { "get", "", "secrets", "", "default", "vol", true },
        { "get", "", "secrets", "", "default", "proj", true },
        { "get", "", "secrets", "", "default", "other", false },
        { "get", "", "secrets", "", "default", "cvol", false }, /* a ConfigMap's name */
        { "get", "", "secrets", "", "default", "x", false },    /* a word of the pod */
        { "get", "", "secrets", "", "default", "foreign", false },
        { "get", "", "secrets", "", "kube-system", "pull", false },
        { "list", "", "secrets", "", "", "", false },
        { "watch", "", "secrets", "", "default", "other", false },
        { "watch", "", "secrets", "", "default", "pull", true },
        { "list", "", "secrets", "", "default", "pull", true },
        { "list", "", "secrets", "", "default", "", false },
        { "watch", "", "secrets", "", "default", "", false },
        { "list", "", "configmaps", "", "default", "from", true },
        { "list", "", "configmaps", "", "default", "", false },
        { "watch", "", "configmaps", "", "default", "", false },
        { "list", "", "secrets", "", "kube-system", "", false },
        { "create", "", "secrets", "", "default", "", false },
        { "update", "", "secrets", "", "default", "pull", false },
        { "delete", "", "secrets", "", "default", "pull", false },
        { "get", "", "configmaps", "", "default", "from", true },
        { "get", "", "configmaps", "", "default", "cenv", true },
        { "get", "", "configmaps", "", "default", "cvol", true },
        { "get", "", "configmaps", "", "default", "cproj", true },
        { "get", "", "configmaps", "", "default", "pull", false },
        { "get", "", "persistentvolumeclaims", "", "default", "claim", true },
        { "get", "", "persistentvolumeclaims", "", "default", "p-e", true },
        { "get", "", "persistentvolumeclaims", "", "default", "other", false },
        { "list", "", "persistentvolumeclaims", "", "default", "", false },
        { "create", "", "serviceaccounts", "token", "default", "sa", true },
        { "create", "", "serviceaccounts", "token", "default", "default", false },
        { "create", "", "serviceaccounts", "token", "kube-system", "sa", false },
        { "patch", "", "pods", "status", "default", "p", true },
        { "patch", "", "pods", "status", "default", "q", false },
        { "delete", "", "pods", "", "default", "p", true },
        { "delete", "", "pods", "", "default", "q", false },
        { "deletecollection", "", "pods", "", "default", "", false },
        { "create", "", "pods", "", "default", "", false },
        { "create", "", "pods", "eviction", "default", "p", true },
        { "create", "", "pods", "exec", "default", "p", false },
        { "patch", "", "nodes", "status", "", "w1", true },
        { "patch", "", "nodes", "status", "", "w2", false },
        { "patch", "", "nodes", "", "", "w2", false },
        { "delete", "", "nodes", "", "", "w1", false },
        { "get", "metrics.k8s.io", "nodes", "", "", "w1", false },
        { "update", "coordination.k8s.io", "leases", "", "kube-node-lease", "w1", true },
        { "update", "coordination.k8s.io", "leases", "", "kube-node-lease", "w2", false },
        { "update", "coordination.k8s.io", "leases", "", "kube-system", "w1", false },
        { "list", "coordination.k8s.io", "leases", "", "kube-node-lease", "", false },
        { "create", "certificates.k8s.io", "certificatesigningrequests", "", "", "", true },
        { "update", "certificates.k8s.io", "certificatesigningrequests", "approval", "", "x",
          false },
        { "create", "rbac.authorization.k8s.io", "clusterrolebindings", "", "", "", false },
        { "watch", "", "services", "", "", "", true },
        { "update", "", "services", "", "default", "s", false },
        { "get", "", "persistentvolumes", "", "", "pv", true },
        { "patch", "", "persistentvolumes", "", "", "pv", false },
    };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "serviceaccounts", .body = "{'metadata':{'name':'sa'}}"), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = BIG_POD), 201);
    CHECK_INT(CREATE(.bucket = "pods", .body = "{'metadata':{'name':'q'},'spec':{'nodeName':'w2',"
                                               "'containers':[{'name':'c','image':'foreign'}],"
                                               "'imagePullSecrets':[{'name':'foreign'}]}}"),
              201);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const struct auth_question q = { .verb = rows[i].verb,
                                         .group = rows[i].group,
                                         .resource = rows[i].resource,
                                         .sub = rows[i].sub,
                                         .ns = rows[i].ns,
                                         .name = rows[i].name,
                                         .path = "" };
        cleanup(freep) char *what = mem_fmt("%s %s/%s %s/%s is %d", q.verb, q.resource, q.sub, q.ns,
                                            q.name, node_auth_may("w1", f.s, &q));
        cleanup(freep) char *want = mem_fmt("%s %s/%s %s/%s is %d", q.verb, q.resource, q.sub, q.ns,
                                            q.name, rows[i].may);

        CHECK_STR(what, want);
    }
    registry_fixture_down(&f);
}

/* --- what it may write into what it may write --- */

static int as_node(struct registry_fixture *f, enum registry_verb verb, const char *bucket,
                   const char *sub, const char *name, const char *text)
{
    static const char *const groups[] = { "system:nodes", "system:authenticated", NULL };
    static const struct registry_user node = { .name = "system:node:w1",
                                               .groups = groups,
                                               .uid = "" };
    cleanup(json_decrefpp) json_t *body = quoted(text);
    struct registry_request req = { .verb = verb,
                                    .patch = REGISTRY_MERGE_PATCH,
                                    .resource = schema_bucket(bucket),
                                    .sub = sub,
                                    .ns = "default",
                                    .name = name,
                                    .body = body,
                                    .user = &node,
                                    .grace_seconds = -1 };

    f->calls = 0;
    registry_write(f->r, &req, registry_fixture_on_done, f);
    registry_fixture_settle(f);
    CHECK_INT(f->calls, 1);
    return f->http;
}

TEST(node_auth, a_node_says_little_about_itself)
{
    struct registry_fixture f = { 0 };
    static const struct {
        const char *sub, *body;
        int http;
        const char *says;
    } rows[] = {
        { "", "{'metadata':{'labels':{'disk':'ssd'}}}", 200, NULL },
        { "", "{'metadata':{'labels':{'topology.kubernetes.io/zone':'a'}}}", 200, NULL },
        { "", "{'metadata':{'labels':{'node-restriction.kubernetes.io/trusted':'yes'}}}", 403,
          "is not allowed to modify labels: node-restriction.kubernetes.io/trusted" },
        { "", "{'metadata':{'labels':{'node-role.kubernetes.io/control-plane':''}}}", 403,
          "is not allowed to modify labels: node-role.kubernetes.io/control-plane" },
        { "status", "{'metadata':{'labels':{'a.k8s.io/x':'y'}}}", 403,
          "is not allowed to modify labels: a.k8s.io/x" },
        { "", "{'spec':{'taints':null}}", 403, "node \"w1\" is not allowed to modify taints" },
        { "",
          "{'spec':{'taints':[{'key':'a','effect':'NoSchedule'},{'key':'b','effect':"
          "'NoSchedule'}]}}",
          403, "node \"w1\" is not allowed to modify taints" },
        { "status", "{'status':{'capacity':{'cpu':'4'}}}", 200, NULL },
    };

    registry_fixture_up(&f);
    CHECK_INT(as_node(&f, REGISTRY_CREATE, "nodes", "", "", "{'metadata':{'name':'w2'}}"), 403);
    CHECK_INT(as_node(&f, REGISTRY_CREATE, "nodes", "", "",
                      "{'metadata':{'name':'w1','labels':{'node-restriction.kubernetes.io/x':"
                      "'y'}}}"),
              403);
    CHECK_SAYS("nodes \"w1\" is forbidden: node \"w1\" is not allowed to set the following labels: "
               "node-restriction.kubernetes.io/x");
    CHECK_INT(as_node(&f, REGISTRY_CREATE, "nodes", "", "",
                      "{'metadata':{'name':'w1','labels':{'kubernetes.io/hostname':'w1'}},'spec':{"
                      "'taints':[{'key':'a','effect':'NoSchedule'}]}}"),
              201);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *says = mem_fmt("nodes \"w1\" is forbidden: %s",
                                            rows[i].says != NULL ? rows[i].says : "");

        CHECK_INT(as_node(&f, REGISTRY_PATCH, "nodes", rows[i].sub, "w1", rows[i].body),
                  rows[i].http);
        if (rows[i].says != NULL)
            CHECK_SAYS(says);
    }
    registry_fixture_down(&f);
}

TEST(node_auth, labels_of_a_pod_are_not_its_nodes)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = "pods", .body = POD("p", ",'nodeName':'w1'")), 201);
    CHECK_INT(
        as_node(&f, REGISTRY_PATCH, "pods", "status", "p", "{'metadata':{'labels':{'app':'db'}}}"),
        403);
    CHECK_SAYS("pods \"p\" is forbidden: node \"w1\" cannot update labels through pod status");
    CHECK_INT(as_node(&f, REGISTRY_PATCH, "pods", "status", "p", "{'status':{'phase':'Running'}}"),
              200);
    registry_fixture_down(&f);
}
