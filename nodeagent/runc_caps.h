/* runc_caps: names and numbers of Linux capabilities, and which a container gets.  Pure. */
#ifndef NODEAGENT_RUNC_CAPS_H
#define NODEAGENT_RUNC_CAPS_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* The set as bits: the usual fourteen (all of @bounding when privileged), plus add, minus drop;
 * never more than @bounding.  ERR_INVALID: an unknown name. */
int runc_caps_decide(uint64_t *ret, const json_t *add, const json_t *drop, bool is_privileged,
                     uint64_t bounding, struct err *err);
/* ["CAP_CHOWN", ...]; a new array. */
json_t *runc_caps_list(uint64_t set);

#endif
