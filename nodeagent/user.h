/* user: which uid, gid and groups a container's process gets.
 *
 * Pure: an image's USER ("app", "1000", "app:staff", "1000:0") against the texts of its own
 * /etc/passwd and /etc/group, overruled by securityContext.
 */
#ifndef NODEAGENT_USER_H
#define NODEAGENT_USER_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

#define USER_GROUPS_MAX 64

struct user {
    uint32_t uid, gid;
    uint32_t groups[USER_GROUPS_MAX];
    size_t n_groups;
    char home[256]; /* "/" when passwd does not say */
};

/* @passwd and @group may be NULL (image without them).  @pod_sc, @container_sc: securityContext
 * of either level or NULL.  ERR_INVALID: an unknown name.  ERR_FORBIDDEN with the beginning of the
 * kubelet's sentence: runAsNonRoot and root, or a name that does not say. */
int user_decide(struct user *ret, const char *image_user, const char *passwd, const char *group,
                const json_t *pod_sc, const json_t *container_sc, struct err *err);

#endif
