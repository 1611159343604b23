/* layer: base */
#include "base/duration.h"
#include "tests/lib/test.h"

static long long ms(const char *s)
{
    int64_t ret;

    return duration_parse(s, &ret) ? (long long)ret : -1;
}

TEST(duration, reads_what_go_reads)
{
    CHECK_INT(ms("0"), 0);
    CHECK_INT(ms("10s"), 10000);
    CHECK_INT(ms("1h"), 3600000);
    CHECK_INT(ms("1h0m0s"), 3600000);
    CHECK_INT(ms("1h30m"), 5400000);
    CHECK_INT(ms("1.5h"), 5400000);
    CHECK_INT(ms("250ms"), 250);
    CHECK_INT(ms("0.1s"), 100);
    CHECK_INT(ms("1500us"), 1);
    CHECK_INT(ms("+2m"), 120000);
    CHECK_INT(ms(".5s"), 500);
}

TEST(duration, refuses_what_go_refuses)
{
    static const char *const bad[] = { "",      "1",  "h", "1d", "1h ",  " 1h",   ".s",
                                       "1h-1m", "s1", "-", "5d", "1e3s", "1.2.3s" };
    int64_t ret;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!duration_parse(bad[i], &ret));
    CHECK(!duration_parse("9999999999h", &ret));
    CHECK(duration_parse("-5s", &ret));
    CHECK_INT(ret, -5000);
}
