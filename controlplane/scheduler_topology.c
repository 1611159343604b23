/* Where like pods are: counts per domain for pod (anti)affinity and for topology spread. */
#include "api/taint.h"
#include "controlplane/scheduler_impl.h"

#include "base/mem.h"

/* A required affinity of a pod that is there also draws others to it, with this weight. */
#define SCHED_HARD_AFFINITY_WEIGHT 1

/* --- counts by label of the node --- */

static int64_t sched_pairs_value(const struct map *pairs, const char *key)
{
    return pairs ? (int64_t)(intptr_t)map_get(pairs, key) : 0;
}

int64_t sched_pairs_get(const struct map *pairs, const char *key, const struct sched_node *n)
{
    const char *value = object_label(n->object, key);
    cleanup(freep) char *pair = NULL;

    if (!pairs || !value)
        return 0;
    pair = mem_fmt("%s=%s", key, value);
    return sched_pairs_value(pairs, pair);
}

static void sched_pairs_add(struct map **pairs, const char *key, const struct sched_node *n,
                            int64_t weight)
{
    const char *value = object_label(n->object, key);
    cleanup(freep) char *pair = NULL;

    if (!value)
        return;
    if (!*pairs)
        *pairs = map_new(NULL);
    pair = mem_fmt("%s=%s", key, value);
    map_put(*pairs, pair, (void *)(intptr_t)(sched_pairs_value(*pairs, pair) + weight));
}

/* --- pod (anti)affinity --- */

static bool sched_terms_all_match(const struct sched_term_list *l, struct view *v,
                                  const struct object *pod)
{
    for (size_t i = 0; i < l->n; i++)
        if (!sched_term_matches(&l->items[i], v, pod))
            return false;
    return l->n > 0;
}

static void sched_count_terms(struct map **pairs, const struct sched_term_list *l, struct view *v,
                              const struct object *pod, const struct sched_node *n)
{
    for (size_t i = 0; i < l->n; i++)
        if (sched_term_matches(&l->items[i], v, pod))
            sched_pairs_add(pairs, l->items[i].topology_key, n, l->items[i].weight);
}

/* What the wanted pod's own terms say of @p. */
static void sched_topology_own(struct sched_want *w, const struct sched_pod *p)
{
    struct sched_topology *t = &w->topology;
    const struct sched_terms *terms = &w->terms;

    if (sched_terms_all_match(&terms->affinity, w->view, p->object))
        for (size_t i = 0; i < terms->affinity.n; i++)
            sched_pairs_add(&t->affinity, terms->affinity.items[i].topology_key, p->node, 1);
    sched_count_terms(&t->anti, &terms->anti, w->view, p->object, p->node);
    sched_count_terms(&t->preferred, &terms->preferred, w->view, p->object, p->node);
    sched_count_terms(&t->preferred, &terms->preferred_anti, w->view, p->object, p->node);
}

/* What the terms of @p, which is there already, say of the wanted pod. */
static void sched_topology_theirs(struct sched_want *w, const struct sched_pod *p)
{
    struct sched_topology *t = &w->topology;

    sched_count_terms(&t->existing_anti, &p->terms.anti, w->view, w->object, p->node);
    sched_count_terms(&t->preferred, &p->terms.preferred, w->view, w->object, p->node);
    sched_count_terms(&t->preferred, &p->terms.preferred_anti, w->view, w->object, p->node);
    for (size_t i = 0; i < p->terms.affinity.n; i++)
        if (sched_term_matches(&p->terms.affinity.items[i], w->view, w->object))
            sched_pairs_add(&t->preferred, p->terms.affinity.items[i].topology_key, p->node,
                            SCHED_HARD_AFFINITY_WEIGHT);
}

static void sched_topology_terms(struct sched_want *w)
{
    struct sched_snapshot *s = w->snapshot;

    LIST_EACH (it, &s->termed) {
        const struct sched_pod *p = list_entry(it, struct sched_pod, termed);

        if (p->node)
            sched_topology_theirs(w, p);
    }
    if (!sched_terms_any(&w->terms))
        return;
    for (size_t i = 0; i < s->n_nodes; i++)
        LIST_EACH (it, &s->order[i]->pods)
            sched_topology_own(w, list_entry(it, struct sched_pod, link));
    w->topology.first_of_kind = (!w->topology.affinity || map_len(w->topology.affinity) == 0) &&
                                sched_terms_all_match(&w->terms.affinity, w->view, w->object);
}

/* --- spread --- */

