#include "api/registry.h"

#include "api/alias.h"
#include "api/custom.h"
#include "api/decode.h"
#include "api/patch.h"
#include "api/policy.h"
#include "api/registry_impl.h"
#include "api/validate.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define REGISTRY_NAME_TRIES 8
#define REGISTRY_DNS_OFFSET 10 /* answered by every node itself, so no Service may get it */

/* --- life --- */

int registry_new(struct registry **ret, const struct registry_opts *opts, struct err *err)
{
    struct registry *r = MEM_NEW(struct registry);
    unsigned service_bits;
    int rc;

    r->opts = *opts;
    r->store = opts->store;
    r->rbac = rbac_new(r->store);
    rc = alloc_cidr(&r->service_first, &service_bits, opts->service_cidr, err);
    if (rc == 0)
        rc = alloc_cidr(&r->pod_first, &r->pod_bits, opts->pod_cidr, err);
    if (rc == 0 && r->pod_bits > 24)
        rc = err_set(err, ERR_INVALID, "pod CIDR %s: smaller than one node's /24", opts->pod_cidr);
    if (rc < 0) {
        registry_free(r);
        return rc;
    }
    /* Neither the network's own address nor its broadcast address is handed out. */
    r->ips = alloc_new(r->service_first + 1, (1u << (32 - service_bits)) - 2);
    r->ports = alloc_new(opts->node_port_min,
                         (uint32_t)(opts->node_port_max - opts->node_port_min) + 1);
    r->cidrs = alloc_new(0, 1u << (24 - r->pod_bits));
    alloc_take(r->ips, r->service_first + REGISTRY_DNS_OFFSET);
    service_alloc_load(r);
    registry_custom_load(r);
    registry_hooks_load(r);
    registry_policies_load(r);
    *ret = r;
    return 0;
}

struct registry *registry_free(struct registry *r)
{
    if (r == NULL)
        return NULL;
    assert(r->n_parked == 0);
    for (int i = 0; i < HOOK_STAGES; i++)
        hook_set_unref(r->hooks[i]);
    policy_set_free(r->policies);
    rbac_free(r->rbac);
    alloc_free(r->ips);
    alloc_free(r->ports);
    alloc_free(r->cidrs);
    custom_clear();
    free(r);
    return NULL;
}

struct store *registry_store(struct registry *r)
{
    return r->store;
}

void registry_set_tokens(struct registry *r, const struct token_keys *keys)
{
    r->tokens = keys;
}

struct rbac *registry_rbac(struct registry *r)
{
    return r->rbac;
}

/* --- decoding --- */

/* `Deployment in version "v1" cannot be handled as a Deployment: ` */
static void op_refuse_decode(struct op *op, const char *what)
{
    op_refuse(op,
              status_failure(ERR_BAD_REQUEST, "%s in version \"%s\" cannot be handled as a %s: %s",
                             op->resource->kind, op->resource->version, op->resource->kind, what));
}

static void op_check_problems(struct op *op)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    size_t i;
    json_t *problem;

    if (json_array_size(op->problems) == 0 || op->validation == REGISTRY_IGNORE)
        return;
    json_array_foreach (op->problems, i, problem) {
        if (op->validation == REGISTRY_WARN)
            op_warn(op, "%s", json_string_value(problem));
        text_fmt(&t, "%s%s", i > 0 ? ", " : "", json_string_value(problem));
    }
    if (op->validation == REGISTRY_STRICT) {
        cleanup(freep) char *what = mem_fmt("strict decoding error: %s", text_str(&t));

        op_refuse_decode(op, what);
    }
    json_array_clear(op->problems);
}

/* apiVersion and kind of the body must be those of the URL. */
static void op_check_kind(struct op *op)
{
    char want[128];
    const char *kind = json_str(op->tree, "kind");
    const char *version = json_str(op->tree, "apiVersion");

    schema_api_version(want, sizeof(want), op->spoken);
    if (!json_is_object(op->tree))
        op_refuse(op, status_failure(ERR_BAD_REQUEST, "the body is not a JSON object"));
    else if (str_empty(kind))
        json_put_str(op->tree, "kind", op->resource->kind);
    else if (!str_eq(kind, op->resource->kind))
        op_refuse(op, status_failure(ERR_BAD_REQUEST,
                                     "%s in version \"%s\" cannot be handled as a %s: "
                                     "kind does not match the URL",
                                     kind, op->resource->version, op->resource->kind));
    if (!op_ok(op))
        return;
    if (str_empty(version))
        json_put_str(op->tree, "apiVersion", want);
    else if (!str_eq(version, want))
        op_refuse(op, status_failure(ERR_BAD_REQUEST,
                                     "the API version in the data (%s) does not match the "
                                     "expected API version (%s)",
                                     version, want));
}

