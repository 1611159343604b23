/* layer: api
 * A pattern, a line break, a text: both may be anything. */
#include "api/jsonpath.h"
#include "base/mem.h"
#include "base/pattern.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *whole = mem_strn((const char *)data, size);
    cleanup(pattern_freep) struct pattern *p = NULL;
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct jsonpath *path = NULL;
    struct err err = ERR_EMPTY;
    char *text = strchr(whole, '\n');

    if (text == NULL)
        return 0;
    *text++ = '\0';
    if (pattern_new(&p, whole, &err) == 0)
        pattern_matches(p, text);
    if (json_parse(&tree, text, strlen(text), NULL, &err) == 0 &&
        jsonpath_new(&path, whole, &err) == 0)
        jsonpath_find(path, tree);
    jsonpath_free(path);
    return 0;
}
