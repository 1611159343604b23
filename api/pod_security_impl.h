/* pod_security_impl: what the table of controls and the controls share. */
#ifndef API_POD_SECURITY_IMPL_H
#define API_POD_SECURITY_IMPL_H

#include "api/pod_security.h"

struct pod_security_case {
    const json_t *metadata, *spec; /* borrowed */
    int minor;                     /* of the policy's version; the newest known for latest */
    const char *reason;            /* set by a control that has another than its row's */
    struct text *detail;           /* what is wrong; nothing = the control is kept */
};

/* Who is wrong, and by what: containers in their order, values sorted and each once. */
struct control_found {
    bool pod;
    json_t *containers; /* owned array of names */
    json_t *values;     /* owned object used as a set */
};

void control_open(struct control_found *f);
void control_close(struct control_found *f);
void control_value(struct control_found *f, const char *value);
void control_blame(struct control_found *f, const json_t *container);
bool control_any(const struct control_found *f);

const char *control_plural(size_t n, const char *one, const char *many);
void control_say_list(struct text *t, const json_t *names); /* `"a", "b"` */
void control_say_set(struct text *t, const json_t *set, const char *quote);
void control_say_containers(struct text *t, const json_t *names); /* `containers "a", "b"` */
/* `pod and container "a"`: who says what must not be said. */
void control_say_setters(struct text *t, const struct control_found *f);

const json_t *control_context(const json_t *holder); /* its securityContext, or NULL */
/* Over all containers, in the order in which Kubernetes visits them. */
void control_each(struct pod_security_case *c, struct control_found *f,
                  void (*look)(struct pod_security_case *c, struct control_found *f,
                               const json_t *container));
bool control_is_one_of(const char *value, const char *const *list, size_t n);
#define CONTROL_IN(value, list) control_is_one_of((value), (list), N_ELEMENTS(list))
/* Since v1.25 some controls leave pods that say they are for Windows alone. */
bool control_is_windows(const struct pod_security_case *c);

typedef void (*pod_security_control_fn)(struct pod_security_case *c);

void control_app_armor(struct pod_security_case *c);
void control_capabilities_baseline(struct pod_security_case *c);
void control_host_namespaces(struct pod_security_case *c);
void control_host_path(struct pod_security_case *c);
void control_host_ports(struct pod_security_case *c);
void control_privileged(struct pod_security_case *c);
void control_proc_mount(struct pod_security_case *c);
void control_selinux(struct pod_security_case *c);
void control_seccomp_baseline(struct pod_security_case *c);
void control_sysctls(struct pod_security_case *c);
void control_windows_host_process(struct pod_security_case *c);

void control_privilege_escalation(struct pod_security_case *c);
void control_capabilities_restricted(struct pod_security_case *c);
void control_restricted_volumes(struct pod_security_case *c);
void control_run_as_non_root(struct pod_security_case *c);
void control_run_as_user(struct pod_security_case *c);
void control_seccomp_restricted(struct pod_security_case *c);

#endif
