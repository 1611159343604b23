/* layer: storage */
#include "tests/unit/store_fixture.h"

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

TEST(store, what_is_forgotten_is_too_old_also_after_a_restart)
{
    struct fixture f = { 0 };
    struct store_cursor *fast;
    struct store_stats stats;
    uint64_t start, mark;

    fixture_up(&f);
    start = store_revision(f.s);
    CREATE(.bucket = "nodes", .name = "n", .value = "1");
    fast = follow(&f, "pods", start);
    CREATE(.name = "a", .value = "1");
    UPDATE(.name = "a", .value = "2");
    fixture_settle(&f);
    CHECK_DRAINS(fast, "A:a=1 M:a=2");
    mark = store_revision(f.s);
    UPDATE(.name = "a", .value = "3");
    fixture_settle(&f);
    CHECK(store_forget(f.s, mark) > 0);
    CHECK_INT(store_forget(f.s, mark), 0);
    store_stats(f.s, &stats);
    CHECK_INT(stats.ring_changes, 1);
    CHECK_DRAINS(fast, "M:a=3");
    CHECK_INT(follow_rc(&f, "pods", mark - 1), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", mark), 0);
    CHECK_INT(follow_rc(&f, "nodes", start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "services", start), 0);
    CHECK(store_forget(f.s, store_revision(f.s)) > 0);
    store_stats(f.s, &stats);
    CHECK_INT(stats.ring_changes, 0);
    CHECK_INT(stats.ring_bytes, 0);
    CHECK(pod_is(&f, "a", "3"));
    UPDATE(.name = "a", .value = "4");
    fixture_settle(&f);
    CHECK_DRAINS(fast, "M:a=4");
    mark = store_revision(f.s);
    store_cursor_free(fast);
    fixture_restart(&f);
    CHECK_INT(follow_rc(&f, "pods", start), STORE_TOO_OLD);
    CHECK_INT(follow_rc(&f, "pods", mark), 0);
    store_stats(f.s, &stats);
    CHECK_INT(stats.ring_changes, 1);
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
