/* quantity("1.5Gi") and what can be asked of it. */
#include "api/cel_kube.h"

#include "api/quantity.h"
#include "base/mem.h"

#define QUANTITY_NANO 1000000000

const struct cel_library *const cel_kube_libraries[] = { &cel_lib_quantity, &cel_lib_url,
                                                         &cel_lib_address, NULL };

static bool cel_quantity_equal(const void *a, const void *b)
{
    const struct quantity *x = a, *y = b;

    return quantity_cmp(*x, *y) == 0;
}

static const struct cel_type cel_quantity_type = { .kind = CEL_OPAQUE,
                                                   .name = "kubernetes.Quantity",
                                                   .equal = cel_quantity_equal };

static struct quantity cel_quantity_of(const struct cel_value *v)
{
    struct quantity whole = { .nano = (__int128)v->i * QUANTITY_NANO, .format = 'd' };

    return v->kind == CEL_INT ? whole : *(const struct quantity *)v->arg;
}

static struct cel_value cel_quantity_value(struct cel_context *c, struct quantity q)
{
    struct quantity *kept = cel_alloc(c, sizeof(*kept) + 8);

    kept = (struct quantity *)(((uintptr_t)kept + 15) & ~(uintptr_t)15); /* __int128 is picky */
    *kept = q;
    return cel_opaque(&cel_quantity_type, kept);
}

CEL_FN(cel_quantity_parse)
{
    struct quantity q;

    if (!quantity_parse(a[0].s, &q))
        return cel_error(c, "quantities must match the regular expression "
                            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    return cel_quantity_value(c, q);
}

CEL_FN(cel_quantity_is)
{
    struct quantity q;

    return cel_bool(quantity_parse(a[0].s, &q));
}

CEL_FN(cel_quantity_is_integer)
{
    return cel_bool(cel_quantity_of(&a[0]).nano % QUANTITY_NANO == 0);
}

CEL_FN(cel_quantity_as_integer)
{
    struct quantity q = cel_quantity_of(&a[0]);

    if (q.nano % QUANTITY_NANO != 0)
        return cel_error(c, "cannot convert value to integer");
    return cel_int((int64_t)(q.nano / QUANTITY_NANO));
}

CEL_FN(cel_quantity_as_float)
{
    return cel_double((double)cel_quantity_of(&a[0]).nano / QUANTITY_NANO);
}

CEL_FN(cel_quantity_sign)
{
    __int128 nano = cel_quantity_of(&a[0]).nano;

    return cel_int((nano > 0) - (nano < 0));
}

CEL_FN(cel_quantity_add)
{
    return cel_quantity_value(c, quantity_add(cel_quantity_of(&a[0]), cel_quantity_of(&a[1])));
}

CEL_FN(cel_quantity_sub)
{
    return cel_quantity_value(c, quantity_sub(cel_quantity_of(&a[0]), cel_quantity_of(&a[1])));
}

static int cel_quantity_order(const struct cel_value *a)
{
    return quantity_cmp(cel_quantity_of(&a[0]), cel_quantity_of(&a[1]));
}

CEL_FN(cel_quantity_more)
{
    return cel_bool(cel_quantity_order(a) > 0);
}

CEL_FN(cel_quantity_less)
{
    return cel_bool(cel_quantity_order(a) < 0);
}

CEL_FN(cel_quantity_compare)
{
    int order = cel_quantity_order(a);

    return cel_int((order > 0) - (order < 0));
}

static const struct cel_type *const cel_quantity_types[] = { &cel_quantity_type };

static const struct cel_function cel_quantity_functions[] = {
    { "quantity", false, "s:0", cel_quantity_parse },
    { "isQuantity", false, "s:b", cel_quantity_is },
    { "isInteger", true, "0:b", cel_quantity_is_integer },
    { "asInteger", true, "0:i", cel_quantity_as_integer },
    { "asApproximateFloat", true, "0:d", cel_quantity_as_float },
    { "sign", true, "0:i", cel_quantity_sign },
    { "add", true, "00:0", cel_quantity_add },
    { "add", true, "0i:0", cel_quantity_add },
    { "sub", true, "00:0", cel_quantity_sub },
    { "sub", true, "0i:0", cel_quantity_sub },
    { "isGreaterThan", true, "00:b", cel_quantity_more },
    { "isLessThan", true, "00:b", cel_quantity_less },
    { "compareTo", true, "00:i", cel_quantity_compare },
};

const struct cel_library cel_lib_quantity = { cel_quantity_functions,
                                              N_ELEMENTS(cel_quantity_functions),
                                              cel_quantity_types };
