#include "controlplane/deployment_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/claim.h"
#include "controlplane/template.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DEPLOYMENT_HISTORY_MAX 2000 /* bytes of the annotation of old revisions */

/* --- annotations --- */

static const char *deployment_annotation(const json_t *tree, const char *key)
{
    return json_string_value(json_object_get(json_at(tree, "metadata.annotations"), key));
}

static bool deployment_annotate(json_t *tree, const char *key, const char *value)
{
    json_t *annotations = json_at(tree, "metadata.annotations");

    if (str_eq(deployment_annotation(tree, key), value))
        return false;
    if (!annotations) {
        annotations = json_object();
        json_put(tree, "metadata.annotations", annotations);
    }
    json_object_set_new(annotations, key, json_string(value));
    return true;
}

static bool deployment_annotate_int(json_t *tree, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    return deployment_annotate(tree, key, text);
}

static int64_t deployment_revision(const json_t *tree)
{
    int64_t n;

    return str_i64(deployment_annotation(tree, DEPLOYMENT_REVISION), &n) ? n : 0;
}

/* Annotations of the Deployment that its sets do not inherit. */
static const char *const deployment_own_annotations[] = {
    "kubectl.kubernetes.io/last-applied-configuration",
    DEPLOYMENT_REVISION,
    DEPLOYMENT_HISTORY,
    DEPLOYMENT_DESIRED,
    DEPLOYMENT_MAX,
    "deprecated.deployment.rollback.to",
};

static bool deployment_is_own_annotation(const char *key)
{
    for (size_t i = 0; i < N_ELEMENTS(deployment_own_annotations); i++)
        if (str_eq(key, deployment_own_annotations[i]))
            return true;
    return false;
}

static bool deployment_inherit_annotations(const struct deployment *d, json_t *set)
{
    json_t *from = json_at(d->tree, "metadata.annotations"), *value;
    bool changed = false;
    const char *key;

    json_object_foreach (from, key, value)
        if (!deployment_is_own_annotation(key) && json_is_string(value))
            changed |= deployment_annotate(set, key, json_string_value(value));
    return changed;
}

/* The revision that @set had, appended to those it had before that. */
static void deployment_remember_revision(json_t *set, int64_t revision)
{
    const char *history = deployment_annotation(set, DEPLOYMENT_HISTORY);
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    text_puts(&t, history ? history : "");
    while (t.len > DEPLOYMENT_HISTORY_MAX) {
        const char *comma = strchr(t.data, ',');

        text_drop(&t, comma ? (size_t)(comma - t.data) + 1 : t.len);
    }
    text_fmt(&t, "%s%lld", t.len > 0 ? "," : "", (long long)revision);
    deployment_annotate(set, DEPLOYMENT_HISTORY, text_str(&t));
}

/* --- loading --- */

