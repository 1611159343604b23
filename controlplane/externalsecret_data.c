/* What the store gives for the items of an ExternalSecret. */
#include "controlplane/externalsecret_impl.h"

#include "api/secret_store.h"
#include "base/bits.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* An item of spec.data or spec.dataFrom; errors begin with its place. */
struct external_item {
    const struct external *x;
    char at[64]; /* "spec.data[0]" */
    const json_t *ref;
};

static int external_fail(const struct external_item *i, struct err *err, int code, const char *why)
{
    const char *key = json_str(i->ref, "key");

    if (key == NULL)
        return err_set(err, code, "error processing %s, err: %s", i->at, why);
    return err_set(err, code, "error processing %s (key: %s), err: %s", i->at, key, why);
}

/* What a reference may say that this store has no answer to. */
static int external_refuse(const struct external_item *i, struct err *err)
{
    const char *version = json_str_or(i->ref, "version", "");

    if (str_eq(json_str(i->ref, "metadataPolicy"), "Fetch"))
        return external_fail(i, err, ERR_UNSUPPORTED,
                             "metadataPolicy Fetch is not supported: keys of this cluster's store "
                             "have no metadata");
    if (version[0] != '\0' && !str_eq(version, "AWSCURRENT") && !str_eq(version, "latest"))
        return external_fail(
            i, err, ERR_UNSUPPORTED,
            "version is not supported: this cluster's store keeps the latest only");
    return 0;
}

/* --- values --- */

static bool external_decoded(struct text *ret, const struct text *value, const char *strategy)
{
    const char *s = text_str(value);
    size_t bad;

    if (strlen(s) != value->len)
        return false;
    if (str_eq(strategy, "Base64") || str_eq(strategy, "Auto")) {
        if (bits_unbase64(ret, s, value->len, &bad))
            return true;
        text_clear(ret);
    }
    if (str_eq(strategy, "Base64URL") || str_eq(strategy, "Auto")) {
        cleanup(freep) char *bare = mem_str(s);

        while (str_ends(bare, "="))
            bare[strlen(bare) - 1] = '\0';
        if (bits_unbase64url(ret, bare, strlen(bare)))
            return true;
        text_clear(ret);
    }
    return false;
}

static int external_add(const struct external_item *i, json_t *data, const char *name,
                        const struct text *value, struct err *err)
{
    cleanup(text_fini) struct text plain = TEXT_EMPTY, coded = TEXT_EMPTY;
    const char *strategy = json_str_or(i->ref, "decodingStrategy", "None");
    const struct text *use = value;

    if (!str_eq(strategy, "None") && external_decoded(&plain, value, strategy))
        use = &plain;
    else if (!str_eq(strategy, "None") && !str_eq(strategy, "Auto"))
        return external_fail(i, err, ERR_INVALID, "failed decoding: illegal base64 data");
    bits_base64(&coded, text_str(use), use->len);
    json_object_set_new(data, name, json_string(text_str(&coded)));
    return 0;
}

/* The value of the reference's key. */
static int external_fetch(const struct external_item *i, struct text *ret, struct err *err)
{
    const char *key = json_str_or(i->ref, "key", "");
    char name[SECRET_STORE_NAME_MAX];
    const struct object *o;
    int rc = external_refuse(i, err);

    if (rc < 0)
        return rc;
    secret_store_name(name, key);
    o = view_get(i->x->view, "secrets", SECRET_STORE_NS, name);
    if (o == NULL || o->deleting || !secret_store_value(ret, view_tree(i->x->view, o), key))
        return external_fail(i, err, ERR_NOT_FOUND, "Secret does not exist");
    return 0;
}

/* The value at the reference's property, or all of it as JSON when there is none. */
static int external_pick(const struct external_item *i, const struct text *value,
                         json_t **ret_whole, const json_t **ret, struct err *err)
{
    const char *property = json_str_or(i->ref, "property", ""),
               *key = json_str_or(i->ref, "key", "");
    cleanup(freep) char *why = NULL;
    struct err bad = ERR_EMPTY;

    if (json_parse(ret_whole, text_str(value), value->len, NULL, &bad) < 0) {
        why = mem_fmt("unable to unmarshal secret %s: %s", key, bad.text);
        return external_fail(i, err, ERR_INVALID, why);
    }
    *ret = property[0] != '\0' ? secret_store_property(*ret_whole, property) : *ret_whole;
    if (*ret != NULL)
        return 0;
    why = mem_fmt("key %s does not exist in secret %s", property, key);
    return external_fail(i, err, ERR_NOT_FOUND, why);
}

/* --- spec.data --- */

static int external_one(const struct external_item *i, const char *name, json_t *data,
                        struct err *err)
{
    cleanup(text_fini) struct text value = TEXT_EMPTY, part = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *whole = NULL;
    const json_t *at;
    int rc = external_fetch(i, &value, err);

