/* layer: storage */
#include "storage/store.h"

#include "base/mem.h"
#include "storage/backend.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

/* --- fixture: a store over memory, and callbacks that count --- */

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

static void fixture_settle(struct fixture *f)
{
    while (backend_memory_step(f->m))
        ;
}

static void fixture_open(struct fixture *f)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(store_open(&f->s, backend_memory_open(f->m), &f->opts, &err), 0);
}

static void fixture_up(struct fixture *f)
{
    f->m = backend_memory_new();
    fixture_open(f);
}

static void fixture_on_closed(void *arg)
{
    ((struct fixture *)arg)->closed++;
}

static void fixture_close(struct fixture *f)
{
    int closed = f->closed;

    store_close(f->s, fixture_on_closed, f);
    fixture_settle(f);
    CHECK_INT(f->closed, closed + 1);
    f->s = NULL;
}

static void fixture_down(struct fixture *f)
{
    fixture_close(f);
    backend_memory_free(f->m);
}

static void fixture_restart(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

/* The machine dies with whatever the store had not made durable. */
static void fixture_crash(struct fixture *f)
{
    backend_memory_power_cut(f->m);
    fixture_restart(f);
}

static void told_done(void *arg, int rc, const struct object *object, const struct err *err)
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

static json_t *make_tree(const char *ns, const char *name, const char *value)
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

static int put(struct fixture *f, struct put p)
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

static bool value_is(const struct object *o, const char *value)
{
    cleanup(json_decrefpp) json_t *tree = o ? object_tree(o) : NULL;

    return o ? value && str_eq(json_str(tree, "spec.value"), value) : !value;
}

static bool pod_is(struct fixture *f, const char *name, const char *value)
{
    return value_is(store_get(f->s, "pods", "", name), value);
}

static void count_wake(void *arg)
{
    (*(int *)arg)++;
}

static void no_wake(void *arg)
{
    (void)arg;
}

static struct store_cursor *follow(struct fixture *f, const char *bucket, uint64_t after)
{
    struct store_cursor *c = NULL;

    CHECK_INT(store_cursor_new(&c, f->s, bucket, after, no_wake, NULL), 0);
    return c;
}

static int follow_rc(struct fixture *f, const char *bucket, uint64_t after)
{
    struct store_cursor *c = NULL;
    int rc = store_cursor_new(&c, f->s, bucket, after, no_wake, NULL);

    store_cursor_free(c);
    return rc;
}

/* "A:name=value M:name=value D:name=value ..." of what the cursor has */
static void drain(struct store_cursor *c, char *ret, size_t size)
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

/* --- writing --- */

TEST(store, write_is_visible_only_after_commit)
{
    struct fixture f = { 0 };
    struct told told = { 0 };

    fixture_up(&f);
    CHECK_INT(CREATE(.name = "a", .value = "1", .told = &told), STORE_OK);
    CHECK(pod_is(&f, "a", NULL));
    CHECK(value_is(store_latest(f.s, "pods", "", "a"), "1"));
    CHECK_INT(store_count(f.s, "pods"), 0);
    CHECK_INT(told.calls, 0);
    fixture_settle(&f);
    CHECK(pod_is(&f, "a", "1"));
    CHECK_INT(store_count(f.s, "pods"), 1);
    CHECK_INT(told.calls, 1);
    CHECK_INT(told.rc, 0);
    CHECK_INT(told.revision, store_revision(f.s));
    fixture_down(&f);
}

TEST(store, revisions_follow_the_order_of_submits)
{
    struct fixture f = { 0 };
    struct told a = { 0 }, b = { 0 }, c = { 0 };

    fixture_up(&f);
    CREATE(.name = "a", .value = "1", .told = &a);
    CREATE(.name = "b", .value = "1", .told = &b);
    UPDATE(.name = "a", .value = "2", .told = &c);
    fixture_settle(&f);
    CHECK(a.revision < b.revision && b.revision < c.revision);
    CHECK_INT(c.revision, store_revision(f.s));
    CHECK(pod_is(&f, "a", "2"));
    fixture_down(&f);
}

TEST(store, resource_version_is_the_revision)
{
    struct fixture f = { 0 };
    const struct object *o;

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    fixture_settle(&f);
    o = store_get(f.s, "pods", "", "a");
    {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);
        char number[32];

        snprintf(number, sizeof(number), "%llu", (unsigned long long)o->revision);
        CHECK_STR(json_str(tree, "metadata.resourceVersion"), number);
    }
    fixture_down(&f);
}

TEST(store, create_of_what_exists_is_told)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    CHECK_INT(CREATE(.name = "a", .value = "2"), STORE_EXISTS); /* pending counts */
    fixture_settle(&f);
    CHECK_INT(CREATE(.name = "a", .value = "2"), STORE_EXISTS);
    CHECK_INT(CREATE(.ns = "other", .name = "a", .value = "2"), STORE_OK);
    CHECK_INT(CREATE(.bucket = "nodes", .name = "a", .value = "2"), STORE_OK);
    fixture_settle(&f);
    CHECK(pod_is(&f, "a", "1"));
    fixture_down(&f);
}

TEST(store, update_and_delete_of_nothing_are_told)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    CHECK_INT(UPDATE(.name = "a", .value = "1"), STORE_ABSENT);
    CHECK_INT(DELETE(.name = "a"), STORE_ABSENT);
    CREATE(.name = "a", .value = "1");
    DELETE(.name = "a");
    CHECK(store_latest(f.s, "pods", "", "a") == NULL);
    CHECK_INT(UPDATE(.name = "a", .value = "2"), STORE_ABSENT); /* pending deletion counts */
    CHECK_INT(CREATE(.name = "a", .value = "3"), STORE_OK);
    fixture_settle(&f);
    CHECK(pod_is(&f, "a", "3"));
    fixture_down(&f);
}

