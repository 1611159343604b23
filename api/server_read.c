/* GET and LIST: the store's bytes in the form the client asked for. */
#include "api/server_impl.h"

#include "api/alias.h"
#include "api/custom.h"
#include "api/registry_impl.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

void server_table_opts(struct table_opts *ret, const struct call *c)
{
    *ret = (struct table_opts){ .resource = c->route.resource,
                                .include = c->include,
                                .now_ms = clock_wall_ms() };
}

void server_print_object(struct text *ret, const struct call *c, const struct object *o)
{
    const struct schema_resource *r = c->route.resource;
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (r->stored && !custom_is_stale(r, o)) {
        text_add(ret, o->json, o->json_len);
        return;
    }
    tree = object_tree(o);
    if (r->custom != NULL)
        custom_refresh(r, tree);
    else
        alias_from_stored(tree, r);
    json_print_to(ret, tree);
}

void server_meta_print(struct text *ret, const struct object *o)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(o);

    text_puts(ret, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                   "\"metadata\":");
    json_print_to(ret, json_at(tree, "metadata"));
    text_putc(ret, '}');
}

/* --- GET --- */

void server_get(struct call *c)
{
    const struct route *r = &c->route;
    const struct object *o = store_get(c->s->store, r->resource->bucket, r->ns, r->name);
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(json_decrefpp) json_t *scale = NULL;

    if (!call_read_form(c))
        return;
    if (o == NULL) {
        call_send_status(c, status_not_found(r->resource, r->name));
    } else if (str_eq(r->sub, "scale")) {
        tree = object_tree(o);
        scale = registry_scale_of(tree, r->resource);
        if (scale == NULL)
            call_fail(c, ERR_METHOD, "mkube does not serve %s/scale yet", r->resource->plural);
        else
            call_send_json(c, 200, scale);
    } else {
        call_send_object(c, 200, o);
    }
}

/* --- selectors --- */

bool server_selectors(struct call *c, struct selector **ret_labels,
                      struct field_selector **ret_fields)
{
    struct err err = ERR_EMPTY;
    const struct route *r = &c->route;
    const char *fields = http_query(c->x, "fieldSelector");
    int rc = selector_parse(ret_labels, http_query(c->x, "labelSelector"), &err);

    if (rc == 0)
        rc = field_selector_parse(ret_fields, r->resource->bucket, fields, &err);
    if (rc < 0)
        call_send_status(c, status_from_err(&err));
    return rc == 0;
}

/* --- LIST --- */

struct list_page {
    struct selector *labels;
    struct field_selector *fields;
    uint64_t limit;              /* 0 = all */
    uint64_t revision;           /* what the list says it shows */
    char *after_ns, *after_name; /* owned: where to go on, NULL = start */
    const struct object *last;   /* borrowed: the last one shown */
    uint64_t shown, remaining;
};

static void list_page_fini(struct list_page *p)
{
    selector_free(p->labels);
    field_selector_free(p->fields);
    free(p->after_ns);
    free(p->after_name);
}

/* "revision ns name" in base64url: opaque to clients, self-contained for us. */
static void list_token_print(struct text *ret, uint64_t revision, const struct object *last)
{
    cleanup(freep) char *plain = mem_fmt("%llu %s %s", (unsigned long long)revision, last->ns,
                                         last->name);

    bits_base64url(ret, plain, strlen(plain));
}

static bool list_token_read(struct list_page *p, const char *token)
{
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    char **part;
    bool ok = bits_unbase64url(&plain, token, strlen(token));

    part = str_split(ok ? text_str(&plain) : "", ' ');
    ok = ok && part[0] != NULL && part[1] != NULL && part[2] != NULL &&
         str_u64(part[0], &p->revision);
    if (ok) {
        p->after_ns = mem_str(part[1]);
        p->after_name = mem_str(part[2]);
    }
    strv_free(part);
    return ok;
}

/* meta/internalversion/validation: what may stand together; NULL = fine. */
static const char *list_options_problem(const struct call *c, const struct list_page *p)
{
    const char *version = http_query(c->x, "resourceVersion");
    const char *match = http_query(c->x, "resourceVersionMatch");

    if (http_query(c->x, "sendInitialEvents") != NULL)
        return "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list";
    if (str_empty(match))
        return NULL;
    if (str_empty(version))
        return "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless "
               "resourceVersion is provided";
    if (p->after_name != NULL)
        return "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue "
               "is provided";
    if (!str_eq(match, "Exact") && !str_eq(match, "NotOlderThan"))
        return "resourceVersionMatch: Unsupported value: supported values: \"Exact\", "
               "\"NotOlderThan\", \"\"";
    if (str_eq(match, "Exact") && str_eq(version, "0"))
        return "resourceVersionMatch: Forbidden: resourceVersionMatch \"Exact\" is forbidden for "
               "resourceVersion \"0\"";
    return NULL;
}

static bool list_refuse_future(struct call *c, uint64_t wanted, uint64_t current)
{
    json_t *status = status_failure(ERR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                                    (unsigned long long)wanted, (unsigned long long)current);

    json_put_int(status, "details.retryAfterSeconds", 1);
    json_put(status, "details.causes",
             json_pack("[{s:s, s:s}]", "reason", "ResourceVersionTooLarge", "message",
                       "Too large resource version"));
    call_send_status(c, status);
    return false;
}

