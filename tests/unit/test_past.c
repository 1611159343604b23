/* layer: storage */
#include "storage/past.h"
#include "tests/unit/store_fixture.h"

static size_t changes(struct fixture *f)
{
    struct store_stats stats;

    store_stats(f->s, &stats);
    return stats.ring_changes;
}

TEST(past, what_is_old_goes_and_the_present_stays)
{
    struct fixture f = { 0 };
    struct past *p;
    uv_loop_t loop;

    CHECK_INT(uv_loop_init(&loop), 0);
    fixture_up(&f);
    CREATE(.name = "before", .value = "1");
    fixture_settle(&f);
    p = past_new(&loop, f.s, 1);
    CREATE(.name = "a", .value = "1");
    fixture_settle(&f);
    CHECK_INT(changes(&f), 2);
    CHECK_SOON(&loop, changes(&f) == 0, 5000);
    CHECK(pod_is(&f, "before", "1"));
    CHECK(pod_is(&f, "a", "1"));
    CREATE(.name = "b", .value = "1");
    fixture_settle(&f);
    CHECK_INT(changes(&f), 1);
    CHECK_SOON(&loop, changes(&f) == 0, 5000);
    CHECK(past_close(p) == NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&loop), 0);
    fixture_down(&f);
}
