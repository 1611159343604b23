/* layer: api
 * Any bytes as a JSON body of some kind: the first byte picks the resource.  What was decoded
 * once must decode again without complaint or change. */
#include "api/decode.h"
#include "base/mem.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct schema_resource *pick(uint8_t byte)
{
    size_t n = 0;

    while (schema_at(n) != NULL)
        n++;
    assert(n > 0);
    return schema_at(byte % n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(json_decrefpp) json_t *tree = NULL, *again = NULL;
    cleanup(json_decrefpp) json_t *dups = json_array(), *problems = json_array();
    const struct schema_resource *r;
    struct err err = ERR_EMPTY;

    if (size == 0)
        return 0;
    r = pick(data[0]);
    if (json_parse(&tree, (const char *)data + 1, size - 1, dups, &err) < 0 ||
        decode_check_dups(tree, r->type, dups, problems, &err) < 0)
        return 0;
    decode_defaults(tree, r);
    again = json_deep_copy(tree);
    json_array_clear(problems);
    assert(decode_check(again, r->type, problems, &err) == 0);
    assert(json_array_size(problems) == 0);
    return 0;
}
