/* layer: api */
#include "api/patch.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int (*patch_fn)(json_t **ret, const json_t *doc, const json_t *patch, struct err *err);

static int fuzz_strategic(json_t **ret, const json_t *doc, const json_t *patch, struct err *err)
{
    return patch_strategic(ret, doc, patch, schema_type("core/v1.Pod"), err);
}

/* Inputs stay as they were, and there is a result exactly when there is no error. */
static void fuzz_apply(patch_fn apply, const json_t *doc, const json_t *patch)
{
    cleanup(json_decrefpp) json_t *before = json_deep_copy(doc);
    cleanup(json_decrefpp) json_t *result = NULL;
    struct err err = ERR_EMPTY;

    assert((apply(&result, doc, patch, &err) == 0) == (result != NULL));
    assert(json_equal(before, doc));
}

/* Document and patch are separated by a newline. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    cleanup(json_decrefpp) json_t *doc = NULL;
    cleanup(json_decrefpp) json_t *patch = NULL;
    struct err err = ERR_EMPTY;
    size_t at;

    if (line == NULL)
        return 0;
    at = (size_t)(line - text);
    if (json_parse(&doc, text, at, NULL, &err) < 0 ||
        json_parse(&patch, line + 1, size - at - 1, NULL, &err) < 0)
        return 0;
    fuzz_apply(patch_merge, doc, patch);
    fuzz_apply(patch_json, doc, patch);
    fuzz_apply(fuzz_strategic, doc, patch);
    return 0;
}
