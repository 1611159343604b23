/* Questions about users that are answered and not stored: may they, who is it, what may I? */
#include "api/server_impl.h"

#include "api/decode.h"
#include "api/rbac.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define REVIEW_AUDIENCES_MAX 16

static void review_refuse(struct call *c, const char *field, const char *what)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    cleanup(json_decrefpp) json_t *nothing = json_null();

    field_invalid(&errors, field, nothing, "%s", what);
    call_send_status(c, status_invalid(c->route.resource, "", &errors));
    field_errors_fini(&errors);
}

/* --- may they? --- */

static struct auth_question review_question(const json_t *spec)
{
    const json_t *r = json_at(spec, "resourceAttributes");
    const json_t *n = json_at(spec, "nonResourceAttributes");

    return (struct auth_question){
        .verb = json_str_or(r != NULL ? r : n, "verb", ""),
        .group = json_str_or(r, "group", ""),
        .resource = json_str_or(r, "resource", ""),
        .sub = json_str_or(r, "subresource", ""),
        .ns = json_str_or(r, "namespace", ""),
        .name = json_str_or(r, "name", ""),
        .path = json_str_or(n, "path", ""),
    };
}

static void review_access(struct call *c, const struct auth_user *user)
{
    const json_t *spec = json_at(c->body, "spec");
    bool resource = json_at(spec, "resourceAttributes") != NULL;
    cleanup(text_fini) struct text why = TEXT_EMPTY;
    struct auth_question q;
    json_t *status;

    if (resource == (json_at(spec, "nonResourceAttributes") != NULL)) {
        review_refuse(c, "spec.resourceAttributes",
                      "exactly one of nonResourceAttributes or resourceAttributes must be "
                      "specified");
        return;
    }
    q = review_question(spec);
    status = json_pack("{s:b}", "allowed",
                       auth_tells(user, registry_rbac(c->s->registry), &q, &why));
    if (why.len > 0)
        json_put_str(status, "reason", text_str(&why));
    json_put(c->body, "status", status);
    call_send_json(c, 201, c->body);
}

static void review_self_access(struct call *c)
{
    review_access(c, &c->user);
}

static void review_subject_access(struct call *c)
{
    const char *name = json_str_or(c->body, "spec.user", "");
    const json_t *groups = json_at(c->body, "spec.groups");
    cleanup(auth_user_fini) struct auth_user user = { 0 };

    if (name[0] == '\0' && json_array_size(groups) == 0) {
        review_refuse(c, "spec.user", "at least one of user or group must be specified");
        return;
    }
    if (c->route.ns[0] != '\0' &&
        !str_eq(c->route.ns, json_str(c->body, "spec.resourceAttributes.namespace"))) {
        review_refuse(c, "spec.resourceAttributes.namespace", "must match metadata.namespace");
        return;
    }
    auth_make_user(&user, name, groups);
    review_access(c, &user);
}

/* --- what may I? --- */

/* A rule as SubjectRulesReviewStatus has it, in one of the two lists. */
static void review_add_rule(const json_t *rule, json_t *resources, json_t *urls)
{
    bool is_url = json_array_size(json_object_get(rule, "nonResourceURLs")) > 0;

    json_array_append(is_url ? urls : resources, (json_t *)(uintptr_t)rule);
}

static void review_self_rules(struct call *c)
{
    const char *ns = json_str_or(c->body, "spec.namespace", "");
    cleanup(json_decrefpp) json_t *rules = json_array();
    json_t *resources = json_array(), *urls = json_array(), *status;
    size_t i;
    json_t *rule;

    if (ns[0] == '\0') {
        json_decref(resources);
        json_decref(urls);
        call_fail(c, ERR_BAD_REQUEST, "no namespace on request");
        return;
    }
    rbac_rules(registry_rbac(c->s->registry), &c->user, ns, rules);
    json_array_foreach (rules, i, rule)
        review_add_rule(rule, resources, urls);
    status = json_pack("{s:b, s:o, s:o}", "incomplete", c->user.node != NULL, "resourceRules",
                       resources, "nonResourceRules", urls);
    if (c->user.node != NULL)
        json_put_str(status, "evaluationError",
                     "node authorizer does not support user rule resolution");
    json_put(c->body, "status", status);
    call_send_json(c, 201, c->body);
}

/* --- who is it? --- */

