/* layer: controlplane */
#include "api/auth.h"
#include "api/bootstrap_roles.h"
#include "base/clock.h"
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"
#include "tests/unit/registry_fixture.h"

/* --- one rule, one question --- */

#define RULE(verbs, groups, resources) \
    "{'verbs':[" verbs "],'apiGroups':[" groups "],'resources':[" resources "]}"

TEST(rbac, a_rule_gives_what_it_says_and_no_more)
{
    static const struct {
        const char *rule, *verb, *group, *resource, *sub, *name, *path;
        bool allows;
    } rows[] = {
        { RULE("'get'", "''", "'pods'"), "get", "", "pods", "", "", "", true },
        { RULE("'get'", "''", "'pods'"), "list", "", "pods", "", "", "", false },
        { RULE("'get'", "''", "'pods'"), "get", "apps", "pods", "", "", "", false },
        { RULE("'get'", "''", "'pods'"), "get", "", "pods", "log", "", "", false },
        { RULE("'get'", "''", "'pods/log'"), "get", "", "pods", "log", "", "", true },
        { RULE("'get'", "''", "'pods/log'"), "get", "", "pods", "", "", "", false },
        { RULE("'get'", "''", "'pods/log'"), "get", "", "podsx", "log", "", "", false },
        { RULE("'get'", "'*'", "'*/scale'"), "get", "apps", "deployments", "scale", "", "", true },
        { RULE("'get'", "'*'", "'*/scale'"), "get", "apps", "deployments", "", "", "", false },
        { RULE("'get'", "'*'", "'*/scale'"), "get", "apps", "deployments", "status", "", "",
          false },
        { RULE("'*'", "'*'", "'*'"), "shave", "yak.io", "yaks", "beard", "tom", "", true },
        { RULE("'*'", "'*'", "'*'"), "get", "", "", "", "", "/metrics", false },
        { "{'verbs':['get'],'apiGroups':[''],'resources':['pods'],'resourceNames':['a']}", "get",
          "", "pods", "", "a", "", true },
        { "{'verbs':['get'],'apiGroups':[''],'resources':['pods'],'resourceNames':['a']}", "get",
          "", "pods", "", "b", "", false },
        { "{'verbs':['list'],'apiGroups':[''],'resources':['pods'],'resourceNames':['a']}", "list",
          "", "pods", "", "", "", false },
        { "{'verbs':['get'],'nonResourceURLs':['/healthz/*']}", "get", "", "", "", "",
          "/healthz/etcd", true },
        { "{'verbs':['get'],'nonResourceURLs':['/healthz/*']}", "get", "", "", "", "", "/healthz",
          false },
        { "{'verbs':['get'],'nonResourceURLs':['*']}", "get", "", "", "", "", "/any", true },
        { "{'verbs':['get'],'nonResourceURLs':['/a*b']}", "get", "", "", "", "", "/axb", false },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(json_decrefpp) json_t *rule = quoted(rows[i].rule);
        const struct auth_question q = { .verb = rows[i].verb,
                                         .group = rows[i].group,
                                         .resource = rows[i].resource,
                                         .sub = rows[i].sub,
                                         .ns = "",
                                         .name = rows[i].name,
                                         .path = rows[i].path };

        CHECK_INT(rbac_rule_allows(rule, &q), rows[i].allows);
    }
}

/* --- rules against rules --- */

