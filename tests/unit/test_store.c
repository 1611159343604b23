/* layer: storage */
#include "tests/unit/store_fixture.h"

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
    uint64_t revision;

    fixture_up(&f);
    c = follow(&f, "pods", store_revision(f.s));
    backend_memory_fail(f.m, 1, 2, ERR_IO);
    CREATE(.name = "a", .value = "1", .told = &a);
    fixture_settle(&f);
    CREATE(.name = "a", .value = "2", .told = &b);
    fixture_settle(&f);
    CHECK(a.rc == ERR_IO && b.rc == ERR_IO);
    revision = store_revision(f.s);
    CHECK_INT(CREATE(.name = "a", .value = "3"), STORE_OK);
    fixture_settle(&f);
    CHECK_DRAINS(c, "A:a=3");
    CHECK_INT(store_revision(f.s), revision + 3); /* a failed write's revision is not used again */
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

TEST(store, what_is_held_becomes_durable_together)
{
    struct fixture f = { 0 };
    struct store_iter it;

    fixture_up(&f);
    store_hold(f.s);
    CHECK_INT(put(&f, (struct put){ .verb = STORE_CREATE, .name = "a", .value = "1" }), STORE_OK);
    CHECK_INT(put(&f, (struct put){ .verb = STORE_CREATE, .name = "b", .value = "1" }), STORE_OK);
    store_iter_init(&it, f.s, "pods", NULL, NULL, NULL);
    it.latest = true;
    CHECK_STR(store_iter_next(&it)->name, "a");
    CHECK_STR(store_iter_next(&it)->name, "b");
    CHECK(store_iter_next(&it) == NULL);
    backend_memory_fail(f.m, 1, 1, ERR_IO);
    store_release(f.s);
    fixture_settle(&f);
    CHECK(store_get(f.s, "pods", "d", "a") == NULL);
    CHECK(store_latest(f.s, "pods", "d", "b") == NULL);
    store_iter_init(&it, f.s, "pods", NULL, NULL, NULL);
    CHECK(store_iter_next(&it) == NULL);
    CHECK_INT(backend_memory_commits(f.m), 0);
    fixture_down(&f);
}
