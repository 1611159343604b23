#include "api/resource_list.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool resource_list_get(const json_t *list, const char *name, struct quantity *ret)
{
    if (quantity_parse(json_string_value(json_object_get(list, name)), ret))
        return true;
    *ret = (struct quantity){ .nano = 0, .format = 'd' };
    return false;
}

void resource_list_set(json_t *list, const char *name, struct quantity q)
{
    char text[QUANTITY_TEXT_MAX];

    quantity_print(text, q);
    json_object_set_new(list, name, json_string(text));
}

static struct quantity resource_list_larger(struct quantity a, struct quantity b)
{
    return quantity_cmp(a, b) >= 0 ? a : b;
}

static void resource_list_combine(json_t *to, const json_t *other,
                                  struct quantity (*with)(struct quantity, struct quantity))
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)other, name, value) {
        struct quantity a, b;

        resource_list_get(to, name, &a);
        if (resource_list_get(other, name, &b))
            resource_list_set(to, name, with(a, b));
    }
}

void resource_list_add(json_t *to, const json_t *more)
{
    resource_list_combine(to, more, quantity_add);
}

void resource_list_subtract(json_t *from, const json_t *less)
{
    resource_list_combine(from, less, quantity_sub);
}

void resource_list_raise(json_t *to, const json_t *other)
{
    resource_list_combine(to, other, resource_list_larger);
}

/* --- pods --- */

/* Sidecars stay, so that each later step of initialisation runs beside them. */
static json_t *resource_list_init(json_t *sidecars, const json_t *containers, const char *which)
{
    json_t *peak = json_object();
    const json_t *c;
    size_t i;

    json_array_foreach (containers, i, c) {
        const json_t *own = json_object_get(json_object_get(c, "resources"), which);
        cleanup(json_decrefpp) json_t *step = json_copy(sidecars);

        resource_list_add(step, own);
        if (str_eq(json_str(c, "restartPolicy"), "Always"))
            resource_list_add(sidecars, own);
        resource_list_raise(peak, step);
    }
    return peak;
}

json_t *resource_list_of_pod(const json_t *pod_spec, const char *which)
{
    json_t *sum = json_object();
    cleanup(json_decrefpp) json_t *peak = NULL;
    const json_t *c;
    size_t i;

    peak = resource_list_init(sum, json_object_get(pod_spec, "initContainers"), which);
    json_array_foreach (json_object_get(pod_spec, "containers"), i, c)
        resource_list_add(sum, json_object_get(json_object_get(c, "resources"), which));
    resource_list_raise(sum, peak);
    return sum;
}

json_t *resource_list_of_pod_charged(const json_t *pod_spec, const char *which)
{
    json_t *sum = resource_list_of_pod(pod_spec, which);
    bool limits = str_eq(which, "limits");
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(pod_spec, "overhead"), name, value) {
        cleanup(json_decrefpp) json_t *one = json_pack("{s:O}", name, value);
        struct quantity have;

        if (!limits || (resource_list_get(sum, name, &have) && have.nano != 0))
            resource_list_add(sum, one);
    }
    return sum;
}

/* --- in order --- */

void resource_list_print(struct text *ret, const json_t *list)
{
    cleanup(freep) const char **names = json_keys(list);

    for (size_t i = 0; names[i] != NULL; i++)
        text_fmt(ret, "%s%s=%s", i > 0 ? "," : "", names[i],
                 json_string_value(json_object_get(list, names[i])));
}