TEST(store, stale_revision_is_refused)
{
    struct fixture f = { 0 };
    uint64_t revision;

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    revision = store_latest(f.s, "pods", "", "a")->revision;
    CHECK_INT(UPDATE(.name = "a", .value = "2", .expect = revision + 1), STORE_STALE);
    CHECK_INT(UPDATE(.name = "a", .value = "2", .expect = revision), STORE_OK);
    CHECK_INT(DELETE(.name = "a", .expect = revision), STORE_STALE);
    CHECK_INT(UPDATE(.name = "a", .value = "3", .expect = 0), STORE_OK);
    fixture_settle(&f);
    CHECK(pod_is(&f, "a", "3"));
    fixture_down(&f);
}

TEST(store, refused_writes_leave_no_trace)
{
    struct fixture f = { 0 };
    struct told told = { 0 };
    uint64_t revision;

    fixture_up(&f);
    revision = store_revision(f.s);
    UPDATE(.name = "a", .value = "1", .told = &told);
    CHECK(!backend_memory_step(f.m));
    CHECK_INT(told.calls, 0);
    CHECK_INT(store_revision(f.s), revision);
    fixture_down(&f);
}

TEST(store, delete_shows_the_last_state_with_its_own_revision)
{
    struct fixture f = { 0 };
    struct told told = { 0 };
    struct store_change change;
    struct store_cursor *c;

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    CREATE(.name = "b", .value = "1");
    fixture_settle(&f);
    c = follow(&f, NULL, store_revision(f.s));
    DELETE(.name = "a", .told = &told);
    DELETE(.name = "b", .value = "last words");
    fixture_settle(&f);
    CHECK_INT(store_cursor_next(c, &change), 1);
    CHECK_INT(change.type, STORE_DELETED);
    CHECK_INT(change.object->revision, told.revision);
    CHECK(value_is(change.object, "1"));
    CHECK(change.before && change.before->revision < change.object->revision);
    CHECK_INT(store_cursor_next(c, &change), 1);
    CHECK(value_is(change.object, "last words"));
    CHECK_INT(store_count(f.s, "pods"), 0);
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(store, what_is_submitted_meanwhile_is_one_batch)
{
    struct fixture f = { 0 };
    char name[16];

    fixture_up(&f);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        CREATE(.name = name, .value = "1");
    }
    fixture_settle(&f);
    CHECK_INT(backend_memory_commits(f.m), 2); /* the first alone, the rest together */
    CHECK_INT(backend_memory_rows(f.m), 100);
    CHECK_INT(store_count(f.s, "pods"), 100);
    fixture_down(&f);
}

struct chain {
    struct fixture *f;
    int n;
};

static void chain_next(void *arg, int rc, const struct object *object, const struct err *err)
{
    struct chain *chain = arg;
    cleanup(json_decrefpp) json_t *tree = make_tree("", "a", "again");
    const struct store_write w = {
        .verb = STORE_UPDATE, .bucket = "pods", .name = "a", .tree = tree
    };
    struct err e = ERR_EMPTY;

    (void)object;
    (void)err;
    CHECK_INT(rc, 0);
    if (++chain->n < 5)
        CHECK_INT(store_submit(chain->f->s, &w, chain_next, chain, NULL, &e), STORE_OK);
}

TEST(store, done_may_submit)
{
    struct fixture f = { 0 };
    struct chain chain = { .f = &f };
    cleanup(json_decrefpp) json_t *tree = make_tree("", "a", "1");
    const struct store_write w = {
        .verb = STORE_CREATE, .bucket = "pods", .name = "a", .tree = tree
    };
    const struct object *pending = NULL;
    struct err err = ERR_EMPTY;

    fixture_up(&f);
    CHECK_INT(store_submit(f.s, &w, chain_next, &chain, &pending, &err), STORE_OK);
    CHECK(pending && pending == store_latest(f.s, "pods", "", "a"));
    fixture_settle(&f);
    CHECK_INT(chain.n, 5);
    CHECK(pod_is(&f, "a", "again"));
    fixture_down(&f);
}

/* --- failing --- */

TEST(store, failed_batch_fails_all_that_is_not_visible)
{
    struct fixture f = { 0 };
    struct told a = { 0 }, b = { 0 }, c = { 0 };
    struct store_cursor *cursor;
    struct store_stats stats;
    uint64_t revision;

    fixture_up(&f);
    CREATE(.name = "old", .value = "1");
    fixture_settle(&f);
    revision = store_revision(f.s);
    cursor = follow(&f, NULL, revision);
    backend_memory_fail(f.m, 1, 1, ERR_NOSPACE);
    CREATE(.name = "a", .value = "1", .told = &a);
    UPDATE(.name = "a", .value = "2", .told = &b); /* in the next batch */
    DELETE(.name = "old", .told = &c);
    fixture_settle(&f);
    CHECK_INT(a.rc, ERR_NOSPACE);
    CHECK_INT(b.rc, ERR_NOSPACE);
    CHECK_INT(c.rc, ERR_NOSPACE);
    CHECK(a.calls == 1 && b.calls == 1 && c.calls == 1);
    CHECK(store_latest(f.s, "pods", "", "a") == NULL);
    CHECK(pod_is(&f, "old", "1"));
    CHECK(value_is(store_latest(f.s, "pods", "", "old"), "1"));
    CHECK_INT(store_revision(f.s), revision);
    CHECK_DRAINS(cursor, "");
    store_stats(f.s, &stats);
    CHECK_INT(stats.pending, 0);
    CHECK_INT(stats.objects, 1);
    store_cursor_free(cursor);
    fixture_down(&f);
}

