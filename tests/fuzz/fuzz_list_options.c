/* layer: api */
/* Any token, also as it looks before base64url, and any words: read or refused, and what was read fits
 * its promises. */
#include "api/list_options.h"
#include "base/bits.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CURRENT 1000

static void try_query(const struct list_query *q)
{
    struct list_options o;
    json_t *no = list_options_read(&o, q, CURRENT, 1767323045000);

    if (no == NULL) {
        assert(o.revision <= CURRENT && o.left >= -1);
        assert(!o.goes_on || (o.after_ns != NULL && o.after_name[0] != '\0'));
    }
    json_decref(no);
    list_options_fini(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *text = mem_strn((const char *)data, size);
    cleanup(text_fini) struct text token = TEXT_EMPTY;
    uint64_t after;
    bool initial;

    bits_base64url(&token, text, strlen(text));
    try_query(&(struct list_query){ .token = text_str(&token) });
    try_query(&(struct list_query){ .token = text });
    try_query(&(struct list_query){ .version = text, .limit = text });
    try_query(&(struct list_query){ .version = text, .match = "Exact" });
    json_decref(list_options_watch(&(struct list_query){ .version = text, .match = text }, CURRENT,
                                   &after, &initial));
    return 0;
}
