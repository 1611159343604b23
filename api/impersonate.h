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
    const json_t *extra; /* name to list of strings; NULL: none */
};

/* One Impersonate-Extra- header: @name is what follows the prefix (lower-cased, %XX become bytes). */
void impersonate_add_extra(json_t *extra, const char *name, const char *value);

/* @u becomes who it wishes to be; unchanged without a wish.  ERR_FORBIDDEN in Kubernetes' words;
 * ERR_INTERNAL, as there, for a wish that names no user. */
int impersonate(struct auth_user *u, struct rbac *rbac, const struct impersonate_wish *wish,
                struct err *err);

#endif