TEST(store, goes_on_after_a_failed_batch)
{
    struct fixture f = { 0 };
    struct told a = { 0 }, b = { 0 };
    struct store_cursor *c;

    fixture_up(&f);
    c = follow(&f, "pods", store_revision(f.s));
    backend_memory_fail(f.m, 1, 2, ERR_IO);
    CREATE(.name = "a", .value = "1", .told = &a);
    fixture_settle(&f);
    CREATE(.name = "a", .value = "2", .told = &b);
    fixture_settle(&f);
    CHECK(a.rc == ERR_IO && b.rc == ERR_IO);
    CHECK_INT(CREATE(.name = "a", .value = "3"), STORE_OK);
    fixture_settle(&f);
    CHECK_DRAINS(c, "A:a=3");
    store_cursor_free(c);
    fixture_restart(&f);
    CHECK(pod_is(&f, "a", "3"));
    fixture_down(&f);
}

/* --- limits --- */

TEST(store, number_of_objects_is_bounded)
{
    struct fixture f = { .opts.max_objects = 2 };

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    CREATE(.name = "b", .value = "1");
    CHECK_INT(CREATE(.name = "c", .value = "1"), ERR_NOSPACE);
    CHECK_INT(UPDATE(.name = "b", .value = "2"), STORE_OK);
    CHECK_INT(DELETE(.name = "a"), STORE_OK);
    CHECK_INT(CREATE(.name = "c", .value = "1"), STORE_OK);
    fixture_settle(&f);
    fixture_down(&f);
}

TEST(store, bytes_are_bounded_but_may_shrink)
{
    struct fixture f = { .opts.max_bytes = 3000 };
    char big[3001];

    fixture_up(&f);
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    CHECK_INT(CREATE(.name = "a", .value = big), ERR_NOSPACE);
    big[2000] = '\0';
    CHECK_INT(CREATE(.name = "a", .value = big), STORE_OK);
    big[1000] = '\0';
    CHECK_INT(CREATE(.name = "b", .value = big), ERR_NOSPACE);
    CHECK_INT(UPDATE(.name = "a", .value = big), STORE_OK);
    CHECK_INT(CREATE(.name = "b", .value = big), STORE_OK);
    fixture_settle(&f);
    big[1000] = 'x';
    CHECK_INT(UPDATE(.name = "a", .value = big), ERR_NOSPACE);
    fixture_down(&f);
}

TEST(store, failed_writes_give_their_room_back)
{
    struct fixture f = { .opts.max_objects = 1 };

    fixture_up(&f);
    backend_memory_fail(f.m, 1, 1, ERR_IO);
    CREATE(.name = "a", .value = "1");
    CHECK_INT(CREATE(.name = "b", .value = "1"), ERR_NOSPACE);
    fixture_settle(&f);
    CHECK_INT(CREATE(.name = "b", .value = "1"), STORE_OK);
    fixture_settle(&f);
    fixture_down(&f);
}

TEST(store, queue_of_waiting_writes_is_bounded)
{
    struct fixture f = { 0 };
    char name[16];
    int n = 0, rc;

    fixture_up(&f);
    do {
        snprintf(name, sizeof(name), "p%d", n);
        rc = CREATE(.name = name, .value = "1");
    } while (rc == STORE_OK && ++n < 100000);
    CHECK_INT(rc, ERR_UNAVAILABLE);
    fixture_settle(&f);
    CHECK_INT(store_count(f.s, "pods"), n);
    CHECK_INT(CREATE(.name = "one more", .value = "1"), STORE_OK);
    fixture_down(&f);
}

/* --- reading --- */

static void list_names(struct fixture *f, const char *ns, const char *after_ns,
                       const char *after_name, char *ret, size_t size)
{
    struct store_iter it;
    const struct object *o;
    size_t used = 0;

    ret[0] = '\0';
    store_iter_init(&it, f->s, "pods", ns, after_ns, after_name);
    while ((o = store_iter_next(&it)))
        used += (size_t)snprintf(ret + used, size - used, "%s%s/%s", used ? " " : "", o->ns,
                                 o->name);
    CHECK(store_iter_next(&it) == NULL);
}

#define CHECK_LIST(ns, after_ns, after_name, want)                                \
    do {                                                                          \
        char listed_[1024];                                                       \
        list_names(&f, (ns), (after_ns), (after_name), listed_, sizeof(listed_)); \
        CHECK_STR(listed_, (want));                                               \
    } while (0)

