#include "cmd/duration.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_MS (1000.0 * 3600 * 24 * 366 * 100)

static const struct duration_unit {
    const char *name;
    double ms;
} duration_units[] = {
    { "ns", 1e-6 }, { "us", 1e-3 }, { "ms", 1 }, { "s", 1e3 }, { "m", 60e3 }, { "h", 3600e3 },
};

static const struct duration_unit *duration_unit(const char *s, size_t len)
{
    for (size_t i = 0; i < N_ELEMENTS(duration_units); i++)
        if (strlen(duration_units[i].name) == len && strncmp(duration_units[i].name, s, len) == 0)
            return &duration_units[i];
    return NULL;
}

bool duration_parse(const char *s, int64_t *ret_ms)
{
    double ms = 0;

    if (str_empty(s))
        return false;
    while (*s != '\0') {
        size_t digits = strspn(s, "0123456789."), letters = strspn(s + digits, "nusmh");
        const struct duration_unit *unit = duration_unit(s + digits, letters);
        char *end;
        double value = strtod(s, &end);

        if (digits == 0 || end != s + digits || unit == NULL)
            return false;
        ms += value * unit->ms;
        s += digits + letters;
    }
    if (ms > DURATION_MAX_MS)
        return false;
    *ret_ms = (int64_t)ms;
    return true;
}
