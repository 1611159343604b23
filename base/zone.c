#include "base/zone.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZONE_FILE_MAX (1u << 20)
#define ZONE_ROWS_MAX 10000
#define ZONE_HEADER   44
#define ZONE_DAY_S    INT64_C(86400)
#define ZONE_YEAR_MAX INT64_C(100000000) /* beyond, no calendar is asked */

/* When daylight saving begins or ends in a year. */
struct zone_day {
    enum { ZONE_MONTH_WEEK, ZONE_JULIAN, ZONE_DAY_OF_YEAR } form; /* "M3.5.0", "J60", "59" */
    int month, week, day;
    int64_t at_s; /* after midnight; may be negative or beyond a day */
};

struct zone_rule { /* the footer: "CET-1CEST,M3.5.0,M10.5.0/3" */
    bool is_set, saves;
    int64_t offset_s, saving_s;
    struct zone_day begin, end;
};

struct zone_row {
    int64_t since_s;
    int64_t offset_s;
};

struct zone {
    struct zone_row *rows; /* owned; by time */
    size_t n_rows;
    int64_t first_s; /* the offset before the first row */
    struct zone_rule rule;
};

/* --- calendar --- */

static int64_t zone_civil(int64_t year, int month, int day)
{
    struct tm tm = { .tm_year = (int)(year - 1900), .tm_mon = month - 1, .tm_mday = day };

    return timegm(&tm);
}

struct zone_time zone_split(const struct zone *z, int64_t unix_s)
{
    int64_t limit = ZONE_YEAR_MAX * 365 * ZONE_DAY_S;
    time_t t;
    struct tm tm;

    unix_s = unix_s > limit ? limit : unix_s < -limit ? -limit : unix_s;
    t = unix_s + zone_offset(z, unix_s);
    gmtime_r(&t, &tm);
    return (struct zone_time){ .year = (int64_t)tm.tm_year + 1900,
                               .month = tm.tm_mon + 1,
                               .day = tm.tm_mday,
                               .hour = tm.tm_hour,
                               .minute = tm.tm_min,
                               .second = tm.tm_sec,
                               .weekday = tm.tm_wday };
}

int64_t zone_join(const struct zone *z, struct zone_time t)
{
    int64_t local = zone_civil(t.year, t.month, t.day) + t.hour * INT64_C(3600) +
                    t.minute * INT64_C(60) + t.second;
    int64_t guess = local - zone_offset(z, local);

    return local - zone_offset(z, guess);
}

/* --- the rule of later years --- */

static int64_t zone_day_local(const struct zone_day *d, int64_t year)
{
    int64_t january = zone_civil(year, 1, 1), first, last;
    int weekday;

    if (d->form == ZONE_JULIAN) /* 29 February is never counted */
        return zone_civil(year, 1, 1) +
               (zone_civil(1970, 1, d->day) +
                (d->day > 59 ? zone_civil(year, 3, 1) - january - 59 * ZONE_DAY_S : 0)) +
               d->at_s;
    if (d->form == ZONE_DAY_OF_YEAR)
        return january + d->day * ZONE_DAY_S + d->at_s;
    first = zone_civil(year, d->month, 1);
    last = zone_civil(year, d->month + 1, 1) - ZONE_DAY_S;
    weekday = (int)(((first / ZONE_DAY_S + 4) % 7 + 7) % 7);
    first += ((d->day - weekday + 7) % 7 + (d->week - 1) * 7) * ZONE_DAY_S;
    while (first > last)
        first -= 7 * ZONE_DAY_S;
    return first + d->at_s;
}

static int64_t zone_rule_offset(const struct zone_rule *r, int64_t unix_s)
{
    int64_t begin, end, year;
    time_t local = unix_s + r->offset_s;
    struct tm tm;
    bool saving;

    if (!r->saves)
        return r->offset_s;
    gmtime_r(&local, &tm);
    year = (int64_t)tm.tm_year + 1900;
    begin = zone_day_local(&r->begin, year) - r->offset_s;
    end = zone_day_local(&r->end, year) - r->saving_s;
    saving = begin < end ? unix_s >= begin && unix_s < end : unix_s >= begin || unix_s < end;
    return saving ? r->saving_s : r->offset_s;
}

