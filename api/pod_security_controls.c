/* The controls of the Pod Security Standards over what is the host's and the kernel's
 * (pod_security_profiles.c has those over users and profiles): each tells what of a pod it does not allow, in the
 * words of Kubernetes' pod-security-admission/policy/check_*.go. */
#include "api/pod_security_impl.h"

#include "api/resource_list.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define CONTROL_APP_ARMOR "container.apparmor.security.beta.kubernetes.io/"

/* --- what is found --- */

void control_open(struct control_found *f)
{
    *f = (struct control_found){ .containers = json_array(), .values = json_object() };
}

void control_close(struct control_found *f)
{
    json_decref(f->containers);
    json_decref(f->values);
}

void control_value(struct control_found *f, const char *value)
{
    json_object_set_new(f->values, value, json_true());
}

void control_blame(struct control_found *f, const json_t *container)
{
    json_array_append_new(f->containers, json_string(json_str_or(container, "name", "")));
}

bool control_any(const struct control_found *f)
{
    return f->pod || json_array_size(f->containers) > 0;
}

const char *control_plural(size_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

void control_say_list(struct text *t, const json_t *names)
{
    const json_t *name;
    size_t i;

    json_array_foreach (names, i, name)
        text_fmt(t, "%s\"%s\"", i > 0 ? ", " : "", json_string_value(name));
}

void control_say_set(struct text *t, const json_t *set, const char *quote)
{
    cleanup(freep) const char **names = json_keys(set);

    for (size_t i = 0; names[i] != NULL; i++)
        text_fmt(t, "%s%s%s%s", i > 0 ? ", " : "", quote, names[i], quote);
}

void control_say_containers(struct text *t, const json_t *names)
{
    text_fmt(t, "%s ", control_plural(json_array_size(names), "container", "containers"));
    control_say_list(t, names);
}

void control_say_setters(struct text *t, const struct control_found *f)
{
    bool some = json_array_size(f->containers) > 0;

    text_puts(t, f->pod ? (some ? "pod and " : "pod") : "");
    if (some)
        control_say_containers(t, f->containers);
}

/* --- looking --- */

const json_t *control_context(const json_t *holder)
{
    return json_object_get(holder, "securityContext");
}

void control_each(struct pod_security_case *c, struct control_found *f,
                  void (*look)(struct pod_security_case *c, struct control_found *f,
                               const json_t *container))
{
    static const char *const lists[] = { "initContainers", "containers", "ephemeralContainers" };
    const json_t *container;
    size_t j;

    for (size_t i = 0; i < N_ELEMENTS(lists); i++)
        json_array_foreach (json_object_get(c->spec, lists[i]), j, container)
            look(c, f, container);
}

bool control_is_one_of(const char *value, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(value, list[i]))
            return true;
    return false;
}

bool control_is_windows(const struct pod_security_case *c)
{
    return c->minor >= 25 && str_eq(json_str(c->spec, "os.name"), "windows");
}

/* --- AppArmor --- */

static bool control_app_armor_is_bad(struct control_found *f, const json_t *holder)
{
    static const char *const allowed[] = { "RuntimeDefault", "Localhost" };
    const char *type = json_str(control_context(holder), "appArmorProfile.type");

    if (type == NULL || CONTROL_IN(type, allowed))
        return false;
    control_value(f, type);
    return true;
}

static void control_look_app_armor(struct pod_security_case *c, struct control_found *f,
                                   const json_t *container)
{
    (void)c;
    if (control_app_armor_is_bad(f, container))
        control_blame(f, container);
}

/* `key="value"` of what the old form of annotations sets. */
static void control_app_armor_annotations(json_t *set, const json_t *annotations)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)annotations, key, value) {
        const char *text = json_string_value(value);
        cleanup(freep) char *said = NULL;

        if (!str_starts(key, CONTROL_APP_ARMOR) || str_empty(text) ||
            str_eq(text, "runtime/default") || str_starts(text, "localhost/"))
            continue;
        said = mem_fmt("%s=\"%s\"", key, text);
        json_object_set_new(set, said, json_true());
    }
}

void control_app_armor(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;
    cleanup(json_decrefpp) json_t *annotations = json_object();
    size_t n;

    control_open(&f);
    f.pod = control_app_armor_is_bad(&f, c->spec);
    control_each(c, &f, control_look_app_armor);
    control_app_armor_annotations(annotations, json_object_get(c->metadata, "annotations"));
    n = json_object_size(annotations);
    if (!control_any(&f) && n == 0)
        return;
    if (json_object_size(f.values) + n > 1)
        c->reason = "forbidden AppArmor profiles";
    control_say_setters(c->detail, &f);
    if (n > 0)
        text_fmt(c->detail, "%s%s", control_any(&f) ? " and " : "",
                 control_plural(n, "annotation", "annotations"));
    text_puts(c->detail, " must not set AppArmor profile type to ");
    control_say_set(c->detail, f.values, "\"");
    text_puts(c->detail, n > 0 && json_object_size(f.values) > 0 ? ", " : "");
    control_say_set(c->detail, annotations, "\"");
}

/* --- capabilities --- */

static void control_look_added(struct control_found *f, const json_t *container,
                               const char *const *allowed, size_t n)
{
    const json_t *added = json_at(control_context(container), "capabilities.add"), *name;
    bool bad = false;
    size_t i;

    json_array_foreach (added, i, name)
        if (!control_is_one_of(json_string_value(name), allowed, n)) {
            control_value(f, json_string_value(name));
            bad = true;
        }
    if (bad)
        control_blame(f, container);
}

