/* layer: cel
 * An expression over a document: either may be anything, the run ends within its budget. */
#include "cel/cel.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char document[] =
        "{\"n\":1,\"f\":1.5,\"s\":\"text\",\"l\":[1,2,3],\"m\":{\"a\":null,\"b\":{\"c\":[\"x\"]}}}";
    static const struct cel_var vars[] = { { "self", &cel_types[CEL_DYN] } };
    static const struct cel_env env = { .vars = vars, .n_vars = 1 };
    cleanup(freep) char *text = mem_strn((const char *)data, size);
    cleanup(cel_program_freep) struct cel_program *p = NULL;
    cleanup(cel_context_freep) struct cel_context *c = cel_context_new(100000);
    cleanup(json_decrefpp) json_t *tree = NULL, *out = NULL;
    struct cel_value self, ret;
    struct err err = ERR_EMPTY;

    if (json_parse(&tree, document, strlen(document), NULL, &err) < 0)
        abort();
    self = cel_tree(c, tree, NULL);
    if (cel_compile(&p, text, &env, &err) == 0 && cel_run(&ret, p, c, &self, &err) == 0)
        out = cel_to_json(c, ret);
    return 0;
}
