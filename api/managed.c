#include "api/managed.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define MANAGED_ANCIENT "ancient-changes"

/* --- names --- */

void managed_check_name(struct field_errors *errors, const char *path, const char *name)
{
    if (name != NULL && strlen(name) > MANAGED_NAME_MAX)
        field_too_long(errors, path, MANAGED_NAME_MAX);
    for (size_t i = 0; name != NULL && name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < ' ' || c == 0x7f)
            field_invalid_str(errors, path, name, "invalid character U+%04X (at position %zu)", c,
                              i);
    }
}

/* --- life --- */

void managed_init(struct managed *m)
{
    *m = (struct managed){ .arena = field_arena_new() };
}

void managed_fini(struct managed *m)
{
    m->arena = field_arena_free(m->arena);
    free(m->entries);
    m->entries = NULL;
    m->n = m->cap = 0;
}

/* --- entries --- */

static bool managed_same(const struct managed_entry *a, const struct managed_entry *b)
{
    return a->applied == b->applied && str_eq(a->manager, b->manager) &&
           str_eq(a->subresource, b->subresource) &&
           (a->applied || str_eq(a->api_version, b->api_version));
}

struct managed_entry *managed_find(struct managed *m, const struct managed_entry *like)
{
    for (size_t i = 0; i < m->n; i++)
        if (managed_same(&m->entries[i], like))
            return &m->entries[i];
    return NULL;
}

struct managed_entry *managed_add(struct managed *m, const struct managed_entry *entry)
{
    struct managed_entry *old = managed_find(m, entry);

    if (old == NULL) {
        if (m->n == m->cap) {
            m->cap = m->cap > 0 ? m->cap * 2 : 8;
            m->entries = mem_grow(m->entries, m->cap, sizeof(*m->entries));
        }
        old = &m->entries[m->n++];
    }
    *old = *entry;
    return old;
}

static void managed_drop(struct managed *m, size_t i)
{
    memmove(&m->entries[i], &m->entries[i + 1], (m->n - i - 1) * sizeof(*m->entries));
    m->n--;
}

void managed_drop_empty(struct managed *m)
{
    for (size_t i = m->n; i-- > 0;)
        if (m->entries[i].set == NULL)
            managed_drop(m, i);
}

/* --- in and out --- */

static int managed_load_entry(struct managed *m, const json_t *item, struct err *err)
{
    const char *operation = json_str_or(item, "operation", "");
    const char *type = json_str_or(item, "fieldsType", "");
    struct managed_entry e = {
        .manager = json_str_or(item, "manager", ""),
        .api_version = json_str_or(item, "apiVersion", ""),
        .subresource = json_str_or(item, "subresource", ""),
        .time = json_str(item, "time"),
        .applied = str_eq(operation, "Apply"),
    };
    int rc;

    if (!e.applied && !str_eq(operation, "Update"))
        return err_set(err, ERR_INVALID, "operation must be `Apply` or `Update`");
    if (e.api_version[0] == '\0')
        return err_set(err, ERR_INVALID, "apiVersion must not be empty");
    if (type[0] == '\0')
        return err_set(err, ERR_INVALID, "missing fieldsType in managed fields entry");
    if (!str_eq(type, "FieldsV1"))
        return err_set(err, ERR_INVALID, "invalid fieldsType \"%s\" in managed fields entry", type);
    e.fields = json_object_get(item, "fieldsV1");
    rc = field_set_parse(&e.set, m->arena, e.fields, err);
    e.loaded = e.set;
    if (rc == 0)
        managed_add(m, &e);
    return rc;
}

int managed_load(struct managed *m, const json_t *list, struct err *err)
{
    const json_t *item;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        int rc = managed_load_entry(m, item, err);

        if (rc < 0) {
            m->n = 0;
            return rc;
        }
    }
    return 0;
}

bool managed_is_reset(const json_t *list)
{
    const json_t *only = json_array_get(list, 0);

    return json_is_array(list) &&
           (json_array_size(list) == 0 ||
            (json_array_size(list) == 1 && json_is_object(only) && json_object_size(only) == 0));
}

static int64_t managed_seconds(const struct managed_entry *e)
{
    int64_t ms = 0;

    return e->time != NULL && clock_parse(e->time, &ms) ? ms / 1000 : 0;
}

static int managed_compare(const void *a, const void *b)
{
    const struct managed_entry *x = *(const struct managed_entry *const *)a;
    const struct managed_entry *y = *(const struct managed_entry *const *)b;
    int64_t s = managed_seconds(x), t = managed_seconds(y);
    int order;

    if (x->applied != y->applied)
        return x->applied ? -1 : 1;
    if (s != t)
        return s < t ? -1 : 1;
    order = strcmp(x->manager, y->manager);
    if (order == 0)
        order = strcmp(x->api_version, y->api_version);
    return order != 0 ? order : strcmp(x->subresource, y->subresource);
}

