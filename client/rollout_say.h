/* rollout_say: how far a rollout has come, in kubectl's words.
 *
 * Facts: kubernetes/kubectl pkg/polymorphichelpers/rollout_status.go.  Pure.
 */
#ifndef CLIENT_ROLLOUT_SAY_H
#define CLIENT_ROLLOUT_SAY_H

#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

#define ROLLOUT_DONE 1

/* A line without its end.  0: it goes on; ROLLOUT_DONE; ERR_INVALID: it will not get there. */
int rollout_say(struct text *ret, const struct schema_resource *r, const json_t *object,
                struct err *err);

#endif
