/* layer: controlplane */
#include "tests/lib/plan_fixture.h"

#include "api/schema.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

void plan_fixture_up(struct plan_fixture *f)
{
    struct store_opts opts = { 0 };
    struct err err = ERR_EMPTY;

    *f = (struct plan_fixture){ .plan = PLAN_EMPTY };
    f->memory = backend_memory_new();
    CHECK_INT(store_open(&f->store, backend_memory_open(f->memory), &opts, &err), 0);
    f->view = view_new(f->store);
    f->now.wall_ms = 1767225600000;
    f->now.mono_ms = 1000000;
}

static void plan_fixture_state_free(struct plan_fixture *f)
{
    if (f->controller && f->controller->state_free)
        f->controller->state_free(f->state);
    f->state = NULL;
    f->controller = NULL;
}

static void plan_fixture_on_closed(void *arg)
{
    *(bool *)arg = true;
}

void plan_fixture_down(struct plan_fixture *f)
{
    bool closed = false;

    plan_fini(&f->plan);
    plan_fixture_state_free(f);
    f->view = view_free(f->view);
    store_close(f->store, plan_fixture_on_closed, &closed);
    while (!closed && backend_memory_step(f->memory))
        ;
    f->memory = backend_memory_free(f->memory);
}

static void plan_fixture_flush(struct plan_fixture *f)
{
    while (backend_memory_step(f->memory))
        ;
}

static void plan_fixture_complete(struct plan_fixture *f, const char *bucket, json_t *tree)
{
    const char *name = json_str(tree, "metadata.name");
    const struct schema_resource *r = schema_bucket(bucket);
    bool cluster = r != NULL && !r->namespaced;

    (void)f;
    CHECK(name != NULL);
    if (!json_str(tree, "metadata.namespace") && !cluster)
        json_put_str(tree, "metadata.namespace", "default");
    if (!json_str(tree, "metadata.uid")) {
        cleanup(freep) char *uid = mem_fmt("uid-%s", name);

        json_put_str(tree, "metadata.uid", uid);
    }
    if (!json_str(tree, "metadata.creationTimestamp"))
        json_put_str(tree, "metadata.creationTimestamp", "2026-01-01T00:00:00Z");
}

const struct object *plan_fixture_put_tree(struct plan_fixture *f, const char *bucket,
                                           json_t *tree_steal)
{
    cleanup(json_decrefpp) json_t *tree = tree_steal;
    struct store_write w = { .verb = STORE_CREATE, .bucket = bucket, .tree = tree };
    struct err err = ERR_EMPTY;

    plan_fixture_complete(f, bucket, tree);
    w.ns = json_str_or(tree, "metadata.namespace", "");
    w.name = json_str(tree, "metadata.name");
    if (store_get(f->store, bucket, w.ns, w.name))
        w.verb = STORE_UPDATE;
    CHECK_INT(store_submit(f->store, &w, NULL, NULL, NULL, &err), STORE_OK);
    plan_fixture_flush(f);
    return store_get(f->store, bucket, w.ns, w.name);
}

const struct object *plan_fixture_put(struct plan_fixture *f, const char *bucket, const char *json)
{
    return plan_fixture_put_tree(f, bucket, quoted(json));
}

const struct object *plan_fixture_putf(struct plan_fixture *f, const char *bucket, const char *fmt,
                                       ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    return plan_fixture_put(f, bucket, text_str(&t));
}

const struct object *plan_fixture_get(struct plan_fixture *f, const char *bucket, const char *name)
{
    const struct object *o = store_get(f->store, bucket, "default", name);

    return o ? o : store_get(f->store, bucket, "", name);
}

void plan_fixture_remove(struct plan_fixture *f, const char *bucket, const char *name)
{
    const struct object *o = plan_fixture_get(f, bucket, name);
    struct store_write w = { .verb = STORE_DELETE, .bucket = bucket, .name = name };
    struct err err = ERR_EMPTY;

    CHECK(o != NULL);
    w.ns = o->ns;
    CHECK_INT(store_submit(f->store, &w, NULL, NULL, NULL, &err), STORE_OK);
    plan_fixture_flush(f);
}

void plan_fixture_set(struct plan_fixture *f, const char *bucket, const char *name,
                      const char *path, const char *json_value)
{
    const struct object *o = plan_fixture_get(f, bucket, name);
    json_t *tree, *value = quoted(json_value);

    CHECK(o != NULL);
    tree = object_tree(o);
    if (json_is_null(value)) {
        json_del(tree, path);
        json_decref(value);
    } else {
        json_put(tree, path, value);
    }
    plan_fixture_put_tree(f, bucket, tree);
}

/* --- running --- */

const struct plan *plan_fixture_run(struct plan_fixture *f, const struct controller *c,
                                    const char *ns, const char *name)
{
    if (f->controller != c) {
        plan_fixture_state_free(f);
        f->controller = c;
        f->state = c->state_new ? c->state_new() : NULL;
    }
    plan_fini(&f->plan);
    c->plan(&f->plan, f->view, f->state, ns, name, f->now);
    view_end_step(f->view);
    return &f->plan;
}

