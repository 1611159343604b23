#include "api/apply.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define APPLY_ANNOTATIONS_MAX (256 * 1024)

struct apply {
    struct managed *m;
    const struct managed_write *w;
    struct typed_place place; /* of w->api_version */
    const json_t *live;       /* NULL: to be created */
    const json_t *config;
    struct managed_entry self;
};

/* --- pruning: what was applied before and is no more --- */

/* What @set is of @tree's members, named ones counted as such. */
static const struct field_set *apply_named(struct apply *a, const struct typed_place *place,
                                           const struct field_set *set)
{
    return typed_named(a->m->arena, place, set);
}

/* Items of @merged that @pruned lost although a manager of @version owns them come back. */
static const json_t *apply_add_back(struct apply *a, const char *version, const json_t *merged,
                                    const json_t *pruned)
{
    struct field_arena *arena = a->m->arena;
    const struct field_set *owned = NULL, *there, *left;
    struct typed_place place;

    if (!a->w->versions->place(a->w->versions->arg, &place, version))
        return pruned;
    for (size_t i = 0; i < a->m->n; i++)
        if (str_eq(a->m->entries[i].api_version, version))
            owned = field_set_union(arena, owned, a->m->entries[i].set);
    there = apply_named(a, &place, typed_paths(arena, &place, merged));
    left = apply_named(a, &place, typed_paths(arena, &place, pruned));
    left = field_set_union(arena, left, apply_named(a, &place, owned));
    return field_arena_keep(arena,
                            typed_remove(&place, merged, field_set_difference(arena, there, left)));
}

/* @tree of version @from in the words of @to; NULL: there is no such version. */
static const json_t *apply_convert(struct apply *a, const json_t *tree, const char *from,
                                   const char *to)
{
    struct managed_write w = *a->w;

    w.api_version = from;
    return managed_as(a->m, &w, tree, to);
}

/* The versions that own something, once each: @first, then the others. */
static size_t apply_versions(const char **ret, const struct managed *m, const char *first)
{
    size_t n = 0;

    ret[n++] = first;
    for (size_t i = 0; i < m->n; i++) {
        size_t seen = 0;

        while (seen < n && !str_eq(ret[seen], m->entries[i].api_version))
            seen++;
        if (seen == n)
            ret[n++] = m->entries[i].api_version;
    }
    return n;
}

static const json_t *apply_add_back_all(struct apply *a, const char *version, const json_t *merged,
                                        const json_t *pruned)
{
    cleanup(freep) const char **versions = (const char **)mem_array(a->m->n + 1, sizeof(*versions));
    size_t n = apply_versions(versions, a->m, version);
    const char *at = version;

    for (size_t i = 0; i < n; i++) {
        const json_t *m = apply_convert(a, merged, at, versions[i]);
        const json_t *p = apply_convert(a, pruned, at, versions[i]);

        if (m == NULL || p == NULL)
            continue;
        merged = m;
        at = versions[i];
        pruned = apply_add_back(a, at, merged, p);
    }
    return apply_convert(a, pruned, at, version);
}

/* Only what was in @last may be missing afterwards. */
static const json_t *apply_dangling(struct apply *a, const struct typed_place *place,
                                    const json_t *merged, const json_t *pruned,
                                    const struct field_set *last)
{
    struct field_arena *arena = a->m->arena;
    const struct field_set *lost;

    lost = field_set_difference(arena, apply_named(a, place, typed_paths(arena, place, merged)),
                                apply_named(a, place, typed_paths(arena, place, pruned)));
    lost = field_set_intersection(arena, lost, apply_named(a, place, last));
    return field_arena_keep(arena, typed_remove(place, merged, lost));
}

static const json_t *apply_prune(struct apply *a, const json_t *merged,
                                 const struct managed_entry *last)
{
    const json_t *there, *pruned;
    struct typed_place place;

    if (last->set == NULL || !a->w->versions->place(a->w->versions->arg, &place, last->api_version))
        return merged;
    there = managed_as(a->m, a->w, merged, last->api_version);
    pruned = field_arena_keep(a->m->arena,
                              typed_remove(&place, there, apply_named(a, &place, last->set)));
    pruned = apply_add_back_all(a, last->api_version, there, pruned);
    pruned = apply_dangling(a, &place, there, pruned, last->set);
    return apply_convert(a, pruned, last->api_version, a->w->api_version);
}

/* --- conflicts --- */

/* Fields that kubectl's last client-side apply set and nobody changed since: they are kubectl's,
 * whoever is noted as their owner. */