TEST(store, iter_walks_in_order_and_resumes_after_a_key)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    CHECK_LIST(NULL, NULL, NULL, "");
    CREATE(.ns = "b", .name = "2", .value = "");
    CREATE(.ns = "a", .name = "2", .value = "");
    CREATE(.ns = "b", .name = "1", .value = "");
    CREATE(.ns = "a-b", .name = "1", .value = "");
    CREATE(.ns = "a", .name = "10", .value = "");
    fixture_settle(&f);
    CREATE(.ns = "a", .name = "pending", .value = "");
    DELETE(.ns = "b", .name = "1");
    CHECK_LIST(NULL, NULL, NULL, "a/10 a/2 a-b/1 b/1 b/2");
    CHECK_LIST("a", NULL, NULL, "a/10 a/2");
    CHECK_LIST("", NULL, NULL, "");
    CHECK_LIST("c", NULL, NULL, "");
    CHECK_LIST(NULL, "a", "2", "a-b/1 b/1 b/2");
    CHECK_LIST(NULL, "a", "11", "a/2 a-b/1 b/1 b/2"); /* the key itself need not exist */
    CHECK_LIST("b", "b", "1", "b/2");
    CHECK_LIST("b", "a", "9", "b/1 b/2");
    CHECK_LIST("a", "b", "1", "");
    CHECK_LIST(NULL, "b", "2", "");
    fixture_settle(&f);
    CHECK_LIST(NULL, NULL, NULL, "a/10 a/2 a/pending a-b/1 b/2");
    fixture_down(&f);
}

TEST(store, buckets_in_use_are_listed)
{
    struct fixture f = { 0 };
    const char **names;

    fixture_up(&f);
    CREATE(.bucket = "pods", .name = "a", .value = "1");
    CREATE(.bucket = "deployments.apps", .name = "a", .value = "1");
    CREATE(.bucket = "nodes", .name = "a", .value = "1");
    DELETE(.bucket = "nodes", .name = "a");
    fixture_settle(&f);
    names = store_buckets(f.s);
    CHECK_STR(names[0], "deployments.apps");
    CHECK_STR(names[1], "pods");
    CHECK(names[2] == NULL);
    free(names);
    fixture_down(&f);
}

static void put_pod(struct fixture *f, enum store_verb verb, const char *name, const char *owner,
                    const char *node)
{
    cleanup(json_decrefpp) json_t *tree = make_tree("", name, "1");
    const struct store_write w = { .verb = verb, .bucket = "pods", .name = name, .tree = tree };
    struct err err = ERR_EMPTY;

    if (owner) {
        json_t *refs = json_array();

        for (int i = 0; i < 2; i++) { /* named twice on purpose */
            json_t *ref = json_object();

            json_put_str(ref, "uid", owner);
            json_array_append_new(refs, ref);
        }
        json_put(tree, "metadata.ownerReferences", refs);
    }
    if (node)
        json_put_str(tree, "spec.nodeName", node);
    CHECK_INT(store_submit(f->s, &w, NULL, NULL, NULL, &err), STORE_OK);
}

static int count_walk(struct store_walk w)
{
    int n = 0;

    while (store_walk_next(&w))
        n++;
    return n;
}

static int count_owned(struct fixture *f, const char *uid)
{
    struct store_walk w;

    store_walk_owned(&w, f->s, uid);
    return count_walk(w);
}

static int count_on_node(struct fixture *f, const char *node)
{
    struct store_walk w;

    store_walk_node(&w, f->s, "pods", node);
    return count_walk(w);
}

TEST(store, objects_are_found_by_owner_and_node)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    put_pod(&f, STORE_CREATE, "a", "u1", "n1");
    put_pod(&f, STORE_CREATE, "b", "u1", NULL);
    put_pod(&f, STORE_CREATE, "c", "u2", "n1");
    CHECK_INT(count_owned(&f, "u1"), 0); /* not visible yet */
    fixture_settle(&f);
    CHECK_INT(count_owned(&f, "u1"), 2);
    CHECK_INT(count_owned(&f, "u2"), 1);
    CHECK_INT(count_owned(&f, ""), 0);
    CHECK_INT(count_on_node(&f, "n1"), 2);
    CHECK_INT(count_on_node(&f, "n2"), 0);
    put_pod(&f, STORE_UPDATE, "a", "u2", "n2");
    put_pod(&f, STORE_UPDATE, "b", NULL, "n2");
    DELETE(.name = "c");
    fixture_settle(&f);
    CHECK_INT(count_owned(&f, "u1"), 0);
    CHECK_INT(count_owned(&f, "u2"), 1);
    CHECK_INT(count_on_node(&f, "n1"), 0);
    CHECK_INT(count_on_node(&f, "n2"), 2);
    fixture_restart(&f);
    CHECK_INT(count_owned(&f, "u2"), 1);
    CHECK_INT(count_on_node(&f, "n2"), 2);
    fixture_down(&f);
}

/* --- following --- */

TEST(store, cursor_hands_out_changes_behind_its_revision)
{
    struct fixture f = { 0 };
    struct store_cursor *pods, *all, *late;
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    pods = follow(&f, "pods", start);
    all = follow(&f, NULL, start);
    CREATE(.name = "a", .value = "1");
    CREATE(.bucket = "nodes", .name = "n", .value = "1");
    UPDATE(.name = "a", .value = "2");
    CHECK_DRAINS(pods, "");
    fixture_settle(&f);
    CHECK_DRAINS(pods, "A:a=1 M:a=2");
    CHECK_DRAINS(all, "A:a=1 A:n=1 M:a=2");
    CHECK_DRAINS(all, "");
    late = follow(&f, NULL, start + 1);
    CHECK_DRAINS(late, "A:n=1 M:a=2");
    DELETE(.name = "a");
    CREATE(.name = "a", .value = "3");
    fixture_settle(&f);
    CHECK_DRAINS(pods, "D:a=2 A:a=3");
    CHECK_INT(store_cursor_revision(pods), store_revision(f.s));
    store_cursor_free(pods);
    store_cursor_free(all);
    store_cursor_free(late);
    fixture_down(&f);
}

