#include "base/yaml_scalar.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- resolving ---
 *
 * The rules are those of YAML 1.1 as Go's yaml.v2 applies them (kubectl and helm are built on
 * it): y and n are booleans, 0777 and 0o777 octal, underscores in numbers are skipped, base 60
 * is not a number.  Timestamps stay strings on their way to JSON.
 */

enum yaml_word { YAML_TRUE, YAML_FALSE, YAML_NULL, YAML_NO_JSON };

static const struct {
    const char *word;
    enum yaml_word means;
} yaml_words[] = {
    { "", YAML_NULL },         { "~", YAML_NULL },        { "null", YAML_NULL },
    { "Null", YAML_NULL },     { "NULL", YAML_NULL },     { "y", YAML_TRUE },
    { "Y", YAML_TRUE },        { "yes", YAML_TRUE },      { "Yes", YAML_TRUE },
    { "YES", YAML_TRUE },      { "true", YAML_TRUE },     { "True", YAML_TRUE },
    { "TRUE", YAML_TRUE },     { "on", YAML_TRUE },       { "On", YAML_TRUE },
    { "ON", YAML_TRUE },       { "n", YAML_FALSE },       { "N", YAML_FALSE },
    { "no", YAML_FALSE },      { "No", YAML_FALSE },      { "NO", YAML_FALSE },
    { "false", YAML_FALSE },   { "False", YAML_FALSE },   { "FALSE", YAML_FALSE },
    { "off", YAML_FALSE },     { "Off", YAML_FALSE },     { "OFF", YAML_FALSE },
    { ".nan", YAML_NO_JSON },  { ".NaN", YAML_NO_JSON },  { ".NAN", YAML_NO_JSON },
    { ".inf", YAML_NO_JSON },  { ".Inf", YAML_NO_JSON },  { ".INF", YAML_NO_JSON },
    { "+.inf", YAML_NO_JSON }, { "+.Inf", YAML_NO_JSON }, { "+.INF", YAML_NO_JSON },
    { "-.inf", YAML_NO_JSON }, { "-.Inf", YAML_NO_JSON }, { "-.INF", YAML_NO_JSON },
};

static int yaml_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return 99;
}

/* JSON has one kind of number: what is whole is an integer from here on, as after a trip
 * through Go's encoder. */
static json_t *yaml_real(double v)
{
    if (fabs(v) < 9223372036854775808.0 && trunc(v) == v)
        return json_integer((json_int_t)v);
    return json_real(v);
}

