#include "api/hook_review.h"

#include "api/status.h"
#include "api/validate.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define HOOK_WARNINGS_MAX    32
#define HOOK_ANNOTATIONS_MAX 32
#define HOOK_TEXT_MAX        256 /* of a body that is quoted */

/* --- the question --- */

static json_t *hook_gvk(const char *group, const char *version, const char *key, const char *value)
{
    return json_pack("{s:s, s:s, s:s}", "group", group, "version", version, key, value);
}

/* The kind of what is sent: that of the subresource's body, if it has its own. */
static json_t *hook_kind(const struct schema_resource *row, const char *sub)
{
    const struct schema_sub *s = sub[0] != '\0' ? schema_sub(row, sub) : NULL;
    bool own = s != NULL && s->version[0] != '\0';

    return hook_gvk(own ? s->group : row->group, own ? s->version : row->version, "kind",
                    s != NULL ? s->kind : row->kind);
}

static json_t *hook_user(const struct registry_user *user)
{
    json_t *info = json_pack("{s:s}", "username", user->name);
    json_t *groups = json_array();

    if (!str_empty(user->uid))
        json_put_str(info, "uid", user->uid);
    for (size_t i = 0; user->groups != NULL && user->groups[i] != NULL; i++)
        json_array_append_new(groups, json_string(user->groups[i]));
    json_object_set_new(info, "groups", groups);
    if (json_object_size(user->extra) > 0)
        json_object_set(info, "extra", (json_t *)(uintptr_t)user->extra);
    return info;
}

static void hook_set_tree(json_t *request, const char *key, const json_t *tree)
{
    if (tree != NULL)
        json_object_set(request, key, (json_t *)(uintptr_t)tree);
    else
        json_object_set_new(request, key, json_null());
}

json_t *hook_request(const struct hook_question *q)
{
    static const struct registry_user nobody = { .name = "", .uid = "" };
    const struct hook_subject *s = q->subject;
    json_t *request = json_pack("{s:s}", "uid", q->uid);

    json_object_set_new(request, "kind", hook_kind(q->row, s->sub));
    json_object_set_new(request, "resource",
                        hook_gvk(q->row->group, q->row->version, "resource", q->row->plural));
    json_object_set_new(request, "requestKind", hook_kind(s->resource, s->sub));
    json_object_set_new(
        request, "requestResource",
        hook_gvk(s->resource->group, s->resource->version, "resource", s->resource->plural));
    if (s->sub[0] != '\0') {
        json_put_str(request, "subResource", s->sub);
        json_put_str(request, "requestSubResource", s->sub);
    }
    if (!str_empty(s->name))
        json_put_str(request, "name", s->name);
    if (!str_empty(s->ns))
        json_put_str(request, "namespace", s->ns);
    json_put_str(request, "operation", s->operation);
    json_object_set_new(request, "userInfo", hook_user(q->user != NULL ? q->user : &nobody));
    json_put_bool(request, "dryRun", q->dry_run);
    hook_set_tree(request, "options", q->options);
    return request;
}

char *hook_review_write(const struct hook *h, const struct hook_question *q, size_t *ret_len)
{
    json_t *request = hook_request(q);
    cleanup(json_decrefpp) json_t *review = NULL;
    cleanup(freep) char *version = mem_fmt("admission.k8s.io/%s", h->review);

    review = json_pack("{s:s, s:s, s:o}", "kind", "AdmissionReview", "apiVersion", version,
                       "request", request);
    hook_set_tree(request, "object", q->object);
    hook_set_tree(request, "oldObject", q->old);
    return json_print(review, ret_len);
}

/* --- the answer --- */

void hook_verdict_fini(struct hook_verdict *v)
{
    json_decref(v->status);
    json_decref(v->patch);
    json_decref(v->warnings);
    json_decref(v->annotations);
    *v = (struct hook_verdict){ 0 };
}