    if (rc < 0)
        return rc;
    if (str_empty(json_str(i->ref, "property")))
        return external_add(i, data, name, &value, err);
    rc = external_pick(i, &value, &whole, &at, err);
    if (rc < 0)
        return rc;
    secret_store_print(&part, at);
    return external_add(i, data, name, &part, err);
}

/* --- spec.dataFrom --- */

/* Names that no Secret may have: one sign for each that does not fit, or its number. */
static void external_name(struct text *ret, const char *name, bool unicode)
{
    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
        if (isalnum(*p) || *p == '-' || *p == '.' || *p == '_')
            text_putc(ret, (char)*p);
        else if (unicode)
            text_fmt(ret, "_U%04x_", *p);
        else if (*p < 0x80 || *p >= 0xc0) /* once for each character */
            text_putc(ret, '_');
    }
}

static int external_all(const struct external_item *i, json_t *data, struct err *err)
{
    cleanup(text_fini) struct text value = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *whole = NULL;
    bool unicode = str_eq(json_str(i->ref, "conversionStrategy"), "Unicode");
    const json_t *at;
    const char *key;
    json_t *member;
    int rc = external_fetch(i, &value, err);

    if (rc == 0)
        rc = external_pick(i, &value, &whole, &at, err);
    if (rc == 0 && !json_is_object(at))
        rc = external_fail(i, err, ERR_INVALID, "the value is no JSON object to extract from");
    if (rc < 0)
        return rc;
    json_object_foreach ((json_t *)(uintptr_t)at, key, member) {
        cleanup(text_fini) struct text name = TEXT_EMPTY, text = TEXT_EMPTY;

        external_name(&name, key, unicode);
        secret_store_print(&text, member);
        rc = external_add(i, data, text_str(&name), &text, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int external_from(struct external_item *i, const json_t *from, json_t *data, struct err *err)
{
    static const struct {
        const char *path, *why;
    } unknown[] = {
        { "find", "find is not supported by this cluster's store: name each key with extract" },
        { "rewrite", "rewrite is not supported by this cluster's store" },
        { "sourceRef.generatorRef", "generators are not supported by this cluster's store" },
    };

    for (size_t k = 0; k < N_ELEMENTS(unknown); k++)
        if (json_at(from, unknown[k].path) != NULL)
            return external_fail(i, err, ERR_UNSUPPORTED, unknown[k].why);
    i->ref = json_object_get(from, "extract");
    if (i->ref == NULL)
        return external_fail(i, err, ERR_UNSUPPORTED, "extract is missing");
    return external_all(i, data, err);
}

/* --- the whole --- */

/* The item's own store, else the one of the whole.  Positive: not ours. */
static int external_check_store(const struct external *x, const json_t *item, struct err *err)
{
    const json_t *own = json_at(item, "sourceRef.storeRef");
    enum external_store found = external_store_find(
        x, own != NULL ? own : json_object_get(x->spec, "secretStoreRef"), err);

    return found == EXTERNAL_STORE_OK ? 0 : found == EXTERNAL_STORE_FOREIGN ? 1 : err->code;
}

/* May the item be missing? */
static bool external_may_miss(const struct external *x, int rc)
{
    return rc == ERR_NOT_FOUND && !str_eq(x->deletion, "Retain");
}

static int external_items(const struct external *x, const char *list, json_t *data, struct err *err)
{
    const json_t *item;
    size_t n;

    json_array_foreach (json_object_get(x->spec, list), n, item) {
        struct external_item i = { .x = x };
        int rc = external_check_store(x, item, err);

        if (rc != 0)
            return rc;
        snprintf(i.at, sizeof(i.at), "spec.%s[%zu]", list, n);
        if (str_eq(list, "dataFrom")) {
            rc = external_from(&i, item, data, err);
        } else {
            i.ref = json_object_get(item, "remoteRef");
            rc = json_at(item, "sourceRef.generatorRef") != NULL
                     ? external_fail(&i, err, ERR_UNSUPPORTED,
                                     "generators are not supported by this cluster's store")
                     : external_one(&i, json_str_or(item, "secretKey", ""), data, err);
        }
        if (rc < 0 && !external_may_miss(x, rc))
            return rc;
    }
    return 0;
}

int external_data(const struct external *x, json_t **ret, struct err *err)
{
    cleanup(json_decrefpp) json_t *data = json_object();
    /* As the operator does it: single items win over extracted ones. */
    int rc = external_items(x, "dataFrom", data, err);

    if (rc == 0)
        rc = external_items(x, "data", data, err);
    if (rc == 0)
        *ret = STEAL(data);
    return rc;
}
