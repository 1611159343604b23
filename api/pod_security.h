/* pod_security: the Pod Security Standards, v1.32.  Pure.
 *
 * A namespace's labels name a level and a version per mode; a level is a set of controls, each a
 * row of the table in pod_security.c and a function in pod_security_controls.c.  Words and order
 * are those of Kubernetes' pod-security-admission: baseline controls by name, then restricted ones.
 */
#ifndef API_POD_SECURITY_H
#define API_POD_SECURITY_H

#include "api/field_errors.h"
#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>

enum pod_security_level { POD_SECURITY_PRIVILEGED, POD_SECURITY_BASELINE, POD_SECURITY_RESTRICTED };
enum pod_security_mode {
    POD_SECURITY_ENFORCE,
    POD_SECURITY_AUDIT,
    POD_SECURITY_WARN,
    POD_SECURITY_MODES,
};

#define POD_SECURITY_LATEST (-1)
struct pod_security_policy {
    enum pod_security_level level;
    int minor; /* of v1.x, or POD_SECURITY_LATEST */
};

/* What @labels of a namespace ask for, by mode.  What cannot be read is told (@errors may be NULL)
 * and read as restricted, latest for enforcing and as nothing for the others. */
void pod_security_read(struct pod_security_policy ret[POD_SECURITY_MODES], const json_t *labels,
                       struct field_errors *errors);
bool pod_security_same(struct pod_security_policy a, struct pod_security_policy b);
void pod_security_print(struct text *ret, struct pod_security_policy p); /* "baseline:v1.30" */

struct pod_security_findings {
    struct text reasons; /* "host namespaces, privileged" */
    struct text details; /* the same, each with what is wrong in brackets */
};
#define POD_SECURITY_FINDINGS_EMPTY                  \
    {                                                \
        .reasons = TEXT_EMPTY, .details = TEXT_EMPTY \
    }
void pod_security_findings_fini(struct pod_security_findings *f);

/* Whether a pod, or a template of pods, of @metadata and @spec keeps to @p. */
bool pod_security_check(struct pod_security_findings *ret, struct pod_security_policy p,
                        const json_t *metadata, const json_t *spec);

#endif
