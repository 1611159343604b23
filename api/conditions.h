/* conditions: the {type, status, reason, message, lastTransitionTime} rows of a status.
 *
 * Pure: the time is handed in.  @status is an object's status tree (may be NULL for reading).
 */
#ifndef API_CONDITIONS_H
#define API_CONDITIONS_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* Borrowed, or NULL. */
const json_t *condition_get(const json_t *status, const char *type);
/* Is there such a condition with this status ("True", "False", "Unknown")? */
bool condition_is(const json_t *status, const char *type, const char *status_value);

/* Does @theirs say the same of every type that @mine has? */
bool conditions_agree(const json_t *mine, const json_t *theirs);

/* Sets or adds.  NULL @reason or @message leaves that member out.  True when something
 * changed; lastTransitionTime moves only when the status flips. */
bool condition_set(json_t *status, const char *type, const char *status_value, const char *reason,
                   const char *message, int64_t now_wall_ms);
/* True when there was one. */
bool condition_remove(json_t *status, const char *type);

#endif
