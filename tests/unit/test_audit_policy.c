/* layer: api */
#include "api/audit_policy.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

static struct audit_policy *policy(const char *rules)
{
    cleanup(freep) char *yaml = mem_fmt("apiVersion: audit.k8s.io/v1\nkind: Policy\n%s", rules);
    struct audit_policy *p = NULL;
    struct err err = ERR_EMPTY;
    int rc = audit_policy_new(&p, yaml, strlen(yaml), &err);

    CHECK_STR(err.text, "");
    CHECK_INT(rc, 0);
    return p;
}

/* "verb user(group) ns group/resource/sub name", or "verb user(group) /path" */
struct row {
    struct audit_question q;
    enum audit_level want;
};

static const char *const devs[] = { "devs", "system:authenticated", NULL };

#define ASK(verb_, group_, resource_, sub_, ns_, name_)                                     \
    {                                                                                       \
        .user = "bob", .groups = devs, .verb = verb_, .is_resource = true, .group = group_, \
        .resource = resource_, .sub = sub_, .ns = ns_, .name = name_, .path = ""            \
    }
#define ASK_PATH(verb_, path_)                                                                \
    {                                                                                         \
        .user = "bob", .groups = devs, .verb = verb_, .group = "", .resource = "", .sub = "", \
        .ns = "", .name = "", .path = path_                                                   \
    }

static void check_rows(struct audit_policy *p, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct audit_verdict v = audit_policy_ask(p, &rows[i].q);

        if (v.level != rows[i].want)
            fprintf(stderr, "row %zu: %s\n", i, audit_level_name(v.level));
        CHECK_INT(v.level, rows[i].want);
    }
    audit_policy_free(p);
}

TEST(audit_policy, resources_and_their_subresources)
{
    static const struct row rows[] = {
        { ASK("get", "", "pods", "", "a", "x"), AUDIT_REQUEST },
        { ASK("get", "", "pods", "log", "a", "x"), AUDIT_METADATA },
        { ASK("get", "", "pods", "status", "a", "x"), AUDIT_NONE },
        { ASK("get", "apps", "pods", "", "a", "x"), AUDIT_NONE },
        { ASK("get", "", "podsets", "", "a", "x"), AUDIT_NONE },
        { ASK("update", "apps", "deployments", "scale", "a", "x"), AUDIT_REQUEST_RESPONSE },
        { ASK("update", "apps", "statefulsets", "scale", "a", "x"), AUDIT_REQUEST_RESPONSE },
        { ASK("update", "apps", "statefulsets", "", "a", "x"), AUDIT_NONE },
        { ASK("get", "", "services", "proxy", "a", "x"), AUDIT_METADATA },
        { ASK("get", "", "services", "", "a", "x"), AUDIT_NONE },
        { ASK("get", "batch", "jobs", "", "a", "x"), AUDIT_REQUEST },
        { ASK("get", "", "configmaps", "", "a", "boot"), AUDIT_REQUEST },
        { ASK("get", "", "configmaps", "", "a", "other"), AUDIT_NONE },
    };

    check_rows(policy("rules:\n"
                      "- level: Metadata\n  resources: [{group: '', resources: [pods/log, "
                      "services/*]}]\n  verbs: [get]\n  namespaces: [b]\n"
                      "- level: None\n  resources: [{resources: [services]}]\n"
                      "- level: Metadata\n  resources: [{resources: [pods/log, services/*]}]\n"
                      "- level: Request\n  resources: [{resources: [pods]}, {group: batch}]\n"
                      "- level: RequestResponse\n  resources: [{group: apps, resources: "
                      "['*/scale']}]\n"
                      "- level: Request\n  resources: [{resources: [configmaps], resourceNames: "
                      "[boot]}]\n"),
               rows, N_ELEMENTS(rows));
}

