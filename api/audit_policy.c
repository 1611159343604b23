#include "api/audit_policy.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"

#include <assert.h>
#include <string.h>

static const char *const audit_levels[] = {
    [AUDIT_NONE] = "None",
    [AUDIT_METADATA] = "Metadata",
    [AUDIT_REQUEST] = "Request",
    [AUDIT_REQUEST_RESPONSE] = "RequestResponse",
};

static const char *const audit_stages[] = { "RequestReceived", "ResponseStarted",
                                            "ResponseComplete", "Panic" };

static const char audit_default[] =
    "apiVersion: audit.k8s.io/v1\n"
    "kind: Policy\n"
    "omitStages: [RequestReceived]\n"
    "rules:\n"
    "- level: Metadata\n"
    "  resources:\n"
    "  - group: ''\n"
    "    resources: [pods/exec, pods/attach, pods/portforward, pods/proxy, services/proxy, "
    "nodes/proxy]\n"
    "- level: None\n"
    "  verbs: [get, list, watch]\n"
    "- level: None\n"
    "  resources:\n"
    "  - {group: '', resources: [events]}\n"
    "  - {group: events.k8s.io}\n"
    "  - {group: coordination.k8s.io, resources: [leases]}\n"
    "  - {group: authentication.k8s.io, resources: [tokenreviews, selfsubjectreviews]}\n"
    "  - {group: authorization.k8s.io}\n"
    "- level: None\n"
    "  userGroups: ['system:nodes']\n"
    "  resources:\n"
    "  - {group: '', resources: [nodes/status, pods/status]}\n"
    "- level: Metadata\n";

/* A rule of the tree, whose members every request is compared with; lists are borrowed from it. */
struct audit_rule {
    const json_t *users, *groups, *verbs, *namespaces, *resources, *urls;
    struct audit_verdict verdict;
};

struct audit_policy {
    json_t *tree;             /* owned, checked */
    struct audit_rule *rules; /* owned */
    size_t n_rules;
};

const char *audit_level_name(enum audit_level level)
{
    return audit_levels[level];
}

const char *audit_stage_name(enum audit_stage stage)
{
    size_t i = 0;

    while ((1u << i) != (unsigned)stage)
        i++;
    return audit_stages[i];
}

/* --- reading --- */

enum audit_form { AUDIT_WORD, AUDIT_WORDS, AUDIT_BOOL, AUDIT_LIST, AUDIT_OBJECT };

struct audit_field {
    const char *name;
    enum audit_form form;
};

static const struct audit_field audit_policy_fields[] = {
    { "apiVersion", AUDIT_WORD },
    { "kind", AUDIT_WORD },
    { "metadata", AUDIT_OBJECT },
    { "rules", AUDIT_LIST },
    { "omitStages", AUDIT_WORDS },
    { "omitManagedFields", AUDIT_BOOL },
    { .name = NULL },
};

static const struct audit_field audit_rule_fields[] = {
    { "level", AUDIT_WORD },
    { "users", AUDIT_WORDS },
    { "userGroups", AUDIT_WORDS },
    { "verbs", AUDIT_WORDS },
    { "resources", AUDIT_LIST },
    { "namespaces", AUDIT_WORDS },
    { "nonResourceURLs", AUDIT_WORDS },
    { "omitStages", AUDIT_WORDS },
    { "omitManagedFields", AUDIT_BOOL },
    { .name = NULL },
};

static const struct audit_field audit_resource_fields[] = {
    { "group", AUDIT_WORD },
    { "resources", AUDIT_WORDS },
    { "resourceNames", AUDIT_WORDS },
    { .name = NULL },
};

static bool audit_are_words(const json_t *value)
{
    json_t *word;
    size_t i;

    json_array_foreach (value, i, word)
        if (!json_is_string(word))
            return false;
    return json_is_array(value);
}

static bool audit_fits(enum audit_form form, const json_t *value)
{
    switch (form) {
    case AUDIT_WORD: return json_is_string(value);
    case AUDIT_WORDS: return audit_are_words(value);
    case AUDIT_BOOL: return json_is_boolean(value);
    case AUDIT_LIST: return json_is_array(value);
    case AUDIT_OBJECT: return json_is_object(value);
    }
    return false;
}

/* Known fields of the right form; null is as good as absent. */
static int audit_check_fields(json_t *tree, const struct audit_field *fields, const char *where,
                              struct err *err)
{
    const char *key;
    json_t *value;
    void *next;

    if (!json_is_object(tree))
        return err_set(err, ERR_INVALID, "%s: must be an object", where);
    json_object_foreach_safe (tree, next, key, value) {
        const struct audit_field *f = fields;

        while (f->name != NULL && !str_eq(f->name, key))
            f++;
        if (f->name == NULL)
            return err_set(err, ERR_INVALID, "%s: unknown field \"%s\"", where, key);
        if (json_is_null(value))
            json_object_del(tree, key);
        else if (!audit_fits(f->form, value))
            return err_set(err, ERR_INVALID, "%s.%s: wrong type", where, key);
    }
    return 0;
}

