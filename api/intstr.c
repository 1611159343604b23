#include "api/intstr.h"

#include "base/mem.h"

#include <string.h>

/* The share as a percentage must stay far from where total * percent would overflow. */
#define INTSTR_PERCENT_MAX 1000000000

bool intstr_percent(const json_t *v, int64_t *ret)
{
    const char *s = json_string_value(v);
    cleanup(freep) char *digits = NULL;
    int64_t percent;
    size_t len;

    if (s == NULL || !str_ends(s, "%"))
        return false;
    len = strlen(s);
    digits = mem_strn(s, len - 1);
    if (!str_i64(digits, &percent))
        return false;
    if (percent > INTSTR_PERCENT_MAX || percent < -INTSTR_PERCENT_MAX)
        return false;
    *ret = percent;
    return true;
}

bool intstr_scale(const json_t *v, int64_t total, bool round_up, int64_t *ret)
{
    int64_t percent, part;
    __int128 scaled;

    if (json_is_integer(v)) {
        *ret = json_integer_value(v);
        return true;
    }
    if (!intstr_percent(v, &percent))
        return false;
    scaled = (__int128)total * percent;
    part = (int64_t)(scaled / 100); /* towards zero */
    if (round_up && scaled % 100 > 0)
        part++;
    else if (!round_up && scaled % 100 < 0)
        part--;
    *ret = part;
    return true;
}
