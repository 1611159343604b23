/* Lists as Kubernetes extends them (isSorted, sum, min, max, indexOf), and cel-go's sets. */
#include "cel/cel_impl.h"

#include "base/text.h"

/* --- lists --- */

CEL_FN(lists_is_sorted)
{
    int order;

    for (size_t i = 1; i < cel_size(&a[0]) && cel_charge(c, 1); i++)
        if (!cel_compare(cel_item(c, &a[0], i - 1), cel_item(c, &a[0], i), &order))
            return cel_error(c, "no such overload: isSorted");
        else if (order > 0)
            return cel_bool(false);
    return cel_bool(true);
}

static struct cel_value lists_add(struct cel_context *c, struct cel_value sum, struct cel_value v)
{
    if (v.kind != sum.kind)
        return cel_error(c, "no such overload: sum");
    switch (v.kind) {
    case CEL_INT:
        return __builtin_add_overflow(sum.i, v.i, &sum.i) ? cel_error(c, "integer overflow") : sum;
    case CEL_UINT:
        return __builtin_add_overflow(sum.u, v.u, &sum.u) ? cel_error(c, "integer overflow") : sum;
    case CEL_DOUBLE: sum.d += v.d; return sum;
    case CEL_DURATION:
        return cel_make_time(sum.i + v.i, (int64_t)sum.nanos + v.nanos, CEL_DURATION, &sum)
                   ? sum
                   : cel_error(c, "duration overflow");
    default: return cel_error(c, "no such overload: sum");
    }
}

CEL_FN(lists_sum)
{
    struct cel_value sum = cel_int(0);

    for (size_t i = 0; i < cel_size(&a[0]) && cel_charge(c, 1); i++) {
        struct cel_value v = cel_item(c, &a[0], i);

        if (i == 0)
            sum = (struct cel_value){ .kind = v.kind };
        sum = lists_add(c, sum, v);
        if (sum.kind == CEL_ERROR)
            break;
    }
    return sum;
}

/* The least (@sign -1) or the greatest (1). */
static struct cel_value lists_extreme(struct cel_context *c, const struct cel_value *list, int sign)
{
    struct cel_value best = cel_null(), v;
    int order;

    if (cel_size(list) == 0)
        return cel_error(c, "%s called on empty list", sign < 0 ? "min" : "max");
    for (size_t i = 0; i < cel_size(list) && cel_charge(c, 1); i++) {
        v = cel_item(c, list, i);
        if (i == 0)
            best = v;
        if (!cel_compare(v, best, &order))
            return cel_error(c, "no such overload: %s", sign < 0 ? "min" : "max");
        if (order * sign > 0)
            best = v;
    }
    return best;
}

CEL_FN(lists_min)
{
    return lists_extreme(c, &a[0], -1);
}

CEL_FN(lists_max)
{
    return lists_extreme(c, &a[0], 1);
}

CEL_FN(lists_index_of)
{
    for (size_t i = 0; i < cel_size(&a[0]) && cel_charge(c, 1); i++)
        if (cel_equal(c, cel_item(c, &a[0], i), a[1]))
            return cel_int((int64_t)i);
    return cel_int(-1);
}

CEL_FN(lists_last_index_of)
{
    for (size_t i = cel_size(&a[0]); i > 0 && cel_charge(c, 1); i--)
        if (cel_equal(c, cel_item(c, &a[0], i - 1), a[1]))
            return cel_int((int64_t)i - 1);
    return cel_int(-1);
}

/* --- sets --- */

static bool sets_has(struct cel_context *c, const struct cel_value *list, struct cel_value v)
{
    for (size_t i = 0; i < cel_size(list) && cel_charge(c, 1); i++)
        if (cel_equal(c, cel_item(c, list, i), v))
            return true;
    return false;
}

static bool sets_covers(struct cel_context *c, const struct cel_value *all,
                        const struct cel_value *some)
{
    for (size_t i = 0; i < cel_size(some); i++)
        if (!sets_has(c, all, cel_item(c, some, i)))
            return false;
    return true;
}

CEL_FN(sets_contains)
{
    return cel_bool(sets_covers(c, &a[0], &a[1]));
}

CEL_FN(sets_equivalent)
{
    return cel_bool(sets_covers(c, &a[0], &a[1]) && sets_covers(c, &a[1], &a[0]));
}

CEL_FN(sets_intersects)
{
    for (size_t i = 0; i < cel_size(&a[1]); i++)
        if (sets_has(c, &a[0], cel_item(c, &a[1], i)))
            return cel_bool(true);
    return cel_bool(false);
}

/* clang-format off */
static const struct cel_function lists_functions[] = {
    { "isSorted", true, "LA:b", lists_is_sorted },
    { "sum", true, "Li:i", lists_sum }, { "sum", true, "Lu:u", lists_sum },
    { "sum", true, "Ld:d", lists_sum }, { "sum", true, "Lr:r", lists_sum },
    { "min", true, "LA:A", lists_min }, { "max", true, "LA:A", lists_max },
    { "indexOf", true, "LAA:i", lists_index_of },
    { "lastIndexOf", true, "LAA:i", lists_last_index_of },
    { "sets.contains", false, "LALA:b", sets_contains },
    { "sets.equivalent", false, "LALA:b", sets_equivalent },
    { "sets.intersects", false, "LALA:b", sets_intersects },
};
/* clang-format on */

const struct cel_library cel_lib_lists = { lists_functions, N_ELEMENTS(lists_functions), NULL };
