#include "api/hooks.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define HOOK_TIMEOUT_S 10

/* --- the set --- */

static const char *hook_review_version(const json_t *spec)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(spec, "admissionReviewVersions"), i, item) {
        if (str_eq(json_string_value(item), "v1"))
            return "v1";
        if (str_eq(json_string_value(item), "v1beta1"))
            return "v1beta1";
    }
    return NULL;
}

/* Absent: everything. */
static int hook_read_selector(struct selector **ret, const json_t *spec, const char *key,
                              struct err *err)
{
    const json_t *selector = json_at(spec, key);

    return selector != NULL ? selector_from_json(ret, selector, err) : 0;
}

void hook_init(struct hook *h, const json_t *spec)
{
    const char *effects = json_str_or(spec, "sideEffects", "Unknown");
    struct err err = ERR_EMPTY;

    *h = (struct hook){
        .name = json_str_or(spec, "name", ""),
        .spec = spec,
        .review = hook_review_version(spec),
        .ignores_failure = str_eq(json_str(spec, "failurePolicy"), "Ignore"),
        .is_exact = str_eq(json_str(spec, "matchPolicy"), "Exact"),
        .may_repeat = str_eq(json_str(spec, "reinvocationPolicy"), "IfNeeded"),
        .is_free_of_effects = str_eq(effects, "None") || str_eq(effects, "NoneOnDryRun"),
        .timeout_ms = json_int(spec, "timeoutSeconds", HOOK_TIMEOUT_S) * 1000,
    };
    h->is_broken = hook_read_selector(&h->namespaces, spec, "namespaceSelector", &err) < 0 ||
                   hook_read_selector(&h->objects, spec, "objectSelector", &err) < 0;
    h->conditions = review_conditions_new(json_object_get(spec, "matchConditions"),
                                          &review_cel_webhooks);
}

void hook_fini(struct hook *h)
{
    selector_free(h->namespaces);
    selector_free(h->objects);
    review_conditions_free(h->conditions);
}

static void hook_set_free(struct hook_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        hook_fini(&s->hooks[i]);
    free(s->hooks);
    json_decref(s->configs);
    free(s);
}

struct hook_set *hook_set_load(const struct store *store, enum hook_stage stage)
{
    struct hook_set *s = MEM_NEW(struct hook_set);
    const struct object *o;
    struct store_iter it;
    size_t i;
    json_t *spec;

    s->refs = 1;
    s->stage = stage;
    s->configs = json_array();
    store_iter_init(&it, store, stage == HOOK_MUTATE ? HOOKS_MUTATING : HOOKS_VALIDATING, NULL,
                    NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        json_t *config = object_tree(o);

        json_array_append_new(s->configs, config);
        json_array_foreach (json_object_get(config, "webhooks"), i, spec) {
            s->hooks = mem_grow(s->hooks, s->n + 1, sizeof(*s->hooks));
            hook_init(&s->hooks[s->n++], spec);
        }
    }
    if (s->n > 0)
        return s;
    hook_set_free(s);
    return NULL;
}

struct hook_set *hook_set_ref(struct hook_set *s)
{
    assert(s->refs > 0);
    s->refs++;
    return s;
}

struct hook_set *hook_set_unref(struct hook_set *s)
{
    if (s != NULL && --s->refs == 0)
        hook_set_free(s);
    return NULL;
}

/* --- rules --- */

static bool hook_lists(const json_t *list, const char *word)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item)
        if (str_eq(json_string_value(item), "*") || str_eq(json_string_value(item), word))
            return true;
    return false;
}

/* "pods", "pods/status", and "*" for either part; "*" alone means no subresource. */
static bool hook_names(const char *rule, const struct hook_subject *s, const char *plural)
{
    const char *slash = strchr(rule, '/');
    size_t len = slash != NULL ? (size_t)(slash - rule) : strlen(rule);
    const char *sub = slash != NULL ? slash + 1 : "";
    bool resource = (len == 1 && rule[0] == '*') ||
                    (len == strlen(plural) && strncmp(rule, plural, len) == 0);

    return resource && (str_eq(sub, "*") || str_eq(sub, s->sub));
}

static bool hook_rule_fits(const json_t *rule, const struct hook_subject *s,
                           const struct schema_resource *row)
{
    const char *scope = json_str_or(rule, "scope", "*");
    size_t i;
    json_t *item;

    if (!str_eq(scope, "*") && str_eq(scope, "Namespaced") != row->namespaced)
        return false;
    /* Only rules of policies name objects. */
    if (json_array_size(json_object_get(rule, "resourceNames")) > 0 &&
        !hook_lists(json_object_get(rule, "resourceNames"), s->name))
        return false;
    if (!hook_lists(json_object_get(rule, "operations"), s->operation) ||
        !hook_lists(json_object_get(rule, "apiGroups"), row->group) ||
        !hook_lists(json_object_get(rule, "apiVersions"), row->version))
        return false;
    json_array_foreach (json_object_get(rule, "resources"), i, item)
        if (hook_names(json_string_value(item), s, row->plural))
            return true;
    return false;
}

void hook_subject_rows(struct hook_subject *s)
{
    const struct schema_resource *r;

    s->n_rows = 0;
    for (size_t i = 0; (r = schema_at(i)) != NULL && s->n_rows < HOOK_ROWS_MAX; i++)
        if (r != s->resource && str_eq(r->bucket, s->resource->bucket) &&
            (s->sub[0] == '\0' || schema_sub(r, s->sub) != NULL))
            s->rows[s->n_rows++] = r;
}

static const struct schema_resource *hook_rules_fit(const struct hook *h,
                                                    const struct hook_subject *s)
{
    const json_t *rules = json_object_get(h->spec, "rules");
    size_t i;
    json_t *rule;

    json_array_foreach (rules, i, rule)
        if (hook_rule_fits(rule, s, s->resource))
            return s->resource;
    if (h->is_exact)
        return NULL;
    json_array_foreach (rules, i, rule)
        for (size_t k = 0; k < s->n_rows; k++)
            if (hook_rule_fits(rule, s, s->rows[k]))
                return s->rows[k];
    return NULL;
}

static bool hook_selects_object(const struct hook *h, const json_t *tree)
{
    return tree != NULL && selector_matches_labels(h->objects, json_at(tree, "metadata.labels"));
}

const struct schema_resource *hook_wants(const struct hook *h, const struct hook_subject *s)
{
    if (!h->is_broken) {
        if (s->has_namespace && !selector_matches_labels(h->namespaces, s->namespace_labels))
            return NULL;
        if (!selector_is_everything(h->objects) && !hook_selects_object(h, s->object) &&
            !hook_selects_object(h, s->old))
            return NULL;
    }
    return hook_rules_fit(h, s);
}

bool hook_is_exempt(const struct schema_resource *r)
{
    return str_eq(r->group, "admissionregistration.k8s.io");
}
