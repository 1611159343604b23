/* pod_status: what a Pod's tree says about its state.  Pure: the time is handed in. */
#ifndef API_POD_STATUS_H
#define API_POD_STATUS_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

bool pod_is_ready(const json_t *pod);    /* condition Ready is True */
bool pod_is_terminal(const json_t *pod); /* phase Succeeded or Failed: never leaves it */
bool pod_is_deleting(const json_t *pod); /* has a deletionTimestamp */
bool pod_is_active(const json_t *pod);   /* neither terminal nor being deleted */
/* Ready for at least @min_ready_seconds at @now_ms (wall clock). */
bool pod_is_available(const json_t *pod, int64_t min_ready_seconds, int64_t now_ms);
/* When it became ready (wall clock), -1 when it is not or does not say. */
int64_t pod_ready_since_ms(const json_t *pod);

#endif
