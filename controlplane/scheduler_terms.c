/* Terms of pod affinity and anti-affinity, compiled. */
#include "controlplane/scheduler_impl.h"

#include "base/mem.h"

static void sched_selector_add(json_t *selector, const char *key, const char *operator,
                               const char * value)
{
    json_t *all = json_object_get(selector, "matchExpressions");

    if (!all) {
        all = json_array();
        json_object_set_new(selector, "matchExpressions", all);
    }
    json_array_append_new(
        all, json_pack("{s:s, s:s, s:[s]}", "key", key, "operator", operator, "values", value));
}

struct selector *sched_selector(const json_t *holder, const struct object *pod)
{
    static const struct {
        const char *field, *operator;
    } narrow[] = { { "matchLabelKeys", "In" }, { "mismatchLabelKeys", "NotIn" } };
    const json_t *given = json_object_get(holder, "labelSelector");
    cleanup(json_decrefpp) json_t *selector = given ? json_deep_copy(given) : NULL;
    struct selector *ret = NULL;
    struct err err = ERR_EMPTY;

    for (size_t i = 0; selector && i < N_ELEMENTS(narrow); i++) {
        const json_t *keys = json_object_get(holder, narrow[i].field), *key;
        size_t k;

        json_array_foreach (keys, k, key) {
            const char *name = json_string_value(key);
            const char *value = name ? object_label(pod, name) : NULL;

            if (value)
                sched_selector_add(selector, name, narrow[i].operator, value);
        }
    }
    return selector_from_json(&ret, selector, &err) < 0 ? NULL : ret;
}

/* --- terms --- */

static void sched_term_init(struct sched_term *t, const struct object *pod, json_t *tree,
                            int64_t weight)
{
    const json_t *namespaces = json_object_get(tree, "namespaceSelector");
    struct err err = ERR_EMPTY;

    t->tree = json_incref(tree);
    t->topology_key = json_str_or(tree, "topologyKey", "");
    t->ns = pod->ns;
    t->selector = sched_selector(tree, pod);
    t->weight = weight;
    if (namespaces)
        selector_from_json(&t->namespaces, namespaces, &err);
}

static void sched_term_fini(struct sched_term *t)
{
    json_decref(t->tree);
    selector_free(t->selector);
    selector_free(t->namespaces);
}

static void sched_term_list_load(struct sched_term_list *ret, const struct object *pod,
                                 const json_t *list, int64_t sign)
{
    json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    ret->items = MEM_NEW_ARRAY(struct sched_term, json_array_size(list));
    json_array_foreach (list, i, item) {
        json_t *weighted = json_object_get(item, "podAffinityTerm");

        sched_term_init(&ret->items[ret->n++], pod, weighted ? weighted : item,
                        sign * json_int(item, "weight", 1));
    }
}

static void sched_term_list_fini(struct sched_term_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        sched_term_fini(&l->items[i]);
    free(l->items);
    *l = (struct sched_term_list){ 0 };
}

void sched_terms_load(struct sched_terms *ret, const struct object *pod, const json_t *tree)
{
    const json_t *affinity = json_at(tree, "spec.affinity");
    const json_t *near = json_object_get(affinity, "podAffinity");
    const json_t *far = json_object_get(affinity, "podAntiAffinity");
    static const char required[] = "requiredDuringSchedulingIgnoredDuringExecution";
    static const char preferred[] = "preferredDuringSchedulingIgnoredDuringExecution";

    *ret = (struct sched_terms){ 0 };
    sched_term_list_load(&ret->affinity, pod, json_object_get(near, required), 1);
    sched_term_list_load(&ret->anti, pod, json_object_get(far, required), 1);
    sched_term_list_load(&ret->preferred, pod, json_object_get(near, preferred), 1);
    sched_term_list_load(&ret->preferred_anti, pod, json_object_get(far, preferred), -1);
}

void sched_terms_fini(struct sched_terms *t)
{
    sched_term_list_fini(&t->affinity);
    sched_term_list_fini(&t->anti);
    sched_term_list_fini(&t->preferred);
    sched_term_list_fini(&t->preferred_anti);
}

bool sched_terms_any(const struct sched_terms *t)
{
    return t->affinity.n || t->anti.n || t->preferred.n || t->preferred_anti.n;
}

/* Without namespaces and namespaceSelector a term is about its own namespace; an empty
 * namespaceSelector is about all (API reference, PodAffinityTerm). */
static bool sched_term_is_about(const struct sched_term *t, struct view *v, const char *ns)
{
    const json_t *names = json_object_get(t->tree, "namespaces"), *name;
    const struct object *o;
    size_t i;

    json_array_foreach (names, i, name)
        if (str_eq(json_string_value(name), ns))
            return true;
    if (!t->namespaces)
        return json_array_size(names) == 0 && str_eq(t->ns, ns);
    if (selector_is_everything(t->namespaces))
        return true;
    o = view_get(v, "namespaces", "", ns);
    return o && selector_matches(t->namespaces, o);
}

bool sched_term_matches(const struct sched_term *t, struct view *v, const struct object *pod)
{
    return t->selector && selector_matches(t->selector, pod) && sched_term_is_about(t, v, pod->ns);
}
