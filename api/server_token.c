/* Tokens of ServiceAccounts: made on request, their keys changed, and who issues them told to those
 * who check them elsewhere (OpenID Connect Discovery 1.0). */
#include "api/server_impl.h"

#include "api/decode.h"
#include "api/token.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define TOKEN_SECONDS_MIN  600
#define TOKEN_SECONDS_MAX  (TOKEN_LIFE_MAX_MS / 1000)
/* What admission asks for in every pod: a client that reads its token once must not stop working an
 * hour later, so such tokens live for a year and say when they should have been read anew. */
#define TOKEN_SECONDS_WARN 3607

/* --- TokenRequest --- */

/* What a token may be bound to. */
static const struct token_bound_row {
    const char *kind, *bucket;
    bool namespaced;
} token_bound_rows[] = {
    { "Pod", "pods", true },
    { "Secret", "secrets", true },
    { "Node", "nodes", false },
};

static const struct token_bound_row *token_bound_row(const struct call *c)
{
    const char *kind = json_str_or(c->body, "spec.boundObjectRef.kind", "");

    for (size_t i = 0; i < N_ELEMENTS(token_bound_rows); i++)
        if (str_eq(token_bound_rows[i].kind, kind))
            return &token_bound_rows[i];
    return NULL;
}

/* The object that the token shall live and die with; NULL = none was asked for, or it is not there. */
static const struct object *token_bound(const struct call *c, const char *kind)
{
    const struct token_bound_row *row = token_bound_row(c);
    const char *name = json_str(c->body, "spec.boundObjectRef.name");

    if (row == NULL || name == NULL || (kind != NULL && !str_eq(row->kind, kind)))
        return NULL;
    return store_get(c->s->store, row->bucket, row->namespaced ? c->route.ns : "", name);
}

/* A node may only ask for tokens of pods that run on it. */
static bool token_request_may(const struct call *c)
{
    const struct object *pod = token_bound(c, "Pod");

    return c->user.node == NULL || (pod != NULL && str_eq(pod->node, c->user.node));
}

static bool token_request_refuse(struct call *c, json_t *status_steal)
{
    call_send_status(c, status_steal);
    return false;
}

static bool token_request_check_pod(struct call *c, const struct object *o)
{
    cleanup(json_decrefpp) json_t *pod = object_tree(o);

    if (str_eq(json_str_or(pod, "spec.serviceAccountName", ""), c->route.name))
        return true;
    return token_request_refuse(
        c, status_failure(ERR_BAD_REQUEST,
                          "cannot bind token for serviceaccount \"%s\" to pod running with "
                          "different serviceaccount name.",
                          c->route.name));
}

static bool token_request_check_bound(struct call *c)
{
    const struct token_bound_row *row = token_bound_row(c);
    const char *name = json_str_or(c->body, "spec.boundObjectRef.name", "");
    const char *uid = json_str_or(c->body, "spec.boundObjectRef.uid", "");
    const struct object *o = token_bound(c, NULL);
    cleanup(freep) char *why = NULL;

    if (row == NULL)
        return token_request_refuse(
            c, status_failure(ERR_BAD_REQUEST, "cannot bind token to object of type %s",
                              json_str_or(c->body, "spec.boundObjectRef.kind", "")));
    if (o == NULL)
        return token_request_refuse(c, status_not_found(schema_bucket(row->bucket), name));
    if (str_eq(row->kind, "Pod") && !token_request_check_pod(c, o))
        return false;
    if (uid[0] == '\0' || str_eq(uid, o->uid))
        return true;
    why = mem_fmt("the UID in the bound object reference (%s) does not match the UID in record. "
                  "The object might have been deleted and then recreated",
                  uid);
    return token_request_refuse(c, status_conflict(schema_bucket(row->bucket), name, why));
}

