#include "api/auth.h"

#include "api/node_auth.h"
#include "api/token.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define AUTH_GROUPS_MAX 64

void auth_user_fini(struct auth_user *u)
{
    free(u->name);
    strv_free(u->groups);
    free(u->uid);
    json_decref(u->extra);
    free(u->node);
    free(u->join_id);
    memset(u, 0, sizeof(*u));
}

static void auth_add_group(struct auth_user *u, const char *group)
{
    size_t n = 0;

    while (u->groups != NULL && u->groups[n] != NULL)
        n++;
    if (n == AUTH_GROUPS_MAX)
        return;
    u->groups = mem_grow(u->groups, n + 2, sizeof(char *));
    u->groups[n] = mem_str(group);
    u->groups[n + 1] = NULL;
}

bool auth_in_group(const struct auth_user *u, const char *group)
{
    for (size_t i = 0; u->groups != NULL && u->groups[i] != NULL; i++)
        if (str_eq(u->groups[i], group))
            return true;
    return false;
}

/* --- who --- */

static void auth_put_extra(struct auth_user *u, const char *key, const char *value)
{
    cleanup(freep) char *name = mem_fmt("authentication.kubernetes.io/%s", key);

    if (value == NULL)
        return;
    if (u->extra == NULL)
        u->extra = json_object();
    json_object_set_new(u->extra, name, json_pack("[s]", value));
}

static void auth_from_peer(struct auth_user *ret, const struct tls_peer *peer)
{
    cleanup(freep) char *id = peer->sha256 != NULL ? mem_fmt("X509SHA256=%s", peer->sha256) : NULL;

    ret->name = mem_str(peer->cn);
    ret->uid = mem_str("");
    auth_put_extra(ret, "credential-id", id);
    for (size_t i = 0; peer->orgs != NULL && peer->orgs[i] != NULL; i++)
        auth_add_group(ret, peer->orgs[i]);
    auth_add_group(ret, "system:authenticated");
    if (str_starts(peer->cn, "system:node:") && auth_in_group(ret, "system:nodes"))
        ret->node = mem_str(peer->cn + strlen("system:node:"));
}

void auth_make_user(struct auth_user *ret, const char *name, const json_t *groups)
{
    size_t i;
    json_t *group;

    memset(ret, 0, sizeof(*ret));
    ret->name = mem_str(name);
    ret->uid = mem_str("");
    ret->anonymous = str_eq(name, "system:anonymous");
    json_array_foreach (groups, i, group)
        if (json_is_string(group))
            auth_add_group(ret, json_string_value(group));
    if (str_starts(name, "system:node:") && auth_in_group(ret, "system:nodes"))
        ret->node = mem_str(name + strlen("system:node:"));
}

void auth_borrow_user(struct auth_user *ret, const char *name, const char *const *groups,
                      const char *uid)
{
    *ret = (struct auth_user){ .name = (char *)(uintptr_t)name,
                               .groups = (char **)(uintptr_t)groups,
                               .uid = (char *)(uintptr_t)uid,
                               .anonymous = str_eq(name, "system:anonymous") };
    if (str_starts(name, "system:node:") && auth_in_group(ret, "system:nodes"))
        ret->node = ret->name + strlen("system:node:");
}

/* --- bootstrap tokens --- */

static bool auth_secret_field(const json_t *secret, const char *key, struct text *ret)
{
    const char *value = json_string_value(json_object_get(json_at(secret, "data"), key));
    size_t bad;

    return value != NULL && bits_unbase64(ret, value, strlen(value), &bad);
}

static bool auth_secret_says(const json_t *secret, const char *key, const char *wanted)
{
    cleanup(text_fini) struct text value = TEXT_EMPTY;

    return auth_secret_field(secret, key, &value) && str_eq(text_str(&value), wanted);
}

/* Only groups that cannot be mistaken for others may be given away so. */
static void auth_add_bootstrap_groups(struct auth_user *u, const json_t *secret)
{
    cleanup(text_fini) struct text value = TEXT_EMPTY;
    cleanup(strv_freep) char **groups = NULL;

    auth_add_group(u, "system:bootstrappers");
    if (auth_secret_field(secret, "auth-extra-groups", &value))
        groups = str_split(text_str(&value), ',');
    for (char **g = groups; g != NULL && *g != NULL; g++)
        if (str_starts(*g, "system:bootstrappers:"))
            auth_add_group(u, *g);
    auth_add_group(u, "system:authenticated");
}