TEST(rbac, missing_rights_are_told_as_kubernetes_does)
{
    static const struct {
        const char *have, *want, *missing; /* "" = covered */
    } rows[] = {
        { "[]", "[" RULE("'get'", "''", "'pods'") "]",
          "{APIGroups:[''], Resources:['pods'], Verbs:['get']}" },
        { "[" RULE("'*'", "'*'", "'*'") "]", "[" RULE("'get','list'", "'','apps'", "'a','b/c'") "]",
          "" },
        { "[" RULE("'get'", "''", "'pods'") "," RULE("'list'", "''", "'pods'") "]",
          "[" RULE("'get','list'", "''", "'pods'") "]", "" },
        { "[" RULE("'get'", "''", "'pods'") "]",
          "[" RULE("'get','list','watch'", "''", "'pods'") "]",
          "{APIGroups:[''], Resources:['pods'], Verbs:['list' 'watch']}" },
        { "[" RULE("'get'", "'*'", "'*/scale'") "]", "[" RULE("'get'", "'apps'", "'x/scale'") "]",
          "" },
        { "[" RULE("'get'", "''", "'pods'") "]",
          "[{'verbs':['get'],'apiGroups':[''],'resources':['pods'],'resourceNames':['a']}]", "" },
        { "[{'verbs':['get'],'apiGroups':[''],'resources':['pods'],'resourceNames':['a']}]",
          "[" RULE("'get'", "''", "'pods'") "]",
          "{APIGroups:[''], Resources:['pods'], Verbs:['get']}" },
        { "[{'verbs':['get'],'apiGroups':[''],'resources':['pods'],'resourceNames':['a']}]",
          "[{'verbs':['get'],'apiGroups':[''],'resources':['pods'],'resourceNames':['a','b']}]",
          "{APIGroups:[''], Resources:['pods'], ResourceNames:['b'], Verbs:['get']}" },
        { "[{'verbs':['get'],'nonResourceURLs':['/a/*']}]",
          "[{'verbs':['get','put'],'nonResourceURLs':['/a/b','/c']}]",
          "{NonResourceURLs:['/a/b'], Verbs:['put']}\n{NonResourceURLs:['/c'], Verbs:['get']}\n"
          "{NonResourceURLs:['/c'], Verbs:['put']}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(json_decrefpp) json_t *have = quoted(rows[i].have);
        cleanup(json_decrefpp) json_t *want = quoted(rows[i].want);
        cleanup(json_decrefpp) json_t *missing = json_array();
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        CHECK_INT(rbac_covers(have, want, missing), rows[i].missing[0] == '\0');
        CHECK_INT(rbac_covers(have, want, NULL), rows[i].missing[0] == '\0');
        rbac_print_rules(&t, missing);
        for (char *s = t.data; s != NULL && *s != '\0'; s++)
            *s = *s == '"' ? '\'' : *s;
        CHECK_STR(text_str(&t), rows[i].missing);
    }
}

TEST(rbac, a_role_of_a_million_pieces_is_refused_in_time)
{
    cleanup(json_decrefpp) json_t *words = json_array();
    cleanup(json_decrefpp) json_t *want = NULL;
    cleanup(json_decrefpp) json_t *none = json_array();
    cleanup(json_decrefpp) json_t *missing = json_array();

    for (int i = 0; i < 1000; i++) {
        cleanup(freep) char *word = mem_fmt("w%d", i);

        json_array_append_new(words, json_string(word));
    }
    want = json_pack("[{s:O, s:O, s:O}]", "verbs", words, "apiGroups", words, "resources", words);
    CHECK(!rbac_covers(none, want, missing));
    CHECK(json_array_size(missing) <= 20001);
}

/* --- the index --- */

static bool may(struct registry_fixture *f, const char *user, const char *group, const char *ns)
{
    const char *const groups[] = { group, NULL };
    const struct auth_question q = {
        .verb = "get", .group = "", .resource = "pods", .sub = "", .ns = ns, .name = "", .path = ""
    };
    struct auth_user u;

    auth_borrow_user(&u, user, groups, "");
    return auth_may(&u, registry_rbac(f->r), &q);
}

#define ROLE(name, verb) \
    "{'metadata':{'name':'" name "'},'rules':[" RULE("'" verb "'", "''", "'pods'") "]}"
#define BIND(name, kind, role, subjects)                                                         \
    "{'metadata':{'name':'" name "'},'roleRef':{'kind':'" kind "','name':'" role "','apiGroup':" \
    "'rbac.authorization.k8s.io'},'subjects':[" subjects "]}"
#define USER(name)  "{'kind':'User','name':'" name "','apiGroup':'rbac.authorization.k8s.io'}"
#define TEAM(name)  "{'kind':'Group','name':'" name "','apiGroup':'rbac.authorization.k8s.io'}"
#define ACCOUNT(ns) "{'kind':'ServiceAccount','name':'a'" ns "}"

TEST(rbac, what_is_written_holds_from_then_on)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK(!may(&f, "bob", "x", "default"));
    CHECK_INT(CREATE(.bucket = RBAC_ROLE_BINDINGS,
                     .body = BIND("b", "Role", "r", USER("bob") "," USER("bob") "," TEAM("team"))),
              201);
    CHECK(!may(&f, "bob", "x", "default")); /* there is no such role yet */
    CHECK_INT(CREATE(.bucket = RBAC_ROLES, .body = ROLE("r", "get")), 201);
    CHECK(may(&f, "bob", "x", "default"));
    CHECK(may(&f, "eve", "team", "default"));
    CHECK(!may(&f, "eve", "teams", "default"));
    CHECK(!may(&f, "bob", "x", "kube-system"));
    CHECK(!may(&f, "bob", "x", ""));
    CHECK_INT(UPDATE(.bucket = RBAC_ROLES, .name = "r", .body = ROLE("r", "list")), 200);
    CHECK(!may(&f, "bob", "x", "default"));
    CHECK_INT(UPDATE(.bucket = RBAC_ROLES, .name = "r", .body = ROLE("r", "get")), 200);
    CHECK(may(&f, "bob", "x", "default"));
    CHECK_INT(UPDATE(.bucket = RBAC_ROLE_BINDINGS, .name = "b",
                     .body = BIND("b", "Role", "r", USER("eve"))),
              200);
    CHECK(!may(&f, "bob", "x", "default"));
    CHECK(may(&f, "eve", "x", "default"));
    CHECK_INT(DELETE(.bucket = RBAC_ROLE_BINDINGS, .name = "b"), 200);
    CHECK(!may(&f, "eve", "x", "default"));
    registry_fixture_down(&f);
}

