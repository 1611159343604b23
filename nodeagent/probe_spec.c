#include "nodeagent/probe_spec.h"

static const struct {
    const char *name, *field;
} probe_kinds[PROBE_KINDS] = {
    [PROBE_STARTUP] = { "Startup", "startupProbe" },
    [PROBE_LIVENESS] = { "Liveness", "livenessProbe" },
    [PROBE_READINESS] = { "Readiness", "readinessProbe" },
};

const char *probe_kind_name(enum probe_kind kind)
{
    return probe_kinds[kind].name;
}

const char *probe_kind_field(enum probe_kind kind)
{
    return probe_kinds[kind].field;
}

/* Zero means "not said" in Kubernetes' wire form too. */
static int64_t probe_spec_number(const json_t *probe, const char *key, int64_t otherwise)
{
    int64_t n = json_int(probe, key, 0);

    return n > 0 ? n : otherwise;
}

void probe_spec_read(struct probe_spec *ret, const json_t *probe)
{
    ret->delay_ms = probe_spec_number(probe, "initialDelaySeconds", 0) * 1000;
    ret->period_ms = probe_spec_number(probe, "periodSeconds", 10) * 1000;
    ret->timeout_ms = probe_spec_number(probe, "timeoutSeconds", 1) * 1000;
    ret->success_threshold = (unsigned)probe_spec_number(probe, "successThreshold", 1);
    ret->failure_threshold = (unsigned)probe_spec_number(probe, "failureThreshold", 3);
    ret->grace_s = json_int(probe, "terminationGracePeriodSeconds", -1);
}

void probe_verdict_init(struct probe_verdict *v, enum probe_kind kind)
{
    *v = (struct probe_verdict){ .passes = kind == PROBE_LIVENESS };
}

bool probe_verdict_feed(struct probe_verdict *v, const struct probe_spec *spec, bool answer)
{
    unsigned threshold = answer ? spec->success_threshold : spec->failure_threshold;

    v->in_a_row = v->in_a_row > 0 && v->latest == answer ? v->in_a_row + 1 : 1;
    v->latest = answer;
    if (v->in_a_row < threshold)
        return false;
    v->passes = answer;
    return true;
}
