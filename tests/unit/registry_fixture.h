/* registry_fixture: a registry over memory for tests, with a clock and dice of its own.
 *
 *   CHECK_INT(ASK(.bucket = "pods", .body = "{'metadata':{'name':'a'}}"), 422);
 *   CHECK_AT("details.causes.0.field", "'spec.containers'");
 *
 * JSON is written with ' for ".  The last answer stays in the fixture.
 */
#ifndef TESTS_UNIT_REGISTRY_FIXTURE_H
#define TESTS_UNIT_REGISTRY_FIXTURE_H

#include "api/registry.h"
#include "base/mem.h"
#include "base/text.h"
#include "storage/backend.h"
#include "storage/store.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_NOW_MS 1767323045000 /* 2026-01-02T03:04:05Z */

struct registry_fixture {
    struct backend_memory *m;
    struct store *s;
    struct registry *r;
    int64_t now_ms;
    uint64_t seed, step; /* the dice say seed, seed + step, ... */
    const char *service_cidr, *pod_cidr;
    uint16_t port_min, port_max;
    /* the last answer */
    int calls, http;
    json_t *body, *warnings, *annotations;
    char *printed;
};

struct ask {
    enum registry_verb verb;
    const char *bucket, *sub, *ns, *name, *body, *dups;
    enum registry_patch patch;
    enum registry_validation validation;
    bool dry_run;
    const char *grace, *propagation;
};

static inline int64_t registry_fixture_wall_ms(void *arg)
{
    return ((struct registry_fixture *)arg)->now_ms;
}

static inline uint64_t registry_fixture_random(void *arg)
{
    struct registry_fixture *f = arg;

    return f->seed += f->step;
}

static inline void registry_fixture_settle(struct registry_fixture *f)
{
    while (backend_memory_step(f->m))
        ;
}

/* JSON with ' for "; the caller's. */
static inline json_t *quoted(const char *text)
{
    cleanup(freep) char *copy = mem_str(text);
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    for (char *s = copy; *s != '\0'; s++)
        *s = *s == '\'' ? '"' : *s;
    if (json_parse(&tree, copy, strlen(copy), NULL, &err) < 0)
        test_failed(err.text, copy, 0);
    return tree;
}

static inline void registry_fixture_on_done(void *arg, const struct registry_answer *answer)
{
    struct registry_fixture *f = arg;

    f->calls++;
    f->http = answer->http;
    json_decref(f->body);
    json_decref(f->warnings);
    json_decref(f->annotations);
    CHECK(answer->object == NULL || answer->body == NULL);
    CHECK(answer->object != NULL || answer->body != NULL);
    f->body = answer->object != NULL ? object_tree(answer->object) : json_deep_copy(answer->body);
    f->warnings = answer->warnings != NULL ? json_deep_copy(answer->warnings) : NULL;
    f->annotations = answer->annotations != NULL ? json_deep_copy(answer->annotations) : NULL;
}

/* Submits without waiting for the disk. */
static inline void registry_fixture_send(struct registry_fixture *f, struct ask a)
{
    static const char *const groups[] = { "system:masters", "system:authenticated", NULL };
    static const struct registry_user user = { .name = "ann", .groups = groups, .uid = "" };
    const struct schema_resource *resource = schema_bucket(a.bucket != NULL ? a.bucket
                                                                            : "configmaps");
    cleanup(json_decrefpp) json_t *body = a.body != NULL ? quoted(a.body) : NULL;
    cleanup(json_decrefpp) json_t *dups = a.dups != NULL ? quoted(a.dups) : NULL;
    struct registry_request req = {
        .verb = a.verb,
        .resource = resource,
        .sub = a.sub != NULL ? a.sub : "",
        .ns = a.ns != NULL ? a.ns : "default",
        .name = a.name != NULL ? a.name : "",
        .body = body,
        .problems = dups,
        .patch = a.patch,
        .validation = a.validation,
        .dry_run = a.dry_run,
        .user = &user,
        .grace_seconds = a.grace != NULL ? atoll(a.grace) : -1,
        .propagation = a.propagation,
    };

    CHECK(resource != NULL);
    f->calls = 0;
    registry_write(f->r, &req, registry_fixture_on_done, f);
}

static inline int registry_fixture_ask(struct registry_fixture *f, struct ask a)
{
    registry_fixture_send(f, a);
    registry_fixture_settle(f);
    CHECK_INT(f->calls, 1);
    return f->http;
}

#define ASK(...)    registry_fixture_ask(&f, (struct ask){ __VA_ARGS__ })
#define CREATE(...) ASK(.verb = REGISTRY_CREATE, __VA_ARGS__)
#define UPDATE(...) ASK(.verb = REGISTRY_UPDATE, __VA_ARGS__)
#define MERGE(...)  ASK(.verb = REGISTRY_PATCH, .patch = REGISTRY_MERGE_PATCH, __VA_ARGS__)
#define DELETE(...) ASK(.verb = REGISTRY_DELETE, __VA_ARGS__)

