#include "api/decode_scalar.h"

#include "api/quantity.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

const char *decode_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "object";
    case JSON_ARRAY: return "array";
    case JSON_STRING: return "string";
    case JSON_INTEGER:
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "bool";
    case JSON_NULL: break;
    }
    return "null";
}

/* --- times: Go's time.Parse over the elements of its reference time --- */

#define DECODE_TIME_LAYOUT      "2006-01-02T15:04:05Z07:00"
#define DECODE_MICROTIME_LAYOUT "2006-01-02T15:04:05.000000Z07:00"

enum decode_time_part {
    TIME_YEAR,
    TIME_MONTH,
    TIME_DAY,
    TIME_HOUR,
    TIME_MINUTE,
    TIME_SECOND,
    TIME_PARTS
};

struct decode_element {
    const char *literal; /* before it */
    const char *name;    /* in the layout */
    const char *word;    /* in "month out of range" */
    int digits, low, high;
};

static const struct decode_element decode_elements[TIME_PARTS] = {
    [TIME_YEAR] = { "", "2006", "year", 4, 0, 9999 },
    [TIME_MONTH] = { "-", "01", "month", 2, 1, 12 },
    [TIME_DAY] = { "-", "02", "day", 2, 1, 31 },
    [TIME_HOUR] = { "T", "15", "hour", 2, 0, 23 },
    [TIME_MINUTE] = { ":", "04", "minute", 2, 0, 59 },
    [TIME_SECOND] = { ":", "05", "second", 2, 0, 59 },
};

struct decode_clock {
    const char *text, *layout, *rest;
    int part[TIME_PARTS];
    int64_t micros, offset_s;
    struct err *err;
};

static int decode_clock_odd(const struct decode_clock *c, const char *element)
{
    return err_set(c->err, ERR_BAD_REQUEST,
                   "parsing time \"%.64s\" as \"%s\": cannot parse \"%.64s\" as \"%s\"", c->text,
                   c->layout, c->rest, element);
}

static int decode_clock_range(const struct decode_clock *c, const char *word)
{
    return err_set(c->err, ERR_BAD_REQUEST, "parsing time \"%.64s\": %s out of range", c->text,
                   word);
}

/* At most @max digits, at least one. */
static int decode_digits(const char **p, int max, int64_t *ret)
{
    int n = 0;

    for (*ret = 0; n < max && **p >= '0' && **p <= '9'; n++)
        *ret = *ret * 10 + (*(*p)++ - '0');
    return n;
}

static int decode_clock_element(struct decode_clock *c, enum decode_time_part part)
{
    const struct decode_element *e = &decode_elements[part];
    size_t literal = strlen(e->literal);
    const char *p = c->rest;
    int64_t value;
    int n;

    if (strncmp(p, e->literal, literal) != 0)
        return decode_clock_odd(c, e->literal);
    p += literal;
    c->rest = p;
    n = decode_digits(&p, e->digits, &value);
    if (n < e->digits && (part != TIME_HOUR || n == 0))
        return decode_clock_odd(c, e->name);
    if (value < e->low || value > e->high)
        return decode_clock_range(c, e->word);
    c->part[part] = (int)value;
    c->rest = p;
    return 0;
}

/* Optional and of any length in a time; exactly six digits in a microtime. */
static int decode_clock_fraction(struct decode_clock *c, bool micro)
{
    const char *p = c->rest;
    int64_t value = 0, scale = 100000;
    int n = 0;

    if (micro ? *p == '.' : (*p == '.' || *p == ',')) {
        for (p++; *p >= '0' && *p <= '9'; p++, n++, scale /= 10)
            value += (*p - '0') * scale;
    }
    if (micro && n < 6)
        return decode_clock_odd(c, ".000000");
    if (micro && n > 6)
        return decode_clock_odd(c, "Z07:00");
    if (n > 0)
        c->rest = p;
    c->micros = value;
    return 0;
}

static int decode_clock_zone(struct decode_clock *c)
{
    const char *p = c->rest;
    int64_t hours, minutes;
    int sign;

    if (*p == 'Z') {
        c->rest++;
        return 0;
    }
    if (*p != '+' && *p != '-')
        return decode_clock_odd(c, "Z07:00");
    sign = *p++ == '-' ? -1 : 1;
    if (decode_digits(&p, 2, &hours) != 2 || *p++ != ':' || decode_digits(&p, 2, &minutes) != 2)
        return decode_clock_odd(c, "Z07:00");
    if (hours > 24)
        return decode_clock_range(c, "time zone offset hour");
    if (minutes > 60)
        return decode_clock_range(c, "time zone offset minute");
    c->offset_s = sign * (hours * 3600 + minutes * 60);
    c->rest = p;
    return 0;
}