static int deployment_set_compare(const void *pa, const void *pb)
{
    const struct deployment_set *a = pa, *b = pb;

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void deployment_set_load(struct deployment_set *s, struct view *v, const struct object *o)
{
    s->object = o;
    s->tree = json_deep_copy(view_tree(v, o));
    s->name = json_str(s->tree, "metadata.name");
    s->replicas = s->was = json_int(s->tree, "spec.replicas", 1);
    s->observed = json_int(s->tree, "status.replicas", 0);
    s->ready = json_int(s->tree, "status.readyReplicas", 0);
    s->available = json_int(s->tree, "status.availableReplicas", 0);
    s->has_looked = json_int(s->tree, "status.observedGeneration", 0) >= o->generation;
    /* Its controller may not have counted yet since it was told to shrink. */
    if (s->available > s->replicas)
        s->available = s->replicas;
    if (!clock_parse(json_str_or(s->tree, "metadata.creationTimestamp", ""), &s->created_ms))
        s->created_ms = 0;
}

static void deployment_sets_find_newest(struct deployment *d)
{
    const json_t *template = json_at(d->tree, "spec.template");

    for (size_t i = 0; i < d->n_sets && !d->newest; i++)
        if (template_equal(json_at(d->sets[i].tree, "spec.template"), template))
            d->newest = &d->sets[i];
}

bool deployment_sets_load(struct deployment *d)
{
    cleanup(freep) const struct object **mine = NULL;
    const struct claim claim = {
        .owner = d->object,
        .api_version = "apps/v1",
        .kind = "Deployment",
        .selector = json_at(d->tree, "spec.selector"),
        .bucket = DEPLOYMENT_SETS,
        .adopt_finished = true,
    };

    mine = claim_run(d->plan, d->view, &claim, &d->n_sets);
    d->sets = MEM_NEW_ARRAY(struct deployment_set, d->n_sets + 1);
    for (size_t i = 0; i < d->n_sets; i++)
        deployment_set_load(&d->sets[i], d->view, mine[i]);
    if (d->n_sets > 1)
        qsort(d->sets, d->n_sets, sizeof(*d->sets), deployment_set_compare);
    deployment_sets_find_newest(d);
    return d->plan->n == 0;
}

void deployment_sets_fini(struct deployment *d)
{
    for (size_t i = 0; i < d->n_sets; i++)
        json_decref(d->sets[i].tree);
    free(d->sets);
    d->sets = NULL;
    d->n_sets = 0;
}

/* --- the newest set --- */

static int64_t deployment_next_revision(const struct deployment *d)
{
    int64_t max = 0;

    for (size_t i = 0; i < d->n_sets; i++) {
        int64_t n = deployment_revision(d->sets[i].tree);

        if (&d->sets[i] != d->newest && n > max)
            max = n;
    }
    return max + 1;
}

static void deployment_sets_update_newest(struct deployment *d)
{
    struct deployment_set *s = d->newest;
    int64_t had = deployment_revision(s->tree), next = deployment_next_revision(d);
    int64_t min_ready = json_int(d->tree, "spec.minReadySeconds", 0);

    s->changed |= deployment_inherit_annotations(d, s->tree);
    if (had < next) {
        if (had > 0)
            deployment_remember_revision(s->tree, had);
        s->changed |= deployment_annotate_int(s->tree, DEPLOYMENT_REVISION, next);
    }
    if (json_int(s->tree, "spec.minReadySeconds", 0) != min_ready) {
        json_put_int(s->tree, "spec.minReadySeconds", min_ready);
        s->changed = true;
    }
}

static json_t *deployment_set_tree(const struct deployment *d, const char *name, const char *hash)
{
    json_t *tree = json_object(), *refs = json_array(), *template, *selector;
    int64_t min_ready = json_int(d->tree, "spec.minReadySeconds", 0);

    template = json_deep_copy(json_at(d->tree, "spec.template"));
    json_put_str(template, "metadata.labels." TEMPLATE_HASH_LABEL, hash);
    selector = json_deep_copy(json_at(d->tree, "spec.selector"));
    json_put_str(selector, "matchLabels." TEMPLATE_HASH_LABEL, hash);
    json_put_str(tree, "apiVersion", "apps/v1");
    json_put_str(tree, "kind", "ReplicaSet");
    json_put_str(tree, "metadata.name", name);
    json_put_str(tree, "metadata.namespace", d->object->ns);
    json_put(tree, "metadata.labels", json_deep_copy(json_at(template, "metadata.labels")));
    json_array_append_new(refs, claim_reference(d->object, "apps/v1", "Deployment"));
    json_put(tree, "metadata.ownerReferences", refs);
    if (min_ready > 0)
        json_put_int(tree, "spec.minReadySeconds", min_ready);
    json_put(tree, "spec.selector", selector);
    json_put(tree, "spec.template", template);
    return tree;
}

static bool deployment_sets_create(struct deployment *d)
{
    struct deployment_set *s = &d->sets[d->n_sets];
    cleanup(freep) char *name = NULL;
    char hash[TEMPLATE_HASH_MAX];

    template_hash(hash, json_at(d->tree, "spec.template"), d->collisions);
    name = mem_fmt("%s-%s", d->object->name, hash);
    if (view_get(d->view, DEPLOYMENT_SETS, d->object->ns, name))
        return false; /* had it our template and owner, it would be the newest */
    s->tree = deployment_set_tree(d, name, hash);
    s->name = json_str(s->tree, "metadata.name");
    s->created_ms = d->now.wall_ms;
    d->n_sets++;
    d->newest = s;
    d->created = true;
    deployment_inherit_annotations(d, s->tree);
    deployment_annotate_int(s->tree, DEPLOYMENT_REVISION, deployment_next_revision(d));
    deployment_scale_to(d, s, deployment_scale_newest(d));
    return true;
}

bool deployment_sets_sync(struct deployment *d, bool create)
{
    if (d->newest)
        deployment_sets_update_newest(d);
    else if (create)
        return deployment_sets_create(d);
    return true;
}

/* --- writing --- */

static void deployment_set_write(struct deployment *d, struct deployment_set *s)
{
    json_put_int(s->tree, "spec.replicas", s->replicas);
    if (s->object) {
        plan_update(d->plan, s->object, json_incref(s->tree));
    } else {
        plan_create(d->plan, DEPLOYMENT_SETS, d->object->ns, json_incref(s->tree));
        plan_on_failure(d->plan, d->object, DEPLOYMENT_NAME, "ReplicaSetCreateError",
                        "Failed to create new replica set \"%s\": {error}", s->name);
    }
    if (s->replicas != s->was)
        plan_on_success(d->plan, d->object, DEPLOYMENT_NAME, "ScalingReplicaSet",
                        "Scaled %s replica set %s from %lld to %lld",
                        s->replicas > s->was ? "up" : "down", s->name, (long long)s->was,
                        (long long)s->replicas);
}

/* Down before up: what is refused for want of room then has a better chance. */
void deployment_sets_write(struct deployment *d)
{
    for (size_t i = 0; i < d->n_sets; i++)
        if (d->sets[i].changed && d->sets[i].replicas < d->sets[i].was)
            deployment_set_write(d, &d->sets[i]);
    for (size_t i = 0; i < d->n_sets; i++)
        if ((d->sets[i].changed || !d->sets[i].object) && d->sets[i].replicas >= d->sets[i].was)
            deployment_set_write(d, &d->sets[i]);
}

/* --- history --- */

static int deployment_by_revision(const void *pa, const void *pb)
{
    const struct deployment_set *const *a = pa, *const *b = pb;
    int64_t ra = deployment_revision((*a)->tree), rb = deployment_revision((*b)->tree);

    if (ra != rb)
        return ra < rb ? -1 : 1;
    return deployment_set_compare(*a, *b);
}

static bool deployment_set_is_idle(const struct deployment_set *s)
{
    return s->replicas == 0 && s->observed == 0 && !s->changed && s->object &&
           s->object->generation <= json_int(s->tree, "status.observedGeneration", 0);
}

void deployment_sets_trim(struct deployment *d)
{
    int64_t limit = json_int(d->tree, "spec.revisionHistoryLimit", INT32_MAX);
    cleanup(freep) const struct deployment_set **old = NULL;
    size_t n = 0;

    if (limit == INT32_MAX)
        return;
    old = MEM_NEW_ARRAY(const struct deployment_set *, d->n_sets + 1);
    for (size_t i = 0; i < d->n_sets; i++)
        if (&d->sets[i] != d->newest && d->sets[i].object && !d->sets[i].object->deleting)
            old[n++] = &d->sets[i];
    if (n > 1)
        qsort(old, n, sizeof(*old), deployment_by_revision);
    for (size_t i = 0; i + (size_t)limit < n; i++)
        if (deployment_set_is_idle(old[i]))
            plan_delete(d->plan, old[i]->object);
}
