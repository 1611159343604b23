/* layer: api */
#include "api/address_range.h"

#include "base/duration.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A range has a beginning that is not after its end, and its ends print as addresses. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[ADDRESS_TEXT_MAX], *s = malloc(size + 1);
    struct address_range range;
    struct err err = ERR_EMPTY;
    uint32_t again;
    int64_t ms;

    memcpy(s, data, size);
    s[size] = '\0';
    if (address_range_parse(&range, s, &err) == 0) {
        assert(range.first <= range.last);
        address_print(text, range.last);
        assert(address_parse(&again, text) && again == range.last);
    }
    duration_parse(s, &ms);
    free(s);
    return 0;
}
