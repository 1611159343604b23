/* layer: base */
#include "base/zone.h"

#include <assert.h>
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is in the file, times stay within two days of UTC and split as they were joined. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_EMPTY;
    struct zone *z = NULL;

    if (zone_parse(&z, data, size, &err) < 0)
        return 0;
    for (int64_t t = -4000000000; t < 8000000000; t += 1000000007) {
        struct zone_time there = zone_split(z, t);

        assert(there.month >= 1 && there.month <= 12 && there.day >= 1 && there.day <= 31);
        assert(zone_offset(z, t) <= 8 * 86400 && zone_offset(z, t) >= -8 * 86400);
        (void)zone_join(z, there);
    }
    zone_free(z);
    return 0;
}
