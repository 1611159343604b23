#include "api/convert.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

static const char *convert_review(const json_t *conversion)
{
    const json_t *list = json_at(conversion, "webhook.conversionReviewVersions");
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item) {
        if (str_eq(json_string_value(item), "v1"))
            return "apiextensions.k8s.io/v1";
        if (str_eq(json_string_value(item), "v1beta1"))
            return "apiextensions.k8s.io/v1beta1";
    }
    return NULL;
}

char *convert_write(const json_t *conversion, const char *uid, const char *api_version,
                    const json_t *objects, size_t *ret_len)
{
    const char *review = convert_review(conversion);
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (review == NULL)
        return NULL;
    tree = json_pack("{s:s, s:s, s:{s:s, s:s, s:O}}", "kind", "ConversionReview", "apiVersion",
                     review, "request", "uid", uid, "desiredAPIVersion", api_version, "objects",
                     objects);
    return json_print(tree, ret_len);
}

/* --- the answer --- */

static int convert_check_envelope(const json_t *tree, const char *review, const char *uid,
                                  struct err *err)
{
    const json_t *response = json_object_get(tree, "response");
    const char *message = json_str_or(response, "result.message", "");
    const char *status = json_str_or(response, "result.status", "");

    if (!json_is_object(response))
        return err_set(err, ERR_INTERNAL, "no response provided");
    if (!str_eq(json_str(tree, "apiVersion"), review) ||
        !str_eq(json_str(tree, "kind"), "ConversionReview"))
        return err_set(err, ERR_INTERNAL,
                       "expected webhook response of %s, Kind=ConversionReview, got %.64s, "
                       "Kind=%.64s",
                       review, json_str_or(tree, "apiVersion", ""), json_str_or(tree, "kind", ""));
    if (!str_eq(json_str(response, "uid"), uid))
        return err_set(err, ERR_INTERNAL, "expected response.uid=\"%s\", got \"%.64s\"", uid,
                       json_str_or(response, "uid", ""));
    if (str_eq(status, "Success"))
        return 0;
    if (message[0] != '\0')
        return err_set(err, ERR_INTERNAL, "%.512s", message);
    return err_set(err, ERR_INTERNAL, "response.result.status was '%.64s', not 'Success'", status);
}

/* Which object it is stays; what people wrote beside it may change. */
static int convert_keep_metadata(json_t *now, const json_t *before, struct err *err)
{
    static const char *const same[] = { "name", "namespace", "uid" };
    static const char *const taken[] = { "labels", "annotations" };
    const json_t *meta = json_object_get(now, "metadata"),
                 *old = json_object_get(before, "metadata");
    json_t *kept = json_deep_copy(old);

    if (!json_is_object(meta)) {
        json_decref(kept);
        return err_set(err, ERR_INTERNAL, "invalid metadata of type %s in input object",
                       meta == NULL ? "<nil>" : "other than map");
    }
    for (size_t i = 0; i < N_ELEMENTS(same); i++)
        if (!str_eq(json_str_or(meta, same[i], ""), json_str_or(old, same[i], ""))) {
            json_decref(kept);
            return err_set(err, ERR_INTERNAL, "must have the same %s: %.128s != %.128s", same[i],
                           json_str_or(meta, same[i], ""), json_str_or(old, same[i], ""));
        }
    for (size_t i = 0; i < N_ELEMENTS(taken); i++) {
        json_t *value = json_object_get(meta, taken[i]);

        if (json_object_size(value) > 0)
            json_object_set(kept, taken[i], value);
        else
            json_object_del(kept, taken[i]);
    }
    json_object_set_new(now, "metadata", kept);
    return 0;
}

static int convert_check_object(json_t *now, const json_t *before, const char *api_version,
                                const char *kind, size_t index, struct err *err)
{
    const char *got = json_str_or(now, "apiVersion", "");
    struct err why = ERR_EMPTY;

    if (!str_eq(got, api_version))
        return err_set(err, ERR_INTERNAL,
                       "returned invalid converted object at index %zu: invalid groupVersion "
                       "(expected %s, received %.128s)",
                       index, api_version, got);
    if (!str_eq(json_str(now, "kind"), kind))
        return err_set(err, ERR_INTERNAL,
                       "returned invalid converted object at index %zu: invalid kind (expected "
                       "%s, received %.64s)",
                       index, kind, json_str_or(now, "kind", ""));
    if (convert_keep_metadata(now, before, &why) < 0)
        return err_set(err, ERR_INTERNAL,
                       "returned invalid metadata in converted object at index %zu: %s", index,
                       why.text);
    return 0;
}

static int convert_check_objects(const json_t *converted, const json_t *objects,
                                 const struct schema_resource *row, struct err *err)
{
    char api_version[128];
    int rc = 0;

    schema_api_version(api_version, sizeof(api_version), row);
    if (json_array_size(converted) != json_array_size(objects))
        return err_set(err, ERR_INTERNAL, "returned %zu objects, expected %zu",
                       json_array_size(converted), json_array_size(objects));
    for (size_t i = 0; i < json_array_size(objects) && rc == 0; i++)
        rc = convert_check_object(json_array_get(converted, i), json_array_get(objects, i),
                                  api_version, row->kind, i, err);
    return rc;
}

int convert_read(json_t **ret, const json_t *conversion, const char *uid,
                 const struct schema_resource *row, const json_t *objects, int http,
                 const char *body, size_t len, struct err *err)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    json_t *converted;
    int rc;

    if (http < 200 || http > 299)
        return err_set(err, ERR_INTERNAL, "failed: the webhook answered with status %d", http);
    if (json_parse(&tree, body, len, NULL, err) < 0)
        return err_wrap(err, ERR_INTERNAL, "failed");
    rc = convert_check_envelope(tree, convert_review(conversion), uid, err);
    if (rc < 0)
        return err_wrap(err, rc, "failed");
    converted = json_at(tree, "response.convertedObjects");
    rc = convert_check_objects(converted, objects, row, err);
    if (rc == 0)
        *ret = json_incref(converted);
    return rc;
}
