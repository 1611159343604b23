/* layer: api */
#include "api/proxy_links.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct text *ret, const uint8_t *data, size_t size, size_t step,
                 const char *prefix)
{
    const struct proxy_place place = { .prefix = prefix, .target_host = "h:1", .host = "s" };
    struct proxy_links l;

    proxy_links_init(&l, &place);
    for (size_t at = 0; at < size; at += step)
        proxy_links_feed(&l, ret, (const char *)data + at, step < size - at ? step : size - at);
    proxy_links_end(&l, ret);
    proxy_links_fini(&l);
}

/* However it is cut, the same comes out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text whole = TEXT_EMPTY, pieces = TEXT_EMPTY;

    feed(&whole, data, size, size + 1, "/p");
    feed(&pieces, data, size, 3, "/p");
    if (whole.len != pieces.len ||
        (whole.len > 0 && memcmp(whole.data, pieces.data, whole.len) != 0))
        abort();
    text_fini(&whole);
    text_fini(&pieces);
    return 0;
}