/* Dotted path, numbers index arrays; borrowed or NULL. */
static inline json_t *tree_at(json_t *tree, const char *path)
{
    char **part = str_split(path, '.');

    for (size_t i = 0; part[i] != NULL && tree != NULL; i++)
        tree = json_is_array(tree) ? json_array_get(tree, (size_t)atoi(part[i]))
                                   : json_object_get(tree, part[i]);
    strv_free(part);
    return tree;
}

/* What is at @path, printed with sorted keys and ' for "; "" when there is nothing. */
static inline const char *registry_fixture_print(struct registry_fixture *f, json_t *tree,
                                                 const char *path)
{
    json_t *value = tree_at(tree, path);

    free(f->printed);
    f->printed = value != NULL ? json_print_sorted(value, NULL) : mem_str("");
    for (char *s = f->printed; *s != '\0'; s++)
        *s = *s == '"' ? '\'' : *s;
    return f->printed;
}

#define CHECK_AT(path, want) CHECK_STR(registry_fixture_print(&f, f.body, (path)), (want))
#define CHECK_SAYS(want)     CHECK_STR(json_str_or(f.body, "message", ""), (want))
#define CHECK_CAUSE(want) \
    CHECK_STR(json_string_value(tree_at(f.body, "details.causes.0.field")), (want))

/* The stored state becomes the last answer; whether there is one. */
static inline bool registry_fixture_get(struct registry_fixture *f, const char *bucket,
                                        const char *ns, const char *name)
{
    const struct object *o = store_get(f->s, bucket, ns, name);

    json_decref(f->body);
    f->body = o != NULL ? object_tree(o) : NULL;
    return o != NULL;
}
#define GET(bucket, ns, name) registry_fixture_get(&f, (bucket), (ns), (name))

static inline void registry_fixture_on_boot(void *arg, int rc, const struct err *err)
{
    (void)err;
    *(int *)arg = rc;
}

static inline void registry_fixture_open(struct registry_fixture *f)
{
    struct err err = ERR_EMPTY;
    struct registry_opts opts = {
        .wall_ms = registry_fixture_wall_ms,
        .random = registry_fixture_random,
        .arg = f,
        .service_cidr = f->service_cidr,
        .pod_cidr = f->pod_cidr,
        .node_port_min = f->port_min,
        .node_port_max = f->port_max,
        .cluster_domain = "cluster.local",
        .ca_pem = "the CA",
    };
    int rc = 1;

    CHECK_INT(store_open(&f->s, backend_memory_open(f->m), NULL, &err), 0);
    opts.store = f->s;
    CHECK_INT(registry_new(&f->r, &opts, &err), 0);
    registry_bootstrap(f->r, "10.0.0.1", 6443, registry_fixture_on_boot, &rc);
    registry_fixture_settle(f);
    CHECK_INT(rc, 0);
}

static inline void registry_fixture_close(struct registry_fixture *f)
{
    store_close(f->s, NULL, NULL);
    registry_fixture_settle(f);
    f->r = registry_free(f->r);
}

/* Set what differs from these before. */
static inline void registry_fixture_up(struct registry_fixture *f)
{
    f->m = backend_memory_new();
    f->now_ms = FIXTURE_NOW_MS;
    f->step = f->step != 0 ? f->step : 0x9e3779b97f4a7c15;
    f->service_cidr = f->service_cidr != NULL ? f->service_cidr : "10.96.0.0/16";
    f->pod_cidr = f->pod_cidr != NULL ? f->pod_cidr : "10.244.0.0/16";
    f->port_min = f->port_min != 0 ? f->port_min : 30000;
    f->port_max = f->port_max != 0 ? f->port_max : 32767;
    registry_fixture_open(f);
}

static inline void registry_fixture_down(struct registry_fixture *f)
{
    registry_fixture_close(f);
    backend_memory_free(f->m);
    json_decref(f->body);
    json_decref(f->warnings);
    json_decref(f->annotations);
    free(f->printed);
}

static inline void registry_fixture_restart(struct registry_fixture *f)
{
    registry_fixture_close(f);
    registry_fixture_open(f);
}

#define POD(name, more)                                     \
    "{'metadata':{'name':'" name "'},'spec':{'containers':" \
    "[{'name':'c','image':'i'}]" more "}}"
#define DEPLOYMENT(name, more)                                                      \
    "{'metadata':{'name':'" name "'},'spec':{'selector':{'matchLabels':{'a':'b'}}," \
    "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':"             \
    "[{'name':'c','image':'i'}]}}" more "}}"
#define CONFIG(name, data) "{'metadata':{'name':'" name "'},'data':" data "}"

#endif
