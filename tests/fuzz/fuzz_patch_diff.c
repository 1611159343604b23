/* layer: api */
#include "api/patch.h"
#include "api/patch_diff.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs stay as they were; there is a patch exactly when there is no complaint, and applying it is
 * refused only for what the user wrote (items without their key). */
static void fuzz_diff(const json_t *last, const json_t *want, const json_t *live,
                      const struct schema_type *type)
{
    cleanup(json_decrefpp) json_t *before = json_deep_copy(live);
    cleanup(json_decrefpp) json_t *patch = NULL;
    cleanup(json_decrefpp) json_t *after = NULL;
    struct err err = ERR_EMPTY;
    int rc = patch_diff(&patch, last, want, live, type, &err);

    assert((rc == 0) == (patch != NULL));
    assert(json_equal(before, live));
    if (rc != 0)
        return;
    rc = type != NULL ? patch_strategic(&after, live, patch, type, &err)
                      : patch_merge(&after, live, patch, &err);
    assert(rc == 0 || rc == ERR_LIMIT || rc == ERR_INVALID || rc == ERR_BAD_REQUEST);
}

/* Three documents, a line each.  Directives of the user's own may be refused later: left out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    json_t *trees[3] = { NULL, NULL, NULL };
    struct err err = ERR_EMPTY;
    size_t n = 0;

    while (n < 3 && at < end && memchr(data, '$', size) == NULL) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        const char *stop = line != NULL ? line : end;

        if (json_parse(&trees[n], at, (size_t)(stop - at), NULL, &err) < 0)
            break;
        n++;
        at = stop + (line != NULL ? 1 : 0);
    }
    if (n == 3) {
        fuzz_diff(trees[0], trees[1], trees[2], schema_type("core/v1.Pod"));
        fuzz_diff(trees[0], trees[1], trees[2], NULL);
    }
    for (size_t i = 0; i < 3; i++)
        json_decref(trees[i]);
    return 0;
}