/* A set that did not change is written down already. */
static json_t *managed_fields_json(const struct managed_entry *e)
{
    if (e->fields != NULL && e->set != NULL && field_set_equal(e->set, e->loaded))
        return json_incref(e->fields);
    return field_set_json(e->set);
}

static json_t *managed_entry_json(const struct managed_entry *e)
{
    json_t *item = json_object();

    json_put_str(item, "apiVersion", e->api_version);
    json_put_str(item, "fieldsType", "FieldsV1");
    json_object_set_new(item, "fieldsV1", managed_fields_json(e));
    if (e->manager[0] != '\0')
        json_put_str(item, "manager", e->manager);
    json_put_str(item, "operation", e->applied ? "Apply" : "Update");
    if (e->subresource[0] != '\0')
        json_put_str(item, "subresource", e->subresource);
    if (e->time != NULL)
        json_put_str(item, "time", e->time);
    return item;
}

static const struct managed_entry **managed_sorted(const struct managed *m)
{
    const struct managed_entry **all = (const struct managed_entry **)mem_array(m->n + 1,
                                                                                sizeof(*all));

    for (size_t i = 0; i < m->n; i++)
        all[i] = &m->entries[i];
    qsort((void *)all, m->n, sizeof(*all), managed_compare);
    return all;
}

json_t *managed_json(const struct managed *m)
{
    cleanup(freep) const struct managed_entry **all = NULL;
    json_t *list;

    if (m->n == 0)
        return NULL;
    all = managed_sorted(m);
    list = json_array();
    for (size_t i = 0; i < m->n; i++)
        json_array_append_new(list, managed_entry_json(all[i]));
    return list;
}

/* --- versions --- */

const json_t *managed_as(struct managed *m, const struct managed_write *w, const json_t *tree,
                         const char *version)
{
    struct typed_place place;

    if (str_eq(version, w->api_version) || tree == NULL)
        return tree;
    if (!w->versions->place(w->versions->arg, &place, version))
        return NULL;
    return field_arena_keep(m->arena,
                            w->versions->convert(w->versions->arg, tree, w->api_version, version));
}

void managed_reconcile(struct managed *m, const struct managed_write *w)
{
    for (size_t i = 0; i < m->n; i++) {
        struct managed_entry *e = &m->entries[i];
        struct typed_place place;

        if (!w->versions->place(w->versions->arg, &place, e->api_version))
            e->set = NULL;
        else if (w->reconcile)
            e->set = typed_reconcile(m->arena, &place, e->set);
    }
    managed_drop_empty(m);
}

const struct field_set *managed_reset(const struct managed *m, const struct managed_write *w)
{
    const struct field_set *set = NULL;

    for (size_t i = 0; w->reset != NULL && w->reset[i] != NULL; i++)
        set = field_set_union(m->arena, set, field_set_path(m->arena, w->reset[i]));
    return set;
}

static bool managed_is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && !str_eq(name, *names))
        names++;
    return *names != NULL;
}

/* @set without the paths that are @names alone; what is below them stays. */
static const struct field_set *managed_without(struct managed *m, const struct field_set *set,
                                               const char *const *names)
{
    struct field_list list = { NULL, 0, 0 };

    for (size_t i = 0; set != NULL && i < set->n; i++) {
        struct field_node node = set->nodes[i];

        if (node.at.form == FIELD_NAME && managed_is_one_of(node.at.name, names))
            node.member = false;
        field_list_add(m->arena, &list, &node);
    }
    return field_list_done(m->arena, &list);
}

const struct field_set *managed_strip(struct managed *m, const struct field_set *set)
{
    static const char *const roots[] = { "apiVersion", "kind", "metadata", NULL };
    static const char *const system[] = { "name",       "namespace",     "creationTimestamp",
                                          "selfLink",   "uid",           "clusterName",
                                          "generation", "managedFields", "resourceVersion",
                                          NULL };
    struct field_list list = { NULL, 0, 0 };

    set = managed_without(m, set, roots);
    for (size_t i = 0; set != NULL && i < set->n; i++) {
        struct field_node node = set->nodes[i];

        if (node.at.form == FIELD_NAME && str_eq(node.at.name, "metadata"))
            node.below = managed_without(m, node.below, system);
        field_list_add(m->arena, &list, &node);
    }
    return field_list_done(m->arena, &list);
}

/* --- who is touched --- */

/* @tree without the members that are reset as a whole: nobody needs to look into them. */
static const json_t *managed_kept(struct managed *m, const struct managed_write *w,
                                  const json_t *tree)
{
    json_t *copy;

    if (tree == NULL || w->reset == NULL || w->reset[0] == NULL)
        return tree;
    copy = field_arena_keep(m->arena, json_copy((json_t *)(uintptr_t)tree));
    for (size_t i = 0; w->reset[i] != NULL; i++)
        json_object_del(copy, w->reset[i]);
    return copy;
}