static bool token_request_check_life(struct call *c)
{
    int64_t seconds = json_int(c->body, "spec.expirationSeconds", 3600);
    const char *why = seconds < TOKEN_SECONDS_MIN
                          ? "may not specify a duration less than 10 minutes"
                      : seconds > (1LL << 32)
                          ? "may not specify a duration larger than 2^32 seconds"
                          : NULL;

    if (why == NULL)
        return true;
    call_fail(c, ERR_INVALID,
              "TokenRequest.authentication.k8s.io \"%s\" is invalid: "
              "spec.expirationSeconds: Invalid value: %lld: %s",
              c->route.name, (long long)seconds, why);
    return false;
}

/* Types, the bound object, the duration; false: answered. */
static bool token_request_check(struct call *c)
{
    struct err err = ERR_EMPTY;

    if (c->body != NULL &&
        decode_check(c->body, schema_type("authentication/v1.TokenRequest"), NULL, &err) < 0)
        return token_request_refuse(c, status_failure(ERR_BAD_REQUEST, "%s", err.text));
    if (json_at(c->body, "spec.boundObjectRef") != NULL && !token_request_check_bound(c))
        return false;
    return token_request_check_life(c);
}

static void token_claim_node(struct token_claims *claims, const struct call *c, const char *name)
{
    const struct object *node = store_get(c->s->store, "nodes", "", name);

    claims->node = mem_str(name);
    claims->node_uid = node != NULL ? mem_str(node->uid) : NULL;
}

static void token_request_claims(struct token_claims *claims, const struct call *c,
                                 const struct object *account, json_t *audiences)
{
    const struct object *pod = token_bound(c, "Pod"), *secret = token_bound(c, "Secret");
    const struct object *node = token_bound(c, "Node");

    claims->ns = mem_str(c->route.ns);
    claims->account = mem_str(account->name);
    claims->account_uid = mem_str(account->uid);
    claims->audiences = json_incref(audiences);
    if (pod != NULL) {
        claims->pod = mem_str(pod->name);
        claims->pod_uid = mem_str(pod->uid);
        if (pod->node[0] != '\0')
            token_claim_node(claims, c, pod->node);
    }
    if (secret != NULL) {
        claims->secret = mem_str(secret->name);
        claims->secret_uid = mem_str(secret->uid);
    }
    if (node != NULL)
        token_claim_node(claims, c, node->name);
}

/* How long it lives, and what is said of that. */
static int64_t token_request_life(const struct call *c, struct token_claims *claims,
                                  bool for_this_api, int64_t now_ms)
{
    int64_t seconds = json_int(c->body, "spec.expirationSeconds", 3600);

    if (seconds > TOKEN_SECONDS_MAX)
        seconds = TOKEN_SECONDS_MAX; /* said in the answer, as Kubernetes does */
    claims->expires_ms = now_ms + seconds * 1000;
    if (seconds == TOKEN_SECONDS_WARN && claims->pod != NULL && for_this_api) {
        claims->warn_after_ms = claims->expires_ms;
        claims->expires_ms = now_ms + TOKEN_LIFE_MAX_MS;
    }
    return seconds;
}

static json_t *token_request_reply(const struct call *c, const char *jwt, int64_t expires_ms,
                                   int64_t seconds, const json_t *audiences)
{
    json_t *ref = json_at(c->body, "spec.boundObjectRef");
    char when[CLOCK_TEXT_MAX];
    json_t *reply;

    clock_print(when, expires_ms);
    reply = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:O, s:I}, s:{s:s, s:s}}", "kind",
                      "TokenRequest", "apiVersion", "authentication.k8s.io/v1", "metadata", "name",
                      c->route.name, "namespace", c->route.ns, "spec", "audiences",
                      (json_t *)(uintptr_t)audiences, "expirationSeconds", (json_int_t)seconds,
                      "status", "token", jwt, "expirationTimestamp", when);
    if (ref != NULL)
        json_put(reply, "spec.boundObjectRef", json_incref(ref));
    return reply;
}

