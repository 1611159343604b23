#include "api/quantity.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define QUANTITY_NANO         1000000000
#define QUANTITY_EXPONENT_MAX 64 /* beyond: saturated or below a nano anyway */

/* Significant digits kept; the rest only tells "a bit more".  28 hold every value below the
 * saturation limit to the nano; binary suffixes need room for a factor of 2^60. */
enum { QUANTITY_DIGITS_DECIMAL = 28, QUANTITY_DIGITS_BINARY = 19 };

struct quantity_suffix {
    const char *text;
    char format;
    int exponent; /* of 10, or of 1024 */
};

static const struct quantity_suffix quantity_suffixes[] = {
    { "", 'd', 0 },   { "n", 'd', -9 }, { "u", 'd', -6 }, { "m", 'd', -3 },
    { "k", 'd', 3 },  { "M", 'd', 6 },  { "G", 'd', 9 },  { "T", 'd', 12 },
    { "P", 'd', 15 }, { "E", 'd', 18 }, { "Ki", 'b', 1 }, { "Mi", 'b', 2 },
    { "Gi", 'b', 3 }, { "Ti", 'b', 4 }, { "Pi", 'b', 5 }, { "Ei", 'b', 6 },
};

static __int128 quantity_limit(void)
{
    return ((__int128)1 << 63) * QUANTITY_NANO;
}

static __int128 quantity_clamp(__int128 nano)
{
    __int128 limit = quantity_limit();

    if (nano > limit)
        return limit;
    return nano < -limit ? -limit : nano;
}

static bool quantity_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "e3", "E-6": the whole of @s. */
static bool quantity_parse_exponent(const char *s, int *ret)
{
    bool negative = false;
    int n = 0;

    if (*s != 'e' && *s != 'E')
        return false;
    s++;
    if (*s == '+' || *s == '-')
        negative = *s++ == '-';
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (!quantity_is_digit(*s))
            return false;
        if (n < QUANTITY_EXPONENT_MAX)
            n = n * 10 + (*s - '0');
    }
    *ret = negative ? -n : n;
    return true;
}

static bool quantity_parse_suffix(const char *s, char *ret_format, int *ret_exponent)
{
    for (size_t i = 0; i < sizeof(quantity_suffixes) / sizeof(quantity_suffixes[0]); i++) {
        if (strcmp(s, quantity_suffixes[i].text) == 0) {
            *ret_format = quantity_suffixes[i].format;
            *ret_exponent = quantity_suffixes[i].exponent;
            return true;
        }
    }
    *ret_format = 'e';
    return quantity_parse_exponent(s, ret_exponent);
}

struct quantity_digits {
    unsigned __int128 mantissa;
    int n_kept;
    int exponent; /* of 10 */
    bool more;    /* non-zero digits were dropped */
};

static void quantity_digit(struct quantity_digits *d, char c, bool fraction, int max)
{
    if (d->n_kept < max) {
        d->mantissa = d->mantissa * 10 + (unsigned)(c - '0');
        if (d->mantissa != 0)
            d->n_kept++;
        if (fraction)
            d->exponent--;
        return;
    }
    if (c != '0')
        d->more = true;
    /* Bounded so that endless zeros cannot overflow the exponent. */
    if (!fraction && d->exponent < 2 * QUANTITY_EXPONENT_MAX)
        d->exponent++;
}

/* Value in nanos, rounded away from zero: whoever asks for a little gets a little. */
static __int128 quantity_scale(struct quantity_digits d, char format, int exponent)
{
    __int128 limit = quantity_limit();
    __int128 v = (__int128)d.mantissa;
    int e = 9 + d.exponent;
    bool more = d.more;

    if (v == 0)
        return 0;
    if (format == 'b')
        v <<= 10 * exponent; /* < 10^19 * 2^60 < 2^124 */
    else
        e += exponent;
    for (; e > 0; e--) {
        if (v > limit)
            return limit;
        v *= 10;
    }
    for (; e < 0 && v > 0; e++) {
        more = more || v % 10 != 0;
        v /= 10;
    }
    return quantity_clamp(v + (more ? 1 : 0));
}

