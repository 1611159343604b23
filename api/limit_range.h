/* limit_range: what LimitRanges give to pods, and ask of pods and claims.  Pure.
 *
 * @range is a LimitRange.  Messages are those of Kubernetes' LimitRanger (v1.32), several as
 * "[a, b]" (utilerrors.NewAggregate).
 */
#ifndef API_LIMIT_RANGE_H
#define API_LIMIT_RANGE_H

#include "base/json.h"
#include "base/text.h"

/* Fills in what containers and init containers leave open, and notes it in an annotation. */
void limit_range_default(json_t *pod, const json_t *range);
/* Appends why not; nothing when the pod, or the claim, is within @range. */
void limit_range_check_pod(struct text *ret, const json_t *pod, const json_t *range);
void limit_range_check_claim(struct text *ret, const json_t *claim, const json_t *range);

#endif