/* What client-go makes of an answer that is no success. */
static int hook_http_failure(int http, const char *body, size_t len, struct err *err)
{
    cleanup(freep) char *text = mem_strn(body, len < HOOK_TEXT_MAX ? len : HOOK_TEXT_MAX);

    for (char *s = text; *s != '\0'; s++)
        *s = (unsigned char)*s < ' ' ? ' ' : *s;
    if (http == 404)
        return err_set(err, ERR_PROTOCOL,
                       "failed to call webhook: the server could not find the requested resource");
    if (http >= 500)
        return err_set(err, ERR_PROTOCOL,
                       "failed to call webhook: an error on the server (\"%s\") has prevented the "
                       "request from succeeding",
                       text);
    return err_set(err, ERR_PROTOCOL,
                   "failed to call webhook: the server rejected our request for an unknown reason");
}

#define HOOK_INVALID "received invalid webhook response: "

static int hook_check_envelope(const struct hook *h, const json_t *review, const json_t *response,
                               const char *uid, struct err *err)
{
    const char *said = json_str_or(response, "uid", "");
    cleanup(freep) char *version = mem_fmt("admission.k8s.io/%s", h->review);

    if (!json_is_object(response))
        return err_set(err, ERR_PROTOCOL, HOOK_INVALID "webhook response was absent");
    if (str_eq(h->review, "v1beta1"))
        return 0; /* it was never asked to repeat the uid */
    if (!str_eq(said, uid))
        return err_set(err, ERR_PROTOCOL,
                       HOOK_INVALID "expected response.uid=\"%s\", got \"%.64s\"", uid, said);
    if (!str_eq(json_str(review, "kind"), "AdmissionReview") ||
        !str_eq(json_str(review, "apiVersion"), version))
        return err_set(err, ERR_PROTOCOL,
                       HOOK_INVALID "expected webhook response of %s, Kind=AdmissionReview, got "
                                    "%.64s, Kind=%.64s",
                       version, json_str_or(review, "apiVersion", ""),
                       json_str_or(review, "kind", ""));
    return 0;
}

static int hook_check_patch_type(const struct hook *h, enum hook_stage stage, bool has_patch,
                                 const json_t *type, struct err *err)
{
    bool has_type = type != NULL && !json_is_null(type);

    if (stage == HOOK_VALIDATE && has_patch)
        return err_set(err, ERR_PROTOCOL,
                       HOOK_INVALID "validating webhook may not return response.patch");
    if (stage == HOOK_VALIDATE && has_type)
        return err_set(err, ERR_PROTOCOL,
                       HOOK_INVALID "validating webhook may not return response.patchType");
    if (str_eq(h->review, "v1beta1"))
        return 0;
    if (has_patch && !has_type)
        return err_set(err, ERR_PROTOCOL,
                       HOOK_INVALID "webhook returned response.patch but not response.patchType");
    if (!has_patch && has_type)
        return err_set(err, ERR_PROTOCOL,
                       HOOK_INVALID "webhook returned response.patchType but not response.patch");
    if (has_type && str_empty(json_string_value(type)))
        return err_set(err, ERR_PROTOCOL,
                       HOOK_INVALID "webhook returned invalid response.patchType of \"\"");
    if (has_type && !str_eq(json_string_value(type), "JSONPatch"))
        return err_set(err, ERR_PROTOCOL, "unsupported patch type \"%.64s\"",
                       json_string_value(type));
    return 0;
}

static int hook_read_patch(json_t **ret, const struct hook *h, enum hook_stage stage,
                           const json_t *response, struct err *err)
{
    const json_t *patch = json_object_get(response, "patch");
    const char *text = json_string_value(patch);
    bool has_patch = !str_empty(text);
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *ops = NULL;
    struct err why = ERR_EMPTY;
    size_t bad;
    int rc = hook_check_patch_type(h, stage, has_patch, json_object_get(response, "patchType"),
                                   err);

    if (rc < 0 || !has_patch)
        return rc;
    if (!bits_unbase64(&plain, text, json_string_length(patch), &bad))
        return err_set(err, ERR_PROTOCOL,
                       "failed to call webhook: illegal base64 data at input byte %zu", bad);
    if (json_parse(&ops, text_str(&plain), plain.len, NULL, &why) < 0)
        return err_set(err, ERR_PROTOCOL, "received undecodable patch in webhook response: %.256s",
                       why.text);
    if (!json_is_array(ops))
        return err_set(err, ERR_PROTOCOL,
                       "received undecodable patch in webhook response: it is not a list");
    if (json_array_size(ops) > 0)
        *ret = STEAL(ops);
    return 0;
}

