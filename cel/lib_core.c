/* The language's own functions: operators, size, in (cel-spec, "List of Standard Definitions"). */
#include "cel/cel_impl.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static struct cel_value core_overflow(struct cel_context *c)
{
    return cel_error(c, "integer overflow");
}

/* --- equality and order --- */

CEL_FN(core_equal)
{
    return cel_bool(cel_equal(c, a[0], a[1]));
}

CEL_FN(core_unequal)
{
    return cel_bool(!cel_equal(c, a[0], a[1]));
}

/* NaN is in no order with anything. */
static bool core_ordered(const struct cel_value *a, int *ret)
{
    bool nan = (a[0].kind == CEL_DOUBLE && isnan(a[0].d)) ||
               (a[1].kind == CEL_DOUBLE && isnan(a[1].d));

    return !nan && cel_compare(a[0], a[1], ret);
}

CEL_FN(core_less)
{
    int order;

    return cel_bool(core_ordered(a, &order) && order < 0);
}

CEL_FN(core_less_equal)
{
    int order;

    return cel_bool(core_ordered(a, &order) && order <= 0);
}

CEL_FN(core_more)
{
    int order;

    return cel_bool(core_ordered(a, &order) && order > 0);
}

CEL_FN(core_more_equal)
{
    int order;

    return cel_bool(core_ordered(a, &order) && order >= 0);
}

/* --- arithmetic --- */

static struct cel_value core_uint(uint64_t u)
{
    return (struct cel_value){ .kind = CEL_UINT, .u = u };
}

/* Whole numbers that do not fit are an error; @op is one of gcc's __builtin_*_overflow. */
#define CORE_CHECKED(fn, op, member)                                           \
    CEL_FN(fn)                                                                 \
    {                                                                          \
        struct cel_value r = a[0];                                             \
                                                                               \
        return op(a[0].member, a[1].member, &r.member) ? core_overflow(c) : r; \
    }

CORE_CHECKED(core_add_int, __builtin_add_overflow, i)
CORE_CHECKED(core_sub_int, __builtin_sub_overflow, i)
CORE_CHECKED(core_mul_int, __builtin_mul_overflow, i)
CORE_CHECKED(core_add_uint, __builtin_add_overflow, u)
CORE_CHECKED(core_sub_uint, __builtin_sub_overflow, u)
CORE_CHECKED(core_mul_uint, __builtin_mul_overflow, u)

CEL_FN(core_div_int)
{
    if (a[1].i == 0)
        return cel_error(c, "division by zero");
    return a[0].i == INT64_MIN && a[1].i == -1 ? core_overflow(c) : cel_int(a[0].i / a[1].i);
}

CEL_FN(core_mod_int)
{
    if (a[1].i == 0)
        return cel_error(c, "modulus by zero");
    return a[0].i == INT64_MIN && a[1].i == -1 ? core_overflow(c) : cel_int(a[0].i % a[1].i);
}

CEL_FN(core_div_uint)
{
    return a[1].u == 0 ? cel_error(c, "division by zero") : core_uint(a[0].u / a[1].u);
}

CEL_FN(core_mod_uint)
{
    return a[1].u == 0 ? cel_error(c, "modulus by zero") : core_uint(a[0].u % a[1].u);
}

#define CORE_REAL(fn, op)                    \
    CEL_FN(fn)                               \
    {                                        \
        return cel_double(a[0].d op a[1].d); \
    }

CORE_REAL(core_add_double, +)
CORE_REAL(core_sub_double, -)
CORE_REAL(core_mul_double, *)
CORE_REAL(core_div_double, /)

CEL_FN(core_negate_int)
{
    return a[0].i == INT64_MIN ? core_overflow(c) : cel_int(-a[0].i);
}

CEL_FN(core_negate_double)
{
    return cel_double(-a[0].d);
}

CEL_FN(core_not)
{
    return cel_bool(!a[0].b);
}

/* --- joining --- */

CEL_FN(core_add_text)
{
    char *joined;
    size_t len = (size_t)a[0].n + a[1].n;
    struct cel_value v = a[0];

    if (!cel_charge(c, len / 10) || len > UINT32_MAX)
        return cel_error(c, "out of budget");
    joined = cel_alloc(c, len + 1);
    memcpy(joined, a[0].s, a[0].n);
    memcpy(joined + a[0].n, a[1].s, a[1].n);
    v.s = joined;
    v.n = (uint32_t)len;
    return v;
}

