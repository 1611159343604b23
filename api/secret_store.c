#include "api/secret_store.h"

#include "base/bits.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

void secret_store_name(char ret[SECRET_STORE_NAME_MAX], const char *key)
{
    char hash[BITS_SHA256_HEX];

    bits_sha256_hex(hash, key, strlen(key));
    snprintf(ret, SECRET_STORE_NAME_MAX, "mkube-secretstore-%.32s", hash);
}

bool secret_store_value(struct text *ret, const json_t *secret, const char *key)
{
    const json_t *notes = json_at(secret, "metadata.annotations");
    const char *coded = json_string_value(
        json_object_get(json_object_get(secret, "data"), "value"));
    size_t bad;

    return str_eq(json_string_value(json_object_get(notes, SECRET_STORE_KEY)), key) &&
           coded != NULL && bits_unbase64(ret, coded, strlen(coded), &bad);
}

json_t *secret_store_tree(const char *key, const void *value, size_t len)
{
    cleanup(text_fini) struct text coded = TEXT_EMPTY;
    char name[SECRET_STORE_NAME_MAX];

    secret_store_name(name, key);
    bits_base64(&coded, value, len);
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:s}, s:{s:s}}, s:s, s:{s:s}}", "apiVersion", "v1",
                     "kind", "Secret", "metadata", "name", name, "namespace", SECRET_STORE_NS,
                     "labels", SECRET_STORE_LABEL, "true", "annotations", SECRET_STORE_KEY, key,
                     "type", "Opaque", "data", "value", text_str(&coded));
}

/* One step of a path into @step, escapes taken out; moves *@path behind it and its dot. */
static void secret_store_step(struct text *step, const char **path)
{
    const char *p = *path;

    text_clear(step);
    for (; *p != '\0' && *p != '.'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        text_putc(step, *p);
    }
    *path = *p == '.' ? p + 1 : p;
}

const json_t *secret_store_property(const json_t *value, const char *property)
{
    cleanup(text_fini) struct text step = TEXT_EMPTY;
    const json_t *at = json_object_get(value, property);

    if (at != NULL)
        return at;
    for (at = value; at != NULL && *property != '\0';) {
        uint64_t index;

        secret_store_step(&step, &property);
        if (!json_is_array(at))
            at = json_object_get(at, text_str(&step));
        else if (str_u64(text_str(&step), &index))
            at = json_array_get(at, (size_t)index);
        else
            at = NULL;
    }
    return at == value ? NULL : at;
}

void secret_store_print(struct text *ret, const json_t *value)
{
    if (json_is_string(value))
        text_add(ret, json_string_value(value), json_string_length(value));
    else
        json_print_to(ret, value);
}
