/* Conversions between types, and type() itself. */
#include "cel/cel_impl.h"

#include "base/bits.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- to text --- */

/* As Go's strconv.FormatFloat(v, 'g', -1, 64): the shortest digits that read back. */
static struct cel_value convert_double_text(struct cel_context *c, double d)
{
    char text[40];

    if (isinf(d))
        return cel_string(d > 0 ? "+Inf" : "-Inf");
    if (isnan(d))
        return cel_string("NaN");
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    if (fabs(d) >= 1e5 && fabs(d) < 1e21 && strchr(text, 'e') != NULL)
        snprintf(text, sizeof(text), "%.0f", d);
    return cel_copy(c, text, strlen(text));
}

static struct cel_value convert_duration_text(struct cel_context *c, struct cel_value v)
{
    char text[48];
    size_t len;

    snprintf(text, sizeof(text), "%s%lld.%09d", v.i == 0 && v.nanos < 0 ? "-" : "", (long long)v.i,
             abs(v.nanos));
    for (len = strlen(text); text[len - 1] == '0';)
        len--;
    if (text[len - 1] == '.')
        len--;
    text[len++] = 's';
    return cel_copy(c, text, len);
}

static bool convert_is_utf8(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char b = (unsigned char)s[i];
        size_t more = b < 0x80 ? 0 : b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : b >= 0xc2 ? 1 : 9;

        if (more == 9 || b > 0xf4 || i + more >= n)
            return false;
        for (i++; more > 0; more--, i++)
            if (((unsigned char)s[i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

struct cel_value cel_to_string(struct cel_context *c, struct cel_value v)
{
    struct text t = TEXT_EMPTY;
    char number[32];

    switch (v.kind) {
    case CEL_STRING: return v;
    case CEL_BOOL: return cel_string(v.b ? "true" : "false");
    case CEL_INT:
        snprintf(number, sizeof(number), "%lld", (long long)v.i);
        return cel_copy(c, number, strlen(number));
    case CEL_UINT:
        snprintf(number, sizeof(number), "%llu", (unsigned long long)v.u);
        return cel_copy(c, number, strlen(number));
    case CEL_DOUBLE: return convert_double_text(c, v.d);
    case CEL_BYTES:
        v.kind = CEL_STRING;
        return convert_is_utf8(v.s, v.n)
                   ? v
                   : cel_error(c, "invalid UTF-8 in bytes, cannot convert to string");
    case CEL_DURATION: return convert_duration_text(c, v);
    case CEL_TIMESTAMP:
        cel_print_time(&t, v.i, v.nanos);
        v = cel_copy(c, text_str(&t), t.len);
        text_fini(&t);
        return v;
    default: return cel_error(c, "no such overload: string");
    }
}

CEL_FN(convert_string)
{
    return cel_to_string(c, a[0]);
}

CEL_FN(convert_bytes)
{
    struct cel_value v = a[0];

    v.kind = CEL_BYTES;
    return v;
}

/* --- to numbers --- */

CEL_FN(convert_same)
{
    return a[0];
}

CEL_FN(convert_int_of_uint)
{
    return a[0].u > INT64_MAX ? cel_error(c, "integer overflow") : cel_int((int64_t)a[0].u);
}

CEL_FN(convert_int_of_double)
{
    /* The ends are left out: there a double is not exact (cel-spec). */
    if (!(a[0].d > -9223372036854775808.0 && a[0].d < 9223372036854775808.0))
        return cel_error(c, "integer overflow");
    return cel_int((int64_t)a[0].d);
}

CEL_FN(convert_int_of_text)
{
    int64_t v;

    if (!str_i64(a[0].s, &v))
        return cel_error(c, "strconv.ParseInt: parsing \"%.64s\": invalid syntax", a[0].s);
    return cel_int(v);
}

CEL_FN(convert_int_of_time)
{
    return cel_int(a[0].i);
}

CEL_FN(convert_uint_of_int)
{
    if (a[0].i < 0)
        return cel_error(c, "unsigned integer overflow");
    return (struct cel_value){ .kind = CEL_UINT, .u = (uint64_t)a[0].i };
}

CEL_FN(convert_uint_of_double)
{
    if (!(a[0].d >= 0 && a[0].d < 18446744073709551616.0))
        return cel_error(c, "unsigned integer overflow");
    return (struct cel_value){ .kind = CEL_UINT, .u = (uint64_t)a[0].d };
}

CEL_FN(convert_uint_of_text)
{
    uint64_t v;

    if (!str_u64(a[0].s, &v))
        return cel_error(c, "strconv.ParseUint: parsing \"%.64s\": invalid syntax", a[0].s);
    return (struct cel_value){ .kind = CEL_UINT, .u = v };
}

CEL_FN(convert_double_of_int)
{
    return cel_double((double)a[0].i);
}

CEL_FN(convert_double_of_uint)
{
    return cel_double((double)a[0].u);
}

CEL_FN(convert_double_of_text)
{
    char *end;
    double d;

    errno = 0;
    d = strtod(a[0].s, &end);
    if (a[0].n == 0 || *end != '\0' || errno != 0)
        return cel_error(c, "strconv.ParseFloat: parsing \"%.64s\": invalid syntax", a[0].s);
    return cel_double(d);
}

CEL_FN(convert_bool_of_text)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

    for (size_t i = 0; i < N_ELEMENTS(yes); i++)
        if (str_eq(a[0].s, yes[i]) || str_eq(a[0].s, no[i]))
            return cel_bool(str_eq(a[0].s, yes[i]));
    return cel_error(c, "strconv.ParseBool: parsing \"%.64s\": invalid syntax", a[0].s);
}

CEL_FN(convert_type)
{
    return (struct cel_value){ .kind = CEL_TYPE, .as = cel_type_of_value(&a[0]) };
}

/* clang-format off */
static const struct cel_function convert_functions[] = {
    { "string", false, "s:s", convert_string }, { "string", false, "b:s", convert_string },
    { "string", false, "i:s", convert_string }, { "string", false, "u:s", convert_string },
    { "string", false, "d:s", convert_string }, { "string", false, "y:s", convert_string },
    { "string", false, "t:s", convert_string }, { "string", false, "r:s", convert_string },
    { "bytes", false, "s:y", convert_bytes },   { "bytes", false, "y:y", convert_same },
    { "int", false, "i:i", convert_same },      { "int", false, "u:i", convert_int_of_uint },
    { "int", false, "d:i", convert_int_of_double }, { "int", false, "s:i", convert_int_of_text },
    { "int", false, "t:i", convert_int_of_time },
    { "uint", false, "u:u", convert_same },     { "uint", false, "i:u", convert_uint_of_int },
    { "uint", false, "d:u", convert_uint_of_double }, { "uint", false, "s:u", convert_uint_of_text },
    { "double", false, "d:d", convert_same },   { "double", false, "i:d", convert_double_of_int },
    { "double", false, "u:d", convert_double_of_uint },
    { "double", false, "s:d", convert_double_of_text },
    { "bool", false, "b:b", convert_same },     { "bool", false, "s:b", convert_bool_of_text },
    { "dyn", false, "A:D", convert_same },      { "type", false, "A:T", convert_type },
};
/* clang-format on */

const struct cel_library cel_lib_convert = { convert_functions, N_ELEMENTS(convert_functions),
                                             NULL };
