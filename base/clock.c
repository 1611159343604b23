#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t clock_read_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return clock_read_ms(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_read_ms(CLOCK_REALTIME);
}

/* Rounds towards the past, so that times before 1970 keep a positive fraction. */
static int64_t clock_floor(int64_t value, int64_t unit, int64_t *ret_rest)
{
    int64_t whole = value / unit, rest = value % unit;

    *ret_rest = rest < 0 ? rest + unit : rest;
    return rest < 0 ? whole - 1 : whole;
}

/* Years outside 0000-9999 have no RFC 3339 form; they are shown as its ends. */
#define CLOCK_SECS_LEN 19 /* 2006-01-02T15:04:05 */

/* Most times that are printed are of the second that was printed last. */
static _Thread_local struct {
    time_t secs;
    char text[CLOCK_TEXT_MAX];
} clock_last;

static void clock_print_secs(char ret[CLOCK_TEXT_MAX], int64_t secs, const char *fraction)
{
    static const int64_t first = -62167219200, last = 253402300799;
    time_t t = (time_t)(secs < first ? first : secs > last ? last : secs);
    struct tm tm;

    if (clock_last.text[0] == '\0' || clock_last.secs != t) {
        gmtime_r(&t, &tm);
        snprintf(clock_last.text, sizeof(clock_last.text), "%04d-%02d-%02dT%02d:%02d:%02d",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        clock_last.secs = t;
    }
    memcpy(ret, clock_last.text, CLOCK_SECS_LEN);
    stpcpy(stpcpy(ret + CLOCK_SECS_LEN, fraction), "Z");
}

/* ".000123": a point and @digits digits. */
static void clock_fraction(char ret[16], int64_t value, int digits)
{
    ret[0] = '.';
    ret[digits + 1] = '\0';
    for (int i = digits; i > 0; i--, value /= 10)
        ret[i] = (char)('0' + value % 10);
}

void clock_print(char ret[CLOCK_TEXT_MAX], int64_t wall_ms)
{
    int64_t rest;

    clock_print_secs(ret, clock_floor(wall_ms, 1000, &rest), "");
}

void clock_print_micro(char ret[CLOCK_TEXT_MAX], int64_t wall_us)
{
    char fraction[16];
    int64_t rest, secs = clock_floor(wall_us, 1000000, &rest);

    clock_fraction(fraction, rest, 6);
    clock_print_secs(ret, secs, fraction);
}

/* RFC3339Nano of Go drops trailing zeros, and the point with them. */
void clock_print_nano(char ret[CLOCK_TEXT_MAX], int64_t wall_ns)
{
    char fraction[16];
    int64_t rest, secs = clock_floor(wall_ns, 1000000000, &rest);
    size_t n;

    clock_fraction(fraction, rest, 9);
    for (n = strlen(fraction); n > 1 && fraction[n - 1] == '0'; n--)
        ;
    fraction[n > 1 ? n : 0] = '\0';
    clock_print_secs(ret, secs, fraction);
}

/* Exactly @n digits; advances @p. */
static bool clock_digits(const char **p, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)(*p)[i]))
            return false;
        v = v * 10 + ((*p)[i] - '0');
    }
    *p += n;
    *ret = v;
    return true;
}

static bool clock_char(const char **p, const char *set)
{
    if (!**p || !strchr(set, **p))
        return false;
    (*p)++;
    return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar: years are counted from March,
 * so that the leap day is the last of its year. */
static int64_t clock_days(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int clock_month_days(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static bool clock_parse_date(const char **p, int64_t *ret_days)
{
    int year, month, day;

    if (!clock_digits(p, 4, &year) || !clock_char(p, "-") || !clock_digits(p, 2, &month) ||
        !clock_char(p, "-") || !clock_digits(p, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > clock_month_days(year, month))
        return false;
    *ret_days = clock_days(year, month, day);
    return true;
}

static bool clock_parse_time(const char **p, int64_t *ret_ms)
{
    int hour, minute, second, ms = 0, scale = 100;

    if (!clock_digits(p, 2, &hour) || !clock_char(p, ":") || !clock_digits(p, 2, &minute) ||
        !clock_char(p, ":") || !clock_digits(p, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60) /* 60: leap second, RFC 3339 section 5.7 */
        return false;
    if (clock_char(p, ".")) {
        if (!isdigit((unsigned char)**p))
            return false;
        for (; isdigit((unsigned char)**p); (*p)++, scale /= 10)
            ms += (**p - '0') * scale;
    }
    *ret_ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + ms;
    return true;
}

static bool clock_parse_zone(const char **p, int64_t *ret_ms)
{
    int hour, minute, sign;

    if (clock_char(p, "Zz")) {
        *ret_ms = 0;
        return true;
    }
    sign = **p == '-' ? -1 : 1;
    if (!clock_char(p, "+-") || !clock_digits(p, 2, &hour) || !clock_char(p, ":") ||
        !clock_digits(p, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ret_ms = sign * (hour * 60 + minute) * INT64_C(60000);
    return true;
}

bool clock_parse(const char *text, int64_t *ret_wall_ms)
{
    int64_t days, time_ms, zone_ms;

    if (!clock_parse_date(&text, &days) || !clock_char(&text, "Tt ") ||
        !clock_parse_time(&text, &time_ms) || !clock_parse_zone(&text, &zone_ms) || *text)
        return false;
    *ret_wall_ms = days * INT64_C(86400000) + time_ms - zone_ms;
    return true;
}
