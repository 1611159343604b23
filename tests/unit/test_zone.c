/* layer: base */
#include "base/zone.h"

#include "base/clock.h"
#include "tests/lib/test.h"

#include <string.h>

static int64_t at(const char *text)
{
    int64_t ms = 0;

    CHECK(clock_parse(text, &ms));
    return ms / 1000;
}

static struct zone *load(const char *name)
{
    struct err err = ERR_EMPTY;
    struct zone *z = NULL;

    CHECK_INT(zone_load(&z, name, &err), 0);
    return z;
}

TEST(zone, daylight_saving_begins_and_ends_to_the_second)
{
    struct zone *z = load("Europe/Berlin");

    CHECK_INT(zone_offset(z, at("2026-01-01T00:00:00Z")), 3600);
    CHECK_INT(zone_offset(z, at("2026-03-29T00:59:59Z")), 3600);
    CHECK_INT(zone_offset(z, at("2026-03-29T01:00:00Z")), 7200);
    CHECK_INT(zone_offset(z, at("2026-10-25T00:59:59Z")), 7200);
    CHECK_INT(zone_offset(z, at("2026-10-25T01:00:00Z")), 3600);
    zone_free(z);
}

TEST(zone, years_after_the_table_follow_the_rule)
{
    struct zone *z = load("Europe/Berlin"), *south = load("America/Santiago");

    CHECK_INT(zone_offset(z, at("2150-07-01T00:00:00Z")), 7200);
    CHECK_INT(zone_offset(z, at("2150-12-01T00:00:00Z")), 3600);
    CHECK_INT(zone_offset(z, at("2150-03-29T00:59:59Z")), 3600);
    CHECK_INT(zone_offset(z, at("2150-03-29T01:00:00Z")), 7200);
    CHECK_INT(zone_offset(south, at("2150-01-01T00:00:00Z")), -10800);
    CHECK_INT(zone_offset(south, at("2150-07-01T00:00:00Z")), -14400);
    zone_free(z);
    zone_free(south);
}

TEST(zone, before_the_table_the_first_standard_time_holds)
{
    struct zone *z = load("Europe/Berlin");

    CHECK_INT(zone_offset(z, at("1800-01-01T00:00:00Z")), 3208);
    zone_free(z);
}

TEST(zone, skipped_times_are_read_with_the_offset_before)
{
    struct zone *z = load("Europe/Berlin");
    struct zone_time t = { .year = 2026, .month = 3, .day = 29, .hour = 2, .minute = 30 };

    CHECK_INT(zone_join(z, t), at("2026-03-29T01:30:00Z"));
    CHECK_INT(zone_split(z, zone_join(z, t)).hour, 3);
    t = (struct zone_time){ .year = 2026, .month = 10, .day = 25, .hour = 2, .minute = 30 };
    CHECK_INT(zone_join(z, t), at("2026-10-25T01:30:00Z"));
    t = (struct zone_time){ .year = 2026, .month = 13, .day = 32, .hour = 24 };
    CHECK_INT(zone_join(z, t), at("2027-02-01T23:00:00Z"));
    zone_free(z);
}

TEST(zone, utc_needs_no_database)
{
    struct zone *z = load("UTC");

    CHECK_INT(zone_offset(z, 0), 0);
    CHECK_INT(zone_split(z, 0).weekday, 4);
    CHECK_INT(zone_split(NULL, -1).year, 1969);
    zone_free(z);
}

TEST(zone, names_that_are_none_are_told)
{
    static const char *const bad[] = { "Mars/Olympus",    "../../etc/passwd", "/etc/localtime",
                                       "europe/berlin",   "Europe",           "zone.tab",
                                       " Europe/Berlin",  "Europe//Berlin",   "",
                                       "a123456789012345" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct err err = ERR_EMPTY;
        struct zone *z = NULL;

        CHECK_INT(zone_load(&z, bad[i], &err), ERR_NOT_FOUND);
        CHECK(strncmp(err.text, "unknown time zone ", 18) == 0);
    }
}

TEST(zone, broken_files_are_refused)
{
    static const char half[] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1";
    struct err err = ERR_EMPTY;
    struct zone *z = NULL;

    CHECK_INT(zone_parse(&z, "", 0, &err), ERR_CORRUPT);
    CHECK_INT(zone_parse(&z, half, sizeof(half), &err), ERR_CORRUPT);
    CHECK(z == NULL);
}
