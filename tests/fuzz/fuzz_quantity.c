/* layer: api */
#include "api/quantity.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses prints, and what was printed parses to the same value.  The text itself may take one
 * more round to settle: "62.5Ki" is "64000", which is "64k". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[512], printed[QUANTITY_TEXT_MAX], again[QUANTITY_TEXT_MAX];
    struct quantity a, b;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (!quantity_parse(text, &a))
        return 0;
    quantity_print(printed, a);
    assert(quantity_parse(printed, &b));
    assert(quantity_cmp(a, b) == 0);
    quantity_print(printed, b);
    assert(quantity_parse(printed, &b));
    quantity_print(again, b);
    assert(strcmp(printed, again) == 0);
    assert(quantity_value(quantity_add(a, b)) >= quantity_value(a) || a.nano < 0);
    return 0;
}
