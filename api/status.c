#include "api/status.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* "pods", "deployments.apps": the resource as people and messages name it. */
static void status_resource(struct text *ret, const struct schema_resource *r)
{
    text_puts(ret, r->plural);
    if (r->group[0] != '\0')
        text_fmt(ret, ".%s", r->group);
}

/* Messages quote what clients sent and may be cut anywhere: JSON takes only whole UTF-8. */
static json_t *status_text(const char *s)
{
    json_t *value = json_string(s);
    cleanup(freep) char *ascii = NULL;

    if (value != NULL)
        return value;
    ascii = mem_str(s);
    for (char *c = ascii; *c != '\0'; c++)
        *c = (*c & 0x80) != 0 ? '?' : *c;
    return json_string(ascii);
}

static json_t *status_make(int code, const char *message)
{
    return json_pack("{s:s, s:s, s:{}, s:s, s:o, s:s, s:i}", "kind", "Status", "apiVersion", "v1",
                     "metadata", "status", "Failure", "message", status_text(message), "reason",
                     err_reason(code), "code", err_http(code));
}

json_t *status_failure(int code, const char *fmt, ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    return status_make(code, text_str(&t));
}

json_t *status_from_err(const struct err *err)
{
    return status_make(err->code, err->text);
}

json_t *status_too_many(void)
{
    json_t *status = status_make(ERR_BUSY, "Too many requests, please try again later.");

    json_put_int(status, "details.retryAfterSeconds", 1);
    return status;
}

static void status_details(json_t *status, const char *name, const char *group, const char *kind)
{
    json_t *details = json_object();

    if (!str_empty(name))
        json_object_set_new(details, "name", status_text(name));
    if (!str_empty(group))
        json_put_str(details, "group", group);
    json_put_str(details, "kind", kind);
    json_object_set_new(status, "details", details);
}

static json_t *status_named(int code, const struct schema_resource *r, const char *name,
                            const char *what)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    json_t *status;

    status_resource(&t, r);
    text_fmt(&t, " \"%s\" %s", name, what);
    status = status_make(code, text_str(&t));
    status_details(status, name, r->group, r->plural);
    return status;
}

json_t *status_not_found(const struct schema_resource *r, const char *name)
{
    return status_named(ERR_NOT_FOUND, r, name, "not found");
}

json_t *status_exists(const struct schema_resource *r, const char *name)
{
    return status_named(ERR_EXISTS, r, name, "already exists");
}

json_t *status_not_unique(const struct schema_resource *r, const char *name)
{
    return status_named(ERR_EXISTS, r, name,
                        "already exists, the server was not able to generate a unique name for "
                        "the object");
}

json_t *status_conflict(const struct schema_resource *r, const char *name, const char *why)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    json_t *status;

    text_puts(&t, "Operation cannot be fulfilled on ");
    status_resource(&t, r);
    text_fmt(&t, " \"%s\": %s", name,
             why != NULL ? why
                         : "the object has been modified; please apply your changes to the "
                           "latest version and try again");
    status = status_make(ERR_CONFLICT, text_str(&t));
    status_details(status, name, r->group, r->plural);
    return status;
}

json_t *status_forbidden(const struct schema_resource *r, const char *name, const char *why)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    json_t *status;

    status_resource(&t, r);
    if (!str_empty(name))
        text_fmt(&t, " \"%s\"", name);
    text_fmt(&t, " is forbidden: %s", why);
    status = status_make(ERR_FORBIDDEN, text_str(&t));
    status_details(status, name, r->group, r->plural);
    return status;
}

json_t *status_invalid(const struct schema_resource *r, const char *name,
                       const struct field_errors *errors)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    json_t *status;

    text_puts(&t, r->kind);
    if (r->group[0] != '\0')
        text_fmt(&t, ".%s", r->group);
    text_fmt(&t, " \"%s\" is invalid: ", name);
    field_errors_text(errors, &t);
    status = status_make(ERR_INVALID, text_str(&t));
    status_details(status, name, r->group, r->kind);
    if (errors->causes != NULL)
        json_object_set(json_object_get(status, "details"), "causes", errors->causes);
    return status;
}

json_t *status_success(int http)
{
    return json_pack("{s:s, s:s, s:{}, s:s, s:i}", "kind", "Status", "apiVersion", "v1", "metadata",
                     "status", "Success", "code", http);
}

json_t *status_deleted(const struct schema_resource *r, const char *name, const char *uid)
{
    json_t *status = json_pack("{s:s, s:s, s:{}, s:s}", "kind", "Status", "apiVersion", "v1",
                               "metadata", "status", "Success");

    status_details(status, name, r->group, r->plural);
    json_put_str(status, "details.uid", uid);
    return status;
}

int status_code(const json_t *status)
{
    return (int)json_int(status, "code", 200);
}
