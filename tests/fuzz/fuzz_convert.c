/* layer: api
 * What a conversion webhook may answer: any body.  What is taken is as many objects, in the version
 * asked for, and each is the one it was. */
#include "api/convert.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char fuzz_objects[] =
    "[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"namespace\":"
    "\"n\",\"uid\":\"1\",\"labels\":{\"x\":\"y\"}}},{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
    "\"metadata\":{\"name\":\"b\",\"namespace\":\"n\",\"uid\":\"2\"}}]";

static void fuzz_same(const json_t *now, const json_t *before)
{
    static const char *const same[] = { "metadata.name", "metadata.namespace", "metadata.uid" };

    for (size_t i = 0; i < N_ELEMENTS(same); i++)
        assert(str_eq(json_str(now, same[i]), json_str(before, same[i])));
    assert(str_eq(json_str(now, "kind"), "ConfigMap"));
    assert(str_eq(json_str(now, "apiVersion"), "v1"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct schema_resource *row = schema_resource("", "v1", "configmaps");
    cleanup(json_decrefpp) json_t *objects = NULL, *converted = NULL, *conversion = NULL;
    struct err err = ERR_EMPTY;

    conversion = json_pack("{s:{s:[s]}}", "webhook", "conversionReviewVersions", "v1");
    if (json_parse(&objects, fuzz_objects, strlen(fuzz_objects), NULL, &err) < 0)
        return 0;
    if (convert_read(&converted, conversion, "u", row, objects, 200, (const char *)data, size,
                     &err) < 0) {
        assert(err.text[0] != '\0' && converted == NULL);
        return 0;
    }
    assert(json_array_size(converted) == json_array_size(objects));
    for (size_t i = 0; i < json_array_size(objects); i++)
        fuzz_same(json_array_get(converted, i), json_array_get(objects, i));
    return 0;
}
