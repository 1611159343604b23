#include "controlplane/history.h"

#include "base/mem.h"
#include "controlplane/claim.h"
#include "controlplane/template.h"

#include <stdlib.h>
#include <string.h>

#define HISTORY_HASH_LABEL    "controller.kubernetes.io/hash"
#define HISTORY_LIMIT_DEFAULT 10

static int history_compare(const void *pa, const void *pb)
{
    const struct history_entry *a = pa, *b = pb;

    if (a->revision != b->revision)
        return a->revision < b->revision ? -1 : 1;
    return strcmp(a->name, b->name);
}

bool history_load(struct history *h)
{
    cleanup(freep) const struct object **mine = NULL;
    const struct claim claim = {
        .owner = h->owner,
        .api_version = "apps/v1",
        .kind = h->kind,
        .selector = json_at(h->tree, "spec.selector"),
        .bucket = HISTORY,
        .adopt_finished = true,
    };
    size_t before = h->plan->n;

    mine = claim_run(h->plan, h->view, &claim, &h->n);
    h->entries = MEM_NEW_ARRAY(struct history_entry, h->n + 1);
    for (size_t i = 0; i < h->n; i++) {
        const json_t *tree = view_tree(h->view, mine[i]);

        h->entries[i].object = mine[i];
        h->entries[i].data = json_incref(json_object_get(tree, "data"));
        h->entries[i].name = mem_str(mine[i]->name);
        h->entries[i].revision = json_int(tree, "revision", 0);
    }
    if (h->n > 1)
        qsort(h->entries, h->n, sizeof(*h->entries), history_compare);
    return h->plan->n == before;
}

void history_fini(struct history *h)
{
    for (size_t i = 0; i < h->n; i++) {
        json_decref(h->entries[i].data);
        free(h->entries[i].name);
    }
    free(h->entries);
    h->entries = NULL;
    h->n = 0;
}

/* --- the revision of now --- */

static json_t *history_data(const struct history *h)
{
    json_t *data = json_object();
    json_t *template = json_deep_copy(json_at(h->tree, "spec.template"));

    json_object_set_new(template, "$patch", json_string("replace"));
    json_put(data, "spec.template", template);
    return data;
}

json_t *history_template(const struct history_entry *e)
{
    json_t *template = json_deep_copy(json_at(e->data, "spec.template"));

    json_object_del(template, "$patch");
    return template;
}

static int64_t history_next(const struct history *h)
{
    return h->n > 0 ? h->entries[h->n - 1].revision + 1 : 1;
}

static bool history_create(struct history *h, json_t *data_steal, int64_t collisions)
{
    struct history_entry *e = &h->entries[h->n];
    cleanup(json_decrefpp) json_t *data = data_steal;
    json_t *tree, *refs, *labels;
    char hash[TEMPLATE_HASH_MAX];
    cleanup(freep) char *name = NULL;

    template_hash(hash, data, collisions);
    name = mem_fmt("%s-%s", h->owner->name, hash);
    if (view_get(h->view, HISTORY, h->owner->ns, name))
        return false;
    tree = json_object();
    refs = json_array();
    labels = json_deep_copy(json_at(h->tree, "spec.template.metadata.labels"));
    if (!labels)
        labels = json_object();
    json_object_set_new(labels, HISTORY_HASH_LABEL, json_string(hash));
    json_array_append_new(refs, claim_reference(h->owner, "apps/v1", h->kind));
    json_put_str(tree, "apiVersion", "apps/v1");
    json_put_str(tree, "kind", "ControllerRevision");
    json_put_str(tree, "metadata.name", name);
    json_put_str(tree, "metadata.namespace", h->owner->ns);
    json_put(tree, "metadata.labels", labels);
    json_put(tree, "metadata.ownerReferences", refs);
    json_put(tree, "data", json_incref(data));
    json_put_int(tree, "revision", history_next(h));
    plan_create(h->plan, HISTORY, h->owner->ns, tree);
    e->revision = history_next(h);
    e->data = STEAL(data);
    e->name = STEAL(name);
    h->n++;
    h->update = e;
    return true;
}

static void history_bring_forward(struct history *h, struct history_entry *e)
{
    json_t *tree = json_deep_copy(view_tree(h->view, e->object));

    json_put_int(tree, "revision", history_next(h));
    plan_update(h->plan, e->object, tree);
}

bool history_sync(struct history *h, int64_t collisions)
{
    cleanup(json_decrefpp) json_t *data = history_data(h);

    for (size_t i = h->n; i-- > 0;) {
        struct history_entry *e = &h->entries[i];

        if (!json_equal(e->data, data))
            continue;
        if (i + 1 < h->n)
            history_bring_forward(h, e);
        h->update = e;
        return true;
    }
    return history_create(h, json_incref(data), collisions);
}

const struct history_entry *history_find(const struct history *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++)
        if (str_eq(h->entries[i].name, name))
            return &h->entries[i];
    return NULL;
}

void history_trim(struct history *h, bool (*is_live)(void *arg, const char *name), void *arg)
{
    int64_t limit = json_int(h->tree, "spec.revisionHistoryLimit", HISTORY_LIMIT_DEFAULT);
    int64_t idle = 0;

    for (size_t i = 0; i < h->n; i++)
        idle += &h->entries[i] != h->update && !is_live(arg, h->entries[i].name);
    for (size_t i = 0; i < h->n && idle > limit; i++) {
        const struct history_entry *e = &h->entries[i];

        if (e == h->update || !e->object || is_live(arg, e->name))
            continue;
        plan_delete(h->plan, e->object);
        idle--;
    }
}
