/* layer: storage */
#include "tests/unit/store_fixture.h"

/* --- lazy writes --- */

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
    revision = store_revision(f.s);
    fixture_restart(&f);
    CHECK_INT(store_revision(f.s), revision);
    CREATE(.name = "a", .value = "1");
    fixture_settle(&f);
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
    size_t rows;

    fixture_up(&f);
    fixture_warm(&f);
    CREATE(.bucket = "leases", .name = "l", .value = "1", .lazy = true);
    CREATE(.bucket = "leases", .name = "m", .value = "1", .lazy = true);
    backend_memory_fail(f.m, 1, 1, ERR_NOSPACE);
    backend_memory_flush(f.m);
    UPDATE(.bucket = "leases", .name = "l", .value = "2", .lazy = true); /* while it is under way */
    fixture_settle(&f);
    CHECK(value_is(store_get(f.s, "leases", "", "l"), "2"));
    rows = backend_memory_rows(f.m);
    backend_memory_flush(f.m);
    fixture_settle(&f);
    CHECK_INT(backend_memory_rows(f.m), rows + 2); /* each once */
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