static void control_look_non_default(struct pod_security_case *c, struct control_found *f,
                                     const json_t *container)
{
    static const char *const allowed[] = {
        "AUDIT_WRITE", "CHOWN",      "DAC_OVERRIDE",     "FOWNER", "FSETID",
        "KILL",        "MKNOD",      "SETFCAP",          "SETGID", "SETPCAP",
        "SETUID",      "SYS_CHROOT", "NET_BIND_SERVICE",
    };

    (void)c;
    control_look_added(f, container, allowed, N_ELEMENTS(allowed));
}

static void control_look_unrestricted(struct pod_security_case *c, struct control_found *f,
                                      const json_t *container)
{
    static const char *const allowed[] = { "NET_BIND_SERVICE" };

    (void)c;
    control_look_added(f, container, allowed, N_ELEMENTS(allowed));
}

static void control_look_not_dropped(struct pod_security_case *c, struct control_found *f,
                                     const json_t *container)
{
    const json_t *dropped = json_at(control_context(container), "capabilities.drop"), *name;
    size_t i;

    (void)c;
    json_array_foreach (dropped, i, name)
        if (str_eq(json_string_value(name), "ALL"))
            return;
    control_blame(f, container);
}

static void control_say_added(struct text *t, const struct control_found *f)
{
    control_say_containers(t, f->containers);
    text_puts(t, " must not include ");
    control_say_set(t, f->values, "\"");
    text_puts(t, " in securityContext.capabilities.add");
}

void control_capabilities_baseline(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    control_each(c, &f, control_look_non_default);
    if (control_any(&f))
        control_say_added(c->detail, &f);
}

void control_capabilities_restricted(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found keeping;
    cleanup(control_close) struct control_found adding;

    control_open(&keeping);
    control_open(&adding);
    if (control_is_windows(c))
        return;
    control_each(c, &keeping, control_look_not_dropped);
    control_each(c, &adding, control_look_unrestricted);
    if (control_any(&keeping)) {
        control_say_containers(c->detail, keeping.containers);
        text_puts(c->detail, " must set securityContext.capabilities.drop=[\"ALL\"]");
    }
    if (control_any(&adding)) {
        text_puts(c->detail, c->detail->len > 0 ? "; " : "");
        control_say_added(c->detail, &adding);
    }
}

/* --- what is the host's --- */

void control_host_namespaces(struct pod_security_case *c)
{
    static const char *const fields[] = { "hostNetwork", "hostPID", "hostIPC" };

    for (size_t i = 0; i < N_ELEMENTS(fields); i++)
        if (json_bool(c->spec, fields[i], false))
            text_fmt(c->detail, "%s%s=true", c->detail->len > 0 ? ", " : "", fields[i]);
}

void control_host_path(struct pod_security_case *c)
{
    cleanup(json_decrefpp) json_t *names = json_array();
    const json_t *volume;
    size_t i;

    json_array_foreach (json_object_get(c->spec, "volumes"), i, volume)
        if (json_object_get(volume, "hostPath") != NULL)
            json_array_append_new(names, json_string(json_str_or(volume, "name", "")));
    if (json_array_size(names) == 0)
        return;
    text_fmt(c->detail, "%s ", control_plural(json_array_size(names), "volume", "volumes"));
    control_say_list(c->detail, names);
}

static void control_look_port(struct pod_security_case *c, struct control_found *f,
                              const json_t *container)
{
    const json_t *port;
    bool bad = false;
    size_t i;

    (void)c;
    json_array_foreach (json_object_get(container, "ports"), i, port) {
        int64_t number = json_int(port, "hostPort", 0);
        char text[24];

        snprintf(text, sizeof(text), "%lld", (long long)number);
        if (number != 0)
            control_value(f, text);
        bad = bad || number != 0;
    }
    if (bad)
        control_blame(f, container);
}

void control_host_ports(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    control_each(c, &f, control_look_port);
    if (!control_any(&f))
        return;
    control_say_containers(c->detail, f.containers);
    text_fmt(c->detail, " %s %s ", control_plural(json_array_size(f.containers), "uses", "use"),
             control_plural(json_object_size(f.values), "hostPort", "hostPorts"));
    control_say_set(c->detail, f.values, "");
}

static void control_look_privileged(struct pod_security_case *c, struct control_found *f,
                                    const json_t *container)
{
    (void)c;
    if (json_bool(control_context(container), "privileged", false))
        control_blame(f, container);
}

void control_privileged(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    control_each(c, &f, control_look_privileged);
    if (!control_any(&f))
        return;
    control_say_containers(c->detail, f.containers);
    text_puts(c->detail, " must not set securityContext.privileged=true");
}

static void control_look_proc_mount(struct pod_security_case *c, struct control_found *f,
                                    const json_t *container)
{
    const char *mount = json_str_or(control_context(container), "procMount", "Default");

    (void)c;
    if (str_eq(mount, "Default"))
        return;
    control_value(f, mount);
    control_blame(f, container);
}

void control_proc_mount(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    control_each(c, &f, control_look_proc_mount);
    if (!control_any(&f))
        return;
    control_say_containers(c->detail, f.containers);
    text_puts(c->detail, " must not set securityContext.procMount to ");
    control_say_set(c->detail, f.values, "\"");
}

static bool control_is_host_process(const json_t *holder)
{
    return json_bool(control_context(holder), "windowsOptions.hostProcess", false);
}

static void control_look_host_process(struct pod_security_case *c, struct control_found *f,
                                      const json_t *container)
{
    (void)c;
    if (control_is_host_process(container))
        control_blame(f, container);
}

void control_windows_host_process(struct pod_security_case *c)
{
    cleanup(control_close) struct control_found f;

    control_open(&f);
    f.pod = control_is_host_process(c->spec);
    control_each(c, &f, control_look_host_process);
    if (!control_any(&f))
        return;
    control_say_setters(c->detail, &f);
    text_puts(c->detail, " must not set securityContext.windowsOptions.hostProcess=true");
}