static int audit_find(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return (int)i;
    return -1;
}

static unsigned audit_stage_bits(const json_t *list)
{
    unsigned bits = 0;
    json_t *word;
    size_t i;

    json_array_foreach (list, i, word) {
        int stage = audit_find(audit_stages, N_ELEMENTS(audit_stages), json_string_value(word));

        if (stage >= 0)
            bits |= 1u << stage;
    }
    return bits;
}

static int audit_check_stages(const json_t *tree, const char *where, struct err *err)
{
    json_t *word;
    size_t i;

    json_array_foreach (json_object_get(tree, "omitStages"), i, word)
        if (audit_find(audit_stages, N_ELEMENTS(audit_stages), json_string_value(word)) < 0)
            return err_set(err, ERR_INVALID, "%s.omitStages: unsupported stage \"%s\"", where,
                           json_string_value(word));
    return 0;
}

/* A star may only end a path. */
static int audit_check_urls(const json_t *rule, const char *where, struct err *err)
{
    json_t *word;
    size_t i;

    json_array_foreach (json_object_get(rule, "nonResourceURLs"), i, word) {
        const char *url = json_string_value(word);
        const char *star = strchr(url, '*');

        if (str_eq(url, "*"))
            continue;
        if (url[0] != '/')
            return err_set(err, ERR_INVALID, "%s.nonResourceURLs: \"%s\": must begin with '/'",
                           where, url);
        if (star != NULL && star[1] != '\0')
            return err_set(err, ERR_INVALID,
                           "%s.nonResourceURLs: \"%s\": '*' may only be the last character", where,
                           url);
    }
    return 0;
}

static int audit_check_rule(json_t *rule, size_t i, struct err *err)
{
    cleanup(freep) char *where = mem_fmt("rules[%zu]", i);
    json_t *resource, *resources;
    size_t j;
    int rc = audit_check_fields(rule, audit_rule_fields, where, err);

    if (rc < 0)
        return rc;
    resources = json_object_get(rule, "resources");
    if (audit_find(audit_levels, N_ELEMENTS(audit_levels), json_str_or(rule, "level", "")) < 0)
        return err_set(err, ERR_INVALID, "%s.level: unsupported level \"%s\"", where,
                       json_str_or(rule, "level", ""));
    if (json_array_size(json_object_get(rule, "nonResourceURLs")) > 0 &&
        (json_array_size(resources) > 0 ||
         json_array_size(json_object_get(rule, "namespaces")) > 0))
        return err_set(err, ERR_INVALID,
                       "%s.nonResourceURLs: rules cannot apply to both regular resources and "
                       "non-resource URLs",
                       where);
    json_array_foreach (resources, j, resource) {
        cleanup(freep) char *at = mem_fmt("%s.resources[%zu]", where, j);

        rc = audit_check_fields(resource, audit_resource_fields, at, err);
        if (rc < 0)
            return rc;
    }
    rc = audit_check_urls(rule, where, err);
    return rc < 0 ? rc : audit_check_stages(rule, where, err);
}

static int audit_check(json_t *tree, struct err *err)
{
    json_t *rule, *rules;
    size_t i;
    int rc = audit_check_fields(tree, audit_policy_fields, "policy", err);

    if (rc < 0)
        return rc;
    if (!str_eq(json_str(tree, "apiVersion"), "audit.k8s.io/v1") ||
        !str_eq(json_str(tree, "kind"), "Policy"))
        return err_set(err, ERR_INVALID, "it must be of apiVersion audit.k8s.io/v1, kind Policy");
    rules = json_object_get(tree, "rules");
    if (json_array_size(rules) == 0)
        return err_set(err, ERR_INVALID, "rules: there are none");
    json_array_foreach (rules, i, rule) {
        rc = audit_check_rule(rule, i, err);
        if (rc < 0)
            return rc;
    }
    return audit_check_stages(tree, "policy", err);
}

static struct audit_rule audit_rule_of(const json_t *tree, const json_t *rule)
{
    return (struct audit_rule){
        .users = json_object_get(rule, "users"),
        .groups = json_object_get(rule, "userGroups"),
        .verbs = json_object_get(rule, "verbs"),
        .namespaces = json_object_get(rule, "namespaces"),
        .resources = json_object_get(rule, "resources"),
        .urls = json_object_get(rule, "nonResourceURLs"),
        .verdict = {
            .level = (enum audit_level)audit_find(audit_levels, N_ELEMENTS(audit_levels),
                                                  json_str(rule, "level")),
            .omit = audit_stage_bits(json_object_get(tree, "omitStages")) |
                    audit_stage_bits(json_object_get(rule, "omitStages")),
            .omit_managed_fields = json_bool(rule, "omitManagedFields",
                                             json_bool(tree, "omitManagedFields", false)),
        },
    };
}