TEST(store, change_tells_the_state_before)
{
    struct fixture f = { 0 };
    struct store_change change;
    struct store_cursor *c;

    fixture_up(&f);
    c = follow(&f, "pods", store_revision(f.s));
    CREATE(.name = "a", .value = "1");
    UPDATE(.name = "a", .value = "2");
    fixture_settle(&f);
    CHECK_INT(store_cursor_next(c, &change), 1);
    CHECK(change.before == NULL);
    CHECK_INT(store_cursor_next(c, &change), 1);
    CHECK(value_is(change.before, "1"));
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(store, wake_comes_once_until_drained)
{
    struct fixture f = { 0 };
    struct store_cursor *c = NULL;
    int wakes = 0;

    fixture_up(&f);
    CHECK_INT(store_cursor_new(&c, f.s, "pods", store_revision(f.s), count_wake, &wakes), 0);
    CREATE(.bucket = "nodes", .name = "n", .value = "1");
    fixture_settle(&f);
    CHECK_INT(wakes, 0); /* not its bucket */
    CREATE(.name = "a", .value = "1");
    CHECK_INT(wakes, 0);
    fixture_settle(&f);
    CHECK_INT(wakes, 1);
    UPDATE(.name = "a", .value = "2");
    fixture_settle(&f);
    CHECK_INT(wakes, 1);
    CHECK_DRAINS(c, "A:a=1 M:a=2");
    UPDATE(.name = "a", .value = "3");
    fixture_settle(&f);
    CHECK_INT(wakes, 2);
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(store, drained_cursor_stands_at_the_newest_revision)
{
    struct fixture f = { 0 };
    struct store_cursor *c;

    fixture_up(&f);
    c = follow(&f, "pods", store_revision(f.s));
    CREATE(.bucket = "nodes", .name = "n", .value = "1");
    fixture_settle(&f);
    CHECK_DRAINS(c, "");
    CHECK_INT(store_cursor_revision(c), store_revision(f.s)); /* filtered */
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(store, cursor_falls_off_the_ring)
{
    struct fixture f = { .opts.ring_changes = 4 };
    struct store_cursor *slow, *fast;
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    slow = follow(&f, "pods", start);
    fast = follow(&f, "pods", start);
    CREATE(.name = "a", .value = "1");
    UPDATE(.name = "a", .value = "2");
    fixture_settle(&f);
    CHECK_DRAINS(fast, "A:a=1 M:a=2");
    for (int i = 0; i < 3; i++)
        UPDATE(.name = "a", .value = "3");
    fixture_settle(&f);
    CHECK_DRAINS(slow, "old");
    CHECK_DRAINS(slow, "old");
    CHECK_DRAINS(fast, "M:a=3 M:a=3 M:a=3");
    CHECK_INT(follow_rc(&f, "pods", start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", start + 1), 0);
    store_cursor_free(slow);
    store_cursor_free(fast);
    fixture_down(&f);
}

TEST(store, only_the_bucket_that_lost_a_change_is_too_old)
{
    struct fixture f = { .opts.ring_changes = 2 };
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    CREATE(.bucket = "nodes", .name = "n", .value = "1");
    CREATE(.name = "a", .value = "1");
    CREATE(.name = "b", .value = "1");
    fixture_settle(&f);
    CHECK_INT(follow_rc(&f, "nodes", start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, NULL, start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", start), 0);
    CHECK_INT(follow_rc(&f, "services", start), 0);
    fixture_down(&f);
}

TEST(store, ring_is_bounded_by_bytes_too)
{
    struct fixture f = { .opts.ring_bytes = 20000 };
    struct store_stats stats;
    char big[4001];
    uint64_t start;

    fixture_up(&f);
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    start = store_revision(f.s);
    CREATE(.name = "a", .value = big);
    for (int i = 0; i < 9; i++)
        UPDATE(.name = "a", .value = big);
    fixture_settle(&f);
    store_stats(f.s, &stats);
    CHECK(stats.ring_bytes <= 20000);
    CHECK_INT(stats.ring_changes, 4);
    CHECK_INT(follow_rc(&f, "pods", start + 5), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", start + 6), 0);
    fixture_down(&f);
}

TEST(store, cursor_from_the_future_is_unknown)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    CHECK_INT(follow_rc(&f, "pods", store_revision(f.s)), 0);
    CHECK_INT(follow_rc(&f, "pods", store_revision(f.s) + 1), STORE_TOO_OLD);
    fixture_down(&f);
}

TEST(store, changes_are_handed_out_after_a_restart)
{
    struct fixture f = { 0 };
    struct store_cursor *c;
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    CREATE(.name = "a", .value = "1");
    UPDATE(.name = "a", .value = "2");
    CREATE(.name = "b", .value = "1");
    DELETE(.name = "b");
    fixture_settle(&f);
    fixture_restart(&f);
    c = follow(&f, "pods", start);
    CHECK_DRAINS(c, "A:a=1 M:a=2 A:b=1 D:b=1");
    UPDATE(.name = "a", .value = "3");
    fixture_settle(&f);
    CHECK_DRAINS(c, "M:a=3");
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(store, what_fell_off_the_ring_stays_forgotten_after_a_restart)
{
    struct fixture f = { .opts.ring_changes = 2 };
    uint64_t start;

    fixture_up(&f);
    start = store_revision(f.s);
    CREATE(.name = "a", .value = "1");
    for (int i = 0; i < 4; i++) {
        UPDATE(.name = "a", .value = "2");
        fixture_settle(&f);
    }
    fixture_restart(&f);
    CHECK_INT(follow_rc(&f, "pods", start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", store_revision(f.s)), 0);
    CHECK(pod_is(&f, "a", "2"));
    fixture_down(&f);
}

/* --- lazy writes --- */

/* A first durable write makes room below the ceiling. */
static void fixture_warm(struct fixture *f)
{
    put(f, (struct put){ .verb = STORE_CREATE, .name = "warm", .value = "1" });
    fixture_settle(f);
}

TEST(store, lazy_write_is_visible_at_once)
{
    struct fixture f = { 0 };
    struct told told = { 0 };
    struct store_cursor *c;
    uint64_t commits;

    fixture_up(&f);
    fixture_warm(&f);
    commits = backend_memory_commits(f.m);
    c = follow(&f, "leases", store_revision(f.s));
    CHECK_INT(CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true, .told = &told),
              0);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "1"));
    CHECK_DRAINS(c, "A:l=1");
    CHECK_INT(told.calls, 0); /* never from within */
    fixture_settle(&f);
    CHECK_INT(told.calls, 1);
    CHECK_INT(told.revision, store_revision(f.s));
    CHECK_INT(backend_memory_commits(f.m), commits); /* nothing written for it */
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(store, lazy_write_behind_a_durable_one_waits_for_it)
{
    struct fixture f = { 0 };
    struct told told = { 0 };
    struct store_cursor *c;

    fixture_up(&f);
    fixture_warm(&f);
    c = follow(&f, NULL, store_revision(f.s));
    CREATE(.name = "a", .value = "1");
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true, .told = &told);
    CREATE(.name = "b", .value = "1");
    CHECK(store_get(f.s, "leases", "", "l") == NULL);
    CHECK_DRAINS(c, "");
    fixture_settle(&f);
    CHECK_DRAINS(c, "A:a=1 A:l=1 A:b=1");
    CHECK_INT(told.calls, 1);
    store_cursor_free(c);
    fixture_down(&f);
}

TEST(store, first_lazy_write_waits_for_a_durable_ceiling)
{
    struct fixture f = { 0 };

    fixture_up(&f); /* nothing durable says yet which revisions may be shown */
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    CHECK(store_get(f.s, "leases", "", "l") == NULL);
    fixture_settle(&f);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "1"));
    fixture_down(&f);
}

TEST(store, lazy_updates_of_one_key_reach_the_disk_as_one)
{
    struct fixture f = { 0 };
    char value[16];
    size_t rows;

    fixture_up(&f);
    fixture_warm(&f);
    rows = backend_memory_rows(f.m);
    CREATE(.bucket = "leases", .name = "l", .value = "0", .lazy = true);
    CREATE(.bucket = "leases", .name = "other", .value = "0", .lazy = true);
    for (int i = 1; i <= 50; i++) {
        snprintf(value, sizeof(value), "%d", i);
        UPDATE(.bucket = "leases", .name = "l", .value = value, .lazy = true);
    }
    fixture_settle(&f);
    CHECK_INT(backend_memory_rows(f.m), rows);
    backend_memory_flush(f.m);
    fixture_settle(&f);
    CHECK_INT(backend_memory_rows(f.m), rows + 2);
    backend_memory_flush(f.m); /* nothing left to do */
    fixture_settle(&f);
    CHECK_INT(backend_memory_rows(f.m), rows + 2);
    fixture_restart(&f);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "50"));
    CHECK(value_is(store_get(f.s, "leases", "", "other"), "0"));
    fixture_down(&f);
}

TEST(store, lazy_rows_go_along_with_the_next_durable_batch)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    CREATE(.name = "a", .value = "1");
    fixture_settle(&f);
    fixture_crash(&f);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "1"));
    CHECK(pod_is(&f, "a", "1"));
    fixture_down(&f);
}

