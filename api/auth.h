/* auth: who asks (client certificate, ServiceAccount token, join token), and whether they may.
 *
 * Authorisation in order: system:masters may all; health and version for everybody, also when roles
 * are broken; nodes by a table; RBAC objects of the store.  Nobody in particular is
 * system:anonymous in system:unauthenticated, and has what roles give these.  Pure reads of the
 * store.  Thread: loop.
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/rbac.h"
#include "api/token_keys.h"
#include "base/json.h"
#include "base/text.h"
#include "base/tls.h"
#include "storage/store.h"

struct auth_keys {
    const struct token_keys *tokens; /* of ServiceAccounts; NULL: none are accepted */
    const char *issuer;              /* ours: in `iss`, and the audience that means this API */
};

struct auth_user { /* owned; end with auth_user_fini */
    char *name;    /* "system:anonymous" when nobody */
    char **groups; /* NULL-terminated */
    char *uid;
    json_t *extra; /* name to list of strings; NULL: none */
    bool anonymous;
    char *node;    /* system:node:X gives "X", else NULL */
    char *join_id; /* a join token's id, else NULL */
};
void auth_user_fini(struct auth_user *u);

/* @authorization is the header's value or NULL.  ERR_UNAUTHORIZED for a token or certificate that is
 * shown and wrong; nobody at all becomes system:anonymous. */
int auth_who(struct auth_user *ret, const struct store *store, const struct auth_keys *keys,
             const struct tls_peer *peer, const char *authorization, int64_t now_ms,
             struct err *err);

bool auth_in_group(const struct auth_user *u, const char *group);
/* Any bearer token. @audiences (NULL-terminated): one of them must be meant; NULL: this API. */
int auth_from_token(struct auth_user *ret, const struct store *store, const struct auth_keys *keys,
                    const char *token, const char *const *audiences, int64_t now_ms,
                    struct err *err);
/* A user of whom only @name and @groups (array of strings) are known, as reviews ask about. */
void auth_make_user(struct auth_user *ret, const char *name, const json_t *groups);

/* The same without owning anything: not to be ended, and only as long as its strings live. */
void auth_borrow_user(struct auth_user *ret, const char *name, const char *const *groups,
                      const char *uid);

struct auth_question { /* borrowed strings, "" = none */
    const char *verb, *group, *resource, *sub, *ns, *name;
    const char *path; /* non-resource requests; resource is "" then */
};
bool auth_may(const struct auth_user *u, struct rbac *rbac, const struct auth_question *q);
/* The same; @ret says why, if it is for a role ("RBAC: allowed by ..."). */
bool auth_tells(const struct auth_user *u, struct rbac *rbac, const struct auth_question *q,
                struct text *ret);

/* The 403 sentence: `User "u" cannot list resource "pods" in API group "" in the namespace "d"`. */
void auth_refusal(struct text *ret, const struct auth_user *u, const struct auth_question *q);

#endif
