/* Timestamps and durations: seconds and nanoseconds, within the years 1 to 9999 and 292 years. */
#include "cel/cel_impl.h"

#include "base/text.h"
#include "base/zone.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_NANOS        1000000000
#define TIME_FIRST        (-62135596800) /* 0001-01-01 */
#define TIME_LAST         253402300799   /* 9999-12-31T23:59:59 */
#define TIME_DURATION_MAX 9223372036     /* what fits into 64 bits of nanoseconds */

/* --- making --- */

bool cel_make_time(int64_t seconds, int64_t nanos, enum cel_kind kind, struct cel_value *ret)
{
    int64_t first = kind == CEL_TIMESTAMP ? TIME_FIRST : -TIME_DURATION_MAX;
    int64_t last = kind == CEL_TIMESTAMP ? TIME_LAST : TIME_DURATION_MAX;

    seconds += nanos / TIME_NANOS;
    nanos %= TIME_NANOS;
    if (nanos < 0 && (kind == CEL_TIMESTAMP || seconds > 0)) {
        nanos += TIME_NANOS;
        seconds--;
    } else if (nanos > 0 && seconds < 0 && kind == CEL_DURATION) {
        nanos -= TIME_NANOS;
        seconds++;
    }
    if (seconds < first || seconds > last)
        return false;
    *ret = (struct cel_value){ .kind = kind, .i = seconds, .nanos = (int32_t)nanos };
    return true;
}

/* ".5" at *s as nanoseconds; digits beyond the ninth do not count. */
static int64_t time_fraction(const char **s)
{
    int64_t nanos = 0, unit = TIME_NANOS / 10;

    if (**s != '.' && **s != ',')
        return 0;
    for ((*s)++; isdigit((unsigned char)**s); (*s)++, unit /= 10)
        nanos += (**s - '0') * unit;
    return nanos;
}

static bool time_offset(const char *s, int64_t *ret)
{
    int hours, minutes, used = 0;

    *ret = 0;
    if ((*s == 'Z' || *s == 'z') && s[1] == '\0')
        return true;
    if (*s != '+' && *s != '-')
        return false;
    if (sscanf(s + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 || s[6] != '\0' ||
        hours > 23 || minutes > 59)
        return false;
    *ret = (hours * 60 + minutes) * 60 * (*s == '-' ? -1 : 1);
    return true;
}

static bool time_is_day(const struct zone_time *t)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = t->year % 4 == 0 && (t->year % 100 != 0 || t->year % 400 == 0);

    return t->month >= 1 && t->month <= 12 && t->day >= 1 &&
           t->day <= days[t->month - 1] + (t->month == 2 && leap);
}

bool cel_read_time(const char *s, struct cel_value *ret)
{
    struct zone_time t = { 0 };
    int year, used = 0;
    int64_t nanos, offset;

    if (sscanf(s, "%4d-%2d-%2d%n", &year, &t.month, &t.day, &used) != 3 || used != 10)
        return false;
    t.year = year;
    s += used;
    if (!time_is_day(&t))
        return false;
    if (*s == '\0')
        return cel_make_time(zone_join(NULL, t), 0, CEL_TIMESTAMP, ret);
    if ((*s != 'T' && *s != 't') ||
        sscanf(s, "%*c%2d:%2d:%2d%n", &t.hour, &t.minute, &t.second, &used) != 3 || used != 9 ||
        t.hour > 23 || t.minute > 59 || t.second > 59)
        return false;
    s += used;
    nanos = time_fraction(&s);
    return time_offset(s, &offset) &&
           cel_make_time(zone_join(NULL, t) - offset, nanos, CEL_TIMESTAMP, ret);
}

