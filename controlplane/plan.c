#include "controlplane/plan.h"

#include "api/schema.h"
#include "base/mem.h"

#include <assert.h>

static void plan_write_fini(struct plan_write *w)
{
    free(w->bucket);
    free(w->ns);
    free(w->name);
    free(w->uid);
    free(w->node);
    json_decref(w->tree);
    json_decref(w->on_success);
    json_decref(w->on_failure);
}

void plan_fini(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        plan_write_fini(&p->writes[i]);
    free(p->writes);
    *p = (struct plan)PLAN_EMPTY;
}

static struct plan_write *plan_add(struct plan *p, enum plan_verb verb, const char *bucket,
                                   const char *ns, const char *name)
{
    struct plan_write *w;

    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 4;
        p->writes = mem_grow(p->writes, p->cap, sizeof(*p->writes));
    }
    w = &p->writes[p->n++];
    *w = (struct plan_write){ .verb = verb, .grace_seconds = -1 };
    w->bucket = mem_str(bucket);
    w->ns = mem_str(ns);
    w->name = mem_str(name);
    return w;
}

void plan_create(struct plan *p, const char *bucket, const char *ns, json_t *tree_steal)
{
    struct plan_write *w;

    assert(json_is_object(tree_steal));
    w = plan_add(p, PLAN_CREATE, bucket, ns, json_str_or(tree_steal, "metadata.name", ""));
    w->tree = tree_steal;
    json_del(tree_steal, "metadata.resourceVersion");
}

static void plan_conditional(struct plan *p, enum plan_verb verb, const struct object *base,
                             json_t *tree)
{
    struct plan_write *w;
    char version[24];

    assert(json_is_object(tree));
    w = plan_add(p, verb, base->bucket, base->ns, base->name);
    snprintf(version, sizeof(version), "%llu", (unsigned long long)base->revision);
    json_put_str(tree, "metadata.resourceVersion", version);
    w->tree = tree;
    w->expect = base->revision;
    w->uid = mem_str(base->uid);
}

void plan_update(struct plan *p, const struct object *base, json_t *tree_steal)
{
    plan_conditional(p, PLAN_UPDATE, base, tree_steal);
}

void plan_status(struct plan *p, const struct object *base, json_t *tree_steal)
{
    plan_conditional(p, PLAN_STATUS, base, tree_steal);
}

void plan_finalize(struct plan *p, const struct object *base, json_t *tree_steal)
{
    plan_conditional(p, PLAN_FINALIZE, base, tree_steal);
}

void plan_approval(struct plan *p, const struct object *base, json_t *tree_steal)
{
    plan_conditional(p, PLAN_APPROVAL, base, tree_steal);
}

void plan_scale(struct plan *p, const struct object *base, int64_t replicas)
{
    struct plan_write *w = plan_add(p, PLAN_SCALE, base->bucket, base->ns, base->name);

    w->tree = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:I}}", "kind", "Scale", "apiVersion",
                        "autoscaling/v1", "metadata", "name", base->name, "uid", base->uid, "spec",
                        "replicas", (json_int_t)replicas);
}

void plan_delete(struct plan *p, const struct object *o)
{
    plan_delete_with(p, o, -1, NULL);
}

void plan_delete_with(struct plan *p, const struct object *o, int64_t grace_seconds,
                      const char *propagation)
{
    struct plan_write *w = plan_add(p, PLAN_DELETE, o->bucket, o->ns, o->name);

    w->uid = mem_str(o->uid);
    w->grace_seconds = grace_seconds;
    w->propagation = propagation;
}

void plan_bind(struct plan *p, const struct object *pod, const char *node)
{
    struct plan_write *w = plan_add(p, PLAN_BIND, "pods", pod->ns, pod->name);

    w->uid = mem_str(pod->uid);
    w->node = mem_str(node);
}

/* The Event without its name, times and count, which the runner adds when it happens. */
static json_t *plan_event_tree(const struct object *o, bool warning, const char *component,
                               const char *reason, const char *fmt, va_list ap)
{
    const struct schema_resource *r = schema_bucket(o->bucket);
    cleanup(text_fini) struct text message = TEXT_EMPTY;
    char api_version[128] = "v1", version[24];
    json_t *e = json_object();

    if (r)
        schema_api_version(api_version, sizeof(api_version), r);
    snprintf(version, sizeof(version), "%llu", (unsigned long long)o->revision);
    text_vfmt(&message, fmt, ap);
    json_put_str(e, "metadata.namespace", str_empty(o->ns) ? "default" : o->ns);
    json_put_str(e, "involvedObject.kind", r ? r->kind : "");
    if (!str_empty(o->ns))
        json_put_str(e, "involvedObject.namespace", o->ns);
    json_put_str(e, "involvedObject.name", o->name);
    json_put_str(e, "involvedObject.uid", o->uid);
    json_put_str(e, "involvedObject.apiVersion", api_version);
    json_put_str(e, "involvedObject.resourceVersion", version);
    json_put_str(e, "reason", reason);
    json_put_str(e, "message", text_str(&message));
    json_put_str(e, "type", warning ? "Warning" : "Normal");
    json_put_str(e, "source.component", component);
    json_put_str(e, "reportingComponent", component);
    json_put_str(e, "reportingInstance", "");
    return e;
}

void plan_event(struct plan *p, const struct object *regarding, bool warning, const char *component,
                const char *reason, const char *fmt, ...)
{
    va_list ap;
    json_t *e;

    va_start(ap, fmt);
    e = plan_event_tree(regarding, warning, component, reason, fmt, ap);
    va_end(ap);
    plan_add(p, PLAN_EVENT, "events", json_str(e, "metadata.namespace"), "")->tree = e;
}

void plan_on_success(struct plan *p, const struct object *regarding, const char *component,
                     const char *reason, const char *fmt, ...)
{
    va_list ap;

    assert(p->n > 0 && !p->writes[p->n - 1].on_success);
    va_start(ap, fmt);
    p->writes[p->n - 1].on_success = plan_event_tree(regarding, false, component, reason, fmt, ap);
    va_end(ap);
}

void plan_on_failure(struct plan *p, const struct object *regarding, const char *component,
                     const char *reason, const char *fmt, ...)
{
    va_list ap;

    assert(p->n > 0 && !p->writes[p->n - 1].on_failure);
    va_start(ap, fmt);
    p->writes[p->n - 1].on_failure = plan_event_tree(regarding, true, component, reason, fmt, ap);
    va_end(ap);
}

void plan_again(struct plan *p, int64_t delay_ms)
{
    if (delay_ms < 0)
        delay_ms = 0;
    if (p->again_ms < 0 || delay_ms < p->again_ms)
        p->again_ms = delay_ms;
}