TEST(rbac, an_account_is_its_namespaces)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = RBAC_CLUSTER_ROLES, .ns = "", .body = ROLE("r", "get")), 201);
    CHECK_INT(CREATE(.bucket = RBAC_ROLE_BINDINGS,
                     .body = BIND("b", "ClusterRole", "r",
                                  ACCOUNT("") "," ACCOUNT(",'namespace':'kube-system'"))),
              201);
    CHECK(may(&f, "system:serviceaccount:default:a", "x", "default"));
    CHECK(may(&f, "system:serviceaccount:kube-system:a", "x", "default"));
    CHECK(!may(&f, "system:serviceaccount:kube-public:a", "x", "default"));
    CHECK(!may(&f, "system:serviceaccount:default:a", "x", "kube-system"));
    CHECK_INT(CREATE(.bucket = RBAC_CLUSTER_ROLEBINDINGS, .ns = "",
                     .body = BIND("c", "ClusterRole", "r", ACCOUNT(",'namespace':'default'"))),
              201);
    CHECK(may(&f, "system:serviceaccount:default:a", "x", "kube-system"));
    CHECK(may(&f, "system:serviceaccount:default:a", "x", ""));
    registry_fixture_down(&f);
}

TEST(rbac, among_ten_thousand_bindings_each_finds_his_own)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = RBAC_ROLES, .body = ROLE("r", "get")), 201);
    CHECK_INT(CREATE(.bucket = RBAC_ROLE_BINDINGS, .body = BIND("mine", "Role", "r", USER("bob"))),
              201);
    for (int i = 0; i < 10000; i++) {
        cleanup(freep) char *body = mem_fmt(
            "{'metadata':{'name':'b%d'},'roleRef':{'kind':'Role','name':'r','apiGroup':"
            "'rbac.authorization.k8s.io'},'subjects':[{'kind':'User','name':'u%d',"
            "'apiGroup':'rbac.authorization.k8s.io'}]}",
            i, i);

        CHECK_INT(CREATE(.bucket = RBAC_ROLE_BINDINGS, .body = body), 201);
    }
    CHECK(may(&f, "bob", "x", "default"));
    CHECK(may(&f, "u9999", "x", "default"));
    CHECK(!may(&f, "u10000", "x", "default"));
    registry_fixture_down(&f);
}

/* --- nobody gives away what he does not have --- */