static json_t *review_user_info(const struct auth_user *u)
{
    json_t *groups = json_array();
    json_t *info = json_pack("{s:s, s:o}", "username", u->name, "groups", groups);

    for (size_t i = 0; u->groups != NULL && u->groups[i] != NULL; i++)
        json_array_append_new(groups, json_string(u->groups[i]));
    if (!str_empty(u->uid))
        json_put_str(info, "uid", u->uid);
    if (json_object_size(u->extra) > 0)
        json_object_set(info, "extra", u->extra);
    return info;
}

static void review_self(struct call *c)
{
    json_put(c->body, "status", json_pack("{s:o}", "userInfo", review_user_info(&c->user)));
    call_send_json(c, 201, c->body);
}

/* The audiences asked about, or this API. */
static void review_audiences(const struct call *c, const char *ret[REVIEW_AUDIENCES_MAX + 1])
{
    const json_t *asked = json_at(c->body, "spec.audiences");
    size_t n = 0;

    for (; n < json_array_size(asked) && n < REVIEW_AUDIENCES_MAX; n++)
        ret[n] = json_string_value(json_array_get(asked, n));
    if (n == 0)
        ret[n++] = c->s->issuer;
    ret[n] = NULL;
}

/* Those of @audiences for which the token holds, each tried on its own. */
static json_t *review_valid_audiences(struct call *c, const char *token, const char **audiences)
{
    json_t *valid = json_array();

    for (size_t i = 0; audiences[i] != NULL; i++) {
        const char *one[] = { audiences[i], NULL };
        cleanup(auth_user_fini) struct auth_user user = { 0 };
        struct err ignored = ERR_EMPTY;

        if (auth_from_token(&user, c->s->store, &c->s->keys, token, one, clock_wall_ms(),
                            &ignored) == 0)
            json_array_append_new(valid, json_string(audiences[i]));
    }
    return valid;
}

static void review_token(struct call *c)
{
    const char *token = json_str_or(c->body, "spec.token", "");
    const char *audiences[REVIEW_AUDIENCES_MAX + 1];
    cleanup(auth_user_fini) struct auth_user user = { 0 };
    struct err err = ERR_EMPTY;
    json_t *status;

    review_audiences(c, audiences);
    if (auth_from_token(&user, c->s->store, &c->s->keys, token, audiences, clock_wall_ms(), &err) <
        0)
        status = json_pack("{s:{}, s:s}", "user", "error", err.text);
    else
        status = json_pack("{s:b, s:o, s:o}", "authenticated", 1, "user", review_user_info(&user),
                           "audiences", review_valid_audiences(c, token, audiences));
    json_put(c->body, "status", status);
    json_del(c->body, "spec.token"); /* not to be repeated into anybody's log */
    call_send_json(c, 201, c->body);
}

static const struct {
    const char *bucket;
    void (*answer)(struct call *c);
} review_rows[] = {
    { "selfsubjectaccessreviews.authorization.k8s.io", review_self_access },
    { "subjectaccessreviews.authorization.k8s.io", review_subject_access },
    { "localsubjectaccessreviews.authorization.k8s.io", review_subject_access },
    { "selfsubjectrulesreviews.authorization.k8s.io", review_self_rules },
    { "selfsubjectreviews.authentication.k8s.io", review_self },
    { "tokenreviews.authentication.k8s.io", review_token },
};

bool server_is_review(const struct schema_resource *r)
{
    for (size_t i = 0; i < N_ELEMENTS(review_rows); i++)
        if (str_eq(r->bucket, review_rows[i].bucket))
            return true;
    return false;
}

void server_review(struct call *c)
{
    const struct schema_resource *r = c->route.resource;
    struct err err = ERR_EMPTY;
    char version[128];

    if (!call_read_form(c) || !call_read_body(c))
        return;
    if (c->form == CALL_TABLE) {
        call_fail(c, ERR_NOT_ACCEPTABLE,
                  "the resource %s does not support being converted to a Table", r->plural);
        return;
    }
    if (!json_is_object(c->body)) {
        call_fail(c, ERR_BAD_REQUEST, "the body is not a JSON object");
        return;
    }
    if (decode_check(c->body, r->type, NULL, &err) < 0) {
        call_fail(c, ERR_BAD_REQUEST, "%s in version \"%s\" cannot be handled as a %s: %s", r->kind,
                  r->version, r->kind, err.text);
        return;
    }
    schema_api_version(version, sizeof(version), r);
    json_put_str(c->body, "apiVersion", version);
    json_put_str(c->body, "kind", r->kind);
    for (size_t i = 0; i < N_ELEMENTS(review_rows); i++)
        if (str_eq(r->bucket, review_rows[i].bucket)) {
            review_rows[i].answer(c);
            return;
        }
}