void op_decode_as(struct op *op, json_t *tree, const struct schema_type *type)
{
    cleanup(json_decrefpp) json_t *dups = STEAL(op->dups);
    struct err err = ERR_EMPTY;

    if (decode_check_dups(tree, type, dups, op->problems, &err) < 0)
        op_refuse_decode(op, err.text);
    else
        op_check_problems(op);
}

/* Of a kind of other makers: 422 with every wrong type, where built-in kinds say 400 and one. */
static void op_check_foreign(struct op *op)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;

    validate_foreign_types(&errors, op->spoken->type, op->tree);
    if (errors.n > 0)
        op_refuse(
            op, status_invalid(op->resource, json_str_or(op->tree, "metadata.name", ""), &errors));
    field_errors_fini(&errors);
}

void op_decode(struct op *op)
{
    op_check_kind(op);
    if (op_ok(op) && op->spoken->foreign && op->spoken->custom == NULL)
        op_check_foreign(op);
    if (op->spoken->custom != NULL) {
        if (op_ok(op))
            op_custom_decode(op);
        return;
    }
    if (op_ok(op))
        op_decode_as(op, op->tree, op->spoken->type);
    if (op_ok(op) && !op->spoken->stored) {
        alias_to_stored(op->tree, op->spoken);
        op_decode_as(op, op->tree, op->resource->type); /* annotations may bring anything */
    }
    if (op_ok(op))
        decode_defaults(op->tree, op->resource);
}

/* Name and namespace of the body must be those of the URL; absent ones are filled in. */
static void op_check_place(struct op *op)
{
    const char *ns = json_str(op->tree, "metadata.namespace");
    const char *name = json_str(op->tree, "metadata.name");

    if (json_at(op->tree, "metadata") == NULL)
        json_object_set_new(op->tree, "metadata", json_object());
    if (!op->resource->namespaced)
        json_del(op->tree, "metadata.namespace");
    else if (str_empty(ns))
        json_put_str(op->tree, "metadata.namespace", op->ns);
    else if (!str_eq(ns, op->ns))
        op_refuse(op, status_failure(ERR_BAD_REQUEST,
                                     "the namespace of the provided object does not match the "
                                     "namespace sent on the request"));
    if (str_empty(op->name))
        return;
    if (str_empty(name))
        json_put_str(op->tree, "metadata.name", op->name);
    else if (!str_eq(name, op->name))
        op_refuse(op, status_failure(ERR_BAD_REQUEST,
                                     "the name of the object (%s) does not match the name on "
                                     "the URL (%s)",
                                     name, op->name));
}

static void op_validate(struct op *op)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;

    if (op->old == NULL)
        validate_create(&errors, op->resource, op->tree);
    else if (str_eq(op->sub, "status") || str_eq(op->sub, "approval"))
        validate_status(&errors, op->resource, op->tree, op->old_tree);
    else if (str_eq(op->sub, "ephemeralcontainers"))
        validate_ephemeral_update(&errors, op->resource, op->tree, op->old_tree);
    else
        validate_update(&errors, op->resource, op->tree, op->old_tree);
    op_custom_validate(op, &errors);
    if (errors.n > 0)
        op_refuse(op,
                  status_invalid(op->resource,
                                 json_str_or(op->tree, "metadata.name",
                                             json_str_or(op->tree, "metadata.generateName", "")),
                                 &errors));
    field_errors_fini(&errors);
}

/* --- create --- */

static bool op_name_is_taken(const struct op *op)
{
    return store_latest(op->r->store, op->resource->bucket, op->ns,
                        json_str_or(op->tree, "metadata.name", "")) != NULL;
}

/* A generated name may be taken: another one is drawn, as in Kubernetes up to eight times. */
static void op_pick_name(struct op *op)
{
    bool generated = str_empty(json_str(op->tree, "metadata.name")) &&
                     !str_empty(json_str(op->tree, "metadata.generateName"));

    for (int i = 0; generated && i < REGISTRY_NAME_TRIES; i++) {
        meta_generate_name(op);
        if (!op_name_is_taken(op))
            return;
    }
    if (generated)
        op_refuse(op, status_not_unique(op->resource, json_str(op->tree, "metadata.name")));
}

