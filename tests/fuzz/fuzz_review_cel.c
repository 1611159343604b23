/* layer: api
 * Rules about requests, as webhooks' matchConditions and admission policies hold them: a line with
 * the expression, a line with the object.  Kubernetes' own functions (quantities, URLs, addresses,
 * formats) are known here; whatever is written, it ends within its budget. */
#include "api/review_cel.h"
#include "base/json.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define FUZZ_BUDGET 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t first = line != NULL ? (size_t)(line - data) : size;
    cleanup(freep) char *text = mem_strn((const char *)data, first);
    cleanup(cel_program_freep) struct cel_program *p = NULL;
    cleanup(cel_context_freep) struct cel_context *c = cel_context_new(FUZZ_BUDGET);
    cleanup(json_decrefpp) json_t *tree = NULL, *out = NULL;
    cleanup(freep) char *wrong = NULL;
    struct review_facts facts = { NULL };
    struct cel_value vars[REVIEW_VARS], ret;
    struct err err = ERR_EMPTY;

    if (line != NULL)
        json_parse(&tree, (const char *)line + 1, size - first - 1, NULL, &err);
    p = review_cel_compile(text, &review_cel_webhooks, CEL_BOOL, &wrong);
    assert((p == NULL) == (wrong != NULL));
    if (p == NULL)
        return 0;
    facts.object = facts.old = facts.request = tree;
    review_cel_values(vars, c, &facts);
    if (cel_run(&ret, p, c, vars, &err) == 0)
        out = cel_to_json(c, ret);
    else
        assert(err.text[0] != '\0');
    return 0;
}
