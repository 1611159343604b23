#include "api/patch.h"

#include "base/mem.h"

static void patch_merge_into(json_t *to, const json_t *patch)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)patch, key, value) {
        json_t *have = json_object_get(to, key);

        if (json_is_null(value)) {
            json_object_del(to, key);
        } else if (json_is_object(value)) {
            if (!json_is_object(have)) {
                have = json_object();
                json_object_set_new(to, key, have);
            }
            patch_merge_into(have, value);
        } else {
            json_object_set_new(to, key, json_deep_copy(value));
        }
    }
}

int patch_merge(json_t **ret, const json_t *doc, const json_t *patch, struct err *err)
{
    json_t *to;

    if (!json_is_object(patch) || !json_is_object(doc))
        return err_set(err, ERR_BAD_REQUEST, "a merge patch must be a JSON object");
    to = json_deep_copy(doc);
    patch_merge_into(to, patch);
    *ret = to;
    return 0;
}
