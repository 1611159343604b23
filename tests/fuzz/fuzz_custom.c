/* layer: api
 * A schema of a custom kind and an object of it: two JSON values, one line each.  What is accepted
 * as structural must compile, and an object pruned and filled once stays as it is. */
#include "api/custom_tree.h"
#include "api/decode.h"
#include "api/validate_impl.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void object_in(const struct custom_node *root, json_t *tree)
{
    cleanup(json_decrefpp) json_t *problems = json_array(), *again = NULL;
    struct field_errors found = FIELD_ERRORS_EMPTY;

    custom_prune(tree, root, problems);
    custom_default(tree, root);
    again = json_deep_copy(tree);
    json_array_clear(problems);
    custom_prune(again, root, problems);
    custom_default(again, root);
    assert(json_equal(again, tree));
    assert(json_array_size(problems) == 0);
    custom_check(&found, root, tree, NULL);
    field_errors_fini(&found);
    custom_check(&found, root, tree, again);
    assert(found.n == 0);
    field_errors_fini(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t first = line != NULL ? (size_t)(line - data) : size;
    cleanup(json_decrefpp) json_t *openapi = NULL, *tree = NULL;
    cleanup(custom_schema_freep) struct custom_schema *s = NULL;
    struct field_errors wrong = FIELD_ERRORS_EMPTY;
    struct err err = ERR_EMPTY;
    bool structural;

    if (line == NULL || json_parse(&openapi, (const char *)data, first, NULL, &err) < 0 ||
        json_parse(&tree, (const char *)line + 1, size - first - 1, NULL, &err) < 0 ||
        !json_is_object(openapi) ||
        decode_check(openapi, schema_type("apiextensions/v1.JSONSchemaProps"), NULL, &err) < 0)
        return 0;
    validate_structural(&wrong, openapi, "schema");
    structural = wrong.n == 0;
    field_errors_fini(&wrong);
    if (custom_schema_new(&s, openapi, &err) < 0)
        return 0;
    if (structural && json_is_object(tree))
        object_in(custom_schema_root(s), tree);
    return 0;
}