static int as_bob(struct registry_fixture *f, const char *bucket, const char *ns, const char *text)
{
    static const char *const groups[] = { "people", "system:authenticated", NULL };
    static const struct registry_user bob = { .name = "bob", .groups = groups, .uid = "" };
    cleanup(json_decrefpp) json_t *body = quoted(text);
    struct registry_request req = { .verb = REGISTRY_CREATE,
                                    .resource = schema_bucket(bucket),
                                    .sub = "",
                                    .ns = ns,
                                    .name = "",
                                    .body = body,
                                    .user = &bob,
                                    .grace_seconds = -1 };

    f->calls = 0;
    registry_write(f->r, &req, registry_fixture_on_done, f);
    registry_fixture_settle(f);
    CHECK_INT(f->calls, 1);
    return f->http;
}

TEST(rbac, nobody_grants_what_he_does_not_have)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = RBAC_ROLES, .body = ROLE("r", "get")), 201);
    CHECK_INT(CREATE(.bucket = RBAC_ROLE_BINDINGS, .body = BIND("b", "Role", "r", USER("bob"))),
              201);
    CHECK_INT(as_bob(&f, RBAC_ROLES, "default", ROLE("same", "get")), 201);
    CHECK_INT(as_bob(&f, RBAC_ROLES, "default", ROLE("more", "delete")), 403);
    CHECK_SAYS("roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"bob\" "
               "(groups=[\"people\" \"system:authenticated\"]) is attempting to grant RBAC "
               "permissions not currently held:\n"
               "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}");
    CHECK_INT(as_bob(&f, RBAC_ROLES, "kube-system", ROLE("same", "get")), 403);
    CHECK_INT(as_bob(&f, RBAC_CLUSTER_ROLES, "", ROLE("same", "get")), 403);
    CHECK_INT(as_bob(&f, RBAC_ROLE_BINDINGS, "default", BIND("x", "Role", "r", USER("eve"))), 201);
    CHECK_INT(as_bob(&f, RBAC_ROLE_BINDINGS, "default",
                     BIND("y", "ClusterRole", "cluster-admin", USER("bob"))),
              403);
    CHECK_INT(as_bob(&f, RBAC_ROLE_BINDINGS, "default", BIND("z", "Role", "none", USER("bob"))),
              404);
    CHECK_SAYS("roles.rbac.authorization.k8s.io \"none\" not found");
    registry_fixture_down(&f);
}

TEST(rbac, who_may_escalate_or_bind_may)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(CREATE(.bucket = RBAC_ROLES,
                     .body = "{'metadata':{'name':'r'},'rules':[{'verbs':['escalate'],'apiGroups':"
                             "['rbac.authorization.k8s.io'],'resources':['roles'],"
                             "'resourceNames':['more']},{'verbs':['bind'],'apiGroups':"
                             "['rbac.authorization.k8s.io'],'resources':['clusterroles'],"
                             "'resourceNames':['view']}]}"),
              201);
    CHECK_INT(CREATE(.bucket = RBAC_ROLE_BINDINGS, .body = BIND("b", "Role", "r", USER("bob"))),
              201);
    CHECK_INT(as_bob(&f, RBAC_ROLES, "default", ROLE("more", "delete")), 201);
    CHECK_INT(as_bob(&f, RBAC_ROLES, "default", ROLE("other", "delete")), 403);
    CHECK_INT(
        as_bob(&f, RBAC_ROLE_BINDINGS, "default", BIND("v", "ClusterRole", "view", USER("bob"))),
        201);
    CHECK_INT(
        as_bob(&f, RBAC_ROLE_BINDINGS, "default", BIND("e", "ClusterRole", "edit", USER("bob"))),
        403);
    CHECK_INT(as_bob(&f, RBAC_CLUSTER_ROLES, "",
                     "{'metadata':{'name':'agg'},'aggregationRule':{'clusterRoleSelectors':[{}]},"
                     "'rules':[]}"),
              403);
    CHECK_SAYS("clusterroles.rbac.authorization.k8s.io \"agg\" is forbidden: must have "
               "cluster-admin privileges to use the aggregationRule");
    registry_fixture_down(&f);
}

/* --- what is there from the start --- */

