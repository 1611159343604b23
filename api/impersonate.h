/* impersonate: a request that acts as somebody else (`kubectl --as`, --as-group, --as-uid).
 *
 * Who asks needs the verb `impersonate` on what is named: users, groups, serviceaccounts; uids and
 * userextras of authentication.k8s.io.  Pure reads.  Thread: loop.
 */
#ifndef API_IMPERSONATE_H
#define API_IMPERSONATE_H

#include "api/auth.h"

struct impersonate_wish { /* borrowed, of the headers Impersonate-*; "" = not asked for */
    const char *user;
    const char *groups; /* ", " between them */
    const char *uid;
    const char *extra; /* names of the Impersonate-Extra- headers, ", " between them */
};

/* @u becomes who it wishes to be; unchanged without a wish.  ERR_FORBIDDEN in Kubernetes' words;
 * ERR_INTERNAL, as there, for a wish that names no user.  Extras are asked for and have no effect
 * besides: no rule of ours looks at them. */
int impersonate(struct auth_user *u, struct rbac *rbac, const struct impersonate_wish *wish,
                struct err *err);

#endif
