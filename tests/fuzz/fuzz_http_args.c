/* layer: base */
#include "base/http_args.h"
#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *query = mem_strn((const char *)data, size);
    struct http_args args;

    http_args_init(&args, query);
    assert(args.n <= HTTP_ARGS_MAX);
    for (size_t i = 0; i < args.n; i++) {
        assert(strlen(args.list[i].key) + strlen(args.list[i].value) <= size);
        assert(http_args_get(&args, args.list[i].key) != NULL);
    }
    http_args_fini(&args);
    return 0;
}