int64_t zone_offset(const struct zone *z, int64_t unix_s)
{
    size_t low = 0, high = z ? z->n_rows : 0;

    if (!z)
        return 0;
    while (low < high) { /* the first row after @unix_s */
        size_t middle = low + (high - low) / 2;

        if (z->rows[middle].since_s <= unix_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == z->n_rows && z->rule.is_set)
        return zone_rule_offset(&z->rule, unix_s);
    return low == 0 ? z->first_s : z->rows[low - 1].offset_s;
}

/* --- reading the rule --- */

static bool zone_number(const char **p, int max, int *ret)
{
    int n = 0;

    if (!isdigit((unsigned char)**p))
        return false;
    for (; isdigit((unsigned char)**p) && n <= max; (*p)++)
        n = n * 10 + (**p - '0');
    *ret = n;
    return n <= max;
}

static bool zone_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* "CET", "<+0330>" */
static bool zone_abbreviation(const char **p)
{
    const char *start = *p;

    if (zone_char(p, '<')) {
        *p += strcspn(*p, ">");
        return zone_char(p, '>');
    }
    while (isalpha((unsigned char)**p))
        (*p)++;
    return *p - start >= 3;
}

/* "[+-]h[:mm[:ss]]" */
static bool zone_duration(const char **p, int64_t *ret_s)
{
    int sign = zone_char(p, '-') ? -1 : 1, hours, minutes = 0, seconds = 0;

    if (sign > 0)
        zone_char(p, '+');
    if (!zone_number(p, 167, &hours) || (zone_char(p, ':') && !zone_number(p, 59, &minutes)) ||
        (zone_char(p, ':') && !zone_number(p, 59, &seconds)))
        return false;
    *ret_s = sign * (hours * INT64_C(3600) + minutes * INT64_C(60) + seconds);
    return true;
}

static bool zone_read_day(const char **p, struct zone_day *ret)
{
    *ret = (struct zone_day){ .form = ZONE_DAY_OF_YEAR, .at_s = 7200 };
    if (!zone_char(p, ','))
        return false;
    if (zone_char(p, 'M')) {
        ret->form = ZONE_MONTH_WEEK;
        if (!zone_number(p, 12, &ret->month) || ret->month < 1 || !zone_char(p, '.') ||
            !zone_number(p, 5, &ret->week) || ret->week < 1 || !zone_char(p, '.') ||
            !zone_number(p, 6, &ret->day))
            return false;
    } else if (zone_char(p, 'J')) {
        ret->form = ZONE_JULIAN;
        if (!zone_number(p, 365, &ret->day) || ret->day < 1)
            return false;
    } else if (!zone_number(p, 365, &ret->day)) {
        return false;
    }
    return !zone_char(p, '/') || zone_duration(p, &ret->at_s);
}

/* POSIX offsets are told westwards. */
static bool zone_rule_read(struct zone_rule *ret, const char *p)
{
    struct zone_rule r = { .is_set = true };

    if (!zone_abbreviation(&p) || !zone_duration(&p, &r.offset_s))
        return false;
    r.offset_s = -r.offset_s;
    if (*p) {
        r.saves = true;
        r.saving_s = r.offset_s + 3600;
        if (!zone_abbreviation(&p))
            return false;
        if (*p != ',') {
            if (!zone_duration(&p, &r.saving_s))
                return false;
            r.saving_s = -r.saving_s;
        }
        if (!zone_read_day(&p, &r.begin) || !zone_read_day(&p, &r.end))
            return false;
    }
    *ret = r;
    return *p == '\0';
}

/* --- reading a file --- */

static int64_t zone_big_endian(const unsigned char *p, unsigned n)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

struct zone_header {
    size_t n_isut, n_isstd, n_leaps, n_rows, n_types, n_chars;
};

static bool zone_header_read(struct zone_header *ret, const unsigned char *p, size_t len)
{
    size_t *const counts[] = { &ret->n_isut, &ret->n_isstd, &ret->n_leaps,
                               &ret->n_rows, &ret->n_types, &ret->n_chars };

    if (len < ZONE_HEADER || memcmp(p, "TZif", 4) != 0)
        return false;
    for (size_t i = 0; i < 6; i++) {
        int64_t n = zone_big_endian(p + 20 + 4 * i, 4);

        if (n < 0 || n > ZONE_ROWS_MAX)
            return false;
        *counts[i] = (size_t)n;
    }
    return true;
}

static size_t zone_header_body(const struct zone_header *h, size_t time_size)
{
    return h->n_rows * (time_size + 1) + h->n_types * 6 + h->n_chars +
           h->n_leaps * (time_size + 4) + h->n_isstd + h->n_isut;
}

static bool zone_read_rows(struct zone *z, const struct zone_header *h, const unsigned char *p)
{
    const unsigned char *indexes = p + 8 * h->n_rows, *types = indexes + h->n_rows;

    z->rows = MEM_NEW_ARRAY(struct zone_row, h->n_rows + 1);
    for (size_t i = 0; i < h->n_rows; i++) {
        if (indexes[i] >= h->n_types)
            return false;
        z->rows[i].since_s = zone_big_endian(p + 8 * i, 8);
        z->rows[i].offset_s = zone_big_endian(types + 6 * indexes[i], 4);
        if (i > 0 && z->rows[i].since_s <= z->rows[i - 1].since_s)
            return false;
    }
    z->n_rows = h->n_rows;
    /* Before the first row the first type that saves no daylight holds. */
    for (size_t i = h->n_types; i-- > 0;)
        if (i == 0 || types[6 * i + 4] == 0)
            z->first_s = zone_big_endian(types + 6 * i, 4);
    for (size_t i = 0; i < h->n_types; i++)
        if (llabs(zone_big_endian(types + 6 * i, 4)) > 2 * ZONE_DAY_S)
            return false;
    return true;
}

static bool zone_read(struct zone *z, const unsigned char *p, size_t len)
{
    cleanup(freep) char *footer = NULL;
    struct zone_header h;
    size_t body;

    if (!zone_header_read(&h, p, len) || p[4] < '2') /* version 1 has only 32 bits */
        return false;
    body = ZONE_HEADER + zone_header_body(&h, 4);
    if (len < body || !zone_header_read(&h, p + body, len - body) || h.n_types == 0)
        return false;
    p += body + ZONE_HEADER;
    len -= body + ZONE_HEADER;
    body = zone_header_body(&h, 8);
    if (len < body + 2 || !zone_read_rows(z, &h, p))
        return false;
    p += body;
    len -= body;
    if (p[0] != '\n' || p[len - 1] != '\n')
        return false;
    footer = mem_fmt("%.*s", (int)(len - 2), (const char *)p + 1);
    return *footer == '\0' || zone_rule_read(&z->rule, footer);
}

int zone_parse(struct zone **ret, const void *data, size_t len, struct err *err)
{
    cleanup(zone_freep) struct zone *z = MEM_NEW(struct zone);

    if (len > ZONE_FILE_MAX || !zone_read(z, data, len))
        return err_set(err, ERR_CORRUPT, "malformed time zone information");
    *ret = STEAL(z);
    return 0;
}

/* Names lead to files: no part may leave the directory.  The lengths are tzdb's own rule. */
static bool zone_is_name(const char *name)
{
    cleanup(strv_freep) char **parts = str_split(name, '/');

    if (strlen(name) > ZONE_NAME_MAX || parts[0] == NULL)
        return false;
    for (size_t i = 0; parts[i]; i++) {
        size_t n = strlen(parts[i]);

        if (n < 1 || n > 14 || parts[i][0] == '-' || str_eq(parts[i], ".") ||
            str_eq(parts[i], ".."))
            return false;
        for (size_t k = 0; k < n; k++)
            if (!isalnum((unsigned char)parts[i][k]) && !strchr("._-+", parts[i][k]))
                return false;
    }
    return true;
}

int zone_load(struct zone **ret, const char *name, struct err *err)
{
    cleanup(text_fini) struct text data = TEXT_EMPTY;
    cleanup(freep) char *path = mem_fmt(ZONE_DIR "/%s", name);
    struct err why = ERR_EMPTY;

    if (str_eq(name, "UTC")) {
        *ret = MEM_NEW(struct zone);
        return 0;
    }
    if (!zone_is_name(name) || file_read(&data, path, ZONE_FILE_MAX, &why) < 0)
        return err_set(err, ERR_NOT_FOUND, "unknown time zone %s", name);
    if (zone_parse(ret, text_str(&data), data.len, err) < 0)
        return err_set(err, ERR_NOT_FOUND, "unknown time zone %s", name);
    return 0;
}

struct zone *zone_free(struct zone *z)
{
    if (!z)
        return NULL;
    free(z->rows);
    free(z);
    return NULL;
}

void zone_freep(struct zone **z)
{
    *z = zone_free(*z);
}
