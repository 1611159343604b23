#include "api/cron.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CRON_STAR     (UINT64_C(1) << 63) /* the field left all open */
#define CRON_YEARS    5
#define CRON_FIELDS   5
#define CRON_BLANKS   " \t\n\v\f\r"
#define CRON_NS_PER_S UINT64_C(1000000000)

struct cron_field {
    unsigned low, high;
    const char *const *names; /* of low, low + 1, ..; NULL: none */
};

static const char *const cron_months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
                                           "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const cron_days[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

static const struct cron_field cron_fields[CRON_FIELDS] = {
    { 0, 59, NULL }, { 0, 23, NULL }, { 1, 31, NULL }, { 1, 12, cron_months }, { 0, 6, cron_days },
};

static const struct cron_word {
    const char *word, *fields;
} cron_words[] = {
    { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
    { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
    { "@hourly", "0 * * * *" },
};

/* --- one range: "*", "5", "mon-fri", each with "/2" --- */

static int cron_integer(unsigned *ret, const char *s, struct err *err)
{
    const char *digits = *s == '+' || *s == '-' ? s + 1 : s;
    unsigned long n;

    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return err_set(err, ERR_INVALID,
                       "failed to parse int from %s: strconv.Atoi: parsing \"%s\": invalid syntax",
                       s, s);
    errno = 0;
    n = strtoul(digits, NULL, 10);
    if (errno == ERANGE || n > INT64_MAX)
        return err_set(
            err, ERR_INVALID,
            "failed to parse int from %s: strconv.Atoi: parsing \"%s\": value out of range", s, s);
    if (*s == '-' && n > 0)
        return err_set(err, ERR_INVALID, "negative number (-%lu) not allowed: %s", n, s);
    *ret = n > UINT32_MAX ? UINT32_MAX : (unsigned)n;
    return 0;
}

static int cron_number(unsigned *ret, const struct cron_field *f, const char *s, struct err *err)
{
    for (unsigned i = 0; f->names && f->names[i]; i++) {
        if (strcasecmp(f->names[i], s) == 0) {
            *ret = f->low + i;
            return 0;
        }
    }
    return cron_integer(ret, s, err);
}

struct cron_range {
    unsigned low, high, step;
    bool single; /* no "-" */
    uint64_t star;
};

static int cron_read_ends(struct cron_range *ret, const struct cron_field *f, const char *base,
                          const char *range, struct err *err)
{
    const char *dash = strchr(base, '-');
    cleanup(freep) char *low = dash ? mem_fmt("%.*s", (int)(dash - base), base) : mem_str(base);
    int rc;

    ret->single = !dash;
    if (str_eq(low, "*") || str_eq(low, "?")) {
        ret->low = f->low;
        ret->high = f->high;
        ret->star = CRON_STAR;
        return 0;
    }
    rc = cron_number(&ret->low, f, low, err);
    if (rc < 0)
        return rc;
    ret->high = ret->low;
    if (dash && strchr(dash + 1, '-'))
        return err_set(err, ERR_INVALID, "too many hyphens: %s", range);
    return dash ? cron_number(&ret->high, f, dash + 1, err) : 0;
}

/* "N/step" means "N-max/step". */
static int cron_read_step(struct cron_range *ret, const struct cron_field *f, const char *slash,
                          const char *range, struct err *err)
{
    int rc;

    ret->step = 1;
    if (!slash)
        return 0;
    if (strchr(slash + 1, '/'))
        return err_set(err, ERR_INVALID, "too many slashes: %s", range);
    rc = cron_integer(&ret->step, slash + 1, err);
    if (rc < 0)
        return rc;
    if (ret->single)
        ret->high = f->high;
    if (ret->step > 1)
        ret->star = 0;
    return 0;
}

static int cron_range_check(const struct cron_range *r, const struct cron_field *f,
                            const char *range, struct err *err)
{
    if (r->low < f->low)
        return err_set(err, ERR_INVALID, "beginning of range (%u) below minimum (%u): %s", r->low,
                       f->low, range);
    if (r->high > f->high)
        return err_set(err, ERR_INVALID, "end of range (%u) above maximum (%u): %s", r->high,
                       f->high, range);
    if (r->low > r->high)
        return err_set(err, ERR_INVALID, "beginning of range (%u) beyond end of range (%u): %s",
                       r->low, r->high, range);
    if (r->step == 0)
        return err_set(err, ERR_INVALID, "step of range should be a positive number: %s", range);
    return 0;
}

static int cron_read_range(uint64_t *ret, const struct cron_field *f, const char *range,
                           struct err *err)
{
    const char *slash = strchr(range, '/');
    cleanup(freep) char *base = slash ? mem_fmt("%.*s", (int)(slash - range), range)
                                      : mem_str(range);
    struct cron_range r = { .star = 0 };
    int rc = cron_read_ends(&r, f, base, range, err);

    if (rc == 0)
        rc = cron_read_step(&r, f, slash, range, err);
    if (rc == 0)
        rc = cron_range_check(&r, f, range, err);
    if (rc < 0)
        return rc;
    for (uint64_t i = r.low; i <= r.high; i += r.step)
        *ret |= UINT64_C(1) << i;
    *ret |= r.star;
    return 0;
}

/* Empty parts of a list say nothing. */
static int cron_read_field(uint64_t *ret, const struct cron_field *f, const char *word,
                           struct err *err)
{
    cleanup(strv_freep) char **parts = str_split(word, ',');
    int rc = 0;

    *ret = 0;
    for (size_t i = 0; rc == 0 && parts[i]; i++)
        if (*parts[i])
            rc = cron_read_range(ret, f, parts[i], err);
    return rc;
}

/* --- a whole schedule --- */

static int cron_read_fields(struct cron *ret, const char *schedule, struct err *err)
{
    uint64_t *const fields[] = { &ret->minutes, &ret->hours, &ret->days, &ret->months,
                                 &ret->weekdays };
    cleanup(text_fini) struct text all = TEXT_EMPTY;
    cleanup(strv_freep) char **words = NULL;
    size_t n = 0;
    int rc = 0;

    for (const char *p = schedule + strspn(schedule, CRON_BLANKS); *p;) {
        size_t len = strcspn(p, CRON_BLANKS);

        text_fmt(&all, "%s%.*s", n++ ? " " : "", (int)len, p);
        p += len;
        p += strspn(p, CRON_BLANKS);
    }
    if (n != CRON_FIELDS)
        return err_set(err, ERR_INVALID, "expected exactly 5 fields, found %zu: [%s]", n,
                       text_str(&all));
    words = str_split(text_str(&all), ' ');
    for (size_t i = 0; rc == 0 && i < CRON_FIELDS; i++)
        rc = cron_read_field(fields[i], &cron_fields[i], words[i], err);
    return rc;
}

static const struct cron_unit {
    const char *name;
    uint64_t ns;
} cron_units[] = {
    { "ns", 1 },
    { "us", 1000 },
    { "\xc2\xb5s", 1000 }, /* micro sign */
    { "\xce\xbcs", 1000 }, /* Greek mu */
    { "ms", 1000000 },
    { "s", CRON_NS_PER_S },
    { "m", 60 * CRON_NS_PER_S },
    { "h", 3600 * CRON_NS_PER_S },
};

/* One "1.5h" of a duration; advances @p.  False with an error that names what is wrong. */
static int cron_read_amount(uint64_t *ret_ns, const char **p, const char *whole, struct err *err)
{
    uint64_t n = 0, part = 0, scale = 1; /* n + part / scale */
    const char *start = *p;
    size_t digits = strspn(*p, "0123456789"), len;

    for (size_t i = 0; i < digits && n <= INT64_MAX / 16; i++)
        n = n * 10 + (uint64_t)((*p)[i] - '0');
    *p += digits;
    if (**p == '.') {
        for ((*p)++; isdigit((unsigned char)**p); (*p)++) {
            if (scale >= CRON_NS_PER_S)
                continue; /* finer than it can tell */
            part = part * 10 + (uint64_t)(**p - '0');
            scale *= 10;
        }
    }
    if (*p == start || (*p == start + 1 && *start == '.'))
        return err_set(err, ERR_INVALID, "time: invalid duration \"%s\"", whole);
    len = strcspn(*p, ".0123456789");
    if (len == 0)
        return err_set(err, ERR_INVALID, "time: missing unit in duration \"%s\"", whole);
    for (size_t i = 0; i < N_ELEMENTS(cron_units); i++) {
        const struct cron_unit *u = &cron_units[i];

        if (strlen(u->name) != len || memcmp(u->name, *p, len) != 0)
            continue;
        if (n > INT64_MAX / u->ns)
            return err_set(err, ERR_INVALID, "time: invalid duration \"%s\"", whole);
        *ret_ns = n * u->ns + (uint64_t)((double)part * (double)u->ns / (double)scale);
        *p += len;
        return 0;
    }
    return err_set(err, ERR_INVALID, "time: unknown unit \"%.*s\" in duration \"%s\"", (int)len, *p,
                   whole);
}

/* Go's durations; what is below a second, or negative, is a second. */
static int cron_read_every(struct cron *ret, const char *text, struct err *err)
{
    const char *p = text + (*text == '-' || *text == '+');
    bool negative = *text == '-';
    uint64_t total = 0, ns = 0;
    int rc;

    if (*p == '\0')
        return err_set(err, ERR_INVALID, "time: invalid duration \"%s\"", text);
    while (*p && !str_eq(text, "0")) {
        rc = cron_read_amount(&ns, &p, text, err);
        if (rc < 0)
            return rc;
        total += ns;
        if (total > INT64_MAX)
            return err_set(err, ERR_INVALID, "time: invalid duration \"%s\"", text);
    }
    ret->every_s = negative || total < CRON_NS_PER_S ? 1 : (int64_t)(total / CRON_NS_PER_S);
    return 0;
}

static int cron_read_word(struct cron *ret, const char *schedule, struct err *err)
{
    static const char every[] = "@every ";
    struct err why = ERR_EMPTY;

    for (size_t i = 0; i < N_ELEMENTS(cron_words); i++)
        if (str_eq(schedule, cron_words[i].word))
            return cron_read_fields(ret, cron_words[i].fields, err);
    if (!str_starts(schedule, every))
        return err_set(err, ERR_INVALID, "unrecognized descriptor: %s", schedule);
    if (cron_read_every(ret, schedule + strlen(every), &why) < 0)
        return err_set(err, ERR_INVALID, "failed to parse duration %s: %s", schedule, why.text);
    return 0;
}

int cron_parse(struct cron *ret, const char *schedule, struct err *err)
{
    struct cron c = { .every_s = 0 };
    int rc;

    if (*schedule == '\0')
        return err_set(err, ERR_INVALID, "empty spec string");
    rc = *schedule == '@' ? cron_read_word(&c, schedule, err) : cron_read_fields(&c, schedule, err);
    if (rc == 0)
        *ret = c;
    return rc;
}

/* --- the next time: each member in turn is moved until it is meant --- */

struct cron_walk {
    const struct cron *cron;
    const struct zone *zone;
    int64_t at_s;
    struct zone_time t; /* @at_s in the zone */
    bool moved;         /* smaller members were set to their beginning */
};

static void cron_walk_to(struct cron_walk *w, int64_t at_s)
{
    w->at_s = at_s;
    w->t = zone_split(w->zone, at_s);
}

static void cron_walk_date(struct cron_walk *w, struct zone_time t)
{
    cron_walk_to(w, zone_join(w->zone, t));
}

static bool cron_has(uint64_t bits, int n)
{
    return (bits >> n & 1) != 0;
}

/* When both days are restricted, either will do. */
static bool cron_day_matches(const struct cron *c, const struct zone_time *t)
{
    bool day = cron_has(c->days, t->day), weekday = cron_has(c->weekdays, t->weekday);

    if ((c->days & CRON_STAR) || (c->weekdays & CRON_STAR))
        return day && weekday;
    return day || weekday;
}

/* These four are true when the member fits, false when a larger one changed and all is to be
 * looked at again. */

static bool cron_walk_month(struct cron_walk *w)
{
    while (!cron_has(w->cron->months, w->t.month)) {
        if (!w->moved)
            cron_walk_date(w, (struct zone_time){ w->t.year, w->t.month, 1, 0, 0, 0, 0 });
        w->moved = true;
        w->t.month++;
        cron_walk_date(w, w->t);
        if (w->t.month == 1)
            return false;
    }
    return true;
}

static bool cron_walk_day(struct cron_walk *w)
{
    while (!cron_day_matches(w->cron, &w->t)) {
        if (!w->moved)
            cron_walk_date(w, (struct zone_time){ w->t.year, w->t.month, w->t.day, 0, 0, 0, 0 });
        w->moved = true;
        w->t.day++;
        cron_walk_date(w, w->t);
        /* Where clocks change at midnight, a day may begin at one, or at eleven the day before. */
        if (w->t.hour > 12)
            cron_walk_to(w, w->at_s + (24 - w->t.hour) * INT64_C(3600));
        else if (w->t.hour != 0)
            cron_walk_to(w, w->at_s - w->t.hour * INT64_C(3600));
        if (w->t.day == 1)
            return false;
    }
    return true;
}

static bool cron_walk_hour(struct cron_walk *w)
{
    while (!cron_has(w->cron->hours, w->t.hour)) {
        if (!w->moved)
            cron_walk_date(
                w, (struct zone_time){ w->t.year, w->t.month, w->t.day, w->t.hour, 0, 0, 0 });
        w->moved = true;
        cron_walk_to(w, w->at_s + 3600);
        if (w->t.hour == 0)
            return false;
    }
    return true;
}

static bool cron_walk_minute(struct cron_walk *w)
{
    while (!cron_has(w->cron->minutes, w->t.minute) || w->t.second != 0) {
        int64_t rest = w->at_s % 60;

        w->moved = true;
        cron_walk_to(w, w->at_s - rest + 60);
        if (w->t.minute == 0)
            return false;
    }
    return true;
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_s)
{
    struct cron_walk w = { .cron = c, .zone = z };
    int64_t last_year;

    if (c->every_s > 0)
        return after_s + c->every_s;
    if (!c->minutes || !c->hours || !c->months)
        return CRON_NEVER;
    cron_walk_to(&w, after_s + 1);
    last_year = w.t.year + CRON_YEARS;
    while (w.t.year <= last_year)
        if (cron_walk_month(&w) && cron_walk_day(&w) && cron_walk_hour(&w) && cron_walk_minute(&w))
            return w.at_s;
    return CRON_NEVER;
}
