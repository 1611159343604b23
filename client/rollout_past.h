/* rollout_past: the revisions of a workload: those of its ReplicaSets (a Deployment's) or
 * ControllerRevisions (of DaemonSets and StatefulSets).  Pure.
 */
#ifndef CLIENT_ROLLOUT_PAST_H
#define CLIENT_ROLLOUT_PAST_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#include <stdint.h>

/* What keeps the past of this kind; NULL: nothing does. */
const struct schema_resource *rollout_past_kind(const struct schema_resource *r);

/* Those of @items that @owner controls, as {revision, cause, template|data} in order; the caller's. */
json_t *rollout_past_read(const json_t *owner, const json_t *items);
/* The table of `rollout history`. */
void rollout_past_print(struct text *ret, const json_t *past);
/* One revision's pod template. */
int rollout_past_detail(struct text *ret, const json_t *past, int64_t revision, struct err *err);

/* The patch that leads back to @revision (0: the one before the newest), and its content type.
 * ROLLOUT_PAST_SAME: it is there already. */
#define ROLLOUT_PAST_SAME 1
int rollout_past_undo(json_t **ret, const char **ret_type, const json_t *owner, const json_t *past,
                      int64_t revision, struct err *err);
/* The revision before the newest, 0 when there is none. */
int64_t rollout_past_before(const json_t *past);

#endif
