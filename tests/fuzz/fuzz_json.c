/* layer: base */
#include "base/json.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted prints, and what was printed reads back and prints the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(json_decrefpp) json_t *again = NULL;
    cleanup(json_decrefpp) json_t *dups = json_array();
    cleanup(freep) char *first = NULL;
    cleanup(freep) char *second = NULL;
    cleanup(freep) char *pretty = NULL;
    struct err err = ERR_EMPTY;
    size_t len, len2;

    if (json_parse(&tree, (const char *)data, size, dups, &err) < 0) {
        assert(tree == NULL && err.text[0]);
        return 0;
    }
    first = json_print_sorted(tree, &len);
    assert(json_parse(&again, first, len, NULL, &err) == 0);
    second = json_print_sorted(again, &len2);
    assert(len == len2 && memcmp(first, second, len) == 0);
    pretty = json_print_pretty(tree);
    return 0;
}
