/* managed: who owns which fields of an object: metadata.managedFields.
 *
 * An entry is one manager's set of paths, told apart by its name, what it does (Apply, Update),
 * the subresource it writes through and, of updates, the version it speaks.  managed_update is the
 * rule of every write that is no apply: who changes a field owns it, and nobody else does
 * (k8s.io/apimachinery/pkg/util/managedfields, structured-merge-diff's merge.Updater).  Applying is
 * api/apply.h.
 *
 * Pure; the time is an input.  Thread: any, unshared.
 */
#ifndef API_MANAGED_H
#define API_MANAGED_H

#include "api/field_errors.h"
#include "api/typed.h"

#define MANAGED_UPDATES_MAX 10 /* older entries of updates are merged as "ancient-changes" */
#define MANAGED_NAME_MAX    128

struct managed_entry {
    const char *manager, *api_version, *subresource; /* "" when there is none */
    const char *time;                                /* NULL: never said */
    bool applied;
    const struct field_set *set;
    const struct field_set *loaded; /* the set that it came with */
    json_t *fields;                 /* borrowed: how that was written down, or NULL */
};

struct managed {
    struct field_arena *arena; /* owned; also of whoever works on this object's sets */
    struct managed_entry *entries;
    size_t n, cap;
};

/* The versions that an object's kind is served in. */
struct managed_versions {
    /* False: there is no such version. */
    bool (*place)(void *arg, struct typed_place *ret, const char *api_version);
    /* @tree, in @from's words, in those of @to (not the same); the caller's. */
    json_t *(*convert)(void *arg, const json_t *tree, const char *from, const char *to);
    void *arg;
};

struct managed_write {
    const struct managed_versions *versions;
    const char *api_version; /* what is spoken */
    const char *manager;     /* "" counts as "unknown" */
    const char *subresource;
    const char *now;
    const char *const *reset; /* paths that this way of writing cannot change; NULL-terminated */
    bool reconcile;           /* the kind's schema may have changed since the last write */
};

/* @name as a request gives it; NULL is fine. */
void managed_check_name(struct field_errors *errors, const char *path, const char *name);

void managed_init(struct managed *m);
void managed_fini(struct managed *m); /* idempotent */
/* @list (array or NULL) is metadata.managedFields and outlives @m.  ERR_INVALID: what is there is
 * not understood; @m is empty then. */
int managed_load(struct managed *m, const json_t *list, struct err *err);
/* Sorted as Kubernetes does; the caller's, NULL when nobody owns anything. */
json_t *managed_json(const struct managed *m);
/* Whether @list, as a request brings it, says that everything shall be forgotten: [] or [{}]. */
bool managed_is_reset(const json_t *list);

/* The objects are in w->api_version's words; @live NULL: it is being created. */
void managed_update(struct managed *m, const struct managed_write *w, const json_t *live,
                    const json_t *next);

/* --- shared with api/apply.c --- */
struct managed_entry *managed_find(struct managed *m, const struct managed_entry *like);
struct managed_entry *managed_add(struct managed *m, const struct managed_entry *entry);
/* Entries whose set is empty go. */
void managed_drop_empty(struct managed *m);
/* Sets as the types are now; entries of versions that are gone go. */
void managed_reconcile(struct managed *m, const struct managed_write *w);
/* @w->reset as a set. */
const struct field_set *managed_reset(const struct managed *m, const struct managed_write *w);
/* What every object has and nobody owns. */
const struct field_set *managed_strip(struct managed *m, const struct field_set *set);
/* @tree in @version's words, kept by @m; NULL: there is no such version. */
const json_t *managed_as(struct managed *m, const struct managed_write *w, const json_t *tree,
                         const char *version);
struct managed_touch {
    struct typed_diff own; /* in the version that is spoken */
    /* For each entry, in the arena: what of it was changed or added, and what was removed. */
    const struct field_set **changed, **removed;
};

/* What the step from @live to @next does to all entries but @self (NULL: to all).  Entries of
 * versions that are gone have their set emptied. */
void managed_touched(struct managed *m, const struct managed_write *w,
                     const struct managed_entry *self, const json_t *live, const json_t *next,
                     struct managed_touch *ret);

#endif