static int auth_from_bootstrap(struct auth_user *ret, const struct store *store,
                               const struct token_join *t, int64_t now_ms, struct err *err)
{
    cleanup(freep) char *name = mem_fmt("bootstrap-token-%s", t->id);
    const struct object *o = store_get(store, "secrets", "kube-system", name);
    cleanup(json_decrefpp) json_t *secret = o != NULL ? object_tree(o) : NULL;
    cleanup(text_fini) struct text value = TEXT_EMPTY;
    cleanup(text_fini) struct text expiry = TEXT_EMPTY;
    int64_t expires_ms = 0;

    if (secret == NULL || o->deleting ||
        !str_eq(json_str(secret, "type"), "bootstrap.kubernetes.io/token") ||
        !auth_secret_says(secret, "token-id", t->id) ||
        !auth_secret_field(secret, "token-secret", &value) ||
        !bits_equal_secret(text_str(&value), t->secret))
        return err_set(err, ERR_UNAUTHORIZED, "the join token is unknown or was used already");
    if (auth_secret_field(secret, "expiration", &expiry) &&
        (!clock_parse(text_str(&expiry), &expires_ms) || expires_ms <= now_ms))
        return err_set(err, ERR_UNAUTHORIZED, "the join token has expired");
    if (!auth_secret_says(secret, "usage-bootstrap-authentication", "true"))
        return err_set(err, ERR_UNAUTHORIZED, "the token is not for authentication");
    ret->name = mem_fmt("system:bootstrap:%s", t->id);
    ret->uid = mem_str("");
    ret->join_id = mem_str(t->id);
    auth_add_bootstrap_groups(ret, secret);
    return 0;
}

/* --- ServiceAccount tokens --- */

#define AUTH_DELETED_MS (60 * 1000) /* what is being deleted is believed for so long */

/* Where the object is that the token was made for, and not another of its name. */
static const struct object *auth_still_there(const struct store *store, const char *bucket,
                                             const char *ns, const char *name, const char *uid,
                                             int64_t now_ms)
{
    const struct object *o = store_get(store, bucket, ns, name);
    cleanup(json_decrefpp) json_t *tree = NULL;
    int64_t deleted_ms;

    if (o == NULL || (uid != NULL && !str_eq(o->uid, uid)))
        return NULL;
    if (!o->deleting)
        return o;
    tree = object_tree(o);
    return clock_parse(json_str_or(tree, "metadata.deletionTimestamp", ""), &deleted_ms) &&
                   deleted_ms + AUTH_DELETED_MS > now_ms
               ? o
               : NULL;
}

static bool auth_is_meant_for(const json_t *claimed, const char *const *audiences)
{
    for (size_t i = 0; audiences[i] != NULL; i++)
        if (json_has_str(claimed, audiences[i]))
            return true;
    return false;
}

/* A Secret's token is what the Secret holds now; it means this API. */
static int auth_check_legacy(const struct store *store, const struct token_claims *c,
                             const char *token, const char *const *audiences, const char *issuer,
                             struct err *err)
{
    const struct object *o = store_get(store, "secrets", c->ns, c->secret);
    cleanup(json_decrefpp) json_t *secret = o != NULL ? object_tree(o) : NULL;
    cleanup(text_fini) struct text value = TEXT_EMPTY;
    bool ours = audiences == NULL;

    for (size_t i = 0; !ours && audiences[i] != NULL; i++)
        ours = str_eq(audiences[i], issuer);
    if (!ours)
        return err_set(err, ERR_UNAUTHORIZED, "the token is meant for another audience");
    if (secret == NULL || o->deleting || !auth_secret_field(secret, "token", &value) ||
        !bits_equal_secret(text_str(&value), token))
        return err_set(err, ERR_UNAUTHORIZED, "service account token has been invalidated");
    return 0;
}

/* A token lives no longer than what it is bound to. */
static int auth_check_bound(const struct store *store, const struct token_claims *c, int64_t now_ms,
                            struct err *err)
{
    const struct {
        const char *bucket, *ns, *name, *uid;
    } bound[] = {
        { "pods", c->ns, c->pod, c->pod_uid },
        { "secrets", c->ns, c->secret, c->secret_uid },
        /* Of a pod's token the node is only told. */
        { "nodes", "", c->pod == NULL ? c->node : NULL, c->node_uid },
    };

    for (size_t i = 0; i < N_ELEMENTS(bound); i++)
        if (bound[i].name != NULL && auth_still_there(store, bound[i].bucket, bound[i].ns,
                                                      bound[i].name, bound[i].uid, now_ms) == NULL)
            return err_set(err, ERR_UNAUTHORIZED, "service account token has been invalidated");
    return 0;
}

static void auth_put_account(struct auth_user *u, const struct token_claims *c)
{
    cleanup(freep) char *group = mem_fmt("system:serviceaccounts:%s", c->ns);
    cleanup(freep) char *id = c->id != NULL ? mem_fmt("JTI=%s", c->id) : NULL;

    u->name = mem_fmt("system:serviceaccount:%s:%s", c->ns, c->account);
    u->uid = mem_str(c->account_uid);
    auth_add_group(u, "system:serviceaccounts");
    auth_add_group(u, group);
    auth_add_group(u, "system:authenticated");
    auth_put_extra(u, "credential-id", id);
    auth_put_extra(u, "node-name", c->node);
    auth_put_extra(u, "node-uid", c->node_uid);
    auth_put_extra(u, "pod-name", c->pod);
    auth_put_extra(u, "pod-uid", c->pod_uid);
}