TEST(store, power_cut_may_take_lazy_rows_and_their_watchers_are_too_old)
{
    struct fixture f = { 0 };
    struct store_stats stats;
    uint64_t durable, shown;

    fixture_up(&f);
    fixture_warm(&f);
    durable = store_revision(f.s);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    backend_memory_flush(f.m); /* written, not synced */
    fixture_settle(&f);
    UPDATE(.bucket = "leases", .name = "l", .value = "2", .lazy = true);
    fixture_settle(&f);
    shown = store_revision(f.s);
    fixture_crash(&f);
    CHECK(store_get(f.s, "leases", "", "l") == NULL);
    CHECK(pod_is(&f, "warm", "1"));
    CHECK(store_revision(f.s) >= shown);
    CHECK_INT(follow_rc(&f, "leases", shown), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", shown), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", durable), 0);
    CHECK_INT(follow_rc(&f, "pods", store_revision(f.s)), 0);
    store_stats(f.s, &stats);
    CHECK(stats.lazy_lost_at_start >= 2);
    /* The same revisions are never handed out again, and after one more restart the watcher
     * from the lost time is still told. */
    CREATE(.name = "a", .value = "1");
    CHECK(store_latest(f.s, "pods", "", "a")->revision > shown);
    fixture_settle(&f);
    fixture_restart(&f);
    CHECK_INT(follow_rc(&f, "leases", shown), STORE_TOO_OLD);
    fixture_down(&f);
}

TEST(store, process_crash_keeps_what_was_flushed)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    backend_memory_flush(f.m);
    fixture_settle(&f);
    fixture_restart(&f);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "1"));
    fixture_down(&f);
}

