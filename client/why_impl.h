/* why_impl: what the rules of `why` are made of; only for why*.c. */
#ifndef CLIENT_WHY_IMPL_H
#define CLIENT_WHY_IMPL_H

#include "client/why.h"

struct why_case {
    const struct why_world *w;
    const char *plural;
    const json_t *o;         /* the object */
    const json_t *container; /* of container rules: its spec, and its status */
    const json_t *status;
    bool init;
    json_t *values; /* owned: what {names} in sentences stand for */
};

/* Does it apply?  Puts the values that its sentences name. */
typedef bool (*why_fn)(struct why_case *c);

enum why_log { WHY_NO_LOG, WHY_LOG, WHY_LOG_PREVIOUS };

struct why_rule {
    why_fn applies;
    enum why_level level;
    const char *says;  /* "{container} asks for {cpu}" */
    const char *tries; /* likewise; "" = nothing */
    enum why_log log;
    const struct why_rule *then; /* not NULL: the sentences are those of this table */
};

/* clang-format off */
#define WHY_END { NULL, WHY_NOTE, NULL, NULL, WHY_NO_LOG, NULL }
/* clang-format on */

/* Goes on with what @c's object stands on. */
struct why_walk;
typedef void (*why_down_fn)(struct why_walk *walk, struct why_case *c);
void why_down(struct why_walk *walk, const char *plural, const json_t *object);

struct why_kind {
    const char *plural, *singular;
    const struct why_rule *rules;      /* the first that applies is told; ends with .applies NULL */
    const struct why_rule *containers; /* NULL, or the rules for each container of a pod */
    const struct why_rule *after; /* NULL, or rules tried when what it stands on was looked at */
    why_down_fn down;             /* NULL: it stands on nothing */
    bool down_always;             /* also when a rule has applied */
};
extern const struct why_kind why_kinds[]; /* ends with .plural NULL */
extern const struct why_rule why_any_rules[];
extern const struct why_rule why_pod_rules[], why_container_rules[], why_schedule_rules[];
extern const struct why_rule why_deployment_rules[], why_replica_set_rules[];
extern const struct why_rule why_stateful_set_rules[], why_daemon_set_rules[];
extern const struct why_rule why_after_stateful_set_rules[];
extern const struct why_rule why_job_rules[], why_cron_job_rules[], why_scaler_rules[];
extern const struct why_rule why_service_rules[], why_ingress_rules[];
extern const struct why_rule why_claim_rules[], why_volume_rules[];
extern const struct why_rule why_node_rules[], why_csr_rules[], why_namespace_rules[];
extern const struct why_rule why_denied_rules[]; /* of a message in {message} */

/* Tries @rules in order; the first that applies, or NULL. */
const struct why_rule *why_first(const struct why_rule *rules, struct why_case *c);

/* --- values --- */

void why_put(struct why_case *c, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *why_value(const struct why_case *c, const char *name); /* "" if not put */
/* "3m", since an RFC 3339 time. */
void why_put_age(struct why_case *c, const char *name, const char *since);

/* --- the world --- */

const json_t *why_list(const struct why_world *w, const char *plural); /* NULL: not fetched */
/* @ns NULL: cluster-wide.  NULL: there is none, or its kind was not fetched. */
const json_t *why_get(const struct why_world *w, const char *plural, const char *ns,
                      const char *name);
/* The list was fetched, and does not hold it. */
bool why_lacks(const struct why_world *w, const char *plural, const char *ns, const char *name);
const char *why_ns(const json_t *o);
const char *why_name(const json_t *o);
/* The newest event about @o with @reason (NULL: any Warning) whose message holds @part (NULL: any). */
const json_t *why_event(const struct why_case *c, const json_t *o, const char *reason,
                        const char *part);
/* The controller of @o as it is in the world; NULL.  *ret_plural says its kind. */
const json_t *why_owner(const struct why_world *w, const json_t *o, const char **ret_plural);
/* Where a pod's manifest is, of @c's object or a pod: {manifest} "deployment/web" and {at}
 * "spec.template.spec". */
void why_put_place(struct why_case *c, const json_t *o);

/* The text between the first two double quotes behind @part in @message, as value @name. */
bool why_put_quoted(struct why_case *c, const char *name, const char *message, const char *part);

#endif
