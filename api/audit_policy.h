/* audit_policy: how much of a request the audit log shall hold: audit.k8s.io/v1 Policy.
 *
 * Pure.  The first rule that fits decides, as in Kubernetes (apiserver/pkg/audit/policy/checker.go);
 * without one nothing is logged.
 */
#ifndef API_AUDIT_POLICY_H
#define API_AUDIT_POLICY_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

enum audit_level { AUDIT_NONE, AUDIT_METADATA, AUDIT_REQUEST, AUDIT_REQUEST_RESPONSE };
const char *audit_level_name(enum audit_level level);

enum audit_stage { /* bits */
                   AUDIT_RECEIVED = 1,
                   AUDIT_STARTED = 2,
                   AUDIT_COMPLETE = 4,
                   AUDIT_PANIC = 8,
};
const char *audit_stage_name(enum audit_stage stage);

struct audit_policy;
/* @yaml: one document.  ERR_INVALID names the field that is wrong. */
int audit_policy_new(struct audit_policy **ret, const char *yaml, size_t len, struct err *err);
/* Metadata of writes and of programs started in containers; not of heartbeats and reviews. */
struct audit_policy *audit_policy_default(void);
struct audit_policy *audit_policy_free(struct audit_policy *p); /* NULL is fine; returns NULL */

struct audit_question {        /* borrowed, "" = none */
    const char *user;          /* NULL: nobody was recognised */
    const char *const *groups; /* NULL-terminated or NULL */
    const char *verb;
    bool is_resource;
    const char *group, *resource, *sub, *ns, *name;
    const char *path; /* of what is no resource */
};
struct audit_verdict {
    enum audit_level level;
    unsigned omit; /* stages */
    bool omit_managed_fields;
};
struct audit_verdict audit_policy_ask(const struct audit_policy *p, const struct audit_question *q);

#endif
