/* store_fixture: a store over memory for tests, callbacks that count, cursors that spell. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "base/mem.h"
#include "storage/backend.h"
#include "storage/store.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

struct told {
    int calls, failures, rc;
    uint64_t revision;
};

struct fixture {
    struct backend_memory *m;
    struct store *s;
    int closed;
    struct store_opts opts;
};

static inline void fixture_settle(struct fixture *f)
{
    while (backend_memory_step(f->m))
        ;
}

static inline void fixture_open(struct fixture *f)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(store_open(&f->s, backend_memory_open(f->m), &f->opts, &err), 0);
}

static inline void fixture_up(struct fixture *f)
{
    f->m = backend_memory_new();
    fixture_open(f);
}

static inline void fixture_on_closed(void *arg)
{
    ((struct fixture *)arg)->closed++;
}

static inline void fixture_close(struct fixture *f)
{
    int closed = f->closed;

    store_close(f->s, fixture_on_closed, f);
    fixture_settle(f);
    CHECK_INT(f->closed, closed + 1);
    f->s = NULL;
}

static inline void fixture_down(struct fixture *f)
{
    fixture_close(f);
    backend_memory_free(f->m);
}

static inline void fixture_restart(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

/* The machine dies with whatever the store had not made durable. */
static inline void fixture_crash(struct fixture *f)
{
    backend_memory_power_cut(f->m);
    fixture_restart(f);
}

static inline void told_done(void *arg, int rc, const struct object *object, const struct err *err)
{
    struct told *t = arg;

    CHECK((rc == 0) == (object != NULL));
    CHECK(rc == 0 || err->text[0]);
    if (!t)
        return;
    t->calls++;
    t->failures += rc < 0;
    t->rc = rc;
    t->revision = object ? object->revision : 0;
}

static inline json_t *make_tree(const char *ns, const char *name, const char *value)
{
    json_t *tree = json_object();

    json_put_str(tree, "metadata.name", name);
    if (*ns)
        json_put_str(tree, "metadata.namespace", ns);
    json_put_str(tree, "spec.value", value);
    return tree;
}

struct put {
    enum store_verb verb;
    const char *bucket, *ns, *name, *value;
    uint64_t expect;
    bool lazy;
    struct told *told;
};

static inline int put(struct fixture *f, struct put p)
{
    const char *bucket = p.bucket ? p.bucket : "pods";
    const char *ns = p.ns ? p.ns : "";
    cleanup(json_decrefpp) json_t *tree = p.value ? make_tree(ns, p.name, p.value) : NULL;
    const struct store_write w = { .verb = p.verb,
                                   .bucket = bucket,
                                   .ns = ns,
                                   .name = p.name,
                                   .tree = tree,
                                   .expect = p.expect,
                                   .lazy = p.lazy };
    struct err err = ERR_EMPTY;

    return store_submit(f->s, &w, told_done, p.told, NULL, &err);
}

#define CREATE(...) put(&f, (struct put){ .verb = STORE_CREATE, __VA_ARGS__ })
#define UPDATE(...) put(&f, (struct put){ .verb = STORE_UPDATE, __VA_ARGS__ })
#define DELETE(...) put(&f, (struct put){ .verb = STORE_DELETE, __VA_ARGS__ })

static inline bool value_is(const struct object *o, const char *value)
{
    cleanup(json_decrefpp) json_t *tree = o ? object_tree(o) : NULL;

    return o ? value && str_eq(json_str(tree, "spec.value"), value) : !value;
}

static inline bool pod_is(struct fixture *f, const char *name, const char *value)
{
    return value_is(store_get(f->s, "pods", "", name), value);
}

static inline void count_wake(void *arg)
{
    (*(int *)arg)++;
}

static inline void no_wake(void *arg)
{
    (void)arg;
}

static inline struct store_cursor *follow(struct fixture *f, const char *bucket, uint64_t after)
{
    struct store_cursor *c = NULL;

    CHECK_INT(store_cursor_new(&c, f->s, bucket, after, no_wake, NULL), 0);
    return c;
}

static inline int follow_rc(struct fixture *f, const char *bucket, uint64_t after)
{
    struct store_cursor *c = NULL;
    int rc = store_cursor_new(&c, f->s, bucket, after, no_wake, NULL);

    store_cursor_free(c);
    return rc;
}

/* "A:name=value M:name=value D:name=value ..." of what the cursor has */
static inline void drain(struct store_cursor *c, char *ret, size_t size)
{
    static const char letters[] = { 'A', 'M', 'D' };
    struct store_change change;
    size_t used = 0;
    int rc;

    ret[0] = '\0';
    while ((rc = store_cursor_next(c, &change)) == 1) {
        cleanup(json_decrefpp) json_t *tree = object_tree(change.object);

        used += (size_t)snprintf(ret + used, size - used, "%s%c:%s=%s", used ? " " : "",
                                 letters[change.type], change.object->name,
                                 json_str(tree, "spec.value"));
        CHECK(used < size);
    }
    if (rc == STORE_TOO_OLD)
        snprintf(ret + used, size - used, "%sold", used ? " " : "");
}

#define CHECK_DRAINS(c, want)                   \
    do {                                        \
        char drained_[4096];                    \
        drain((c), drained_, sizeof(drained_)); \
        CHECK_STR(drained_, (want));            \
    } while (0)

/* A first durable write makes room below the ceiling. */
static inline void fixture_warm(struct fixture *f)
{
    put(f, (struct put){ .verb = STORE_CREATE, .name = "warm", .value = "1" });
    fixture_settle(f);
}

#endif