static int auth_from_jwt(struct auth_user *ret, const struct store *store,
                         const struct auth_keys *keys, const char *token,
                         const char *const *audiences, int64_t now_ms, struct err *err)
{
    const char *const own[] = { keys->issuer, NULL };
    cleanup(token_claims_fini) struct token_claims c = { 0 };
    int rc;

    if (keys->tokens == NULL)
        return err_set(err, ERR_UNAUTHORIZED, "tokens are not accepted");
    rc = token_verify(&c, token, keys->tokens, keys->issuer, now_ms, err);
    if (rc < 0)
        return rc;
    /* A token made for somebody else's door must not open ours. */
    if (c.legacy)
        rc = auth_check_legacy(store, &c, token, audiences, keys->issuer, err);
    else if (!auth_is_meant_for(c.audiences, audiences != NULL ? audiences : own))
        rc = err_set(err, ERR_UNAUTHORIZED, "the token is meant for another audience");
    else
        rc = auth_check_bound(store, &c, now_ms, err);
    if (rc < 0)
        return rc;
    if (auth_still_there(store, "serviceaccounts", c.ns, c.account, c.account_uid, now_ms) == NULL)
        return err_set(err, ERR_UNAUTHORIZED, "service account token has been invalidated");
    auth_put_account(ret, &c);
    return 0;
}

int auth_from_token(struct auth_user *ret, const struct store *store, const struct auth_keys *keys,
                    const char *token, const char *const *audiences, int64_t now_ms,
                    struct err *err)
{
    struct token_join t;

    memset(ret, 0, sizeof(*ret));
    if (token_bootstrap_parse(&t, token))
        return auth_from_bootstrap(ret, store, &t, now_ms, err);
    return auth_from_jwt(ret, store, keys, token, audiences, now_ms, err);
}

int auth_who(struct auth_user *ret, const struct store *store, const struct auth_keys *keys,
             const struct tls_peer *peer, const char *authorization, int64_t now_ms,
             struct err *err)
{
    int rc = 0;

    memset(ret, 0, sizeof(*ret));
    if (peer->verified && str_empty(peer->cn)) {
        rc = err_set(err, ERR_UNAUTHORIZED, "the client certificate names nobody");
    } else if (peer->verified) {
        auth_from_peer(ret, peer);
    } else if (authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0) {
        rc = auth_from_token(ret, store, keys, authorization + 7, NULL, now_ms, err);
    } else if (authorization != NULL) {
        rc = err_set(err, ERR_UNAUTHORIZED, "only bearer tokens and client certificates are known");
    } else {
        ret->name = mem_str("system:anonymous");
        ret->uid = mem_str("");
        ret->anonymous = true;
        auth_add_group(ret, "system:unauthenticated");
    }
    return rc;
}

/* --- may --- */

/* What must answer also when roles are broken: who looks after the server asks here. */
static bool auth_path_is_open(const char *path, const char *verb)
{
    static const char *const open[] = { "/healthz", "/livez", "/readyz", "/version", "/cacerts" };

    for (size_t i = 0; str_eq(verb, "get") && i < N_ELEMENTS(open); i++)
        if (str_eq(path, open[i]))
            return true;
    return false;
}

static bool auth_may_anyhow(const struct auth_user *u, const struct store *store,
                            const struct auth_question *q)
{
    if (auth_in_group(u, "system:masters"))
        return true;
    if (q->resource[0] == '\0' && auth_path_is_open(q->path, q->verb))
        return true;
    if (q->resource[0] == '\0' && u->join_id != NULL && str_eq(q->path, "/mkube/v1/join"))
        return true;
    return u->node != NULL && node_auth_may(u->node, store, q);
}

bool auth_may(const struct auth_user *u, struct rbac *rbac, const struct auth_question *q)
{
    return auth_may_anyhow(u, rbac_store(rbac), q) || rbac_allows(rbac, u, q);
}

bool auth_tells(const struct auth_user *u, struct rbac *rbac, const struct auth_question *q,
                struct text *ret)
{
    return auth_may_anyhow(u, rbac_store(rbac), q) || rbac_tells(rbac, u, q, ret);
}

void auth_refusal(struct text *ret, const struct auth_user *u, const struct auth_question *q)
{
    if (q->resource[0] == '\0') {
        text_fmt(ret, "User \"%s\" cannot %s path \"%s\"", u->name, q->verb, q->path);
        return;
    }
    text_fmt(ret, "User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\"", u->name, q->verb,
             q->resource, q->sub[0] != '\0' ? "/" : "", q->sub, q->group);
    if (q->ns[0] != '\0')
        text_fmt(ret, " in the namespace \"%s\"", q->ns);
    else
        text_puts(ret, " at the cluster scope");
}