/* The magnitude may pass 64 bits: then the value goes on as a real, as in the JSON reader. */
static json_t *yaml_digits(const char *s, int base, bool negative)
{
    const char *all = s;
    uint64_t v = 0;
    double real = 0;
    bool fits = true;

    if (!*s)
        return NULL;
    for (; *s; s++) {
        int digit = yaml_digit(*s);

        if (digit >= base)
            return NULL;
        real = real * base + digit;
        fits = fits && !__builtin_mul_overflow(v, (uint64_t)base, &v) &&
               !__builtin_add_overflow(v, (uint64_t)digit, &v);
    }
    if (fits && v <= (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return json_integer(negative ? (json_int_t)-v : (json_int_t)v);
    if (base == 10)
        real = strtod(all, NULL); /* rounds once, not at every digit */
    return json_real(negative ? -real : real);
}

static json_t *yaml_integer(const char *s)
{
    bool negative = *s == '-';

    if (*s == '-' || *s == '+')
        s++;
    if (s[0] != '0' || !s[1])
        return yaml_digits(s, 10, negative);
    switch (s[1] | 0x20) {
    case 'x': return yaml_digits(s + 2, 16, negative);
    case 'o': return yaml_digits(s + 2, 8, negative);
    case 'b': return yaml_digits(s + 2, 2, negative);
    default: return yaml_digits(s + 1, 8, negative);
    }
}

static size_t yaml_skip_digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* [-+]? ( .digits | digits [.digits*] ) ( [eE] [-+]? digits )? */
static bool yaml_is_float(const char *s)
{
    size_t before, after = 0;

    s += *s == '-' || *s == '+';
    before = yaml_skip_digits(s);
    s += before;
    if (*s == '.') {
        s++;
        after = yaml_skip_digits(s);
        s += after;
    }
    if (before + after == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        after = yaml_skip_digits(s);
        return after > 0 && !s[after];
    }
    return !*s;
}

static json_t *yaml_number(const char *s, size_t len)
{
    cleanup(freep) char *plain = mem_strn(s, len);
    json_t *integer;
    char *to = plain;
    double v;

    for (const char *from = plain; *from; from++)
        if (*from != '_')
            *to++ = *from;
    *to = '\0';
    integer = yaml_integer(plain);
    if (integer || !yaml_is_float(plain))
        return integer;
    v = strtod(plain, NULL);
    return isinf(v) ? NULL : yaml_real(v);
}

static bool yaml_find_word(const char *s, size_t len, enum yaml_word *ret)
{
    for (size_t i = 0; i < N_ELEMENTS(yaml_words); i++) {
        if (strlen(yaml_words[i].word) == len && memcmp(yaml_words[i].word, s, len) == 0) {
            *ret = yaml_words[i].means;
            return true;
        }
    }
    return false;
}

json_t *yaml_scalar_resolve(const char *s, size_t len)
{
    enum yaml_word word;
    json_t *number;

    if (len <= 5 && yaml_find_word(s, len, &word)) {
        if (word == YAML_NO_JSON)
            return NULL;
        return word == YAML_NULL ? json_null() : json_boolean(word == YAML_TRUE);
    }
    if (strchr("+-.0123456789", s[0])) {
        number = yaml_number(s, len);
        if (number)
            return number;
    }
    return json_stringn(s, len);
}

/* --- quoting --- */

bool yaml_scalar_is_printable(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i], d = i + 1 < len ? (unsigned char)s[i + 1] : 0;

        if (c < ' ' || c == 0x7f)
            return false;
        if (c == 0xc2 && d < 0xa0) /* U+0080..U+009F, a line break among them */
            return false;
        if (c == 0xe2 && d == 0x80 && ((unsigned char)s[i + 2] & 0xfe) == 0xa8) /* U+2028, U+2029 */
            return false;
        if (c == 0xef && (d == 0xbb || d == 0xbf)) /* byte order mark, U+FFFE, U+FFFF */
            return false;
    }
    return true;
}

/* A date, a time or base 60 for some reader?  Addresses and versions (two dots) are for none. */
static bool yaml_looks_numeric(const char *s, size_t len)
{
    const char *digit = s + (strchr("+-.", s[0]) != NULL);
    unsigned dots = 0, colons = 0;

    if (!isdigit((unsigned char)*digit))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i]) && !strchr("+-.:_TtZz eE", s[i]))
            return false;
        dots += s[i] == '.';
        colons += s[i] == ':';
    }
    return dots < 2 || colons > 0;
}

/* May a plain scalar begin like this?  '-', '?' and ':' may when a word follows at once. */
static bool yaml_begins_plain(const char *s, size_t len)
{
    if (strchr("-?:", s[0]))
        return len > 1 && (isalnum((unsigned char)s[1]) || (s[0] == '-' && s[1] == '-')) &&
               strncmp(s, "---", 3) != 0;
    return !strchr(",[]{}#&*!|>'\"%@`=<", s[0]) && strncmp(s, "...", 3) != 0;
}

bool yaml_scalar_is_plain(const char *s, size_t len)
{
    cleanup(json_decrefpp) json_t *value = NULL;

    if (len == 0 || s[0] == ' ' || s[len - 1] == ' ' || s[len - 1] == ':')
        return false;
    if (!yaml_scalar_is_printable(s, len) || !yaml_begins_plain(s, len))
        return false;
    for (size_t i = 0; i + 1 < len; i++)
        if ((s[i] == ':' && s[i + 1] == ' ') || (s[i] == ' ' && s[i + 1] == '#'))
            return false;
    if (yaml_looks_numeric(s, len))
        return false;
    value = yaml_scalar_resolve(s, len);
    return json_is_string(value);
}