TEST(store, orderly_restart_skips_no_revision)
{
    struct fixture f = { 0 };
    struct store_stats stats;
    uint64_t revision;

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    fixture_settle(&f);
    revision = store_revision(f.s);
    fixture_restart(&f);
    CHECK_INT(store_revision(f.s), revision);
    CHECK_INT(follow_rc(&f, "pods", revision), 0);
    CHECK_INT(follow_rc(&f, "pods", revision - 1), 0);
    store_stats(f.s, &stats);
    CHECK_INT(stats.lazy_lost_at_start, 0);
    fixture_down(&f);
}

TEST(store, watchers_of_lazy_buckets_start_over_after_a_restart)
{
    struct fixture f = { 0 };
    uint64_t before;

    fixture_up(&f);
    fixture_warm(&f);
    before = store_revision(f.s);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    UPDATE(.bucket = "leases", .name = "l", .value = "2", .lazy = true);
    CREATE(.name = "a", .value = "1");
    fixture_settle(&f);
    CHECK_INT(follow_rc(&f, "leases", before), 0);
    fixture_restart(&f);
    CHECK_INT(follow_rc(&f, "leases", before), STORE_TOO_OLD); /* one of two was written */
    CHECK_INT(follow_rc(&f, "leases", store_revision(f.s)), 0);
    CHECK_INT(follow_rc(&f, "pods", before), 0);
    fixture_down(&f);
}

TEST(store, failed_flush_keeps_lazy_rows_for_the_next)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    CREATE(.bucket = "leases", .name = "m", .value = "1", .lazy = true);
    backend_memory_fail(f.m, 1, 1, ERR_NOSPACE);
    backend_memory_flush(f.m);
    UPDATE(.bucket = "leases", .name = "l", .value = "2", .lazy = true); /* while it is under way */
    fixture_settle(&f);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "2"));
    backend_memory_flush(f.m);
    fixture_settle(&f);
    fixture_restart(&f);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "2"));
    CHECK(value_is(store_get(f.s, "leases", "", "m"), "1"));
    fixture_down(&f);
}

TEST(store, lazy_delete_is_written_as_one)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "events", .name = "e", .value = "1", .lazy = true);
    backend_memory_flush(f.m);
    fixture_settle(&f);
    DELETE(.bucket = "events", .name = "e", .lazy = true);
    CHECK(store_get(f.s, "events", "", "e") == NULL);
    fixture_settle(&f);
    fixture_restart(&f);
    CHECK(store_get(f.s, "events", "", "e") == NULL);
    fixture_down(&f);
}

TEST(store, lazy_changes_do_not_push_others_out_of_the_ring)
{
    struct fixture f = { .opts.ring_changes = 32 };
    struct store_cursor *pods, *leases;
    uint64_t start;

    fixture_up(&f);
    fixture_warm(&f);
    start = store_revision(f.s);
    pods = follow(&f, "pods", start);
    leases = follow(&f, "leases", start);
    CREATE(.name = "a", .value = "1");
    fixture_settle(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "0", .lazy = true);
    for (int i = 0; i < 1000; i++)
        UPDATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    CREATE(.name = "b", .value = "1");
    fixture_settle(&f);
    CHECK_DRAINS(pods, "A:a=1 A:b=1");
    CHECK_DRAINS(leases, "old");
    CHECK_INT(follow_rc(&f, "leases", store_revision(f.s)), 0);
    store_cursor_free(pods);
    store_cursor_free(leases);
    fixture_down(&f);
}

TEST(store, ceiling_moves_ahead_of_many_lazy_writes)
{
    struct fixture f = { 0 };
    uint64_t shown;

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "0", .lazy = true);
    for (int i = 0; i < 30000; i++) {
        UPDATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
        backend_memory_step(f.m);
    }
    fixture_settle(&f);
    shown = store_revision(f.s);
    fixture_crash(&f);
    CHECK(store_revision(f.s) >= shown);
    fixture_down(&f);
}

/* --- closing --- */

TEST(store, close_flushes_what_was_submitted)
{
    struct fixture f = { 0 };
    struct told a = { 0 }, b = { 0 };

    fixture_up(&f);
    CREATE(.name = "a", .value = "1", .told = &a);
    CREATE(.name = "b", .value = "1", .told = &b);
    fixture_restart(&f);
    CHECK(a.calls == 1 && a.rc == 0 && b.calls == 1 && b.rc == 0);
    CHECK(pod_is(&f, "a", "1"));
    CHECK(pod_is(&f, "b", "1"));
    fixture_down(&f);
}

TEST(store, closing_store_refuses_writes)
{
    struct fixture f = { 0 };

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    store_close(f.s, fixture_on_closed, &f);
    CHECK_INT(CREATE(.name = "b", .value = "1"), ERR_UNAVAILABLE);
    fixture_settle(&f);
    CHECK_INT(f.closed, 1);
    backend_memory_free(f.m);
}

TEST(store, close_ends_when_the_last_batch_fails)
{
    struct fixture f = { 0 };
    struct told told = { 0 };

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    CREATE(.name = "a", .value = "1", .told = &told);
    backend_memory_fail(f.m, 1, 100, ERR_IO);
    fixture_down(&f);
    CHECK_INT(told.rc, ERR_IO);
}

/* --- against a naive model --- */

#define MODEL_KEYS 12

struct model {
    struct fixture f;
    uint64_t random;
    char visible[MODEL_KEYS][24], latest[MODEL_KEYS][24]; /* "" = absent */
    struct told told;
    struct store_cursor *cursor;
    char followed[MODEL_KEYS][24]; /* what the cursor's changes add up to */
};