static const struct field_set *apply_last_applied(struct apply *a)
{
    struct field_arena *arena = a->m->arena;
    const json_t *annotations = json_at(a->live, "metadata.annotations");
    const char *text = json_string_value(json_object_get(annotations, APPLY_LAST_APPLIED));
    const struct field_set *set;
    struct err err = ERR_EMPTY;
    struct typed_diff diff;
    json_t *last = NULL;

    if (str_empty(text) || json_parse(&last, text, strlen(text), NULL, &err) < 0)
        return NULL;
    field_arena_keep(arena, last);
    if (!str_eq(json_str(last, "apiVersion"), a->w->api_version))
        return NULL;
    set = typed_paths(arena, &a->place, last);
    diff = typed_compare(arena, &a->place, last, a->live);
    set = field_set_difference(arena, set, diff.modified);
    set = field_set_difference(arena, set, diff.added);
    return field_set_difference(arena, set, diff.removed);
}

static bool apply_is_kubectl(const struct apply *a)
{
    return str_eq(a->w->manager, "kubectl");
}

static int apply_conflict_compare(const void *a, const void *b)
{
    const struct apply_conflict *x = a, *y = b;
    int order = strcmp(x->with.manager, y->with.manager);

    return order != 0 ? order : (int)x->with.applied - (int)y->with.applied;
}

static void apply_conflicts(struct apply_result *ret, struct apply *a,
                            const struct field_set **changed)
{
    struct field_arena *arena = a->m->arena;
    struct apply_conflict *all = field_arena_alloc(arena, (a->m->n + 1) * sizeof(*all));
    const struct field_set *mine = apply_is_kubectl(a) ? apply_last_applied(a) : NULL;
    size_t n = 0;

    for (size_t i = 0; i < a->m->n; i++) {
        const struct field_set *set = field_set_difference(arena, changed[i], mine);

        if (set != NULL)
            all[n++] = (struct apply_conflict){ .with = a->m->entries[i], .set = set };
    }
    qsort(all, n, sizeof(*all), apply_conflict_compare);
    ret->conflicts = all;
    ret->n_conflicts = n;
}

/* `"manager" with subresource "status" using apps/v1` */
static void apply_who(struct text *ret, const struct managed_entry *e)
{
    text_fmt(ret, "\"%s\"", e->manager);
    if (e->subresource[0] != '\0')
        text_fmt(ret, " with subresource \"%s\"", e->subresource);
    if (!e->applied)
        text_fmt(ret, " using %s", e->api_version);
}

static void apply_count(void *arg, const char *path)
{
    (void)path;
    (*(size_t *)arg)++;
}

static void apply_path_line(void *arg, const char *path)
{
    text_fmt(arg, "\n- %s", path);
}

static void apply_path_plain(void *arg, const char *path)
{
    text_puts(arg, path);
}

void apply_conflicts_text(struct text *ret, const struct apply_result *result)
{
    size_t n = 0;

    for (size_t i = 0; i < result->n_conflicts; i++)
        field_set_each(result->conflicts[i].set, apply_count, &n);
    text_fmt(ret, "Apply failed with %zu conflict%s: ", n, n > 1 ? "s" : "");
    for (size_t i = 0; i < result->n_conflicts; i++) {
        text_fmt(ret, "%sconflict%s with ", i > 0 ? "\n" : "", n > 1 ? "s" : "");
        apply_who(ret, &result->conflicts[i].with);
        text_puts(ret, n > 1 ? ":" : ": ");
        field_set_each(result->conflicts[i].set, n > 1 ? apply_path_line : apply_path_plain, ret);
    }
}

struct apply_causes {
    json_t *list;
    const char *message;
};

static void apply_cause(void *arg, const char *path)
{
    struct apply_causes *c = arg;

    json_array_append_new(c->list, json_pack("{s:s, s:s, s:s}", "reason", "FieldManagerConflict",
                                             "message", c->message, "field", path));
}

json_t *apply_conflicts_causes(const struct apply_result *result)
{
    struct apply_causes c = { .list = json_array() };

    for (size_t i = 0; i < result->n_conflicts; i++) {
        cleanup(text_fini) struct text message = TEXT_EMPTY;

        text_puts(&message, "conflict with ");
        apply_who(&message, &result->conflicts[i].with);
        c.message = text_str(&message);
        field_set_each(result->conflicts[i].set, apply_cause, &c);
    }
    return c.list;
}

/* --- the annotation of client-side apply --- */

