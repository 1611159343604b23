#include "api/patch.h"

#include "base/mem.h"

#include <string.h>

/* What Kubernetes answers whenever a well-formed operation cannot be carried out. */
#define PATCH_JSON_REFUSED "the server rejected our request due to an error in our request"

struct patch_json_run {
    json_t *doc; /* owned */
    size_t copied;
    size_t walked; /* values looked at to know depths */
};

/* RFC 6901: where @pointer leads, all but its last token walked. */
struct patch_json_place {
    json_t *parent; /* borrowed; NULL when the pointer is "" (the whole document) */
    char *token;    /* owned; the last token, unescaped */
    size_t depth;   /* tokens in the pointer */
};

static void patch_json_place_fini(struct patch_json_place *p)
{
    free(p->token);
    p->token = NULL;
}

static int patch_json_refused(struct err *err)
{
    return err_set(err, ERR_INVALID, PATCH_JSON_REFUSED);
}

static char *patch_json_token(const char *s, size_t len)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '~' && i + 1 < len && (s[i + 1] == '0' || s[i + 1] == '1'))
            text_putc(&t, s[++i] == '0' ? '~' : '/');
        else
            text_putc(&t, s[i]);
    }
    return text_take(&t);
}

/* An index without sign or leading zero; "-" is @size.  False: no index. */
static bool patch_json_index(const char *token, size_t size, size_t *ret)
{
    uint64_t n;

    if (str_eq(token, "-")) {
        *ret = size;
        return true;
    }
    if ((token[0] == '0' && token[1] != '\0') || !str_u64(token, &n) || n > size)
        return false;
    *ret = (size_t)n;
    return true;
}

static json_t *patch_json_child(const json_t *node, const char *token)
{
    size_t i;

    if (json_is_object(node))
        return json_object_get(node, token);
    if (json_is_array(node) && patch_json_index(token, json_array_size(node), &i))
        return json_array_get(node, i);
    return NULL;
}

static int patch_json_find(struct patch_json_place *ret, json_t *doc, const char *pointer,
                           struct err *err)
{
    struct patch_json_place p = { .parent = NULL, .token = NULL };
    json_t *node = doc;

    if (*pointer != '\0' && *pointer != '/')
        return patch_json_refused(err);
    while (*pointer == '/') {
        size_t len = strcspn(++pointer, "/");

        if (p.token != NULL)
            node = patch_json_child(node, p.token);
        patch_json_place_fini(&p);
        if (!json_is_object(node) && !json_is_array(node))
            return patch_json_refused(err);
        p.parent = node;
        p.depth++;
        p.token = patch_json_token(pointer, len);
        pointer += len;
    }
    *ret = p;
    return 0;
}

static int patch_json_get(json_t **ret, json_t *doc, const char *pointer, struct err *err)
{
    cleanup(patch_json_place_fini) struct patch_json_place p = { .parent = NULL };
    int rc = patch_json_find(&p, doc, pointer, err);

    if (rc < 0)
        return rc;
    *ret = p.parent == NULL ? doc : patch_json_child(p.parent, p.token);
    return *ret != NULL ? 0 : patch_json_refused(err);
}

