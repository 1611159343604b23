#include "api/pod_security.h"

#include "api/pod_security_impl.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define POD_SECURITY_NEWEST 32
#define POD_SECURITY_PREFIX "pod-security.kubernetes.io/"
#define POD_SECURITY_NEVER  1000

static const char *const pod_security_levels[] = {
    [POD_SECURITY_PRIVILEGED] = "privileged",
    [POD_SECURITY_BASELINE] = "baseline",
    [POD_SECURITY_RESTRICTED] = "restricted",
};

static const char *const pod_security_modes[] = {
    [POD_SECURITY_ENFORCE] = "enforce",
    [POD_SECURITY_AUDIT] = "audit",
    [POD_SECURITY_WARN] = "warn",
};

/* --- labels --- */

static bool pod_security_read_level(enum pod_security_level *ret, const char *text)
{
    for (size_t i = 0; i < N_ELEMENTS(pod_security_levels); i++)
        if (str_eq(text, pod_security_levels[i])) {
            *ret = (enum pod_security_level)i;
            return true;
        }
    return false;
}

/* "latest" or "v1.x", without leading zeros. */
static bool pod_security_read_version(int *ret, const char *text)
{
    uint64_t minor;

    *ret = POD_SECURITY_LATEST;
    if (str_eq(text, "latest"))
        return true;
    if (!str_starts(text, "v1.") || !str_u64(text + 3, &minor) || (text[3] == '0' && text[4]) ||
        minor > INT32_MAX)
        return false;
    *ret = (int)minor;
    return true;
}

static void pod_security_tell(struct field_errors *errors, const char *label, const char *value,
                              const char *detail)
{
    cleanup(freep) char *path = mem_fmt("metadata.labels[%s]", label);

    if (errors != NULL)
        field_invalid_str(errors, path, value, "%s", detail);
}

static void pod_security_read_mode(struct pod_security_policy *ret, enum pod_security_mode mode,
                                   const json_t *labels, struct field_errors *errors)
{
    cleanup(freep) char *level = mem_fmt(POD_SECURITY_PREFIX "%s", pod_security_modes[mode]);
    cleanup(freep) char *version = mem_fmt("%s-version", level);
    const char *said = json_string_value(json_object_get(labels, level));
    const char *at = json_string_value(json_object_get(labels, version));

    *ret = (struct pod_security_policy){ POD_SECURITY_PRIVILEGED, POD_SECURITY_LATEST };
    if (said != NULL && !pod_security_read_level(&ret->level, said)) {
        pod_security_tell(errors, level, said, "must be one of privileged, baseline, restricted");
        if (mode == POD_SECURITY_ENFORCE)
            ret->level = POD_SECURITY_RESTRICTED;
    }
    if (at != NULL && !pod_security_read_version(&ret->minor, at))
        pod_security_tell(errors, version, at, "must be \"latest\" or \"v1.x\"");
}

void pod_security_read(struct pod_security_policy ret[POD_SECURITY_MODES], const json_t *labels,
                       struct field_errors *errors)
{
    for (int mode = 0; mode < POD_SECURITY_MODES; mode++)
        pod_security_read_mode(&ret[mode], (enum pod_security_mode)mode, labels, errors);
}

bool pod_security_same(struct pod_security_policy a, struct pod_security_policy b)
{
    return a.level == b.level && a.minor == b.minor;
}

void pod_security_print(struct text *ret, struct pod_security_policy p)
{
    if (p.minor == POD_SECURITY_LATEST)
        text_fmt(ret, "%s:latest", pod_security_levels[p.level]);
    else
        text_fmt(ret, "%s:v1.%d", pod_security_levels[p.level], p.minor);
}

/* --- the controls --- */

static const struct pod_security_row {
    enum pod_security_level level;
    int since;    /* minor version that brought it */
    int replaced; /* baseline: from here on a control of the restricted level says more */
    const char *reason;
    pod_security_control_fn check;
} pod_security_rows[] = {
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "forbidden AppArmor profile",
      control_app_armor },
    { POD_SECURITY_BASELINE, 0, 22, "non-default capabilities", control_capabilities_baseline },
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "host namespaces", control_host_namespaces },
    { POD_SECURITY_BASELINE, 0, 0, "hostPath volumes", control_host_path },
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "hostPort", control_host_ports },
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "privileged", control_privileged },
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "procMount", control_proc_mount },
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "seLinuxOptions", control_selinux },
    { POD_SECURITY_BASELINE, 0, 19, "seccompProfile", control_seccomp_baseline },
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "forbidden sysctls", control_sysctls },
    { POD_SECURITY_BASELINE, 0, POD_SECURITY_NEVER, "hostProcess", control_windows_host_process },
    { POD_SECURITY_RESTRICTED, 8, 0, "allowPrivilegeEscalation != false",
      control_privilege_escalation },
    { POD_SECURITY_RESTRICTED, 22, 0, "unrestricted capabilities",
      control_capabilities_restricted },
    { POD_SECURITY_RESTRICTED, 0, 0, "restricted volume types", control_restricted_volumes },
    { POD_SECURITY_RESTRICTED, 0, 0, "runAsNonRoot != true", control_run_as_non_root },
    { POD_SECURITY_RESTRICTED, 23, 0, "runAsUser=0", control_run_as_user },
    { POD_SECURITY_RESTRICTED, 19, 0, "seccompProfile", control_seccomp_restricted },
};

void pod_security_findings_fini(struct pod_security_findings *f)
{
    text_fini(&f->reasons);
    text_fini(&f->details);
}

static bool pod_security_applies(const struct pod_security_row *row, enum pod_security_level level,
                                 int minor)
{
    if (row->level > level || minor < row->since)
        return false;
    return row->level == level || minor < row->replaced;
}

bool pod_security_check(struct pod_security_findings *ret, struct pod_security_policy p,
                        const json_t *metadata, const json_t *spec)
{
    int minor = p.minor == POD_SECURITY_LATEST || p.minor > POD_SECURITY_NEWEST
                    ? POD_SECURITY_NEWEST
                    : p.minor;

    for (size_t i = 0; p.level != POD_SECURITY_PRIVILEGED && i < N_ELEMENTS(pod_security_rows);
         i++) {
        const struct pod_security_row *row = &pod_security_rows[i];
        cleanup(text_fini) struct text detail = TEXT_EMPTY;
        struct pod_security_case c = { metadata, spec, minor, row->reason, &detail };
        const char *gap = ret->reasons.len > 0 ? ", " : "";

        if (!pod_security_applies(row, p.level, minor))
            continue;
        row->check(&c);
        if (detail.len == 0)
            continue;
        text_fmt(&ret->reasons, "%s%s", gap, c.reason);
        text_fmt(&ret->details, "%s%s (%s)", gap, c.reason, text_str(&detail));
    }
    return ret->reasons.len == 0;
}
