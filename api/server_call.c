/* What a request's client wants, and how it is answered. */
#include "api/server_impl.h"

#include "api/custom.h"
#include "api/decode.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"

#include <stdarg.h>
#include <string.h>

/* --- answers --- */

struct call *call_free(struct call *c)
{
    struct server *s = c->s;

    server_observe_end(c);
    if (c->is_counted)
        tally_sub(&c->s->calls, c->user.name);
    auth_user_fini(&c->user);
    json_decref(c->body);
    json_decref(c->problems);
    custom_release(c->route.resource);
    free(c);
    s->n_calls--;
    server_settle(s);
    return NULL;
}

void call_send_text(struct call *c, int http, const char *type, struct text *t)
{
    size_t len = t->len;

    server_observe_answer(c, http, text_str(t), len);
    http_reply_take(c->x, http, type, text_take(t), len);
    call_free(c);
}

void call_send_json(struct call *c, int http, const json_t *body)
{
    struct text t = TEXT_EMPTY;

    json_print_to(&t, body);
    call_send_text(c, http, "application/json", &t);
}

void call_send_status(struct call *c, json_t *status_steal)
{
    int retry = (int)json_int(status_steal, "details.retryAfterSeconds", 0);

    if (retry > 0) {
        cleanup(freep) char *value = mem_fmt("%d", retry);

        http_set_header(c->x, "Retry-After", value);
    }
    call_send_json(c, status_code(status_steal), status_steal);
    json_decref(status_steal);
}

/* Header values hold no line breaks and escape quotes (RFC 7234 section 5.5). */
void call_warn(struct call *c, const char *text)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    text_puts(&t, "299 - \"");
    for (const char *s = text; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            text_putc(&t, '\\');
        text_putc(&t, *s == '\n' || *s == '\r' ? ' ' : *s);
    }
    text_putc(&t, '"');
    http_set_header(c->x, "Warning", text_str(&t));
}

void call_warn_all(struct call *c, const json_t *warnings)
{
    size_t i;
    json_t *item;

    json_array_foreach (warnings, i, item)
        call_warn(c, json_string_value(item));
}

struct registry_user call_user(const struct call *c)
{
    return (struct registry_user){ .name = c->user.name,
                                   .groups = (const char *const *)c->user.groups,
                                   .uid = c->user.uid,
                                   .extra = c->user.extra };
}

void call_fail(struct call *c, int code, const char *fmt, ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    call_send_status(c, status_failure(code, "%s", text_str(&t)));
}

static void call_send_ready(struct call *c, int http, const struct object *o)
{
    struct text t = TEXT_EMPTY;

    if (c->form == CALL_TABLE) {
        struct table_opts opts;
        cleanup(freep) char *revision = mem_fmt("%llu", (unsigned long long)o->revision);

        server_table_opts(&opts, c);
        table_open(&t, &opts, revision, NULL, 0, false);
        table_row(&t, &opts, o);
        table_close(&t);
        call_send_text(c, http, "application/json", &t);
    } else if (c->form == CALL_META) {
        server_meta_print(&t, o);
        call_send_text(c, http, "application/json", &t);
    } else {
        server_print_object(&t, c, o);
        call_send_text(c, http, "application/json", &t);
    }
}

struct call_conversion {
    struct call *call;
    int http;
    struct object *object; /* a reference */
};

static void call_on_converted(void *arg, const struct err *err)
{
    struct call_conversion *v = arg;

    if (err != NULL)
        call_send_status(v->call, status_from_err(err));
    else
        call_send_ready(v->call, v->http, v->object);
    object_unref(v->object);
    free(v);
}

void call_send_object(struct call *c, int http, const struct object *o)
{
    struct call_conversion *v;

    if (!custom_converts(c->route.resource)) {
        call_send_ready(c, http, o);
        return;
    }
    v = MEM_NEW(struct call_conversion);
    v->call = c;
    v->http = http;
    v->object = object_ref(o);
    registry_convert_objects(c->s->registry, c->route.resource, &v->object, 1, call_on_converted,
                             v);
}

/* --- what the client wants --- */

