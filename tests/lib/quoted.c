/* layer: base */
#include "tests/lib/quoted.h"

#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

json_t *quoted(const char *text)
{
    cleanup(freep) char *copy = mem_str(text);
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    if (text == NULL)
        return NULL;
    for (char *c = copy; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    if (json_parse(&tree, copy, strlen(copy), NULL, &err) < 0)
        test_failed(err.text, text, 0);
    return tree;
}
