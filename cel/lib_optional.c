/* Values that may be absent: optional.of(x), a.?b, o.orValue(c). */
#include "cel/cel_impl.h"

#include "base/text.h"

CEL_FN(optional_of)
{
    return cel_some(c, a[0]);
}

CEL_FN(optional_none)
{
    return cel_none();
}

static bool optional_is_zero(const struct cel_value *v)
{
    switch (v->kind) {
    case CEL_NULL: return true;
    case CEL_BOOL: return !v->b;
    case CEL_INT:
    case CEL_UINT: return v->u == 0;
    case CEL_DOUBLE: return v->d == 0;
    case CEL_STRING:
    case CEL_BYTES: return v->n == 0;
    case CEL_DURATION: return v->i == 0 && v->nanos == 0;
    case CEL_LIST:
    case CEL_MAP: return cel_size(v) == 0;
    default: return false;
    }
}

CEL_FN(optional_of_non_zero)
{
    return optional_is_zero(&a[0]) ? cel_none() : cel_some(c, a[0]);
}

CEL_FN(optional_has_value)
{
    return cel_bool(a[0].items != NULL);
}

CEL_FN(optional_value)
{
    return a[0].items != NULL ? a[0].items[0] : cel_error(c, "optional.none() dereference");
}

CEL_FN(optional_or)
{
    return a[0].items != NULL ? a[0] : a[1];
}

CEL_FN(optional_or_value)
{
    return a[0].items != NULL ? a[0].items[0] : a[1];
}

static const struct cel_function optional_functions[] = {
    { "optional.of", false, "A:OA", optional_of },
    { "optional.none", false, ":OD", optional_none },
    { "optional.ofNonZeroValue", false, "A:OA", optional_of_non_zero },
    { "hasValue", true, "OA:b", optional_has_value },
    { "value", true, "OA:A", optional_value },
    { "or", true, "OAOA:OA", optional_or },
    { "orValue", true, "OAA:A", optional_or_value },
};

const struct cel_library cel_lib_optional = { optional_functions, N_ELEMENTS(optional_functions),
                                              NULL };
