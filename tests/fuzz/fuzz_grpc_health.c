/* layer: nodeagent */
/* The answer of a container to a grpc probe: bytes from anybody. */
#include "nodeagent/grpc_health.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct http_header_pair pair = { "grpc-status", "0" };
    struct http_head head = { .status = 200, .headers = &pair, .n_headers = 1 };
    struct err err = ERR_EMPTY;
    void *copy = malloc(size == 0 ? 1 : size); /* no byte more: reading past it is seen */
    int rc;

    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    rc = grpc_health_verdict(&head, copy, size, &err);
    if (rc == 0 && size < 7)
        abort();
    free(copy);
    return 0;
}
