/* POST, PUT, PATCH, DELETE: the request's options and body for the registry, its answer back. */
#include "api/server_impl.h"

#include "base/http_args.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

/* --- options --- */

static bool write_read_dry_run(struct call *c, struct registry_request *req)
{
    const char *dry = http_query(c->x, "dryRun");

    if (str_empty(dry))
        return true;
    req->dry_run = str_eq(dry, "All");
    if (!req->dry_run)
        call_fail(c, ERR_INVALID,
                  "%s: dryRun: Unsupported value: \"%s\": supported values: \"All\"",
                  c->route.resource->kind, dry);
    return req->dry_run;
}

static bool write_read_validation(struct call *c, struct registry_request *req)
{
    static const char *const names[] = {
        [REGISTRY_IGNORE] = "Ignore", [REGISTRY_WARN] = "Warn", [REGISTRY_STRICT] = "Strict"
    };
    const char *text = http_query(c->x, "fieldValidation");

    req->validation = REGISTRY_WARN;
    if (str_empty(text))
        return true;
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (str_eq(text, names[i])) {
            req->validation = (enum registry_validation)i;
            return true;
        }
    call_fail(c, ERR_INVALID,
              "fieldValidation: Unsupported value: \"%s\": supported values: "
              "\"Ignore\", \"Strict\", \"Warn\"",
              text);
    return false;
}

/* Custom resources have no strategic merge patch (apiextensions' customresource_handler). */
static bool write_read_patch(struct call *c, struct registry_request *req)
{
    static const struct {
        const char *type;
        enum registry_patch patch;
    } types[] = {
        { "application/json-patch+json", REGISTRY_JSON_PATCH },
        { "application/merge-patch+json", REGISTRY_MERGE_PATCH },
        { "application/apply-patch+yaml", REGISTRY_APPLY_PATCH },
        { "application/strategic-merge-patch+json", REGISTRY_STRATEGIC_PATCH },
    };
    bool foreign = c->route.resource->foreign;
    size_t n = foreign ? N_ELEMENTS(types) - 1 : N_ELEMENTS(types);
    const char *type = http_header(c->x, "Content-Type");

    if (!str_eq(c->route.verb, "patch"))
        return true;
    for (size_t i = 0; i < n; i++)
        if (type != NULL && str_starts(type, types[i].type)) {
            req->patch = types[i].patch;
            return true;
        }
    call_fail(c, ERR_UNSUPPORTED,
              "the body of the request was in an unknown format - accepted media types include: "
              "application/json-patch+json, application/merge-patch+json%s, "
              "application/apply-patch+yaml",
              foreign ? "" : ", application/strategic-merge-patch+json");
    return false;
}

/* Who writes, as metadata.managedFields shall say: what the request says, or else the name of the
 * client (handlers/create.go, prefixFromUserAgent). */
static void write_manager(struct call *c, struct registry_request *req)
{
    const char *agent = http_header(c->x, "User-Agent");
    size_t n = 0;

    req->manager = http_query(c->x, "fieldManager");
    if (!str_empty(req->manager))
        return;
    for (; agent != NULL && *agent != '\0' && *agent != '/'; agent++)
        if ((unsigned char)*agent >= ' ' && *agent != 0x7f && n < MANAGED_NAME_MAX)
            c->manager[n++] = *agent;
    c->manager[n] = '\0';
    req->manager = c->manager;
}

/* `CreateOptions.meta.k8s.io "" is invalid: ...` */
static bool write_check_manager(struct call *c, const struct registry_request *req)
{
    static const char *const kinds[] = { [REGISTRY_CREATE] = "CreateOptions",
                                         [REGISTRY_UPDATE] = "UpdateOptions",
                                         [REGISTRY_PATCH] = "PatchOptions" };
    struct schema_resource options = { .group = "meta.k8s.io", .kind = kinds[req->verb] };
    bool applies = req->verb == REGISTRY_PATCH && req->patch == REGISTRY_APPLY_PATCH;
    const char *given = http_query(c->x, "fieldManager");
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    bool ok;

    if (applies && str_empty(given))
        field_required(&errors, "fieldManager", "is required for apply patch");
    if (req->verb == REGISTRY_PATCH && !applies && http_query(c->x, "force") != NULL)
        field_forbidden(&errors, "force", "may not be specified for non-apply patch");
    managed_check_name(&errors, "fieldManager", given);
    ok = errors.n == 0;
    if (!ok)
        call_send_status(c, status_invalid(&options, "", &errors));
    field_errors_fini(&errors);
    return ok;
}

static bool write_read_manager(struct call *c, struct registry_request *req)
{
    if (req->verb == REGISTRY_DELETE)
        return true;
    write_manager(c, req);
    req->force = http_args_flag(http_query(c->x, "force"));
    return write_check_manager(c, req);
}

static enum registry_verb write_verb(const char *verb)
{
    if (str_eq(verb, "create"))
        return REGISTRY_CREATE;
    if (str_eq(verb, "update"))
        return REGISTRY_UPDATE;
    if (str_eq(verb, "patch"))
        return REGISTRY_PATCH;
    assert(str_starts(verb, "delete"));
    return REGISTRY_DELETE;
}

static bool write_read_delete(struct call *c, struct registry_request *req)
{
    const char *grace = http_query(c->x, "gracePeriodSeconds");

    req->grace_seconds = -1;
    req->propagation = http_query(c->x, "propagationPolicy");
    if (!str_empty(grace)) {
        if (!str_i64(grace, &req->grace_seconds)) {
            call_fail(c, ERR_BAD_REQUEST, "gracePeriodSeconds: \"%s\" is not a number", grace);
            return false;
        }
        if (req->grace_seconds < 0)
            req->grace_seconds = 1; /* as rest.BeforeDelete has it */
    }
    return true;
}

bool server_write_read(struct call *c, struct registry_request *req, struct registry_user *user)
{
    *user = call_user(c);
    *req = (struct registry_request){
        .verb = write_verb(c->route.verb),
        .resource = c->route.resource,
        .sub = c->route.sub,
        .ns = c->route.ns,
        .name = c->route.name,
        .user = user,
    };
    if (!write_read_dry_run(c, req) || !write_read_validation(c, req) ||
        !write_read_patch(c, req) || !write_read_manager(c, req) || !write_read_delete(c, req) ||
        !call_read_body(c))
        return false;
    if (c->body == NULL && req->verb != REGISTRY_DELETE) {
        call_fail(c, ERR_BAD_REQUEST, "the request has no body");
        return false;
    }
    req->body = c->body;
    req->problems = c->problems;
    return true;
}

/* --- answers --- */

static void write_on_done(void *arg, const struct registry_answer *answer)
{
    struct call *c = arg;

    call_warn_all(c, answer->warnings);
    server_observe_annotations(c, answer->annotations);
    if (answer->object != NULL)
        call_send_object(c, answer->http, answer->object);
    else if (answer->http >= 400)
        call_send_status(c, json_deep_copy(answer->body));
    else
        call_send_json(c, answer->http, answer->body);
}

void server_write(struct call *c)
{
    struct registry_request req;
    struct registry_user user;

    if (call_read_form(c) && server_write_read(c, &req, &user))
        registry_write(c->s->registry, &req, write_on_done, c);
}
