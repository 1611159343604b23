/* layer: api */
#include "api/cron.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses has a next time that is later and on a whole minute, or never one; what does not
 * says why. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t now_s = 1767225600;
    struct err err = ERR_EMPTY;
    struct cron c;
    char text[256];
    int64_t next_s;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (cron_parse(&c, text, &err) < 0) {
        assert(err.text[0] != '\0');
        return 0;
    }
    next_s = cron_next(&c, NULL, now_s);
    assert(next_s == CRON_NEVER || next_s > now_s);
    assert(next_s == CRON_NEVER || c.every_s > 0 || next_s % 60 == 0);
    return 0;
}
