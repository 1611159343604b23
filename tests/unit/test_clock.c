/* layer: base */
#include "base/clock.h"
#include "base/mem.h"
#include "tests/lib/test.h"

TEST(clock, prints_rfc3339)
{
    char text[CLOCK_TEXT_MAX];

    clock_print(text, 0);
    CHECK_STR(text, "1970-01-01T00:00:00Z");
    clock_print(text, 1767323045999);
    CHECK_STR(text, "2026-01-02T03:04:05Z");
    clock_print(text, -1);
    CHECK_STR(text, "1969-12-31T23:59:59Z");
    clock_print_micro(text, 1767323045000042);
    CHECK_STR(text, "2026-01-02T03:04:05.000042Z");
    clock_print_micro(text, -1);
    CHECK_STR(text, "1969-12-31T23:59:59.999999Z");
    clock_print_nano(text, 1767323045120000000);
    CHECK_STR(text, "2026-01-02T03:04:05.12Z");
    clock_print_nano(text, 1767323045000000000);
    CHECK_STR(text, "2026-01-02T03:04:05Z");
    clock_print_nano(text, 1767323045000000001);
    CHECK_STR(text, "2026-01-02T03:04:05.000000001Z");
    clock_print(text, INT64_MAX);
    CHECK_STR(text, "9999-12-31T23:59:59Z");
    clock_print(text, INT64_MIN);
    CHECK_STR(text, "0000-01-01T00:00:00Z");
}

TEST(clock, reads_any_rfc3339)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-01-02T03:04:05Z", 1767323045000 },
        { "2026-01-02t03:04:05.25z", 1767323045250 },
        { "2026-01-02T03:04:05.9999999Z", 1767323045999 },
        { "2026-01-02T04:34:05+01:30", 1767323045000 },
        { "2026-01-01T22:04:05-05:00", 1767323045000 },
        { "2024-02-29T00:00:00Z", 1709164800000 },
        { "1969-12-31T23:59:59Z", -1000 },
        { "2016-12-31T23:59:60Z", 1483228800000 },
    };
    int64_t ms;

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CHECK(clock_parse(rows[i].text, &ms));
        CHECK_INT(ms, rows[i].ms);
    }
}

TEST(clock, refuses_what_is_no_time)
{
    static const char *const bad[] = {
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-13-02T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+1:00",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05Zx",
        "26-01-02T03:04:05Z",
    };
    int64_t ms = 7;

    for (size_t i = 0; i < N_ELEMENTS(bad); i++)
        CHECK(!clock_parse(bad[i], &ms) && ms == 7);
}

TEST(clock, every_day_reads_back)
{
    char text[CLOCK_TEXT_MAX];

    for (int64_t day = -800000; day < 2900000; day += 97) {
        int64_t ms = day * 86400000, back;

        if (ms < -62167219200000 || ms > 253402300799000)
            continue;
        clock_print(text, ms);
        CHECK(clock_parse(text, &back));
        CHECK_INT(back, ms);
    }
}

TEST(clock, monotonic_does_not_go_back)
{
    int64_t a = clock_mono_ms(), b = clock_mono_ms();

    CHECK(a > 0 && b >= a);
    CHECK(clock_wall_ms() > 1700000000000);
}
