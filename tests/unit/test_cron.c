/* layer: api */
#include "api/cron.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <stdio.h>

static int64_t at(const char *text)
{
    int64_t ms = 0;

    CHECK(clock_parse(text, &ms));
    return ms / 1000;
}

static void check_next(const char *schedule, const char *zone, const char *after, const char *want)
{
    cleanup(zone_freep) struct zone *z = NULL;
    struct err err = ERR_EMPTY;
    char text[CLOCK_TEXT_MAX] = "never";
    struct cron c;
    int64_t next;

    if (cron_parse(&c, schedule, &err) < 0)
        CHECK_STR(err.text, "");
    if (zone)
        CHECK_INT(zone_load(&z, zone, &err), 0);
    next = cron_next(&c, z, at(after));
    if (next != CRON_NEVER)
        clock_print(text, next * 1000);
    CHECK_STR(text, want);
}

static void check_bad(const char *schedule, const char *want)
{
    struct err err = ERR_EMPTY;
    struct cron c;

    CHECK_INT(cron_parse(&c, schedule, &err), ERR_INVALID);
    CHECK_STR(err.text, want);
}

TEST(cron, the_next_time_is_after_the_given_one)
{
    check_next("* * * * *", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z");
    check_next("* * * * *", NULL, "2026-01-01T00:00:59Z", "2026-01-01T00:01:00Z");
    check_next("*/5 * * * *", NULL, "2026-01-01T00:01:00Z", "2026-01-01T00:05:00Z");
    check_next("0 0 1 1 *", NULL, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    check_next("59 23 31 12 *", NULL, "2026-01-01T00:00:00Z", "2026-12-31T23:59:00Z");
    check_next("30 6-16/4 * * 1-5", NULL, "2026-01-02T14:30:00Z", "2026-01-05T06:30:00Z");
    check_next("15/20 * * * *", NULL, "2026-01-01T00:16:00Z", "2026-01-01T00:35:00Z");
    check_next("0 12 * feb MON", NULL, "2026-01-01T00:00:00Z", "2026-02-02T12:00:00Z");
    check_next("0 0 29 2 ?", NULL, "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
}

TEST(cron, either_day_will_do_when_both_are_restricted)
{
    check_next("0 0 13 * 5", NULL, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    check_next("0 0 13 * *", NULL, "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z");
    check_next("0 0 * * 5", NULL, "2026-01-03T00:00:00Z", "2026-01-09T00:00:00Z");
    /* A step takes the star away. */
    check_next("0 0 */2 * 5", NULL, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
}

TEST(cron, words)
{
    check_next("@hourly", NULL, "2026-01-01T00:10:00Z", "2026-01-01T01:00:00Z");
    check_next("@daily", NULL, "2026-01-01T00:10:00Z", "2026-01-02T00:00:00Z");
    check_next("@midnight", NULL, "2026-01-01T00:10:00Z", "2026-01-02T00:00:00Z");
    check_next("@weekly", NULL, "2026-01-01T00:10:00Z", "2026-01-04T00:00:00Z");
    check_next("@monthly", NULL, "2026-01-01T00:10:00Z", "2026-02-01T00:00:00Z");
    check_next("@yearly", NULL, "2026-01-01T00:10:00Z", "2027-01-01T00:00:00Z");
    check_next("@annually", NULL, "2026-01-01T00:10:00Z", "2027-01-01T00:00:00Z");
}

TEST(cron, every_counts_from_the_given_time)
{
    check_next("@every 1h30m", NULL, "2026-01-01T00:10:07Z", "2026-01-01T01:40:07Z");
    check_next("@every 1.5m", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z");
    check_next("@every 90s500ms", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z");
    check_next("@every 10ms", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
    check_next("@every -5m", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
    check_next("@every 0", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
}

TEST(cron, what_never_comes)
{
    check_next("59 23 31 2 *", NULL, "2026-01-01T00:00:00Z", "never");
    check_next("0 0 , * *", NULL, "2026-01-01T00:00:00Z", "never");
}

TEST(cron, a_zone_moves_the_day)
{
    check_next("0 3 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z");
    check_next("0 3 * * *", "Europe/Berlin", "2026-07-01T02:00:00Z", "2026-07-02T01:00:00Z");
    check_next("0 0 1 * *", "Asia/Tokyo", "2026-01-01T00:00:00Z", "2026-01-31T15:00:00Z");
    check_next("*/15 * * * *", "Asia/Kathmandu", "2026-01-01T00:01:00Z", "2026-01-01T00:15:00Z");
}

TEST(cron, skipped_hours_are_skipped_and_repeated_ones_repeated)
{
    /* 02:30 does not exist on 29 March. */
    check_next("30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-30T00:30:00Z");
    check_next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
    check_next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    /* Midnight of 6 September 2026 does not exist in Santiago. */
    check_next("0 5 * * *", "America/Santiago", "2026-09-05T10:00:00Z", "2026-09-06T08:00:00Z");
}

TEST(cron, what_is_wrong_is_said_in_the_words_of_kubernetes)
{
    check_bad("", "empty spec string");
    check_bad("* * * *", "expected exactly 5 fields, found 4: [* * * *]");
    check_bad("0 * * * * *", "expected exactly 5 fields, found 6: [0 * * * * *]");
    check_bad("60 * * * *", "end of range (60) above maximum (59): 60");
    check_bad("* * 0 * *", "beginning of range (0) below minimum (1): 0");
    check_bad("* * * * 7", "end of range (7) above maximum (6): 7");
    check_bad("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1");
    check_bad("*/0 * * * *", "step of range should be a positive number: */0");
    check_bad("1-2-3 * * * *", "too many hyphens: 1-2-3");
    check_bad("1/2/3 * * * *", "too many slashes: 1/2/3");
    check_bad("a * * * *",
              "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax");
    check_bad("* * * * mon-",
              "failed to parse int from : strconv.Atoi: parsing \"\": invalid syntax");
    check_bad("99999999999999999999 * * * *",
              "failed to parse int from 99999999999999999999: strconv.Atoi: parsing "
              "\"99999999999999999999\": value out of range");
    check_bad("@never", "unrecognized descriptor: @never");
    check_bad("@every 5",
              "failed to parse duration @every 5: time: missing unit in duration \"5\"");
    check_bad("@every x", "failed to parse duration @every x: time: invalid duration \"x\"");
    check_bad("@every 5d",
              "failed to parse duration @every 5d: time: unknown unit \"d\" in duration \"5d\"");
}