bool quantity_parse(const char *s, struct quantity *ret)
{
    struct quantity_digits d = { .mantissa = 0 };
    const char *first, *suffix, *p;
    bool negative = false, fraction = false;
    int exponent, max;
    size_t n_digits = 0;
    char format;

    if (s == NULL)
        return false;
    if (*s == '+' || *s == '-')
        negative = *s++ == '-';
    first = s;
    while (quantity_is_digit(*s) || (*s == '.' && !fraction)) {
        if (*s == '.')
            fraction = true;
        else
            n_digits++;
        s++;
    }
    suffix = s;
    if (n_digits == 0 || !quantity_parse_suffix(suffix, &format, &exponent))
        return false;
    max = format == 'b' ? QUANTITY_DIGITS_BINARY : QUANTITY_DIGITS_DECIMAL;
    fraction = false;
    for (p = first; p < suffix; p++) {
        if (*p == '.')
            fraction = true;
        else if (d.exponent > -2 * QUANTITY_EXPONENT_MAX)
            quantity_digit(&d, *p, fraction, max);
        else if (*p != '0')
            d.more = true;
    }
    ret->nano = quantity_scale(d, format, exponent);
    if (d.mantissa == 0 && d.more)
        ret->nano = 1;
    if (negative)
        ret->nano = -ret->nano;
    ret->format = format;
    return true;
}

/* @nano / @unit, away from zero, saturated. */
static int64_t quantity_divide(__int128 nano, int64_t unit)
{
    __int128 v = nano / unit;

    if (nano % unit != 0)
        v += nano > 0 ? 1 : -1;
    if (v > INT64_MAX)
        return INT64_MAX;
    return v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

int64_t quantity_value(struct quantity q)
{
    return quantity_divide(q.nano, QUANTITY_NANO);
}

int64_t quantity_milli(struct quantity q)
{
    return quantity_divide(q.nano, QUANTITY_NANO / 1000);
}

int quantity_cmp(struct quantity a, struct quantity b)
{
    return a.nano < b.nano ? -1 : a.nano > b.nano;
}

struct quantity quantity_add(struct quantity a, struct quantity b)
{
    return (struct quantity){
        .nano = quantity_clamp(a.nano + b.nano),
        .format = a.nano == 0 ? b.format : a.format,
    };
}

struct quantity quantity_sub(struct quantity a, struct quantity b)
{
    b.nano = -b.nano;
    return quantity_add(a, b);
}

/* Digits of a value known to fit: at most 2^63 * 10^9, 28 digits. */
static void quantity_digits_print(char ret[QUANTITY_TEXT_MAX], __int128 v, const char *suffix)
{
    char digits[40];
    size_t n = sizeof(digits);
    bool negative = v < 0;

    digits[--n] = '\0';
    if (negative)
        v = -v;
    do {
        digits[--n] = (char)('0' + (int)(v % 10));
        v /= 10;
    } while (v > 0);
    snprintf(ret, QUANTITY_TEXT_MAX, "%s%s%s", negative ? "-" : "", digits + n, suffix);
}

static void quantity_print_binary(char ret[QUANTITY_TEXT_MAX], __int128 value)
{
    static const char *const suffixes[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
    size_t i = 0;

    while (value % 1024 == 0 && i + 1 < sizeof(suffixes) / sizeof(suffixes[0])) {
        value /= 1024;
        i++;
    }
    quantity_digits_print(ret, value, suffixes[i]);
}

static void quantity_print_decimal(char ret[QUANTITY_TEXT_MAX], __int128 nano, char format)
{
    static const char *const suffixes[] = { "n", "u", "m", "", "k", "M", "G", "T", "P", "E" };
    static const char *const exponents[] = { "e-9", "e-6", "e-3", "",    "e3",
                                             "e6",  "e9",  "e12", "e15", "e18" };
    size_t i = 0;

    while (nano % 1000 == 0 && i + 1 < sizeof(suffixes) / sizeof(suffixes[0])) {
        nano /= 1000;
        i++;
    }
    quantity_digits_print(ret, nano, format == 'e' ? exponents[i] : suffixes[i]);
}

void quantity_print(char ret[QUANTITY_TEXT_MAX], struct quantity q)
{
    __int128 kibi = (__int128)1024 * QUANTITY_NANO;

    if (q.nano == 0) {
        strcpy(ret, "0");
    } else if (q.format == 'b' && q.nano % QUANTITY_NANO == 0 &&
               (q.nano >= kibi || q.nano <= -kibi)) {
        quantity_print_binary(ret, q.nano / QUANTITY_NANO);
    } else {
        quantity_print_decimal(ret, q.nano, q.format);
    }
}

int64_t quantity_text_value(const char *s, int64_t otherwise)
{
    struct quantity q;

    return quantity_parse(s, &q) ? quantity_value(q) : otherwise;
}

int64_t quantity_text_milli(const char *s, int64_t otherwise)
{
    struct quantity q;

    return quantity_parse(s, &q) ? quantity_milli(q) : otherwise;
}