/* `admission webhook "x" denied the request: why`, with the webhook's own code and reason. */
static json_t *hook_denial(const struct hook *h, const json_t *result)
{
    json_t *status = json_is_object(result) ? json_deep_copy(result) : json_object();
    int64_t code = json_int(status, "code", 0);
    const char *message = json_str_or(status, "message", "");
    const char *reason = json_str_or(status, "reason", "");
    cleanup(freep) char *text = NULL;

    if (message[0] != '\0' || reason[0] != '\0')
        text = mem_fmt("admission webhook \"%s\" denied the request: %s", h->name,
                       message[0] != '\0' ? message : reason);
    else
        text = mem_fmt("admission webhook \"%s\" denied the request without explanation", h->name);
    json_put_str(status, "kind", "Status");
    json_put_str(status, "apiVersion", "v1");
    if (json_at(status, "metadata") == NULL)
        json_object_set_new(status, "metadata", json_object());
    json_put_str(status, "status", "Failure");
    json_put_str(status, "message", text);
    json_put_int(status, "code", code < 400 || code > 599 ? 400 : code);
    return status;
}

static json_t *hook_warnings(const json_t *response)
{
    json_t *all = json_object_get(response, "warnings"), *kept = NULL, *item;
    size_t i;

    json_array_foreach (all, i, item) {
        if (i >= HOOK_WARNINGS_MAX || !json_is_string(item))
            continue;
        if (kept == NULL)
            kept = json_array();
        json_array_append(kept, item);
    }
    return kept;
}

/* A key that is no qualified name behind the webhook's is dropped, as Kubernetes does. */
static json_t *hook_annotations(const struct hook *h, const json_t *response)
{
    json_t *all = json_object_get(response, "auditAnnotations"), *kept = NULL, *item;
    size_t n = 0;
    const char *name;

    json_object_foreach (all, name, item) {
        cleanup(freep) char *key = mem_fmt("%s/%s", h->name, name);

        if (!json_is_string(item) || validate_label_key(key) != NULL || ++n > HOOK_ANNOTATIONS_MAX)
            continue;
        if (kept == NULL)
            kept = json_object();
        json_object_set(kept, key, item);
    }
    return kept;
}

int hook_review_read(struct hook_verdict *ret, const struct hook *h, enum hook_stage stage,
                     const char *uid, int http, const char *body, size_t len, struct err *err)
{
    cleanup(json_decrefpp) json_t *review = NULL;
    json_t *response, *patch = NULL;
    struct err why = ERR_EMPTY;
    int rc;

    if (http < 200 || http > 299)
        return hook_http_failure(http, body, len, err);
    if (json_parse(&review, body, len, NULL, &why) < 0)
        return err_set(
            err, ERR_PROTOCOL,
            "failed to call webhook: couldn't get version/kind; json parse error: %.256s",
            why.text);
    response = json_object_get(review, "response");
    rc = hook_check_envelope(h, review, response, uid, err);
    if (rc == 0)
        rc = hook_read_patch(&patch, h, stage, response, err);
    if (rc < 0)
        return rc;
    *ret = (struct hook_verdict){ .patch = patch,
                                  .warnings = hook_warnings(response),
                                  .annotations = hook_annotations(h, response) };
    if (!json_bool(response, "allowed", false)) {
        ret->patch = NULL;
        json_decref(patch);
        ret->status = hook_denial(h, json_object_get(response, "status"));
    }
    return 0;
}
