/* layer: base */
#include "base/mem.h"
#include "base/yaml.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *sorted(const json_t *tree)
{
    return json_print_sorted(tree, NULL);
}

/* What is accepted prints as YAML that reads back as the same tree. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(json_decrefpp) json_t *docs = NULL;
    cleanup(json_decrefpp) json_t *again = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *first = NULL;
    cleanup(freep) char *second = NULL;
    struct err err = ERR_EMPTY;

    if (yaml_parse(&docs, (const char *)data, size, &err) < 0) {
        assert(docs == NULL && err.text[0]);
        return 0;
    }
    yaml_print(&t, docs);
    if (yaml_parse(&again, t.data, t.len, &err) < 0) {
        /* One level more than what was read. */
        assert(strstr(err.text, "max depth"));
        return 0;
    }
    first = sorted(docs);
    second = sorted(json_array_get(again, 0));
    assert(strcmp(first, second) == 0);
    return 0;
}