static struct typed_diff managed_diff(struct managed *m, const struct managed_write *w,
                                      const char *version, const json_t *live, const json_t *next)
{
    const struct field_set *reset = managed_reset(m, w);
    struct typed_diff diff = { NULL, NULL, NULL };
    struct typed_place place;

    if (!w->versions->place(w->versions->arg, &place, version))
        return diff;
    diff = typed_compare(m->arena, &place, managed_kept(m, w, managed_as(m, w, live, version)),
                         managed_kept(m, w, managed_as(m, w, next, version)));
    diff.added = field_set_without(m->arena, diff.added, reset);
    diff.modified = field_set_without(m->arena, diff.modified, reset);
    diff.removed = field_set_without(m->arena, diff.removed, reset);
    return diff;
}

void managed_touched(struct managed *m, const struct managed_write *w,
                     const struct managed_entry *self, const json_t *live, const json_t *next,
                     struct managed_touch *ret)
{
    size_t size = (m->n + 1) * sizeof(struct field_set *);
    const struct field_set **changed = field_arena_alloc(m->arena, size);
    const struct field_set **removed = field_arena_alloc(m->arena, size);
    struct typed_diff diff = managed_diff(m, w, w->api_version, live, next);
    const char *version = w->api_version;

    ret->own = diff;
    for (size_t i = 0; i < m->n; i++) {
        struct managed_entry *e = &m->entries[i];
        struct typed_place place;

        changed[i] = removed[i] = NULL;
        if (self != NULL && managed_same(e, self))
            continue;
        if (!w->versions->place(w->versions->arg, &place, e->api_version)) {
            e->set = NULL;
            continue;
        }
        if (!str_eq(version, e->api_version)) /* most objects know but one */
            diff = managed_diff(m, w, version = e->api_version, live, next);
        changed[i] = field_set_intersection(m->arena, e->set,
                                            field_set_union(m->arena, diff.modified, diff.added));
        removed[i] = diff.removed;
    }
    ret->changed = changed;
    ret->removed = removed;
}

/* --- the rule of updates --- */

/* Merges the oldest entries of updates until few enough are left, version by version: the first of
 * a version waits for a second one. */
static void managed_cap(struct managed *m)
{
    cleanup(freep) const struct managed_entry **all = NULL;
    cleanup(freep) struct managed_entry *old = NULL;
    size_t n = 0, length;

    for (size_t i = 0; i < m->n; i++)
        n += !m->entries[i].applied;
    if (n <= MANAGED_UPDATES_MAX)
        return;
    all = managed_sorted(m);
    old = mem_array(m->n, sizeof(*old));
    n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (!all[i]->applied)
            old[n++] = *all[i];
    length = n;
    for (size_t i = 0; i < n && length > MANAGED_UPDATES_MAX; i++) {
        struct managed_entry bucket = { .manager = MANAGED_ANCIENT,
                                        .api_version = old[i].api_version,
                                        .subresource = "",
                                        .time = old[i].time };
        struct managed_entry *into;
        size_t first = 0;

        while (!str_eq(old[first].api_version, old[i].api_version))
            first++;
        if (first == i)
            continue;
        into = managed_find(m, &bucket);
        bucket.set = into != NULL ? into->set : old[first].set;
        bucket.set = field_set_union(m->arena, bucket.set, old[i].set);
        if (into == NULL)
            managed_drop(m, (size_t)(managed_find(m, &old[first]) - m->entries));
        managed_drop(m, (size_t)(managed_find(m, &old[i]) - m->entries));
        managed_add(m, &bucket);
        length--;
    }
}

void managed_update(struct managed *m, const struct managed_write *w, const json_t *live,
                    const json_t *next)
{
    struct managed_entry self = {
        .manager = w->manager[0] != '\0' ? w->manager : "unknown",
        .api_version = w->api_version,
        .subresource = w->subresource,
        .time = w->now,
    };
    const struct managed_entry *before;
    struct managed_touch touch;

    managed_reconcile(m, w);
    managed_touched(m, w, NULL, live, next, &touch);
    for (size_t i = 0; i < m->n; i++) {
        struct managed_entry *e = &m->entries[i];

        e->set = field_set_difference(m->arena, e->set, touch.changed[i]);
        e->set = field_set_difference(m->arena, e->set, touch.removed[i]);
    }
    managed_drop_empty(m);
    self.set = managed_strip(m, field_set_union(m->arena, touch.own.modified, touch.own.added));
    if (self.set != NULL) {
        before = managed_find(m, &self);
        if (before != NULL) {
            self.set = field_set_union(m->arena, self.set, before->set);
            self.loaded = before->loaded;
            self.fields = before->fields;
        }
        managed_add(m, &self);
    }
    managed_cap(m);
}
