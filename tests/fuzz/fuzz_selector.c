/* layer: api */
#include "api/selector.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A selector that parses prints a text that parses to a selector that prints the same. */
static void fuzz_labels(const char *text)
{
    cleanup(selector_freep) struct selector *a = NULL;
    cleanup(selector_freep) struct selector *b = NULL;
    cleanup(text_fini) struct text first = TEXT_EMPTY;
    cleanup(text_fini) struct text second = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (selector_parse(&a, text, &err) < 0)
        return;
    selector_print(a, &first);
    /* A set that holds only the empty value prints as "()", as in Kubernetes; that does not parse. */
    if (strstr(text_str(&first), "in ()") != NULL)
        return;
    assert(selector_parse(&b, text_str(&first), &err) == 0);
    selector_print(b, &second);
    assert(strcmp(text_str(&first), text_str(&second)) == 0);
    assert(selector_matches_labels(a, NULL) == selector_matches_labels(b, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *text = mem_strn((const char *)data, size);
    struct field_selector *fields = NULL;
    struct err err = ERR_EMPTY;

    fuzz_labels(text);
    if (field_selector_parse(&fields, "pods", text, &err) == 0)
        field_selector_free(fields);
    return 0;
}