TEST(rbac, admin_edit_and_view_are_what_they_are_made_of)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    plan_fixture_put(&f, RBAC_CLUSTER_ROLES,
                     "{'metadata':{'name':'all'},'aggregationRule':{'clusterRoleSelectors':[{"
                     "'matchLabels':{'to':'all'}}]},'rules':[]}");
    plan_fixture_put(&f, RBAC_CLUSTER_ROLES,
                     "{'metadata':{'name':'b','labels':{'to':'all'}},'rules':[{'verbs':['b']}]}");
    plan_fixture_put(&f, RBAC_CLUSTER_ROLES,
                     "{'metadata':{'name':'a','labels':{'to':'all'}},'rules':[{'verbs':['a']},"
                     "{'verbs':['b']}]}");
    plan_fixture_run(&f, &aggregation_controller, "", "all");
    CHECK_INT(f.plan.n, 1);
    w = plan_fixture_write(&f, PLAN_UPDATE, RBAC_CLUSTER_ROLES, 0);
    CHECK_STR(w->name, "all");
    CHECK_INT(json_array_size(json_object_get(w->tree, "rules")), 2);
    plan_fixture_apply(&f);
    plan_fixture_run(&f, &aggregation_controller, "", "all");
    CHECK_INT(f.plan.n, 0);
    plan_fixture_remove(&f, RBAC_CLUSTER_ROLES, "a");
    plan_fixture_run(&f, &aggregation_controller, "", "all");
    w = plan_fixture_write(&f, PLAN_UPDATE, RBAC_CLUSTER_ROLES, 0);
    CHECK_INT(json_array_size(json_object_get(w->tree, "rules")), 1);
    plan_fixture_down(&f);
}

TEST(rbac, roles_of_the_start_are_repaired_unless_their_owner_says_otherwise)
{
    struct registry_fixture f = { 0 };

    registry_fixture_up(&f);
    CHECK_INT(MERGE(.bucket = RBAC_CLUSTER_ROLES, .ns = "", .name = "system:monitoring",
                    .body = "{'rules':[{'verbs':['get'],'nonResourceURLs':['/own']}]}"),
              200);
    CHECK_INT(MERGE(.bucket = RBAC_CLUSTER_ROLES, .ns = "", .name = "system:basic-user",
                    .body = "{'metadata':{'annotations':{'rbac.authorization.kubernetes.io/"
                            "autoupdate':'false'}},'rules':[]}"),
              200);
    CHECK_INT(MERGE(.bucket = RBAC_CLUSTER_ROLEBINDINGS, .ns = "", .name = "system:discovery",
                    .body = "{'subjects':[]}"),
              200);
    registry_fixture_restart(&f);
    CHECK(GET(RBAC_CLUSTER_ROLES, "", "system:monitoring"));
    CHECK_AT("rules.0.nonResourceURLs", "['/own']");
    CHECK_INT(json_array_size(tree_at(f.body, "rules")), 9);
    CHECK(GET(RBAC_CLUSTER_ROLES, "", "system:basic-user"));
    CHECK(json_array_size(tree_at(f.body, "rules")) == 0);
    CHECK(GET(RBAC_CLUSTER_ROLEBINDINGS, "", "system:discovery"));
    CHECK_AT("subjects.0.name", "'system:authenticated'");
    registry_fixture_down(&f);
}

TEST(rbac, every_binding_of_the_start_names_a_role_of_the_start)
{
    cleanup(json_decrefpp) json_t *roles = bootstrap_cluster_roles();
    cleanup(json_decrefpp) json_t *bindings = bootstrap_cluster_role_bindings();
    size_t i, k;
    json_t *binding, *role;

    json_array_foreach (bindings, i, binding) {
        bool found = false;

        json_array_foreach (roles, k, role)
            found = found ||
                    str_eq(json_str(role, "metadata.name"), json_str(binding, "roleRef.name"));
        CHECK(found);
    }
    json_array_foreach (roles, i, role)
        for (k = 0; k < i; k++) /* rows of one role stand together */
            CHECK(!str_eq(json_str(json_array_get(roles, k), "metadata.name"),
                          json_str(role, "metadata.name")));
}