static void token_request_issue(struct call *c, const struct object *account)
{
    struct err err = ERR_EMPTY;
    int64_t now_ms = clock_wall_ms(), seconds;
    const char *issuer = c->s->issuer;
    json_t *asked = json_at(c->body, "spec.audiences");
    cleanup(json_decrefpp) json_t *audiences = json_array_size(asked) > 0
                                                   ? json_incref(asked)
                                                   : json_pack("[s]", issuer);
    cleanup(token_claims_fini) struct token_claims claims = { 0 };
    cleanup(text_fini) struct text jwt = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *body = NULL;

    token_request_claims(&claims, c, account, audiences);
    seconds = token_request_life(
        c, &claims, json_array_size(audiences) == 1 && json_has_str(audiences, issuer), now_ms);
    if (token_sign(&jwt, &claims, c->s->tokens, issuer, now_ms, &err) < 0) {
        call_send_status(c, status_from_err(&err));
        return;
    }
    body = token_request_reply(c, text_str(&jwt), now_ms + seconds * 1000, seconds, audiences);
    call_send_json(c, 201, body);
}

void server_token_request(struct call *c)
{
    const struct object *account = store_get(c->s->store, c->route.resource->bucket, c->route.ns,
                                             c->route.name);

    if (!call_read_body(c) || !token_request_check(c))
        return;
    if (account == NULL)
        call_send_status(c, status_not_found(c->route.resource, c->route.name));
    else if (!token_request_may(c))
        call_send_status(c, status_forbidden(c->route.resource, c->route.name,
                                             "a node may only ask for tokens of its own pods"));
    else
        token_request_issue(c, account);
}

/* --- who issues them --- */

void server_openid_configuration(struct call *c)
{
    cleanup(freep) char *keys = mem_fmt("https://%s/openid/v1/jwks", c->s->address);
    cleanup(json_decrefpp) json_t *body = json_pack(
        "{s:s, s:s, s:[s], s:[s], s:[s]}", "issuer", c->s->issuer, "jwks_uri", keys,
        "response_types_supported", "id_token", "subject_types_supported", "public",
        "id_token_signing_alg_values_supported", "ES256");
    struct text t = TEXT_EMPTY;

    json_print_to(&t, body);
    http_set_header(c->x, "Cache-Control", "public, max-age=3600");
    call_send_text(c, 200, "application/json", &t);
}

void server_openid_keys(struct call *c)
{
    cleanup(json_decrefpp) json_t *keys = token_keys_jwks(c->s->tokens, clock_wall_ms());
    struct text t = TEXT_EMPTY;

    json_print_to(&t, keys);
    http_set_header(c->x, "Cache-Control", "public, max-age=3600");
    call_send_text(c, 200, "application/jwk-set+json", &t);
}

/* --- a new key --- */

static json_t *token_key_status(const struct server *s)
{
    cleanup(json_decrefpp) json_t *keys = token_keys_jwks(s->tokens, clock_wall_ms());

    return json_pack("{s:s, s:I}", "key", token_keys_id(s->tokens), "keys",
                     (json_int_t)json_array_size(json_object_get(keys, "keys")));
}

void server_token_key(struct call *c)
{
    cleanup(json_decrefpp) json_t *status = token_key_status(c->s);

    call_send_json(c, 200, status);
}

static int token_key_rotate(struct server *s, struct err *err)
{
    cleanup(json_decrefpp) json_t *old = token_keys_retire(s->tokens, clock_wall_ms());
    cleanup(freep) char *pem = NULL;
    struct token_keys *keys = NULL;
    int rc = tls_key_new(&pem, err);

    if (rc == 0)
        rc = token_keys_new(&keys, pem, old, err);
    if (rc == 0)
        rc = s->site.store_token_key(s->site.arg, pem, old, err);
    if (rc < 0) {
        token_keys_free(keys);
        return rc;
    }
    token_keys_free(s->tokens);
    s->tokens = keys;
    s->keys.tokens = keys;
    registry_set_tokens(s->registry, keys);
    log_info("ServiceAccount tokens are signed with a new key",
             KV("key", "%s", token_keys_id(keys)));
    return 0;
}

void server_token_key_rotate(struct call *c)
{
    struct err err = ERR_EMPTY;

    if (c->s->site.store_token_key == NULL)
        call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
    else if (token_key_rotate(c->s, &err) < 0)
        call_send_status(c, status_from_err(&err));
    else
        server_token_key(c);
}
