#include "api/taint.h"

#include "base/text.h"

bool taint_matches(const json_t *toleration, const json_t *taint)
{
    const char *effect = json_str_or(toleration, "effect", "");
    const char *key = json_str_or(toleration, "key", "");

    if (*effect && !str_eq(effect, json_str(taint, "effect")))
        return false;
    if (*key && !str_eq(key, json_str(taint, "key")))
        return false;
    if (str_eq(json_str(toleration, "operator"), "Exists"))
        return true;
    return *key && str_eq(json_str_or(toleration, "value", ""), json_str_or(taint, "value", ""));
}

bool taint_is_tolerated(const json_t *taint, const json_t *tolerations)
{
    const json_t *t;
    size_t i;

    json_array_foreach (tolerations, i, t)
        if (taint_matches(t, taint))
            return true;
    return false;
}

static bool taint_has_effect(const json_t *taint, const char *const *effects)
{
    for (; *effects; effects++)
        if (str_eq(json_str(taint, "effect"), *effects))
            return true;
    return false;
}

const json_t *taint_untolerated(const json_t *taints, const json_t *tolerations,
                                const char *const *effects)
{
    const json_t *taint;
    size_t i;

    json_array_foreach (taints, i, taint)
        if (taint_has_effect(taint, effects) && !taint_is_tolerated(taint, tolerations))
            return taint;
    return NULL;
}