/* The rules of resourceVersion and resourceVersionMatch; false: answered. */
static bool list_check_version(struct call *c, struct list_page *p)
{
    const char *version = http_query(c->x, "resourceVersion");
    const char *problem = list_options_problem(c, p);
    uint64_t wanted = 0;

    if (problem != NULL) {
        call_fail(c, ERR_INVALID, "ListOptions.meta.k8s.io \"\" is invalid: %s", problem);
        return false;
    }
    if (str_empty(version) || p->after_name != NULL)
        return true;
    if (!str_u64(version, &wanted)) {
        call_fail(c, ERR_BAD_REQUEST,
                  "Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax",
                  version, version);
        return false;
    }
    if (wanted > p->revision)
        return list_refuse_future(c, wanted, p->revision);
    if (str_eq(http_query(c->x, "resourceVersionMatch"), "Exact") && wanted != p->revision) {
        call_fail(c, ERR_EXPIRED, "The provided resource version is not available");
        return false;
    }
    return true;
}

static bool list_read_options(struct call *c, struct list_page *p)
{
    const char *limit = http_query(c->x, "limit");
    const char *token = http_query(c->x, "continue");

    p->revision = store_revision(c->s->store);
    if (!str_empty(limit) && !str_u64(limit, &p->limit)) {
        call_fail(c, ERR_BAD_REQUEST, "Invalid value: \"%s\": limit must be a whole number", limit);
        return false;
    }
    if (!str_empty(token) && !list_token_read(p, token)) {
        call_fail(c, ERR_BAD_REQUEST, "continue key is not valid");
        return false;
    }
    if (p->revision > store_revision(c->s->store)) {
        call_fail(c, ERR_EXPIRED,
                  "The provided continue parameter is too old to display a "
                  "consistent list result.");
        return false;
    }
    return list_check_version(c, p) && server_selectors(c, &p->labels, &p->fields);
}

static bool list_wants(const struct list_page *p, const struct object *o)
{
    return selector_matches(p->labels, o) && field_selector_matches(p->fields, o);
}

/* Appends what the page shows to @rows; counts what is behind it. */
static void list_walk(struct call *c, struct list_page *p, struct text *rows,
                      const struct table_opts *table)
{
    const struct route *r = &c->route;
    struct store_iter it;
    const struct object *o;

    store_iter_init(&it, c->s->store, r->resource->bucket, r->ns[0] != '\0' ? r->ns : NULL,
                    p->after_ns, p->after_name);
    while ((o = store_iter_next(&it)) != NULL) {
        if (!list_wants(p, o))
            continue;
        if (p->limit > 0 && p->shown == p->limit) {
            p->remaining++;
            continue;
        }
        if (p->shown++ > 0)
            text_putc(rows, ',');
        if (c->form == CALL_TABLE)
            table_row(rows, table, o);
        else if (c->form == CALL_META)
            server_meta_print(rows, o);
        else
            server_print_object(rows, c, o);
        p->last = o;
    }
}

/* How many are left is only told of lists without selectors, as in Kubernetes. */
static bool list_is_whole(const struct call *c, const struct list_page *p)
{
    return selector_is_everything(p->labels) && str_empty(http_query(c->x, "fieldSelector"));
}

static void list_print_plain(struct text *ret, const struct call *c, const struct list_page *p,
                             const char *token, const struct text *rows)
{
    char version[128];

    schema_api_version(version, sizeof(version), c->route.resource);
    if (c->form == CALL_META)
        text_puts(ret, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\"");
    else
        text_fmt(ret, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\"", c->route.resource->kind,
                 version);
    text_fmt(ret, ",\"metadata\":{\"resourceVersion\":\"%llu\"", (unsigned long long)p->revision);
    if (token[0] != '\0')
        text_fmt(ret, ",\"continue\":\"%s\"", token);
    if (token[0] != '\0' && list_is_whole(c, p))
        text_fmt(ret, ",\"remainingItemCount\":%llu", (unsigned long long)p->remaining);
    text_puts(ret, "},\"items\":[");
    text_add(ret, text_str(rows), rows->len);
    text_puts(ret, "]}");
}

void server_list(struct call *c)
{
    cleanup(list_page_fini) struct list_page p = { 0 };
    cleanup(text_fini) struct text rows = TEXT_EMPTY;
    cleanup(text_fini) struct text token = TEXT_EMPTY;
    struct text body = TEXT_EMPTY;
    struct table_opts table;

    if (!call_read_form(c) || !list_read_options(c, &p))
        return;
    server_table_opts(&table, c);
    list_walk(c, &p, &rows, &table);
    if (p.remaining > 0)
        list_token_print(&token, p.revision, p.last);
    if (c->form == CALL_TABLE) {
        cleanup(freep) char *revision = mem_fmt("%llu", (unsigned long long)p.revision);

        table_open(&body, &table, revision, token.len > 0 ? text_str(&token) : NULL,
                   list_is_whole(c, &p) ? (int64_t)p.remaining : 0, false);
        text_add(&body, text_str(&rows), rows.len);
        table_close(&body);
    } else {
        list_print_plain(&body, c, &p, text_str(&token), &rows);
    }
    call_send_text(c, 200, "application/json", &body);
}
