/* layer: api */
/* Any path: parsed or refused, and what was parsed fits its promises. */
#include "api/route.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(freep) char *path = mem_strn((const char *)data, size);
    struct route r;

    if (!route_parse(&r, "GET", path, size % 2 == 1))
        return 0;
    assert((r.kind == ROUTE_RESOURCE) == (r.resource != NULL));
    assert(r.resource == NULL || r.resource->namespaced || r.ns[0] == '\0');
    assert(strchr(r.ns, '/') == NULL && strchr(r.name, '/') == NULL);
    assert(r.sub[0] == '\0' || r.name[0] != '\0');
    return 0;
}