TEST(audit_policy, users_groups_verbs_namespaces)
{
    static const struct row rows[] = {
        { ASK("get", "", "pods", "", "a", "x"), AUDIT_METADATA },
        { ASK("list", "", "pods", "", "a", ""), AUDIT_REQUEST },
        { ASK("list", "", "pods", "", "", ""), AUDIT_REQUEST_RESPONSE },
        { ASK_PATH("get", "/version"), AUDIT_METADATA },
        { ASK_PATH("post", "/version"), AUDIT_NONE },
    };
    struct audit_policy *p = policy("rules:\n"
                                    "- level: None\n  users: [alice]\n"
                                    "- level: None\n  userGroups: [ops]\n"
                                    "- level: Metadata\n  users: [bob]\n  verbs: [get]\n"
                                    "- level: Request\n  userGroups: [devs]\n  namespaces: [a]\n"
                                    "- level: RequestResponse\n  namespaces: ['']\n");
    const struct audit_question nobody = { .verb = "get", .path = "/version" };

    CHECK_INT(audit_policy_ask(p, &nobody).level, AUDIT_NONE);
    check_rows(p, rows, N_ELEMENTS(rows));
}

TEST(audit_policy, paths)
{
    static const struct row rows[] = {
        { ASK_PATH("get", "/healthz"), AUDIT_METADATA },
        { ASK_PATH("get", "/healthz/ping"), AUDIT_METADATA },
        { ASK_PATH("get", "/version"), AUDIT_REQUEST },
        { ASK_PATH("get", "/versions"), AUDIT_NONE },
        { ASK("get", "", "pods", "", "a", "x"), AUDIT_NONE },
    };

    check_rows(policy("rules:\n"
                      "- level: Metadata\n  nonResourceURLs: ['/healthz*']\n"
                      "- level: Request\n  nonResourceURLs: ['/version']\n"),
               rows, N_ELEMENTS(rows));
}

TEST(audit_policy, stages_of_policy_and_rule_add_up)
{
    static const struct audit_question q = ASK("get", "", "pods", "", "a", "x");
    struct audit_policy *p = policy(
        "omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n"
        "- level: Request\n  omitStages: [Panic]\n  users: [bob]\n");
    struct audit_verdict v = audit_policy_ask(p, &q);

    CHECK_INT(v.omit, AUDIT_RECEIVED | AUDIT_PANIC);
    CHECK(v.omit_managed_fields);
    audit_policy_free(p);
}

TEST(audit_policy, by_default_writes_are_logged_without_bodies)
{
    static const struct row rows[] = {
        { ASK("create", "", "secrets", "", "a", ""), AUDIT_METADATA },
        { ASK("get", "", "secrets", "", "a", "x"), AUDIT_NONE },
        { ASK("get", "", "pods", "exec", "a", "x"), AUDIT_METADATA },
        { ASK("update", "coordination.k8s.io", "leases", "", "a", "x"), AUDIT_NONE },
        { ASK("create", "", "events", "", "a", "x"), AUDIT_NONE },
        { ASK_PATH("post", "/mkube/v1/encryption/rotate"), AUDIT_METADATA },
        { ASK_PATH("get", "/livez"), AUDIT_NONE },
    };

    check_rows(audit_policy_default(), rows, N_ELEMENTS(rows));
}

TEST(audit_policy, what_is_wrong_is_named)
{
    static const struct {
        const char *yaml, *why;
    } rows[] = {
        { "", "one YAML document" },
        { "kind: Policy\nrules: [{level: None}]", "audit.k8s.io/v1" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy", "rules: there are none" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Loud}]",
          "rules[0].level: unsupported level \"Loud\"" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, user: [a]}]",
          "rules[0]: unknown field \"user\"" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, users: a}]",
          "rules[0].users: wrong type" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [3]", "rules[0]: must be an object" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, omitStages: [x]}]",
          "unsupported stage \"x\"" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, nonResourceURLs: "
          "['/a*b']}]",
          "'*' may only be the last" },
        { "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, nonResourceURLs: [/a], "
          "namespaces: [x]}]",
          "both regular resources" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct audit_policy *p = NULL;
        struct err err = ERR_EMPTY;

        CHECK(audit_policy_new(&p, rows[i].yaml, strlen(rows[i].yaml), &err) < 0);
        if (strstr(err.text, rows[i].why) == NULL)
            CHECK_STR(err.text, rows[i].why);
    }
}