static unsigned model_random(struct model *m, unsigned n)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->random >> 33) % n;
}

static bool model_is_lazy(unsigned key)
{
    return key % 3 == 0;
}

static void model_name(unsigned key, char name[8])
{
    snprintf(name, 8, "k%02u", key);
}

static void model_write(struct model *m, unsigned step)
{
    unsigned key = model_random(m, MODEL_KEYS), verb = model_random(m, 3);
    struct fixture *f = &m->f;
    char name[8], value[24];
    bool there = m->latest[key][0];
    int want, have;

    model_name(key, name);
    snprintf(value, sizeof(value), "v%u", step);
    want = verb == STORE_CREATE ? (there ? STORE_EXISTS : STORE_OK)
           : there              ? STORE_OK
                                : STORE_ABSENT;
    have = put(f, (struct put){ .verb = verb,
                                .name = name,
                                .lazy = model_is_lazy(key),
                                .told = &m->told,
                                .value = verb == STORE_DELETE ? NULL : value });
    CHECK_INT(have, want);
    if (have == STORE_OK)
        snprintf(m->latest[key], 24, "%s", verb == STORE_DELETE ? "" : value);
}

static void model_follow(struct model *m)
{
    struct store_change change;
    int rc;

    while ((rc = store_cursor_next(m->cursor, &change)) == 1) {
        unsigned key = (unsigned)strtoul(change.object->name + 1, NULL, 10);
        cleanup(json_decrefpp) json_t *tree = object_tree(change.object);

        CHECK((change.type == STORE_ADDED) == (m->followed[key][0] == '\0'));
        CHECK((change.before != NULL) == (change.type != STORE_ADDED));
        snprintf(m->followed[key], 24, "%s",
                 change.type == STORE_DELETED ? "" : json_str(tree, "spec.value"));
    }
    CHECK_INT(rc, 0);
}

/* The store, the cursor's sum and the iterator tell the same as the model. */
static void model_check(struct model *m)
{
    struct store_iter it;
    const struct object *o;
    size_t n = 0, count = 0;
    char name[8];

    model_follow(m);
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        const char *latest = m->latest[key][0] ? m->latest[key] : NULL;
        const struct object *visible;

        model_name(key, name);
        visible = store_get(m->f.s, "pods", "", name);
        CHECK(value_is(store_latest(m->f.s, "pods", "", name), latest));
        CHECK(value_is(visible, m->followed[key][0] ? m->followed[key] : NULL));
        n += visible != NULL;
    }
    store_iter_init(&it, m->f.s, "pods", NULL, NULL, NULL);
    name[0] = '\0';
    while ((o = store_iter_next(&it))) {
        CHECK(strcmp(name, o->name) < 0);
        snprintf(name, sizeof(name), "%s", o->name);
        count++;
    }
    CHECK_INT(count, n);
    CHECK_INT(store_count(m->f.s, "pods"), n);
}

static void model_take_over(struct model *m)
{
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        char name[8];
        const struct object *o;

        model_name(key, name);
        o = store_get(m->f.s, "pods", "", name);
        m->latest[key][0] = '\0';
        if (o) {
            cleanup(json_decrefpp) json_t *tree = object_tree(o);

            snprintf(m->latest[key], 24, "%s", json_str(tree, "spec.value"));
        }
        memcpy(m->followed[key], m->latest[key], 24);
    }
}

/* A failed batch takes back all that was pending: the model follows. */
static void model_notice_failures(struct model *m)
{
    if (m->told.failures == 0)
        return;
    m->told.failures = 0;
    model_follow(m);
    model_take_over(m);
}

static void model_settle(struct model *m)
{
    backend_memory_fail(m->f.m, 1, 0, ERR_IO); /* no fault is armed any more */
    fixture_settle(&m->f);
    model_notice_failures(m);
    model_check(m);
}

/* Durable keys must come back exactly; lazy ones may fall back after a power cut. */
static void model_restart(struct model *m, bool power_cut)
{
    char before[MODEL_KEYS][24];
    uint64_t shown;

    model_settle(m);
    shown = store_revision(m->f.s);
    memcpy(before, m->latest, sizeof(before));
    m->cursor = store_cursor_free(m->cursor);
    if (power_cut)
        fixture_crash(&m->f);
    else
        fixture_restart(&m->f);
    model_take_over(m);
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        if (!power_cut || !model_is_lazy(key))
            CHECK_STR(m->latest[key], before[key]);
    }
    CHECK(store_revision(m->f.s) >= shown);
    m->cursor = follow(&m->f, "pods", store_revision(m->f.s));
}

static void model_step(struct model *m, unsigned step)
{
    switch (model_random(m, 40)) {
    case 0: model_restart(m, false); break;
    case 1: model_restart(m, true); break;
    case 2: backend_memory_flush(m->f.m); break;
    case 3: backend_memory_fail(m->f.m, 1 + model_random(m, 3), 1, ERR_IO); break;
    case 4:
    case 5:
    case 6:
    case 7: backend_memory_step(m->f.m); break;
    default: model_write(m, step);
    }
    model_notice_failures(m);
    model_check(m);
}

TEST_TIMED(store, behaves_like_a_naive_model, 60)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct model m = { .random = seed };

        fixture_up(&m.f);
        m.cursor = follow(&m.f, "pods", store_revision(m.f.s));
        for (unsigned step = 0; step < 500; step++)
            model_step(&m, step);
        model_settle(&m);
        store_cursor_free(m.cursor);
        fixture_down(&m.f);
    }
}
