/* history: the ControllerRevisions of a StatefulSet or DaemonSet.  Pure.
 *
 * Each holds a template as it once was: {"spec": {"template": {.., "$patch": "replace"}}}.
 */
#ifndef CONTROLPLANE_HISTORY_H
#define CONTROLPLANE_HISTORY_H

#include "controlplane/controller.h"

#define HISTORY "controllerrevisions.apps"

struct history_entry {
    const struct object *object; /* borrowed; NULL = made by this plan */
    json_t *data;                /* owned */
    char *name;                  /* owned */
    int64_t revision;
};

struct history {
    struct plan *plan;
    struct view *view;
    const struct object *owner;
    const json_t *tree; /* of the owner */
    const char *kind;
    struct history_entry *entries; /* owned; oldest revision first; room for one more */
    size_t n;
    const struct history_entry *update; /* the owner's template as it is now, after sync */
};

/* @h has plan, view, owner, tree and kind.  False: revisions are being adopted, come back. */
bool history_load(struct history *h);
/* Finds or makes the revision of the template now; one that was there before becomes the
 * newest again.  False: the name is taken, count a collision and come back. */
bool history_sync(struct history *h, int64_t collisions);
const struct history_entry *history_find(const struct history *h, const char *name);
/* The template in @e; the caller's. */
json_t *history_template(const struct history_entry *e);
/* Deletes the oldest beyond spec.revisionHistoryLimit that @is_live does not hold on to. */
void history_trim(struct history *h, bool (*is_live)(void *arg, const char *name), void *arg);
void history_fini(struct history *h);

#endif