static void plan_fixture_apply_create(struct plan_fixture *f, const struct plan_write *w)
{
    json_t *tree = json_deep_copy(w->tree);
    const char *prefix = json_str_or(tree, "metadata.generateName", "");

    if (!json_str(tree, "metadata.name")) {
        cleanup(freep) char *name = mem_fmt("%s%05u", prefix, ++f->names);

        json_put_str(tree, "metadata.name", name);
    }
    if (!json_str(tree, "metadata.namespace") && !str_empty(w->ns))
        json_put_str(tree, "metadata.namespace", w->ns);
    json_put_int(tree, "metadata.generation", 1);
    plan_fixture_put_tree(f, w->bucket, tree);
}

static void plan_fixture_apply_update(struct plan_fixture *f, const struct plan_write *w)
{
    const struct object *o = store_get(f->store, w->bucket, w->ns, w->name);
    cleanup(json_decrefpp) json_t *old = NULL;
    json_t *tree = json_deep_copy(w->tree);

    CHECK(o != NULL && o->revision == w->expect);
    old = object_tree(o);
    if (w->verb == PLAN_STATUS) {
        json_t *status = json_incref(json_object_get(tree, "status"));

        json_decref(tree);
        tree = json_deep_copy(old);
        json_put(tree, "status", status);
    } else if (!json_equal(json_object_get(tree, "spec"), json_object_get(old, "spec"))) {
        json_put_int(tree, "metadata.generation", json_int(old, "metadata.generation", 1) + 1);
    }
    plan_fixture_put_tree(f, w->bucket, tree);
}

static void plan_fixture_apply_one(struct plan_fixture *f, const struct plan_write *w)
{
    const struct object *o = store_get(f->store, w->bucket, w->ns, w->name);
    json_t *tree;

    switch (w->verb) {
    case PLAN_CREATE: plan_fixture_apply_create(f, w); return;
    case PLAN_UPDATE:
    case PLAN_STATUS:
    case PLAN_APPROVAL:
    case PLAN_FINALIZE: plan_fixture_apply_update(f, w); return;
    case PLAN_SCALE:
        CHECK(o != NULL);
        tree = object_tree(o);
        json_put_int(tree, "spec.replicas", json_int(w->tree, "spec.replicas", 0));
        plan_fixture_put_tree(f, w->bucket, tree);
        return;
    case PLAN_DELETE:
        CHECK(o && (!w->uid || str_eq(w->uid, o->uid)));
        plan_fixture_remove(f, w->bucket, w->name);
        return;
    case PLAN_BIND:
        CHECK(o != NULL);
        tree = object_tree(o);
        json_put_str(tree, "spec.nodeName", w->node);
        plan_fixture_put_tree(f, w->bucket, tree);
        return;
    case PLAN_EVENT: return;
    }
}

void plan_fixture_apply(struct plan_fixture *f)
{
    for (size_t i = 0; i < f->plan.n; i++)
        plan_fixture_apply_one(f, &f->plan.writes[i]);
}

void plan_fixture_settle(struct plan_fixture *f, const struct controller *c, const char *ns,
                         const char *name, unsigned max)
{
    for (unsigned i = 0; i < max; i++) {
        plan_fixture_run(f, c, ns, name);
        if (f->plan.n == plan_fixture_count(f, PLAN_EVENT, NULL))
            return;
        plan_fixture_apply(f);
    }
    CHECK(!"settles");
}

/* --- looking --- */

const struct plan_write *plan_fixture_write(const struct plan_fixture *f, enum plan_verb verb,
                                            const char *bucket, size_t nth)
{
    for (size_t i = 0; i < f->plan.n; i++) {
        const struct plan_write *w = &f->plan.writes[i];

        if (w->verb == verb && (!bucket || str_eq(w->bucket, bucket)) && nth-- == 0)
            return w;
    }
    return NULL;
}

size_t plan_fixture_count(const struct plan_fixture *f, enum plan_verb verb, const char *bucket)
{
    size_t n = 0;

    while (plan_fixture_write(f, verb, bucket, n))
        n++;
    return n;
}

static bool plan_fixture_event_is(const json_t *e, const char *reason, const char *message)
{
    return e && str_eq(json_str(e, "reason"), reason) && str_eq(json_str(e, "message"), message);
}

bool plan_fixture_event(const struct plan_fixture *f, const char *reason, const char *message)
{
    for (size_t i = 0; i < f->plan.n; i++) {
        const struct plan_write *w = &f->plan.writes[i];

        if (plan_fixture_event_is(w->verb == PLAN_EVENT ? w->tree : NULL, reason, message) ||
            plan_fixture_event_is(w->on_success, reason, message) ||
            plan_fixture_event_is(w->on_failure, reason, message))
            return true;
    }
    return false;
}
