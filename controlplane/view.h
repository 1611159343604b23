/* view: what a decision may look at: the visible objects, parsed at most once per step.
 *
 * Owner: runner.  Pure from the outside: nothing changes while a plan function runs.
 */
#ifndef CONTROLPLANE_VIEW_H
#define CONTROLPLANE_VIEW_H

#include "api/metrics.h"
#include "api/rbac.h"
#include "base/json.h"
#include "storage/store.h"

struct view;

struct view *view_new(const struct store *store);
/* What is known of the load; NULL, as at the start: nothing. */
void view_set_metrics(struct view *v, const struct metrics *metrics);
const struct metrics *view_metrics(const struct view *v);
/* What roles give; NULL, as at the start: looked up anew each time. */
void view_set_rbac(struct view *v, struct rbac *rbac);
struct rbac *view_rbac(struct view *v);
struct view *view_free(struct view *v);
const struct store *view_store(const struct view *v);

const struct object *view_get(struct view *v, const char *bucket, const char *ns, const char *name);
/* Parsed, without managedFields (a write leaves them as they are), borrowed until the step ends;
 * the tree must not be changed: copy before editing. */
const json_t *view_tree(struct view *v, const struct object *o);

/* Collects into a borrowed, NULL-terminated array that lives until the step ends.  @ns NULL =
 * all namespaces; view_list is in order of (ns, name), the others are in no order. */
const struct object *const *view_list(struct view *v, const char *bucket, const char *ns,
                                      size_t *ret_n);
const struct object *const *view_owned(struct view *v, const char *bucket, const char *owner_uid,
                                       size_t *ret_n);
const struct object *const *view_on_node(struct view *v, const char *node,
                                         size_t *ret_n); /* pods */

/* True when it is asked for @what (a literal) for the first time since the step began: what looks at
 * every object need not do so for each of many changes, all of which it sees already. */
bool view_first(struct view *v, const char *what);

/* Forgets trees and arrays; the runner calls it after each step. */
void view_end_step(struct view *v);
/* Forgets arrays, and trees if there are more than @json_bytes beside what is kept: between two
 * changes of one step, which may be as many as there are objects. */
void view_let_go(struct view *v, size_t json_bytes);
/* Trees of up to @json_bytes outlive their step (objects do not change, so they stay true): time
 * for memory.  0, as at the start: none do. */
void view_keep(struct view *v, size_t json_bytes);
/* JSON bytes behind the trees held now: the runner ends a step early when it grows large. */
size_t view_footprint(const struct view *v);

#endif