static int decode_clock_read(int64_t *ret_us, const char *text, bool micro, struct err *err)
{
    struct decode_clock c = {
        .text = text,
        .rest = text,
        .err = err,
        .layout = micro ? DECODE_MICROTIME_LAYOUT : DECODE_TIME_LAYOUT,
    };
    struct tm tm = { .tm_isdst = 0 };
    time_t secs;
    int rc;

    for (int part = 0; part < TIME_PARTS; part++) {
        rc = decode_clock_element(&c, (enum decode_time_part)part);
        if (rc < 0)
            return rc;
    }
    rc = decode_clock_fraction(&c, micro);
    if (rc == 0)
        rc = decode_clock_zone(&c);
    if (rc < 0)
        return rc;
    if (c.rest[0] != '\0')
        return err_set(err, ERR_BAD_REQUEST, "parsing time \"%.64s\": extra text: \"%.64s\"", text,
                       c.rest);
    tm.tm_year = c.part[TIME_YEAR] - 1900;
    tm.tm_mon = c.part[TIME_MONTH] - 1;
    tm.tm_mday = c.part[TIME_DAY];
    tm.tm_hour = c.part[TIME_HOUR];
    tm.tm_min = c.part[TIME_MINUTE];
    tm.tm_sec = c.part[TIME_SECOND];
    secs = timegm(&tm);
    if (tm.tm_mday != c.part[TIME_DAY]) /* the 30th of February was carried over */
        return decode_clock_range(&c, "day");
    *ret_us = (secs - c.offset_s) * INT64_C(1000000) + c.micros;
    return 0;
}

static int decode_any_time(json_t **ret, const json_t *value, bool micro, struct err *err)
{
    char text[CLOCK_TEXT_MAX];
    int64_t us = 0;
    int rc;

    rc = decode_clock_read(&us, json_string_value(value), micro, err);
    if (rc < 0)
        return rc;
    if (micro)
        clock_print_micro(text, us);
    else
        clock_print(text, (us - (us % 1000000 + 1000000) % 1000000) / 1000);
    if (strcmp(text, json_string_value(value)) != 0)
        *ret = json_string(text);
    return 0;
}

int decode_time(json_t **ret, const json_t *value, struct err *err)
{
    return decode_any_time(ret, value, false, err);
}

int decode_microtime(json_t **ret, const json_t *value, struct err *err)
{
    return decode_any_time(ret, value, true, err);
}

/* --- quantities --- */

/* ^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$ : the form is right, so the suffix is not. */
static bool decode_quantity_formed(const char *s)
{
    size_t n;

    s += *s == '+' || *s == '-';
    n = strspn(s, "0123456789.");
    if (n == 0)
        return false;
    s += n;
    s += strspn(s, "eEinumkKMGTP");
    s += *s == '+' || *s == '-';
    s += strspn(s, "0123456789");
    return *s == '\0';
}

static int decode_quantity_text(json_t **ret, const char *text, bool was_text, struct err *err)
{
    char canonical[QUANTITY_TEXT_MAX];
    struct quantity q;

    if (!quantity_parse(text, &q))
        return err_set(err, ERR_BAD_REQUEST, "%s",
                       decode_quantity_formed(text)
                           ? "unable to parse quantity's suffix"
                           : "quantities must match the regular expression "
                             "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    quantity_print(canonical, q);
    if (!was_text || strcmp(canonical, text) != 0)
        *ret = json_string(canonical);
    return 0;
}

int decode_quantity(json_t **ret, const json_t *value, struct err *err)
{
    cleanup(freep) char *text = NULL;
    size_t len;

    if (!json_is_string(value)) {
        text = json_print(value, NULL);
        return decode_quantity_text(ret, text, false, err);
    }
    text = mem_str(json_string_value(value) + strspn(json_string_value(value), " \t\r\n"));
    for (len = strlen(text); len > 0 && isspace((unsigned char)text[len - 1]); len--)
        text[len - 1] = '\0';
    return decode_quantity_text(ret, text, len == json_string_length(value), err);
}

/* --- bytes --- */

/* Input that ends inside a group of four is bad from that group's start, as Go says it. */
static size_t decode_bytes_bad(const char *s, size_t len, size_t bad)
{
    size_t digits = 0;

    if (bad < len || memchr(s, '=', len) != NULL)
        return bad;
    for (size_t i = 0; i < len; i++)
        digits += s[i] != '\n' && s[i] != '\r';
    return len - digits % 4;
}

int decode_bytes(json_t **ret, const json_t *value, struct err *err)
{
    const char *s = json_string_value(value);
    size_t len = json_string_length(value), bad = 0;
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    cleanup(text_fini) struct text canonical = TEXT_EMPTY;

    if (!bits_unbase64(&plain, s, len, &bad))
        return err_set(err, ERR_BAD_REQUEST, "illegal base64 data at input byte %zu",
                       decode_bytes_bad(s, len, bad));
    if (memchr(s, '\n', len) == NULL && memchr(s, '\r', len) == NULL)
        return 0;
    bits_base64(&canonical, plain.data, plain.len);
    *ret = json_stringn(text_str(&canonical), canonical.len);
    return 0;
}
