#include "api/rbac.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static bool rbac_list_allows(const json_t *list, const char *word)
{
    return auth_list_has(list, word) || auth_list_has(list, "*");
}

static bool rbac_resource_matches(const json_t *list, const struct auth_question *q)
{
    cleanup(freep) char *full = q->sub[0] != '\0' ? mem_fmt("%s/%s", q->resource, q->sub)
                                                  : mem_str(q->resource);
    cleanup(freep) char *all_sub = mem_fmt("*/%s", q->sub);
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item) {
        const char *s = json_string_value(item);

        if (str_eq(s, "*") || str_eq(s, full) || (q->sub[0] != '\0' && str_eq(s, all_sub)))
            return true;
    }
    return false;
}

static bool rbac_url_matches(const json_t *urls, const char *path)
{
    size_t i;
    json_t *item;

    json_array_foreach (urls, i, item) {
        const char *s = json_string_value(item);
        size_t len = s != NULL ? strlen(s) : 0;

        if (str_eq(s, path) || (len > 0 && s[len - 1] == '*' && strncmp(path, s, len - 1) == 0))
            return true;
    }
    return false;
}

static bool rbac_rule_allows(const json_t *rule, const struct auth_question *q)
{
    const json_t *names = json_at(rule, "resourceNames");

    if (!rbac_list_allows(json_at(rule, "verbs"), q->verb))
        return false;
    if (q->resource[0] == '\0')
        return rbac_url_matches(json_at(rule, "nonResourceURLs"), q->path);
    return rbac_list_allows(json_at(rule, "apiGroups"), q->group) &&
           rbac_resource_matches(json_at(rule, "resources"), q) &&
           (json_array_size(names) == 0 || auth_list_has(names, q->name));
}

/* @ns: of the binding; an account without a namespace is one of there. */
static bool rbac_subject_is(const json_t *subject, const char *ns, const struct auth_user *u)
{
    const char *kind = json_str_or(subject, "kind", "");
    const char *name = json_str_or(subject, "name", "");
    cleanup(freep) char *account = NULL;

    if (str_eq(kind, "User"))
        return str_eq(name, u->name);
    if (str_eq(kind, "Group"))
        return auth_in_group(u, name);
    if (!str_empty(json_str_or(subject, "namespace", "")))
        ns = json_str_or(subject, "namespace", "");
    account = mem_fmt("system:serviceaccount:%s:%s", ns, name);
    return str_eq(kind, "ServiceAccount") && !str_empty(ns) && str_eq(account, u->name);
}

static bool rbac_binding_is(const json_t *binding, const char *ns, const struct auth_user *u)
{
    size_t i;
    json_t *subject;

    json_array_foreach (json_at(binding, "subjects"), i, subject)
        if (rbac_subject_is(subject, ns, u))
            return true;
    return false;
}

/* --- walking roles --- */

typedef bool (*rbac_rule_fn)(void *arg, const json_t *rule);

/* Calls @fn for each rule of the role that @binding names, until it says true. */
static bool rbac_each_rule(const struct store *store, const json_t *binding, const char *ns,
                           rbac_rule_fn fn, void *arg)
{
    bool cluster = str_eq(json_str(binding, "roleRef.kind"), "ClusterRole");
    const char *bucket = cluster ? "clusterroles.rbac.authorization.k8s.io"
                                 : "roles.rbac.authorization.k8s.io";
    const struct object *o = store_get(store, bucket, cluster ? "" : ns,
                                       json_str_or(binding, "roleRef.name", ""));
    cleanup(json_decrefpp) json_t *role = o != NULL ? object_tree(o) : NULL;
    size_t i;
    json_t *rule;

    json_array_foreach (json_at(role, "rules"), i, rule)
        if (fn(arg, rule))
            return true;
    return false;
}

static bool rbac_each_binding(const struct auth_user *u, const struct store *store,
                              const char *bucket, const char *ns, rbac_rule_fn fn, void *arg)
{
    struct store_iter it;
    const struct object *o;

    store_iter_init(&it, store, bucket, ns, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *binding = object_tree(o);

        if (rbac_binding_is(binding, o->ns, u) && rbac_each_rule(store, binding, o->ns, fn, arg))
            return true;
    }
    return false;
}

/* Those of the whole cluster, then those of @ns ("" = none). */
static bool rbac_each(const struct auth_user *u, const struct store *store, const char *ns,
                      rbac_rule_fn fn, void *arg)
{
    return rbac_each_binding(u, store, "clusterrolebindings.rbac.authorization.k8s.io", NULL, fn,
                             arg) ||
           (ns[0] != '\0' &&
            rbac_each_binding(u, store, "rolebindings.rbac.authorization.k8s.io", ns, fn, arg));
}

/* --- questions --- */

static bool rbac_answers(void *arg, const json_t *rule)
{
    return rbac_rule_allows(rule, arg);
}

bool rbac_allows(const struct auth_user *u, const struct store *store,
                 const struct auth_question *q)
{
    struct auth_question asked = *q;

    return rbac_each(u, store, q->ns, rbac_answers, &asked);
}

static bool rbac_note(void *arg, const json_t *rule)
{
    json_t **lists = arg;
    bool urls = json_array_size(json_at(rule, "nonResourceURLs")) > 0;

    json_array_append_new(lists[urls], json_deep_copy(rule));
    return false;
}

void rbac_rules(const struct auth_user *u, const struct store *store, const char *ns,
                json_t *resource_rules, json_t *url_rules)
{
    json_t *lists[2] = { resource_rules, url_rules };

    rbac_each(u, store, ns, rbac_note, lists);
}
