/* layer: api
 * What somebody applies to what is there, with managedFields that anybody may have written: lines
 * of JSON or YAML flows (managedFields, live object, configuration, a letter for the kind).
 * Sets survive being written down.  Where the managedFields are our own, applying never makes what
 * the types refuse, and a second time changes nothing; those of others may own an item without its
 * key: it keeps the key, where Kubernetes would refuse what comes of it. */
#include "api/apply.h"
#include "api/decode.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_kind {
    struct typed_place place;
};

static bool fuzz_place(void *arg, struct typed_place *ret, const char *api_version)
{
    const struct fuzz_kind *kind = arg;

    if (str_eq(api_version, "gone"))
        return false;
    *ret = kind->place;
    return true;
}

static json_t *fuzz_convert(void *arg, const json_t *tree, const char *from, const char *to)
{
    (void)arg;
    (void)from;
    (void)to;
    return json_deep_copy(tree);
}

/* The next line of @data as YAML, which JSON is too. */
static json_t *fuzz_line(const char **data, size_t *size)
{
    const char *end = memchr(*data, '\n', *size);
    size_t len = end != NULL ? (size_t)(end - *data) : *size;
    cleanup(json_decrefpp) json_t *docs = NULL;
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    if (yaml_parse(&docs, *data, len, &err) == 0 && json_array_size(docs) == 1)
        tree = json_incref(json_array_get(docs, 0));
    *data += end != NULL ? len + 1 : len;
    *size -= end != NULL ? len + 1 : len;
    return tree;
}

static void fuzz_round_trip(const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
        cleanup(json_decrefpp) json_t *again = NULL;
        const struct field_set *set, *second;
        struct err err = ERR_EMPTY;

        if (field_set_parse(&set, arena, json_object_get(item, "fieldsV1"), &err) < 0)
            continue;
        again = field_set_json(set);
        assert(field_set_parse(&second, arena, again, &err) == 0);
        assert(field_set_equal(set, second));
        assert(field_set_union(arena, set, second) == NULL || set != NULL);
        assert(field_set_difference(arena, set, second) == NULL);
        assert(field_set_equal(field_set_intersection(arena, set, second), set));
    }
}

static json_t *fuzz_apply(struct fuzz_kind *kind, json_t **ret_fields, const json_t *fields,
                          const json_t *live, const json_t *config)
{
    const struct managed_versions versions = { fuzz_place, fuzz_convert, kind };
    const struct managed_write write = { .versions = &versions,
                                         .api_version = "v1",
                                         .manager = "fuzz",
                                         .subresource = "",
                                         .now = "2026-01-02T03:04:05Z",
                                         .reconcile = true };
    struct apply_result result;
    struct managed m;
    struct err err = ERR_EMPTY;

    managed_init(&m);
    managed_load(&m, fields, &err);
    if (apply_config(&result, &m, &write, live, config, true, &err) < 0)
        result.tree = NULL;
    else
        assert(result.tree != NULL && result.n_conflicts == 0);
    *ret_fields = managed_json(&m);
    managed_fini(&m);
    return result.tree;
}

static void fuzz_twice(struct fuzz_kind *kind, const json_t *fields, const json_t *live,
                       const json_t *config)
{
    cleanup(json_decrefpp) json_t *first = NULL, *second = NULL, *one = NULL, *two = NULL;
    cleanup(text_fini) struct text problems = TEXT_EMPTY;

    if (typed_check(&kind->place, live, &problems) < 0)
        return; /* the live object was decoded: it fits */
    first = fuzz_apply(kind, &one, fields, live, config);
    json_decref(first);
    json_decref(one);
    first = fuzz_apply(kind, &one, NULL, live, config);
    if (first == NULL)
        return;
    assert(typed_check(&kind->place, first, &problems) == 0);
    second = fuzz_apply(kind, &two, one, first, config);
    assert(second != NULL);
    assert(json_equal(first, second));
    assert(one == two || json_equal(one, two));
    fuzz_round_trip(one);
}

static const char fuzz_schema[] =
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"s\":"
    "{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}},\"l\":"
    "{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"k\"],"
    "\"items\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\",\"default\":\"d\"},"
    "\"v\":{\"type\":\"integer\"}}}},\"m\":{\"type\":\"object\",\"x-kubernetes-map-type\":"
    "\"atomic\",\"additionalProperties\":{\"type\":\"string\"}},\"any\":{\"type\":\"object\","
    "\"x-kubernetes-preserve-unknown-fields\":true}}}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    cleanup(json_decrefpp) json_t *fields = fuzz_line(&at, &size);
    cleanup(json_decrefpp) json_t *live = fuzz_line(&at, &size);
    cleanup(json_decrefpp) json_t *config = fuzz_line(&at, &size);
    cleanup(custom_schema_freep) struct custom_schema *schema = NULL;
    cleanup(json_decrefpp) json_t *openapi = NULL;
    struct err err = ERR_EMPTY;
    struct fuzz_kind kind;

    fuzz_round_trip(fields);
    if (!json_is_object(live) || !json_is_object(config))
        return 0;
    if (size > 0 && at[0] == 'c') {
        if (json_parse(&openapi, fuzz_schema, sizeof(fuzz_schema) - 1, NULL, &err) < 0 ||
            custom_schema_new(&schema, openapi, &err) < 0)
            return 0;
        kind.place = typed_of_node(custom_schema_root(schema));
    } else {
        kind.place = typed_of_type(schema_type("apps/v1.Deployment"));
        if (decode_check(live, schema_type("apps/v1.Deployment"), NULL, &err) < 0)
            return 0;
    }
    fuzz_twice(&kind, fields, live, config);
    return 0;
}
