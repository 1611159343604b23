#include "client/manifest.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MANIFEST_MAX_NESTING 8  /* Lists in Lists */
#define MANIFEST_MAX_DEPTH   16 /* directories in directories */

static struct manifest_object *manifest_add(struct manifest *m, const char *source)
{
    struct manifest_object *o;

    m->objects = mem_grow(m->objects, m->n + 1, sizeof(*m->objects));
    o = &m->objects[m->n++];
    *o = (struct manifest_object){ .source = mem_str(source) };
    return o;
}

static void manifest_add_failure(struct manifest *m, const char *source, const struct err *err)
{
    manifest_add(m, source)->err = mem_dup(err, sizeof(*err));
}

void manifest_fini(struct manifest *m)
{
    for (size_t i = 0; i < m->n; i++) {
        json_decref(m->objects[i].tree);
        free(m->objects[i].source);
        free(m->objects[i].err);
    }
    free(m->objects);
    *m = (struct manifest){ .n = 0 };
}

/* --- documents --- */

static void manifest_add_tree(struct manifest *m, const char *source, json_t *tree, unsigned depth)
{
    json_t *items = json_at(tree, "items"), *item;
    struct err err = ERR_EMPTY;
    size_t i;

    if (!json_is_object(tree)) {
        err_set(&err, ERR_BAD_REQUEST, "a document is no object");
        manifest_add_failure(m, source, &err);
    } else if (str_ends(json_str_or(tree, "kind", ""), "List") && json_is_array(items) &&
               depth < MANIFEST_MAX_NESTING) {
        json_array_foreach (items, i, item)
            manifest_add_tree(m, source, item, depth + 1);
    } else {
        manifest_add(m, source)->tree = json_incref(tree);
    }
}

/* The length of the JSON value that @data starts with: to its closing brace, strings skipped. */
static size_t manifest_json_length(const char *data, size_t len)
{
    bool in_string = false;
    size_t depth = 0;

    for (size_t i = 0; i < len; i++) {
        if (in_string && data[i] == '\\')
            i++;
        else if (data[i] == '"')
            in_string = !in_string;
        else if (!in_string && (data[i] == '{' || data[i] == '['))
            depth++;
        else if (!in_string && (data[i] == '}' || data[i] == ']') && --depth == 0)
            return i + 1;
    }
    return len;
}

/* JSON values one behind the other.  False: it is no JSON after all, nothing was added. */
static bool manifest_parse_json(struct manifest *m, const char *source, const char *data,
                                size_t len)
{
    cleanup(json_decrefpp) json_t *trees = json_array();
    struct err err = ERR_EMPTY;
    json_t *tree;
    size_t i;

    while (len > 0) {
        size_t n;

        if (isspace((unsigned char)*data)) {
            data++;
            len--;
            continue;
        }
        if (*data != '{')
            return false;
        n = manifest_json_length(data, len);
        if (json_parse(&tree, data, n, NULL, &err) < 0)
            return false;
        json_array_append_new(trees, tree);
        data += n;
        len -= n;
    }
    json_array_foreach (trees, i, tree)
        manifest_add_tree(m, source, tree, 0);
    return true;
}

/* Where the next line "---" begins, or @len. */
static size_t manifest_next_document(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *end = memchr(data + i, '\n', len - i);

        if (i > 0 && len - i >= 3 && memcmp(data + i, "---", 3) == 0)
            return i;
        if (end == NULL)
            break;
        i = (size_t)(end - data);
    }
    return len;
}

static unsigned manifest_count_lines(const char *data, size_t len)
{
    unsigned n = 0;

    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n' ? 1 : 0;
    return n;
}

/* One document is broken: the others need not suffer. */
static void manifest_parse_apart(struct manifest *m, const char *source, const char *data,
                                 size_t len)
{
    unsigned line = 1;

    while (len > 0) {
        size_t n = manifest_next_document(data, len), i;
        cleanup(json_decrefpp) json_t *docs = NULL;
        struct err err = ERR_EMPTY;
        json_t *doc;

        if (yaml_parse(&docs, data, n, &err) < 0) {
            if (line > 1)
                err_wrap(&err, err.code, "document that starts at line %u", line);
            manifest_add_failure(m, source, &err);
        }
        json_array_foreach (docs, i, doc)
            manifest_add_tree(m, source, doc, 0);
        line += manifest_count_lines(data, n);
        data += n;
        len -= n;
    }
}

void manifest_parse(struct manifest *ret, const char *source, const char *data, size_t len)
{
    cleanup(json_decrefpp) json_t *docs = NULL;
    struct err err = ERR_EMPTY;
    json_t *doc;
    size_t i;

    if (manifest_parse_json(ret, source, data, len))
        return;
    if (yaml_parse(&docs, data, len, &err) < 0) {
        manifest_parse_apart(ret, source, data, len);
        return;
    }
    json_array_foreach (docs, i, doc)
        manifest_add_tree(ret, source, doc, 0);
}

/* --- files --- */

static void manifest_read_file(struct manifest *m, const char *path)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (file_read(&t, path, MANIFEST_MAX_BYTES, &err) < 0)
        manifest_add_failure(m, path, &err);
    else
        manifest_parse(m, path, text_str(&t), t.len);
}

static void manifest_read_stdin(struct manifest *m)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    char buffer[65536];
    size_t n;

    while ((n = fread(buffer, 1, sizeof(buffer), stdin)) > 0 && t.len <= MANIFEST_MAX_BYTES)
        text_add(&t, buffer, n);
    if (t.len > MANIFEST_MAX_BYTES) {
        err_set(&err, ERR_LIMIT, "more than %d bytes", MANIFEST_MAX_BYTES);
        manifest_add_failure(m, "STDIN", &err);
        return;
    }
    manifest_parse(m, "STDIN", text_str(&t), t.len);
}

static bool manifest_is_one(const char *name)
{
    return str_ends(name, ".yaml") || str_ends(name, ".yml") || str_ends(name, ".json");
}

static int manifest_is_visible(const struct dirent *entry)
{
    return !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..");
}

static bool manifest_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Depth keeps links that lead upwards from being followed for ever. */
static void manifest_read_dir(struct manifest *m, const char *dir, bool recursive, unsigned depth)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, manifest_is_visible, alphasort);

    for (int i = 0; i < n; i++) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, entries[i]->d_name);

        if (manifest_is_dir(path)) {
            if (recursive && depth < MANIFEST_MAX_DEPTH)
                manifest_read_dir(m, path, true, depth + 1);
        } else if (manifest_is_one(entries[i]->d_name)) {
            manifest_read_file(m, path);
        }
        free(entries[i]);
    }
    free(entries);
}

void manifest_read(struct manifest *ret, const char *source, bool recursive)
{
    struct err err = ERR_EMPTY;
    size_t before = ret->n;

    if (str_eq(source, "-")) {
        manifest_read_stdin(ret);
    } else if (!manifest_is_dir(source)) {
        manifest_read_file(ret, source);
    } else {
        manifest_read_dir(ret, source, recursive, 0);
        if (ret->n > before)
            return;
        err_set(&err, ERR_NOT_FOUND, "no .yaml, .yml or .json file in this directory");
        manifest_add_failure(ret, source, &err);
    }
}
