/* layer: api
 * Paths of printer columns, which whoever defines a kind writes: a line with the path, a line with
 * the object.  What is found first is the first of all that is found. */
#include "api/jsonpath.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fuzz_first(void *arg, json_t *found)
{
    *(json_t **)arg = found;
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t first = line != NULL ? (size_t)(line - data) : size;
    cleanup(freep) char *text = mem_strn((const char *)data, first);
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct jsonpath *p = NULL;
    json_t *all = NULL;
    struct err err = ERR_EMPTY;

    if (line == NULL || json_parse(&tree, (const char *)line + 1, size - first - 1, NULL, &err) < 0)
        return 0;
    if (jsonpath_new(&p, text, &err) < 0) {
        assert(err.text[0] != '\0' && p == NULL);
        return 0;
    }
    jsonpath_each(p, tree, fuzz_first, &all);
    assert(jsonpath_find(p, tree) == all || json_is_null(all));
    jsonpath_free(p);
    return 0;
}