static bool call_media_form(const char *media, enum call_form *ret)
{
    if (strstr(media, "as=Table") != NULL && strstr(media, "v=v1beta1") == NULL)
        *ret = CALL_TABLE;
    else if (strstr(media, "as=PartialObjectMetadata") != NULL)
        *ret = CALL_META;
    else if (strstr(media, "as=") != NULL)
        return false;
    else if (strstr(media, "application/json") != NULL || strstr(media, "*/*") != NULL ||
             strstr(media, "application/*") != NULL)
        *ret = CALL_JSON;
    else
        return false;
    return true;
}

static bool call_read_include(struct call *c)
{
    const char *include = http_query(c->x, "includeObject");

    if (str_empty(include) || str_eq(include, "Metadata"))
        c->include = TABLE_METADATA;
    else if (str_eq(include, "None"))
        c->include = TABLE_NONE;
    else if (str_eq(include, "Object"))
        c->include = TABLE_OBJECT;
    else
        return false;
    return true;
}

bool call_read_form(struct call *c)
{
    const char *accept = http_header(c->x, "Accept");
    char **media;
    bool found = str_empty(accept);

    c->form = CALL_JSON;
    media = str_split(found ? "" : accept, ',');
    for (size_t i = 0; media[i] != NULL && !found; i++)
        found = call_media_form(media[i], &c->form);
    strv_free(media);
    if (!found)
        call_fail(c, ERR_NOT_ACCEPTABLE,
                  "only the following media types are accepted: application/json, "
                  "application/json;as=Table;v=v1;g=meta.k8s.io, "
                  "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    else if (!(found = call_read_include(c)))
        call_fail(c, ERR_BAD_REQUEST, "unrecognized includeObject value: %s",
                  http_query(c->x, "includeObject"));
    return found;
}

static int call_parse_yaml(json_t **ret, const char *data, size_t len, struct err *err)
{
    cleanup(json_decrefpp) json_t *docs = NULL;
    int rc = yaml_parse(&docs, data, len, err);

    if (rc < 0)
        return rc;
    if (json_array_size(docs) != 1)
        return err_set(err, ERR_BAD_REQUEST, "the body must be one YAML document");
    *ret = json_incref(json_array_get(docs, 0));
    return 0;
}

/* An applied configuration may be either, whatever the name of its type says. */
static int call_parse_apply(struct call *c, const char *data, size_t len, struct err *err)
{
    size_t blank = 0;
    int rc = ERR_BAD_REQUEST;

    while (blank < len && strchr(" \t\r\n", data[blank]) != NULL)
        blank++;
    if (blank < len && data[blank] == '{')
        rc = json_parse(&c->body, data, len, c->problems, err);
    if (rc < 0)
        rc = call_parse_yaml(&c->body, data, len, err);
    return rc < 0 ? err_wrap(err, ERR_BAD_REQUEST, "error decoding YAML") : 0;
}

bool call_read_body(struct call *c)
{
    const char *type = http_header(c->x, "Content-Type");
    bool foreign = c->route.resource != NULL && c->route.resource->foreign &&
                   !str_starts(c->route.verb, "delete");
    struct err err = ERR_EMPTY;
    size_t len;
    const char *data = http_body(c->x, &len);
    int rc;

    if (len == 0)
        return true;
    c->problems = json_array();
    if (!str_empty(type) && str_starts(type, "application/apply-patch+yaml") &&
        str_eq(c->route.verb, "patch"))
        rc = call_parse_apply(c, data, len, &err);
    else if (str_empty(type) || str_starts(type, "application/json") ||
             str_eq(c->route.verb, "patch"))
        rc = json_parse(&c->body, data, len, c->problems, &err);
    else if (str_starts(type, "application/yaml"))
        rc = call_parse_yaml(&c->body, data, len, &err);
    else if (str_starts(type, "application/vnd.kubernetes.protobuf") && !foreign)
        rc = decode_protobuf(&c->body, data, len, &err);
    else
        rc = err_set(&err, ERR_UNSUPPORTED,
                     "the body of the request was in an unknown format - accepted media types "
                     "include: application/json, application/yaml%s",
                     foreign ? "" : ", application/vnd.kubernetes.protobuf");
    if (rc < 0)
        call_send_status(c, status_from_err(&err));
    return rc == 0;
}
