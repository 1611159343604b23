/* intstr: values that are a number or a percentage ("25%"), as in maxSurge.  Pure. */
#ifndef API_INTSTR_H
#define API_INTSTR_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* A number as it is; "25%" of @total, rounded up or down.  False: neither, or @v is NULL. */
bool intstr_scale(const json_t *v, int64_t total, bool round_up, int64_t *ret);
/* "25%" gives 25; false for anything else. */
bool intstr_percent(const json_t *v, int64_t *ret);

#endif