/* One "1.5h" at *s, added to *ret (nanoseconds). */
static bool time_read_part(const char **s, __int128 *ret)
{
    static const struct {
        const char *name;
        int64_t nanos;
    } units[] = { { "ns", 1 },
                  { "us", 1000 },
                  { "\xc2\xb5s", 1000 },
                  { "ms", 1000000 },
                  { "s", TIME_NANOS },
                  { "m", 60LL * TIME_NANOS },
                  { "h", 3600LL * TIME_NANOS } };
    __int128 whole = 0;
    int64_t fraction;
    const char *start = *s;

    for (; isdigit((unsigned char)**s) && *s - start < 20; (*s)++)
        whole = whole * 10 + (**s - '0');
    fraction = **s == '.' ? time_fraction(s) : 0;
    if (*s == start || (*s == start + 1 && *start == '.'))
        return false;
    for (size_t i = 0; i < N_ELEMENTS(units); i++)
        if (strncmp(*s, units[i].name, strlen(units[i].name)) == 0) {
            *s += strlen(units[i].name);
            *ret += whole * units[i].nanos + (__int128)fraction * units[i].nanos / TIME_NANOS;
            return true;
        }
    return false;
}

bool cel_read_duration(const char *s, struct cel_value *ret)
{
    __int128 nanos = 0;
    bool minus = *s == '-';

    if (*s == '-' || *s == '+')
        s++;
    if (str_eq(s, "0"))
        return cel_make_time(0, 0, CEL_DURATION, ret);
    do {
        if (!time_read_part(&s, &nanos) || nanos > (__int128)TIME_DURATION_MAX * TIME_NANOS)
            return false;
    } while (*s != '\0');
    if (minus)
        nanos = -nanos;
    return cel_make_time((int64_t)(nanos / TIME_NANOS), (int64_t)(nanos % TIME_NANOS), CEL_DURATION,
                         ret);
}

void cel_print_time(struct text *t, int64_t seconds, int32_t nanos)
{
    struct zone_time at = zone_split(NULL, seconds);
    char fraction[12];
    size_t len;

    text_fmt(t, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)at.year, at.month, at.day, at.hour,
             at.minute, at.second);
    if (nanos != 0) {
        snprintf(fraction, sizeof(fraction), ".%09d", nanos);
        for (len = strlen(fraction); fraction[len - 1] == '0';)
            fraction[--len] = '\0';
        text_puts(t, fraction);
    }
    text_putc(t, 'Z');
}

/* --- functions --- */

static struct cel_value time_made(struct cel_context *c, int64_t seconds, int64_t nanos,
                                  enum cel_kind kind)
{
    struct cel_value v;

    return cel_make_time(seconds, nanos, kind, &v)
               ? v
               : cel_error(c, "%s overflow", kind == CEL_TIMESTAMP ? "timestamp" : "duration");
}

CEL_FN(time_of_text)
{
    struct cel_value v;

    return a[0].n > 10 && cel_read_time(a[0].s, &v)
               ? v
               : cel_error(c, "invalid timestamp: \"%.64s\"", a[0].s);
}

CEL_FN(time_of_int)
{
    return time_made(c, a[0].i, 0, CEL_TIMESTAMP);
}

CEL_FN(time_same)
{
    return a[0];
}

CEL_FN(time_duration_of_text)
{
    struct cel_value v;

    return cel_read_duration(a[0].s, &v) ? v : cel_error(c, "invalid duration: \"%.64s\"", a[0].s);
}

CEL_FN(time_add)
{
    enum cel_kind kind = a[0].kind == CEL_TIMESTAMP ? CEL_TIMESTAMP : a[1].kind;

    return time_made(c, a[0].i + a[1].i, (int64_t)a[0].nanos + a[1].nanos, kind);
}

CEL_FN(time_sub)
{
    enum cel_kind kind = a[0].kind == a[1].kind ? CEL_DURATION : CEL_TIMESTAMP;

    return time_made(c, a[0].i - a[1].i, (int64_t)a[0].nanos - a[1].nanos, kind);
}

/* The calendar of a timestamp, in the time zone that an argument names ("Europe/Berlin", "+02:00").
 * False: there is no such zone, *ret_error says so. */
static bool time_split(struct cel_context *c, const struct cel_value *a, size_t n,
                       struct zone_time *ret, struct cel_value *ret_error)
{
    struct zone *z = NULL;
    struct err err = ERR_EMPTY;
    int64_t offset = 0;
    char text[ZONE_NAME_MAX];