static void create_store(struct op *op)
{
    if (op_ok(op) && op_name_is_taken(op))
        op_refuse(op, status_exists(op->resource, json_str(op->tree, "metadata.name")));
    if (op_ok(op))
        service_alloc_create(op);
    if (op_ok(op))
        node_alloc_create(op);
    op_submit(op, STORE_CREATE);
}

static void create_validate(struct op *op)
{
    if (op_ok(op))
        op_pick_name(op);
    if (op_ok(op)) {
        admit_named(op);
        service_alloc_keep(op);
    }
    if (op_ok(op))
        op_validate(op);
    if (op_ok(op))
        admit_check(op);
    op_ask(op, HOOK_VALIDATE, create_store);
}

static void registry_create(struct op *op)
{
    op->http = 201;
    if (op_ok(op)) {
        op_managed_note(op);
        op_decode(op);
    }
    if (op_ok(op))
        op_check_place(op);
    if (op_ok(op))
        op_managed_update(op);
    if (op_ok(op))
        meta_prepare_create(op);
    if (op_ok(op))
        admit_create(op);
    op_ask(op, HOOK_MUTATE, create_validate);
}

/* --- update and patch --- */

/* Kinds whose PUT to a missing name creates (AllowCreateOnUpdate of their strategies). */
static bool op_creates_on_update(const struct op *op)
{
    static const char *const buckets[] = { "leases.coordination.k8s.io", "events", "endpoints",
                                           "services", "limitranges" };

    for (size_t i = 0; i < N_ELEMENTS(buckets); i++)
        if (str_eq(op->resource->bucket, buckets[i]) && op->sub[0] == '\0')
            return true;
    return false;
}

static void op_apply_patch(struct op *op, const struct registry_request *req)
{
    cleanup(json_decrefpp) json_t *base = json_deep_copy(op->old_tree);
    struct err err = ERR_EMPTY;
    int rc;

    op_managed_patched(op, req, base);
    alias_from_stored(base, op->spoken);
    if (req->patch == REGISTRY_JSON_PATCH)
        rc = patch_json(&op->tree, base, req->body, &err);
    else if (req->patch == REGISTRY_MERGE_PATCH)
        rc = patch_merge(&op->tree, base, req->body, &err);
    else
        rc = patch_strategic(&op->tree, base, req->body, op->spoken->type, &err);
    if (rc < 0)
        op_refuse(op, status_from_err(&err));
}

static void update_store(struct op *op)
{
    if (op_ok(op) && op->is_same) {
        op_answer_same(op); /* nothing changed: no write, no event */
        return;
    }
    if (op_ok(op))
        service_alloc_update(op);
    op->gone = op_ok(op) && registry_delete_is_due(op->tree);
    op_submit(op, op->gone ? STORE_DELETE : STORE_UPDATE);
}

static void update_validate(struct op *op)
{
    if (op_ok(op))
        service_alloc_keep(op);
    op->is_same = op_ok(op) && op_managed_same(op) && !op->must_rewrite;
    if (op_ok(op) && !op->is_same)
        op_validate(op);
    if (op_ok(op) && !op->is_same)
        admit_check(op);
    op_ask(op, HOOK_VALIDATE, update_store);
}

/* Shared by PUT, PATCH and scale once op->tree holds the wanted state. */
void registry_update_rest(struct op *op)
{
    op->http = 200;
    if (op_ok(op)) {
        op_managed_note(op);
        op_decode(op);
    }
    if (op_ok(op))
        op_check_place(op);
    if (op_ok(op))
        op_managed_update(op);
    if (op_ok(op))
        meta_prepare_update(op);
    if (op_ok(op))
        admit_update(op);
    op_ask(op, HOOK_MUTATE, update_validate);
}

void op_readmit(struct op *op)
{
    if (op->posted != NULL)
        return;
    op_check_place(op);
    if (op->old != NULL && op_ok(op))
        meta_prepare_update(op);
    else if (op_ok(op))
        meta_readmit_create(op);
    if (op->old != NULL && op_ok(op))
        admit_update(op);
    else if (op_ok(op))
        admit_create(op);
}

static void registry_update(struct op *op, const struct registry_request *req)
{
    if (req->verb == REGISTRY_PATCH && req->patch == REGISTRY_APPLY_PATCH)
        op_managed_apply(op, req);
    else if (req->verb == REGISTRY_PATCH)
        op_apply_patch(op, req);
    else
        op->tree = json_deep_copy(req->body);
    registry_update_rest(op);
}