/* Kept true as long as it is there, so that the client may go back to its own way of applying. */
static void apply_keep_annotation(struct apply *a, json_t *tree)
{
    json_t *annotations = json_at(tree, "metadata.annotations");
    cleanup(json_decrefpp) json_t *config = NULL;
    cleanup(freep) char *text = NULL;
    cleanup(freep) char *line = NULL;
    const char *key;
    json_t *value;
    size_t total = 0;

    if (!apply_is_kubectl(a) ||
        str_empty(json_string_value(json_object_get(annotations, APPLY_LAST_APPLIED))))
        return;
    config = json_deep_copy(a->config);
    json_object_del(json_at(config, "metadata.annotations"), APPLY_LAST_APPLIED);
    text = json_print_sorted(config, NULL);
    line = mem_fmt("%s\n", text);
    json_object_set_new(annotations, APPLY_LAST_APPLIED, json_string(line));
    json_object_foreach (annotations, key, value)
        total += strlen(key) + json_string_length(value);
    if (total > APPLY_ANNOTATIONS_MAX)
        json_object_del(annotations, APPLY_LAST_APPLIED);
}

/* --- the whole --- */

static int apply_check(struct apply *a, struct err *err)
{
    cleanup(text_fini) struct text problems = TEXT_EMPTY;

    if (typed_check(&a->place, a->config, &problems) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "failed to create typed patch object (%s/%s; %s, Kind=%s): %s",
                   json_str_or(a->config, "metadata.namespace", ""),
                   json_str_or(a->config, "metadata.name", ""), a->w->api_version,
                   json_str_or(a->config, "kind", ""), text_str(&problems));
}

/* Nobody was noted so far: what is there came before. */
static void apply_before_first(struct apply *a)
{
    struct managed_write w = *a->w;

    if (a->m->n > 0 || a->live == NULL)
        return;
    w.manager = "before-first-apply";
    managed_update(a->m, &w, NULL, a->live);
}

/* The tree that comes of it, kept by the arena; a->self becomes the manager's new set. */
static const json_t *apply_merge(struct apply *a, const json_t *live)
{
    struct field_arena *arena = a->m->arena;
    const struct managed_entry *before = managed_find(a->m, &a->self);
    struct managed_entry last = before != NULL ? *before : (struct managed_entry){ .set = NULL };
    const struct field_set *set = typed_paths(arena, &a->place, a->config);
    const json_t *merged = field_arena_keep(arena, typed_merge(&a->place, live, a->config));

    a->self.time = last.time;
    a->self.set = field_set_without(arena, set, managed_reset(a->m, a->w));
    managed_add(a->m, &a->self);
    return last.set != NULL ? apply_prune(a, merged, &last) : merged;
}

/* Everybody else loses what changed under them. */
static void apply_settle(struct apply *a, const struct managed_touch *touch, bool moved)
{
    for (size_t i = 0; i < a->m->n; i++) {
        struct managed_entry *e = &a->m->entries[i];

        e->set = field_set_difference(a->m->arena, e->set, touch->changed[i]);
        e->set = field_set_difference(a->m->arena, e->set, touch->removed[i]);
    }
    a->self.set = managed_strip(a->m, a->self.set);
    if (moved)
        a->self.time = a->w->now;
    managed_add(a->m, &a->self);
    managed_drop_empty(a->m);
}

int apply_config(struct apply_result *ret, struct managed *m, const struct managed_write *w,
                 const json_t *live, const json_t *config, bool force, struct err *err)
{
    struct apply a = { .m = m, .w = w, .live = live, .config = config };
    struct managed_touch touch;
    const json_t *merged;

    *ret = (struct apply_result){ .tree = NULL };
    if (!w->versions->place(w->versions->arg, &a.place, w->api_version))
        return err_set(err, ERR_INVALID, "no corresponding type for %s", w->api_version);
    a.self = (struct managed_entry){ .manager = w->manager,
                                     .api_version = w->api_version,
                                     .subresource = w->subresource,
                                     .applied = true };
    if (apply_check(&a, err) < 0)
        return err->code;
    apply_before_first(&a);
    managed_reconcile(m, w);
    if (live == NULL)
        live = field_arena_keep(m->arena, json_object());
    merged = apply_merge(&a, live);
    managed_touched(m, w, &a.self, live, merged, &touch);
    if (!force)
        apply_conflicts(ret, &a, touch.changed);
    if (ret->n_conflicts > 0)
        return 0;
    ret->changed = !json_equal(live, merged);
    apply_settle(&a, &touch, ret->changed);
    ret->tree = json_deep_copy(merged);
    apply_keep_annotation(&a, ret->tree);
    return 0;
}