CEL_FN(core_add_lists)
{
    size_t len[2] = { cel_size(&a[0]), cel_size(&a[1]) };
    struct cel_value *items;

    if (!cel_charge(c, len[0] + len[1]))
        return cel_error(c, "out of budget");
    items = cel_alloc(c, (len[0] + len[1] + 1) * sizeof(*items));
    for (size_t i = 0; i < len[0]; i++)
        items[i] = cel_item(c, &a[0], i);
    for (size_t i = 0; i < len[1]; i++)
        items[len[0] + i] = cel_item(c, &a[1], i);
    return cel_list(items, len[0] + len[1]);
}

/* --- containers --- */

CEL_FN(core_size_text)
{
    int64_t len = 0;

    for (size_t i = 0; i < a[0].n; i++)
        len += ((unsigned char)a[0].s[i] & 0xc0) != 0x80;
    return cel_int(len);
}

CEL_FN(core_size_bytes)
{
    return cel_int(a[0].n);
}

CEL_FN(core_size)
{
    return cel_int((int64_t)cel_size(&a[0]));
}

CEL_FN(core_in_list)
{
    for (size_t i = 0; i < cel_size(&a[1]) && cel_charge(c, 1); i++)
        if (cel_equal(c, a[0], cel_item(c, &a[1], i)))
            return cel_bool(true);
    return cel_bool(false);
}

CEL_FN(core_in_map)
{
    struct cel_value found;

    return cel_bool(cel_lookup(c, &a[1], &a[0], &found));
}

/* --- texts --- */

CEL_FN(core_contains)
{
    return cel_bool(cel_charge(c, a[0].n / 10) && memmem(a[0].s, a[0].n, a[1].s, a[1].n) != NULL);
}

CEL_FN(core_starts_with)
{
    return cel_bool(a[0].n >= a[1].n && memcmp(a[0].s, a[1].s, a[1].n) == 0);
}

CEL_FN(core_ends_with)
{
    return cel_bool(a[0].n >= a[1].n && memcmp(a[0].s + a[0].n - a[1].n, a[1].s, a[1].n) == 0);
}

/* clang-format off */
#define CEL_ORDER(name, fn)                                                          \
    { name, false, "bb:b", fn }, { name, false, "ii:b", fn }, { name, false, "iu:b", fn }, \
    { name, false, "id:b", fn }, { name, false, "ui:b", fn }, { name, false, "uu:b", fn }, \
    { name, false, "ud:b", fn }, { name, false, "di:b", fn }, { name, false, "du:b", fn }, \
    { name, false, "dd:b", fn }, { name, false, "ss:b", fn }, { name, false, "yy:b", fn }, \
    { name, false, "tt:b", fn }, { name, false, "rr:b", fn }

static const struct cel_function core_functions[] = {
    { "_!=_", false, "AA:b", core_unequal },
    CEL_ORDER("_<_", core_less),
    CEL_ORDER("_<=_", core_less_equal),
    CEL_ORDER("_>_", core_more),
    CEL_ORDER("_>=_", core_more_equal),
    { "_+_", false, "ii:i", core_add_int },    { "_+_", false, "uu:u", core_add_uint },
    { "_+_", false, "dd:d", core_add_double }, { "_+_", false, "ss:s", core_add_text },
    { "_+_", false, "yy:y", core_add_text },   { "_+_", false, "LALA:LA", core_add_lists },
    { "_-_", false, "ii:i", core_sub_int },    { "_-_", false, "uu:u", core_sub_uint },
    { "_-_", false, "dd:d", core_sub_double },
    { "_*_", false, "ii:i", core_mul_int },    { "_*_", false, "uu:u", core_mul_uint },
    { "_*_", false, "dd:d", core_mul_double },
    { "_/_", false, "ii:i", core_div_int },    { "_/_", false, "uu:u", core_div_uint },
    { "_/_", false, "dd:d", core_div_double },
    { "_%_", false, "ii:i", core_mod_int },    { "_%_", false, "uu:u", core_mod_uint },
    { "-_", false, "i:i", core_negate_int },   { "-_", false, "d:d", core_negate_double },
    { "!_", false, "b:b", core_not },
    { "@in", false, "ALA:b", core_in_list },   { "@in", false, "AMAB:b", core_in_map },
    { "size", false, "s:i", core_size_text },  { "size", true, "s:i", core_size_text },
    { "size", false, "y:i", core_size_bytes }, { "size", true, "y:i", core_size_bytes },
    { "size", false, "LA:i", core_size },      { "size", true, "LA:i", core_size },
    { "size", false, "MAB:i", core_size },     { "size", true, "MAB:i", core_size },
    { "contains", true, "ss:b", core_contains },
    { "startsWith", true, "ss:b", core_starts_with },
    { "endsWith", true, "ss:b", core_ends_with },
    { "_==_", false, "AA:b", core_equal },
};
/* clang-format on */

const struct cel_library cel_lib_core = { core_functions, N_ELEMENTS(core_functions), NULL };