static void sched_spread_init(struct sched_spread *ret, const struct sched_want *w, const json_t *c)
{
    ret->key = json_str_or(c, "topologyKey", "");
    ret->max_skew = json_int(c, "maxSkew", 1);
    ret->min_domains = json_int(c, "minDomains", 1);
    ret->hard = str_eq(json_str_or(c, "whenUnsatisfiable", "DoNotSchedule"), "DoNotSchedule");
    ret->all_nodes = str_eq(json_str(c, "nodeAffinityPolicy"), "Ignore");
    ret->untainted = str_eq(json_str(c, "nodeTaintsPolicy"), "Honor");
    ret->selector = sched_selector(c, w->object);
    ret->self = ret->selector && selector_matches(ret->selector, w->object);
}

/* Pods of one controller spread over nodes and zones when nothing is said. */
static void sched_spread_default(struct sched_topology *t)
{
    static const struct sched_spread rows[] = {
        { .key = "kubernetes.io/hostname", .max_skew = 3, .all_nodes = true },
        { .key = "topology.kubernetes.io/zone", .max_skew = 5, .all_nodes = true },
    };

    t->spreads = MEM_NEW_ARRAY(struct sched_spread, N_ELEMENTS(rows));
    t->n_spreads = N_ELEMENTS(rows);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        t->spreads[i] = rows[i];
}

static void sched_spread_load(struct sched_want *w)
{
    const json_t *list = json_object_get(w->spec, "topologySpreadConstraints"), *c;
    struct sched_topology *t = &w->topology;
    size_t i;

    if (json_array_size(list) == 0) {
        if (sched_want_controller(w->object))
            sched_spread_default(t);
        return;
    }
    t->spreads = MEM_NEW_ARRAY(struct sched_spread, json_array_size(list));
    json_array_foreach (list, i, c)
        sched_spread_init(&t->spreads[t->n_spreads++], w, c);
}

/* Is the node one whose domain counts?  It must have the keys of all constraints of a kind. */
static bool sched_spread_covers(const struct sched_want *w, const struct sched_spread *s,
                                const struct sched_node *n)
{
    static const char *const effects[] = { "NoSchedule", "NoExecute", NULL };
    const struct sched_topology *t = &w->topology;

    if (!s->selector)
        return object_label(n->object, s->key) != NULL;
    for (size_t i = 0; i < t->n_spreads; i++)
        if (t->spreads[i].hard == s->hard && !object_label(n->object, t->spreads[i].key))
            return false;
    if (!s->all_nodes && !sched_want_selects(w, n))
        return false;
    return !s->untainted ||
           !taint_untolerated(json_at(n->tree, "spec.taints"), w->tolerations, effects);
}

static bool sched_spread_matches(const struct sched_want *w, const struct sched_spread *s,
                                 const struct object *pod)
{
    if (pod->deleting || !str_eq(pod->ns, w->object->ns))
        return false;
    if (s->selector)
        return selector_matches(s->selector, pod);
    return str_eq(sched_want_controller(pod), sched_want_controller(w->object));
}

static void sched_spread_count_node(const struct sched_want *w, struct sched_spread *s,
                                    const struct sched_node *n)
{
    const char *value = object_label(n->object, s->key);
    intptr_t count = (intptr_t)map_get(s->counts, value);

    if (count == 0)
        count = 1; /* from now on it is a domain */
    LIST_EACH (it, &n->pods)
        count += sched_spread_matches(w, s, list_entry(it, struct sched_pod, link)->object);
    map_put(s->counts, value, (void *)count);
}

static void sched_spread_count_all(struct sched_want *w, struct sched_spread *s)
{
    const char *key;
    void *value;

    s->counts = map_new(NULL);
    for (size_t i = 0; i < w->snapshot->n_nodes; i++)
        if (sched_spread_covers(w, s, w->snapshot->order[i]))
            sched_spread_count_node(w, s, w->snapshot->order[i]);
    s->min = -1;
    for (size_t it = 0; map_each(s->counts, &it, &key, &value);)
        if (s->min < 0 || (intptr_t)value - 1 < s->min)
            s->min = (intptr_t)value - 1;
    if (s->min < 0 || (int64_t)map_len(s->counts) < s->min_domains)
        s->min = 0;
}

int64_t sched_spread_count(const struct sched_spread *s, const struct sched_node *n)
{
    const char *value = object_label(n->object, s->key);

    return value ? (int64_t)(intptr_t)map_get(s->counts, value) - 1 : -1;
}

/* --- life --- */

void sched_topology_load(struct sched_want *w)
{
    sched_topology_terms(w);
    sched_spread_load(w);
    for (size_t i = 0; i < w->topology.n_spreads; i++)
        sched_spread_count_all(w, &w->topology.spreads[i]);
}

void sched_topology_fini(struct sched_topology *t)
{
    for (size_t i = 0; i < t->n_spreads; i++) {
        selector_free(t->spreads[i].selector);
        map_free(t->spreads[i].counts);
    }
    free(t->spreads);
    map_free(t->affinity);
    map_free(t->anti);
    map_free(t->existing_anti);
    map_free(t->preferred);
}
