/* probe_spec: one probe's numbers with Kubernetes' defaults, and the verdict they lead to.
 *
 * Pure.  probe.c asks on time; this says what the answers mean.
 */
#ifndef NODEAGENT_PROBE_SPEC_H
#define NODEAGENT_PROBE_SPEC_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum probe_kind { PROBE_STARTUP, PROBE_LIVENESS, PROBE_READINESS, PROBE_KINDS };
const char *probe_kind_name(enum probe_kind kind);  /* "Startup": as in events */
const char *probe_kind_field(enum probe_kind kind); /* "startupProbe" */

struct probe_spec {
    int64_t delay_ms, period_ms, timeout_ms;
    unsigned success_threshold, failure_threshold;
    int64_t grace_s; /* terminationGracePeriodSeconds of the probe; -1 = the pod's */
};
void probe_spec_read(struct probe_spec *ret, const json_t *probe);

/* Startup and readiness begin as failed, liveness as passed. */
struct probe_verdict {
    bool passes;
    unsigned in_a_row; /* answers equal to the latest */
    bool latest;
};
void probe_verdict_init(struct probe_verdict *v, enum probe_kind kind);
/* Takes one answer in.  True: the threshold was reached with this answer, so that what is now
 * @passes holds (also when it held before: a liveness failure acts each time it is reached). */
bool probe_verdict_feed(struct probe_verdict *v, const struct probe_spec *spec, bool answer);

#endif