    if (n > 1 && isdigit((unsigned char)a[1].s[0])) {
        snprintf(text, sizeof(text), "+%s", a[1].s);
        if (!time_offset(text, &offset))
            *ret_error = cel_error(c, "unknown time zone %.64s", a[1].s);
        else
            *ret = zone_split(NULL, a[0].i + offset);
        return time_offset(text, &offset);
    }
    if (n > 1 && !time_offset(a[1].s, &offset) && zone_load(&z, a[1].s, &err) < 0) {
        *ret_error = cel_error(c, "%s", err.text);
        return false;
    }
    *ret = zone_split(z, a[0].i + offset);
    zone_free(z);
    return true;
}

static int64_t time_day_of_year(const struct zone_time *t)
{
    struct zone_time first = { .year = t->year, .month = 1, .day = 1 };
    struct zone_time here = { .year = t->year, .month = t->month, .day = t->day };

    return (zone_join(NULL, here) - zone_join(NULL, first)) / 86400;
}

#define TIME_PART(fn, value)                                     \
    CEL_FN(fn)                                                   \
    {                                                            \
        struct zone_time t;                                      \
        struct cel_value v;                                      \
                                                                 \
        return time_split(c, a, n, &t, &v) ? cel_int(value) : v; \
    }

TIME_PART(time_year, t.year)
TIME_PART(time_month, t.month - 1)
TIME_PART(time_date, t.day)
TIME_PART(time_day_of_month, t.day - 1)
TIME_PART(time_day_of_week, t.weekday)
TIME_PART(time_day_of_the_year, time_day_of_year(&t))
TIME_PART(time_hours, t.hour)
TIME_PART(time_minutes, t.minute)
TIME_PART(time_seconds, t.second)

CEL_FN(time_millis)
{
    return cel_int(a[0].nanos / 1000000);
}

CEL_FN(time_duration_hours)
{
    return cel_int(a[0].i / 3600);
}

CEL_FN(time_duration_minutes)
{
    return cel_int(a[0].i / 60);
}

CEL_FN(time_duration_seconds)
{
    return cel_int(a[0].i);
}

CEL_FN(time_duration_millis)
{
    return cel_int(a[0].i * 1000 + a[0].nanos / 1000000);
}

/* clang-format off */
#define TIME_GETTER(name, fn) { name, true, "t:i", fn }, { name, true, "ts:i", fn }

static const struct cel_function time_functions[] = {
    { "timestamp", false, "s:t", time_of_text },        { "timestamp", false, "i:t", time_of_int },
    { "timestamp", false, "t:t", time_same },
    { "duration", false, "s:r", time_duration_of_text }, { "duration", false, "r:r", time_same },
    { "_+_", false, "tr:t", time_add }, { "_+_", false, "rt:t", time_add },
    { "_+_", false, "rr:r", time_add },
    { "_-_", false, "tr:t", time_sub }, { "_-_", false, "tt:r", time_sub },
    { "_-_", false, "rr:r", time_sub },
    TIME_GETTER("getFullYear", time_year),
    TIME_GETTER("getMonth", time_month),
    TIME_GETTER("getDate", time_date),
    TIME_GETTER("getDayOfMonth", time_day_of_month),
    TIME_GETTER("getDayOfWeek", time_day_of_week),
    TIME_GETTER("getDayOfYear", time_day_of_the_year),
    TIME_GETTER("getHours", time_hours),
    TIME_GETTER("getMinutes", time_minutes),
    TIME_GETTER("getSeconds", time_seconds),
    TIME_GETTER("getMilliseconds", time_millis),
    { "getHours", true, "r:i", time_duration_hours },
    { "getMinutes", true, "r:i", time_duration_minutes },
    { "getSeconds", true, "r:i", time_duration_seconds },
    { "getMilliseconds", true, "r:i", time_duration_millis },
};
/* clang-format on */

const struct cel_library cel_lib_time = { time_functions, N_ELEMENTS(time_functions), NULL };
