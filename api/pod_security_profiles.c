/* The controls of the Pod Security Standards over users, profiles and kinds of volumes
 * (pod-security-admission/policy/check_*.go). */
#include "api/pod_security_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define CONTROL_SECCOMP           "seccomp.security.alpha.kubernetes.io/pod"
#define CONTROL_SECCOMP_CONTAINER "container.seccomp.security.alpha.kubernetes.io/"

/* --- SELinux --- */

struct control_selinux {
    struct control_found found;
    bool user, role;
};

static bool control_selinux_is_bad(const struct pod_security_case *c, struct control_found *f,
                                   const json_t *holder)
{
    static const char *const types[] = { "", "container_t", "container_init_t", "container_kvm_t" };
    struct control_selinux *s = container_of(f, struct control_selinux, found);
    const json_t *options = json_at(control_context(holder), "seLinuxOptions");
    const char *type = json_str_or(options, "type", "");
    bool typed = !CONTROL_IN(type, types) &&
                 !(c->minor >= 31 && str_eq(type, "container_engine_t"));
    bool user = json_str_or(options, "user", "")[0] != '\0';
    bool role = json_str_or(options, "role", "")[0] != '\0';

    if (typed)
        control_value(f, type);
    s->user = s->user || user;
    s->role = s->role || role;
    return typed || user || role;
}

static void control_look_selinux(struct pod_security_case *c, struct control_found *f,
                                 const json_t *container)
{
    if (control_selinux_is_bad(c, f, container))
        control_blame(f, container);
}

void control_selinux(struct pod_security_case *c)
{
    struct control_selinux s = { .user = false };
    size_t n;

    control_open(&s.found);
    s.found.pod = control_selinux_is_bad(c, &s.found, c->spec);
    control_each(c, &s.found, control_look_selinux);
    n = json_object_size(s.found.values);
    if (control_any(&s.found)) {
        control_say_setters(c->detail, &s.found);
        text_puts(c->detail, " set forbidden securityContext.seLinuxOptions: ");
        if (n > 0)
            text_fmt(c->detail, "%s ", control_plural(n, "type", "types"));
        control_say_set(c->detail, s.found.values, "\"");
        if (s.user)
            text_fmt(c->detail, "%suser may not be set", n > 0 ? "; " : "");
        if (s.role)
            text_fmt(c->detail, "%srole may not be set", n > 0 || s.user ? "; " : "");
    }
    control_close(&s.found);
}

/* --- seccomp --- */

static bool control_seccomp_is_bad(struct control_found *f, const json_t *holder)
{
    static const char *const allowed[] = { "RuntimeDefault", "Localhost" };
    const char *type = json_str(control_context(holder), "seccompProfile.type");

    if (type == NULL || CONTROL_IN(type, allowed))
        return false;
    control_value(f, type);
    return true;
}

static void control_look_seccomp(struct pod_security_case *c, struct control_found *f,
                                 const json_t *container)
{
    (void)c;
    if (control_seccomp_is_bad(f, container))
        control_blame(f, container);
}

static void control_look_no_seccomp(struct pod_security_case *c, struct control_found *f,
                                    const json_t *container)
{
    (void)c;
    if (json_at(control_context(container), "seccompProfile") == NULL)
        control_blame(f, container);
}

/* True: some profile is set that must not be. */
static bool control_seccomp_set(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    f.pod = control_seccomp_is_bad(&f, c->spec);
    control_each(c, &f, control_look_seccomp);
    if (!control_any(&f))
        return false;
    control_say_setters(c->detail, &f);
    text_puts(c->detail, " must not set securityContext.seccompProfile.type to ");
    control_say_set(c->detail, f.values, "\"");
    return true;
}

static void control_seccomp_annotation(struct pod_security_case *c, struct control_found *f,
                                       const char *key)
{
    const char *value = json_string_value(
        json_object_get(json_object_get(c->metadata, "annotations"), key));
    cleanup(freep) char *said = NULL;

    if (value == NULL || str_eq(value, "runtime/default") || str_eq(value, "docker/default") ||
        str_starts(value, "localhost/"))
        return;
    said = mem_fmt("%s=\"%s\"", key, value);
    control_value(f, said);
}

static void control_look_seccomp_annotation(struct pod_security_case *c, struct control_found *f,
                                            const json_t *container)
{
    cleanup(freep) char *key = mem_fmt(CONTROL_SECCOMP_CONTAINER "%s",
                                       json_str_or(container, "name", ""));

    control_seccomp_annotation(c, f, key);
}

/* Before v1.19 profiles were annotations. */
void control_seccomp_baseline(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    if (c->minor >= 19) {
        control_seccomp_set(c);
        return;
    }
    control_seccomp_annotation(c, &f, CONTROL_SECCOMP);
    control_each(c, &f, control_look_seccomp_annotation);
    if (json_object_size(f.values) == 0)
        return;
    text_fmt(c->detail, "forbidden %s ",
             control_plural(json_object_size(f.values), "annotation", "annotations"));
    control_say_set(c->detail, f.values, "");
}

void control_seccomp_restricted(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    if (control_is_windows(c) || control_seccomp_set(c) ||
        json_at(control_context(c->spec), "seccompProfile") != NULL)
        return;
    control_each(c, &f, control_look_no_seccomp);
    if (!control_any(&f))
        return;
    text_puts(c->detail, "pod or ");
    control_say_containers(c->detail, f.containers);
    text_puts(c->detail, " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
                         "\"Localhost\"");
}

