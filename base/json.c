/* Short paths into trees; json_read.c parses and json_print.c prints. */
#include "base/json.h"

#include "base/mem.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* A tree is hundreds of small pieces, and every request makes and drops one: those dropped last
 * are kept by their size, many more than malloc keeps.  Each is malloc's all the same, so that it
 * may end with free().  AddressSanitizer is to see each piece come and go. */
#define JSON_PIECE_SMALLEST 24 /* what malloc gives at least, and the step between its sizes */
#define JSON_PIECE_STEP     16
#define JSON_PIECE_SIZES    8
#define JSON_PIECES_KEPT    256 /* of each size and thread: 160 KiB if all are */

struct json_piece {
    struct json_piece *next;
};

static _Thread_local struct {
    struct json_piece *first;
    unsigned n;
} json_pieces[JSON_PIECE_SIZES];

static void *json_alloc(size_t size)
{
    size_t i = size <= JSON_PIECE_SMALLEST
                   ? 0
                   : (size - JSON_PIECE_SMALLEST + JSON_PIECE_STEP - 1) / JSON_PIECE_STEP;
    struct json_piece *piece;

    if (i >= JSON_PIECE_SIZES)
        return mem_grow(NULL, size, 1);
    piece = json_pieces[i].first;
    if (piece == NULL)
        return mem_grow(NULL, JSON_PIECE_SMALLEST + i * JSON_PIECE_STEP, 1);
    json_pieces[i].first = piece->next;
    json_pieces[i].n--;
    return piece;
}

#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define JSON_EXACT
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define JSON_EXACT
#endif
#endif

#ifdef JSON_EXACT
#define json_free free
#else
static void json_free(void *p)
{
    size_t size = malloc_usable_size(p), i = (size - JSON_PIECE_SMALLEST) / JSON_PIECE_STEP;
    struct json_piece *piece = p;

    if (size < JSON_PIECE_SMALLEST || i >= JSON_PIECE_SIZES ||
        size != JSON_PIECE_SMALLEST + i * JSON_PIECE_STEP || json_pieces[i].n >= JSON_PIECES_KEPT) {
        free(p);
        return;
    }
    piece->next = json_pieces[i].first;
    json_pieces[i].first = piece;
    json_pieces[i].n++;
}
#endif

/* jansson reports a lack of memory in places nobody can test; ours ends the process. */
__attribute__((constructor)) static void json_use_mem(void)
{
    json_set_alloc_funcs(json_alloc, json_free);
}

/* The next part of a dotted path; false at its end. */
static bool json_path_next(const char **path, const char **ret, size_t *ret_len)
{
    if (!*path)
        return false;
    *ret = *path;
    *ret_len = (size_t)(strchrnul(*path, '.') - *path);
    *path = (*ret)[*ret_len] ? *ret + *ret_len + 1 : NULL;
    return true;
}

json_t *json_at(const json_t *tree, const char *path)
{
    const char *part;
    size_t len;

    while (tree && json_path_next(&path, &part, &len))
        tree = json_object_getn(tree, part, len);
    return json_is_null(tree) ? NULL : (json_t *)(uintptr_t)tree;
}

const char *json_str(const json_t *tree, const char *path)
{
    return json_string_value(json_at(tree, path));
}

const char *json_str_or(const json_t *tree, const char *path, const char *otherwise)
{
    const char *s = json_str(tree, path);

    return s ? s : otherwise;
}

int64_t json_int(const json_t *tree, const char *path, int64_t otherwise)
{
    const json_t *value = json_at(tree, path);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool json_bool(const json_t *tree, const char *path, bool otherwise)
{
    const json_t *value = json_at(tree, path);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* The object that holds the last part of @path, NULL if there is none and @make is false. */
static json_t *json_parent(json_t *tree, const char *path, bool make, const char **ret_last)
{
    const char *dot = strrchr(path, '.'), *part;
    size_t len;

    *ret_last = dot ? dot + 1 : path;
    while (tree && path != *ret_last && json_path_next(&path, &part, &len)) {
        json_t *below = json_object_getn(tree, part, len);

        if (make && !json_is_object(below)) {
            below = json_object();
            json_object_setn_new_nocheck(tree, part, len, below);
        }
        tree = below;
    }
    return tree;
}

void json_put(json_t *tree, const char *path, json_t *value)
{
    const char *last;

    assert(json_is_object(tree) && value);
    tree = json_parent(tree, path, true, &last);
    json_object_set_new_nocheck(tree, last, value);
}

void json_put_str(json_t *tree, const char *path, const char *value)
{
    json_t *s = json_string(value);

    assert(value);
    /* Text from outside that is not UTF-8 (a program's output) must not end us. */
    json_put(tree, path, s ? s : json_string("(not UTF-8)"));
}

void json_put_int(json_t *tree, const char *path, int64_t value)
{
    json_put(tree, path, json_integer(value));
}

void json_put_bool(json_t *tree, const char *path, bool value)
{
    json_put(tree, path, json_boolean(value));
}

void json_del(json_t *tree, const char *path)
{
    const char *last;

    tree = json_parent(tree, path, false, &last);
    if (tree)
        json_object_del(tree, last);
}

json_t *json_find(const json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        if (str_eq(json_string_value(json_object_get(item, key)), value))
            return item;
    }
    return NULL;
}

bool json_has_str(const json_t *list, const char *word)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        if (str_eq(json_string_value(item), word))
            return true;
    return false;
}

static int json_key_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **json_keys(const json_t *map)
{
    const char **keys = MEM_NEW_ARRAY(const char *, json_object_size(map) + 1);
    const char *key;
    json_t *value;
    size_t n = 0;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value)
        keys[n++] = key;
    qsort(keys, n, sizeof(*keys), json_key_compare);
    return keys;
}

const char *json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "object";
    case JSON_ARRAY: return "array";
    case JSON_STRING: return "string";
    case JSON_INTEGER: return "integer";
    case JSON_REAL: return "number";
    case JSON_TRUE:
    case JSON_FALSE: return "boolean";
    case JSON_NULL: break;
    }
    return "null";
}
