/* GET: the store's bytes in the form the client asked for; selectors of LIST and WATCH. */
#include "api/server_impl.h"

#include "api/alias.h"
#include "api/custom.h"
#include "api/registry_impl.h"
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

static void server_send_scale(struct call *c, const json_t *scale)
{
    struct table_opts opts;
    struct text t = TEXT_EMPTY;

    if (c->form != CALL_TABLE) {
        call_send_json(c, 200, scale);
        return;
    }
    server_table_opts(&opts, c);
    table_scale(&t, &opts, scale);
    call_send_text(c, 200, "application/json", &t);
}

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
            server_send_scale(c, scale);
    } else {
        call_send_object(c, 200, o);
    }
}

/* --- what LIST and WATCH have in common --- */

struct list_query server_list_query(const struct call *c)
{
    return (struct list_query){ .version = http_query(c->x, "resourceVersion"),
                                .match = http_query(c->x, "resourceVersionMatch"),
                                .token = http_query(c->x, "continue"),
                                .limit = http_query(c->x, "limit"),
                                .initial = http_query(c->x, "sendInitialEvents") };
}

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