/* --- the door --- */

static struct op *op_new(struct registry *r, const struct registry_request *req,
                         registry_done_fn done, void *arg, struct op_kept *kept)
{
    struct op *op = MEM_NEW(struct op);

    op->r = r;
    op->req = req;
    op->kept = kept;
    op->spoken = req->resource;
    /* Where a webhook stands between the versions, a write is in its author's words to the end. */
    op->resource = req->resource->stored || custom_converts(req->resource)
                       ? req->resource
                       : schema_bucket(req->resource->bucket);
    if (op->resource == NULL)
        op->resource = req->resource; /* its definition went meanwhile: registry_write refuses */
    custom_hold(op->resource);
    custom_hold(op->spoken);
    op->sub = req->sub != NULL ? req->sub : "";
    op->ns = req->resource->namespaced ? req->ns : "";
    op->name = req->name != NULL ? req->name : "";
    op->user = req->user;
    op->validation = req->validation;
    op->dry_run = req->dry_run;
    op->dups = req->problems != NULL ? json_copy((json_t *)(uintptr_t)req->problems) : NULL;
    op->problems = json_array();
    op->http = 200;
    op->done = done;
    op->arg = arg;
    return op;
}

static void op_load_old(struct op *op)
{
    op->old = store_latest(op->r->store, op->resource->bucket, op->ns, op->name);
    if (op->old != NULL)
        op->old_tree = object_tree(op->old);
    op->must_rewrite = op->old != NULL && op_custom_is_older(op);
    op_managed_load_old(op);
}

static void connect_done(struct op *op)
{
    op_answer(op, NULL, op->posted);
}

void registry_connect(struct op *op, const struct registry_request *req)
{
    op->posted = json_deep_copy(req->body);
    op_ask_both(op, connect_done);
}

static void registry_dispatch(struct op *op)
{
    const struct registry_request *req = op->req;

    op_custom_load_old(op);
    if (!op_ok(op)) {
        op_answer(op, NULL, NULL);
    } else if (req->verb == REGISTRY_CONNECT && str_eq(op->sub, "proxy")) {
        registry_connect(op, req); /* its name may hold more than the object's */
    } else if (op->old == NULL && req->verb == REGISTRY_UPDATE && op_creates_on_update(op) &&
               str_empty(json_str(req->body, "metadata.resourceVersion"))) {
        op->tree = json_deep_copy(req->body);
        registry_create(op);
    } else if (op->old == NULL && req->verb == REGISTRY_PATCH && op->sub[0] == '\0' &&
               req->patch == REGISTRY_APPLY_PATCH) {
        op_managed_apply(op, req);
        registry_create(op);
    } else if (op->old == NULL && (req->verb != REGISTRY_CREATE || op->sub[0] != '\0')) {
        op_refuse(op, status_not_found(op->resource, op->name));
        op_answer(op, NULL, NULL);
    } else if (req->verb == REGISTRY_CONNECT) {
        registry_connect(op, req);
    } else if (registry_sub_write(op, req)) {
        return; /* answered or under way */
    } else if (op->sub[0] != '\0' && !str_eq(op->sub, "status") && !str_eq(op->sub, "approval") &&
               !str_eq(op->sub, "ephemeralcontainers")) {
        op_refuse(op, status_failure(ERR_METHOD, "the %s subresource of %s is not served", op->sub,
                                     op->resource->plural));
        op_answer(op, NULL, NULL);
    } else if (req->verb == REGISTRY_CREATE) {
        op->tree = json_deep_copy(req->body);
        registry_create(op);
    } else if (req->verb == REGISTRY_DELETE) {
        registry_delete_asked(op);
    } else {
        registry_update(op, req);
    }
}

void registry_begin(struct registry *r, const struct registry_request *req, registry_done_fn done,
                    void *arg, struct op_kept *kept)
{
    struct op *op = op_new(r, req, done, arg, kept);

    if (custom_is_retired(op->spoken)) {
        op_refuse(
            op, status_failure(ERR_NOT_FOUND, "the server could not find the requested resource"));
        op_answer(op, NULL, NULL);
        return;
    }
    if (req->verb != REGISTRY_CREATE || op->sub[0] != '\0')
        op_load_old(op);
    op_convert(op, &op->old_tree, op->spoken, registry_dispatch);
}

void registry_write(struct registry *r, const struct registry_request *req, registry_done_fn done,
                    void *arg)
{
    registry_begin(r, req, done, arg, NULL);
}
