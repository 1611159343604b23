#include "base/duration.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

static const struct {
    const char *name;
    double ns;
} duration_units[] = {
    /* Longer names first: "ms" is no "m". */
    { "ns", 1 },   { "us", 1e3 }, { "\xc2\xb5s", 1e3 }, { "\xce\xbcs", 1e3 },
    { "ms", 1e6 }, { "s", 1e9 },  { "m", 60e9 },        { "h", 3600e9 },
};

/* "1.5" at *@s, moved behind it.  False: no digit. */
static bool duration_number(const char **s, double *ret)
{
    double value = 0, scale = 1;
    bool digits = false;

    for (; isdigit((unsigned char)**s); (*s)++, digits = true)
        value = value * 10 + (**s - '0');
    if (**s == '.') {
        for ((*s)++; isdigit((unsigned char)**s); (*s)++, digits = true) {
            scale /= 10;
            value += scale * (**s - '0');
        }
    }
    *ret = value;
    return digits;
}

static bool duration_unit(const char **s, double *ret)
{
    for (size_t i = 0; i < N_ELEMENTS(duration_units); i++) {
        size_t len = strlen(duration_units[i].name);

        if (strncmp(*s, duration_units[i].name, len) == 0) {
            *s += len;
            *ret = duration_units[i].ns;
            return true;
        }
    }
    return false;
}

bool duration_parse(const char *s, int64_t *ret_ms)
{
    static const double most = 9.2e18; /* Go's int64 of nanoseconds */
    double total = 0, number, unit;
    bool negative = *s == '-';

    if (*s == '-' || *s == '+')
        s++;
    if (strcmp(s, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    do {
        if (!duration_number(&s, &number) || !duration_unit(&s, &unit))
            return false;
        total += number * unit;
        if (total > most)
            return false;
    } while (*s != '\0');
    /* A little more than nothing: tenths have no exact binary form. */
    *ret_ms = (int64_t)(total / 1e6 + 1e-6);
    if (negative)
        *ret_ms = -*ret_ms;
    return true;
}