/* --- sysctls --- */

static const struct {
    const char *name;
    int since;
} control_sysctl_rows[] = {
    { "kernel.shm_rmid_forced", 0 },
    { "net.ipv4.ip_local_port_range", 0 },
    { "net.ipv4.tcp_syncookies", 0 },
    { "net.ipv4.ping_group_range", 0 },
    { "net.ipv4.ip_unprivileged_port_start", 0 },
    { "net.ipv4.ip_local_reserved_ports", 27 },
    { "net.ipv4.tcp_keepalive_time", 29 },
    { "net.ipv4.tcp_fin_timeout", 29 },
    { "net.ipv4.tcp_keepalive_intvl", 29 },
    { "net.ipv4.tcp_keepalive_probes", 29 },
    { "net.ipv4.tcp_rmem", 32 },
    { "net.ipv4.tcp_wmem", 32 },
};

void control_sysctls(struct pod_security_case *c)
{
    const json_t *sysctl;
    size_t i;

    json_array_foreach (json_at(control_context(c->spec), "sysctls"), i, sysctl) {
        const char *name = json_str_or(sysctl, "name", "");
        bool allowed = false;

        for (size_t j = 0; j < N_ELEMENTS(control_sysctl_rows); j++)
            allowed = allowed || (str_eq(name, control_sysctl_rows[j].name) &&
                                  c->minor >= control_sysctl_rows[j].since);
        if (!allowed)
            text_fmt(c->detail, "%s%s", c->detail->len > 0 ? ", " : "", name);
    }
}

/* --- who it runs as --- */

static void control_look_escalation(struct pod_security_case *c, struct control_found *f,
                                    const json_t *container)
{
    (void)c;
    if (json_bool(control_context(container), "allowPrivilegeEscalation", true))
        control_blame(f, container);
}

void control_privilege_escalation(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    if (control_is_windows(c))
        return;
    control_each(c, &f, control_look_escalation);
    if (!control_any(&f))
        return;
    control_say_containers(c->detail, f.containers);
    text_puts(c->detail, " must set securityContext.allowPrivilegeEscalation=false");
}

static void control_look_root(struct pod_security_case *c, struct control_found *f,
                              const json_t *container)
{
    (void)c;
    if (!json_bool(control_context(container), "runAsNonRoot", true))
        control_blame(f, container);
}

static void control_look_maybe_root(struct pod_security_case *c, struct control_found *f,
                                    const json_t *container)
{
    (void)c;
    if (json_at(control_context(container), "runAsNonRoot") == NULL)
        control_blame(f, container);
}

void control_run_as_non_root(struct pod_security_case *c)
{
    const json_t *context = control_context(c->spec);
    cleanup(control_close) struct control_found said;
    cleanup(control_close) struct control_found silent;

    control_open(&said);
    control_open(&silent);
    said.pod = !json_bool(context, "runAsNonRoot", true);
    control_each(c, &said, control_look_root);
    control_each(c, &silent, control_look_maybe_root);
    if (control_any(&said)) {
        control_say_setters(c->detail, &said);
        text_puts(c->detail, " must not set securityContext.runAsNonRoot=false");
    } else if (!json_bool(context, "runAsNonRoot", false) && control_any(&silent)) {
        text_puts(c->detail, "pod or ");
        control_say_containers(c->detail, silent.containers);
        text_puts(c->detail, " must set securityContext.runAsNonRoot=true");
    }
}

static void control_look_user(struct pod_security_case *c, struct control_found *f,
                              const json_t *container)
{
    (void)c;
    if (json_int(control_context(container), "runAsUser", 1) == 0)
        control_blame(f, container);
}

void control_run_as_user(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    f.pod = json_int(control_context(c->spec), "runAsUser", 1) == 0;
    control_each(c, &f, control_look_user);
    if (!control_any(&f))
        return;
    control_say_setters(c->detail, &f);
    text_puts(c->detail, " must not set runAsUser=0");
}

/* --- volumes --- */

/* What a volume is: its member beside the name. */
static const char *control_volume_type(const json_t *volume)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)volume, key, value)
        if (!str_eq(key, "name"))
            return key;
    return "unknown";
}

void control_restricted_volumes(struct pod_security_case *c)
{
    static const char *const allowed[] = { "configMap", "csi",       "downwardAPI",
                                           "emptyDir",  "ephemeral", "persistentVolumeClaim",
                                           "projected", "secret" };
    cleanup(control_close) struct control_found f;
    const json_t *volume;
    size_t i, n;

    control_open(&f);
    json_array_foreach (json_object_get(c->spec, "volumes"), i, volume) {
        const char *type = control_volume_type(volume);

        if (CONTROL_IN(type, allowed))
            continue;
        control_value(&f, type);
        control_blame(&f, volume);
    }
    n = json_array_size(f.containers);
    if (n == 0)
        return;
    text_fmt(c->detail, "%s ", control_plural(n, "volume", "volumes"));
    control_say_list(c->detail, f.containers);
    text_fmt(c->detail, " %s %s ", control_plural(n, "uses", "use"),
             control_plural(json_object_size(f.values), "restricted volume type",
                            "restricted volume types"));
    control_say_set(c->detail, f.values, "\"");
}