static struct audit_policy *audit_policy_of(json_t *tree_steal)
{
    const json_t *rules = json_object_get(tree_steal, "rules");
    struct audit_policy *p = MEM_NEW(struct audit_policy);

    p->tree = tree_steal;
    p->n_rules = json_array_size(rules);
    p->rules = MEM_NEW_ARRAY(struct audit_rule, p->n_rules);
    for (size_t i = 0; i < p->n_rules; i++)
        p->rules[i] = audit_rule_of(tree_steal, json_array_get(rules, i));
    return p;
}

int audit_policy_new(struct audit_policy **ret, const char *yaml, size_t len, struct err *err)
{
    cleanup(json_decrefpp) json_t *docs = NULL;
    int rc = yaml_parse(&docs, yaml, len, err);

    if (rc < 0)
        return rc;
    if (json_array_size(docs) != 1)
        return err_set(err, ERR_INVALID, "it must hold one YAML document");
    rc = audit_check(json_array_get(docs, 0), err);
    if (rc < 0)
        return rc;
    *ret = audit_policy_of(json_incref(json_array_get(docs, 0)));
    return 0;
}

struct audit_policy *audit_policy_default(void)
{
    struct audit_policy *p = NULL;
    struct err err = ERR_EMPTY;
    int rc = audit_policy_new(&p, audit_default, strlen(audit_default), &err);

    assert(rc == 0);
    (void)rc;
    return p;
}

struct audit_policy *audit_policy_free(struct audit_policy *p)
{
    if (p == NULL)
        return NULL;
    json_decref(p->tree);
    free(p->rules);
    free(p);
    return NULL;
}

/* --- asking --- */

static bool audit_has(const json_t *list, const char *word)
{
    json_t *one;
    size_t i;

    json_array_foreach (list, i, one)
        if (str_eq(json_string_value(one), word))
            return true;
    return false;
}

static bool audit_fits_user(const struct audit_rule *rule, const struct audit_question *q)
{
    if (json_array_size(rule->users) > 0 && (q->user == NULL || !audit_has(rule->users, q->user)))
        return false;
    if (json_array_size(rule->groups) == 0)
        return true;
    for (const char *const *g = q->groups; q->user != NULL && g != NULL && *g != NULL; g++)
        if (audit_has(rule->groups, *g))
            return true;
    return false;
}

/* "pods", "pods/log", "*", a star for the subresource ("pods/" and a star) or for the resource. */
static bool audit_fits_word(const char *word, const struct audit_question *q)
{
    size_t len = strlen(q->resource);

    if (str_eq(word, "*"))
        return true;
    if (q->sub[0] != '\0' && str_starts(word, "*/") && str_eq(word + 2, q->sub))
        return true;
    if (!str_starts(word, q->resource))
        return false;
    if (str_eq(word + len, "/*"))
        return true;
    return q->sub[0] == '\0' ? word[len] == '\0'
                             : word[len] == '/' && str_eq(word + len + 1, q->sub);
}

static bool audit_fits_resources(const json_t *list, const struct audit_question *q)
{
    json_t *one, *word;
    size_t i, j;

    json_array_foreach (list, i, one) {
        const json_t *words = json_object_get(one, "resources");
        const json_t *names = json_object_get(one, "resourceNames");

        if (!str_eq(json_str_or(one, "group", ""), q->group))
            continue;
        if (json_array_size(words) == 0)
            return true;
        if (json_array_size(names) > 0 && !audit_has(names, q->name))
            continue;
        json_array_foreach (words, j, word)
            if (audit_fits_word(json_string_value(word), q))
                return true;
    }
    return false;
}

static bool audit_fits_urls(const json_t *list, const struct audit_question *q)
{
    json_t *one;
    size_t i;

    json_array_foreach (list, i, one) {
        const char *url = json_string_value(one);
        size_t len = strlen(url);

        if (str_eq(url, q->path) ||
            (len > 0 && url[len - 1] == '*' && strncmp(url, q->path, len - 1) == 0))
            return true;
    }
    return false;
}

static bool audit_fits_rule(const struct audit_rule *r, const struct audit_question *q)
{
    bool in_namespaces = json_array_size(r->namespaces) > 0;
    bool of_resources = json_array_size(r->resources) > 0;

    if (!audit_fits_user(r, q) || (json_array_size(r->verbs) > 0 && !audit_has(r->verbs, q->verb)))
        return false;
    if (in_namespaces || of_resources)
        return q->is_resource && (!in_namespaces || audit_has(r->namespaces, q->ns)) &&
               (!of_resources || audit_fits_resources(r->resources, q));
    if (json_array_size(r->urls) > 0)
        return !q->is_resource && audit_fits_urls(r->urls, q);
    return true;
}

struct audit_verdict audit_policy_ask(const struct audit_policy *p, const struct audit_question *q)
{
    for (size_t i = 0; i < p->n_rules; i++)
        if (audit_fits_rule(&p->rules[i], q))
            return p->rules[i].verdict;
    return (struct audit_verdict){ .level = AUDIT_NONE };
}
