/* layer: api
 * Any bytes as a protobuf body: envelope and message. */
#include "api/decode.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err err = ERR_EMPTY;

    if (decode_protobuf(&tree, data, size, &err) == 0) {
        const struct schema_resource *r = schema_by_api_version(json_str_or(tree, "apiVersion", ""),
                                                                json_str_or(tree, "kind", ""));

        if (r != NULL)
            decode_defaults(tree, r);
    }
    return 0;
}