static size_t patch_json_depth(struct patch_json_run *run, const json_t *value)
{
    size_t deepest = 0, i, depth;
    const char *key;
    json_t *child;

    run->walked++;
    if (json_is_object(value)) {
        json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
            depth = patch_json_depth(run, child);
            deepest = depth > deepest ? depth : deepest;
        }
    }
    json_array_foreach (value, i, child) {
        depth = patch_json_depth(run, child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* Many small moves could nest a document deeper than the stack of whoever prints or frees it. */
static int patch_json_check_depth(struct patch_json_run *run, const struct patch_json_place *p,
                                  const json_t *value, struct err *err)
{
    size_t depth = p->depth + patch_json_depth(run, value);

    if (depth > JSON_MAX_DEPTH_OURS)
        return err_set(err, ERR_LIMIT, "the result of this patch is nested deeper than %d levels",
                       JSON_MAX_DEPTH_OURS);
    if (run->walked > PATCH_MAX_COMPARISONS)
        return err_set(err, ERR_LIMIT, "this patch moves too much");
    return 0;
}

/* Consumes @value. */
static int patch_json_add(struct patch_json_run *run, const char *pointer, json_t *value,
                          struct err *err)
{
    cleanup(patch_json_place_fini) struct patch_json_place p = { .parent = NULL };
    cleanup(json_decrefpp) json_t *owned = value;
    size_t i;
    int rc = patch_json_find(&p, run->doc, pointer, err);

    if (rc == 0)
        rc = patch_json_check_depth(run, &p, owned, err);
    if (rc < 0)
        return rc;
    if (p.parent == NULL) {
        json_decref(run->doc);
        run->doc = STEAL(owned);
    } else if (json_is_object(p.parent)) {
        json_object_set_new(p.parent, p.token, STEAL(owned));
    } else if (patch_json_index(p.token, json_array_size(p.parent), &i)) {
        json_array_insert_new(p.parent, i, STEAL(owned));
    } else {
        return patch_json_refused(err);
    }
    return 0;
}

static int patch_json_remove(struct patch_json_run *run, const char *pointer, struct err *err)
{
    cleanup(patch_json_place_fini) struct patch_json_place p = { .parent = NULL };
    size_t i;
    int rc = patch_json_find(&p, run->doc, pointer, err);

    if (rc < 0)
        return rc;
    if (p.parent == NULL || patch_json_child(p.parent, p.token) == NULL)
        return patch_json_refused(err);
    if (json_is_object(p.parent))
        json_object_del(p.parent, p.token);
    else if (patch_json_index(p.token, json_array_size(p.parent), &i))
        json_array_remove(p.parent, i);
    return 0;
}

/* Consumes @value. */
static int patch_json_replace(struct patch_json_run *run, const char *pointer, json_t *value,
                              struct err *err)
{
    cleanup(patch_json_place_fini) struct patch_json_place p = { .parent = NULL };
    cleanup(json_decrefpp) json_t *owned = value;
    size_t i;
    int rc = patch_json_find(&p, run->doc, pointer, err);

    if (rc == 0)
        rc = patch_json_check_depth(run, &p, owned, err);
    if (rc < 0)
        return rc;
    if (p.parent == NULL) {
        json_decref(run->doc);
        run->doc = STEAL(owned);
        return 0;
    }
    if (patch_json_child(p.parent, p.token) == NULL)
        return patch_json_refused(err);
    if (json_is_object(p.parent))
        json_object_set_new(p.parent, p.token, STEAL(owned));
    else if (patch_json_index(p.token, json_array_size(p.parent), &i))
        json_array_set_new(p.parent, i, STEAL(owned));
    return 0;
}

/* A missing place equals null, as in the library that Kubernetes uses. */
static int patch_json_test(struct patch_json_run *run, const char *pointer, const json_t *want,
                           struct err *err)
{
    struct err unused = ERR_EMPTY;
    json_t *have = NULL;

    if (patch_json_get(&have, run->doc, pointer, &unused) < 0)
        return json_is_null(want) ? 0 : patch_json_refused(err);
    return json_equal(have, want) ? 0 : patch_json_refused(err);
}

/* Repeated copies of a growing document double it each time: their sum is bounded. */
static int patch_json_copy(struct patch_json_run *run, const char *from, const char *to,
                           struct err *err)
{
    json_t *value = NULL;
    int rc = patch_json_get(&value, run->doc, from, err);

    if (rc < 0)
        return rc;
    run->copied += json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (run->copied > PATCH_MAX_COPIED)
        return err_set(err, ERR_LIMIT, "the copies of this patch exceed %d bytes",
                       PATCH_MAX_COPIED);
    return patch_json_add(run, to, json_deep_copy(value), err);
}

static int patch_json_move(struct patch_json_run *run, const char *from, const char *to,
                           struct err *err)
{
    cleanup(json_decrefpp) json_t *owned = NULL;
    json_t *value = NULL;
    int rc = patch_json_get(&value, run->doc, from, err);

    if (rc < 0)
        return rc;
    owned = json_incref(value);
    rc = patch_json_remove(run, from, err);
    return rc < 0 ? rc : patch_json_add(run, to, STEAL(owned), err);
}

static int patch_json_apply(struct patch_json_run *run, const json_t *op, struct err *err)
{
    const char *name = json_string_value(json_object_get(op, "op"));
    const char *path = json_string_value(json_object_get(op, "path"));
    const char *from = json_string_value(json_object_get(op, "from"));
    json_t *value = json_object_get(op, "value");

    if (name == NULL || path == NULL)
        return err_set(err, ERR_BAD_REQUEST, "each operation of a JSON patch needs op and path");
    if (str_eq(name, "remove"))
        return patch_json_remove(run, path, err);
    if (str_eq(name, "copy") || str_eq(name, "move")) {
        if (from == NULL)
            return err_set(err, ERR_BAD_REQUEST, "operation %s of a JSON patch needs from", name);
        return name[0] == 'c' ? patch_json_copy(run, from, path, err)
                              : patch_json_move(run, from, path, err);
    }
    if (!str_eq(name, "add") && !str_eq(name, "replace") && !str_eq(name, "test"))
        return err_set(err, ERR_BAD_REQUEST, "unexpected kind of JSON patch operation: %.64s",
                       name);
    if (str_eq(name, "test"))
        return patch_json_test(run, path, value != NULL ? value : json_null(), err);
    if (value == NULL)
        return err_set(err, ERR_BAD_REQUEST, "operation %s of a JSON patch needs a value", name);
    if (str_eq(name, "add"))
        return patch_json_add(run, path, json_deep_copy(value), err);
    return patch_json_replace(run, path, json_deep_copy(value), err);
}

int patch_json(json_t **ret, const json_t *doc, const json_t *ops, struct err *err)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct patch_json_run run = { .copied = 0 };
    const json_t *op;
    size_t i;
    int rc = 0;

    if (!json_is_array(ops))
        return err_set(err, ERR_BAD_REQUEST, "a JSON patch must be an array of operations");
    if (json_array_size(ops) > PATCH_MAX_OPERATIONS)
        return err_set(err, ERR_LIMIT,
                       "The allowed maximum operations in a JSON patch is %d, got %zu",
                       PATCH_MAX_OPERATIONS, json_array_size(ops));
    run.doc = json_deep_copy(doc);
    json_array_foreach (ops, i, op) {
        rc = patch_json_apply(&run, op, err);
        if (rc < 0)
            break;
    }
    tree = run.doc;
    if (rc < 0)
        return rc;
    *ret = STEAL(tree);
    return 0;
}
