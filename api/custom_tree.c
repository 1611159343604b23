#include "api/custom_tree.h"

#include "api/schema.h"
#include "base/mem.h"

#include <string.h>

#define CUSTOM_PROBLEMS_MAX 100 /* as api/decode.c */

/* apiVersion, kind and metadata of an object are the API's, not the schema's. */
static bool custom_is_envelope(const struct custom_node *n, bool root, const char *key)
{
    return (root || (n->flags & CUSTOM_EMBEDDED) != 0) &&
           (str_eq(key, "apiVersion") || str_eq(key, "kind") || str_eq(key, "metadata"));
}

/* --- pruning --- */

struct custom_pruning {
    struct text path;
    json_t *problems; /* borrowed, or NULL */
};

static void custom_prune_value(struct custom_pruning *p, json_t *value, const struct custom_node *n,
                               bool root);

static void custom_path_cut(struct text *path, size_t len)
{
    path->len = len;
    if (path->data != NULL)
        path->data[len] = '\0';
}

static void custom_prune_note(struct custom_pruning *p, const char *key)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (p->problems == NULL || json_array_size(p->problems) >= CUSTOM_PROBLEMS_MAX)
        return;
    text_fmt(&t, "unknown field \"%s%s%.256s\"", text_str(&p->path), p->path.len > 0 ? "." : "",
             key);
    json_array_append_new(p->problems, json_string(text_str(&t)));
}

/* The metadata of an embedded resource has the fields of any object's, whatever the schema preserves
 * (apiextensions-apiserver, schema/objectmeta). */
static void custom_prune_metadata(struct custom_pruning *p, json_t *metadata)
{
    const struct schema_type *type = schema_type("meta/v1.ObjectMeta");
    size_t len = p->path.len;
    const char *key;
    json_t *value;
    void *next;

    text_fmt(&p->path, "%smetadata", len > 0 ? "." : "");
    json_object_foreach_safe (metadata, next, key, value) {
        if (schema_field(type, key) != NULL)
            continue;
        custom_prune_note(p, key);
        json_object_del(metadata, key);
    }
    custom_path_cut(&p->path, len);
}

static void custom_prune_object(struct custom_pruning *p, json_t *object,
                                const struct custom_node *n, bool root)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe (object, next, key, value) {
        const struct custom_node *child = custom_node_child(n, key);
        size_t len = p->path.len;

        if (custom_is_envelope(n, root, key)) {
            if (!root && str_eq(key, "metadata"))
                custom_prune_metadata(p, value);
            continue;
        }
        if (child == NULL && n->items != NULL)
            child = n->items;
        if (child != NULL) {
            text_fmt(&p->path, "%s%.256s", len > 0 ? "." : "", key);
            custom_prune_value(p, value, child, false);
            custom_path_cut(&p->path, len);
        } else if ((n->flags & (CUSTOM_PRESERVE | CUSTOM_OPEN)) == 0) {
            custom_prune_note(p, key);
            json_object_del(object, key);
        }
    }
}

static void custom_prune_value(struct custom_pruning *p, json_t *value, const struct custom_node *n,
                               bool root)
{
    json_t *item;
    size_t i;

    if (json_is_object(value))
        custom_prune_object(p, value, n, root);
    if (!json_is_array(value) || n->items == NULL)
        return;
    json_array_foreach (value, i, item) {
        size_t len = p->path.len;

        text_fmt(&p->path, "[%zu]", i);
        custom_prune_value(p, item, n->items, false);
        custom_path_cut(&p->path, len);
    }
}

void custom_prune(json_t *tree, const struct custom_node *root, json_t *problems)
{
    struct custom_pruning p = { .path = TEXT_EMPTY, .problems = problems };

    custom_prune_value(&p, tree, root, true);
    text_fini(&p.path);
}

/* --- defaults --- */

static void custom_default_value(json_t *value, const struct custom_node *n, bool root);

static json_t *custom_default_of(const struct custom_node *n)
{
    const struct custom_rule *rule = custom_node_rule(n, CUSTOM_RULE_DEFAULT);
    struct err err = ERR_EMPTY;
    json_t *value = NULL;

    if (rule != NULL)
        json_parse(&value, rule->text, strlen(rule->text), NULL, &err);
    return value;
}

/* Absent, or null where null is no value. */
static bool custom_is_absent(const struct custom_node *n, const json_t *value)
{
    return value == NULL || (json_is_null(value) && (n->flags & CUSTOM_NULLABLE) == 0);
}

static void custom_default_member(json_t *object, const struct custom_node *child)
{
    json_t *value = json_object_get(object, child->name);

    if (!custom_is_absent(child, value))
        return;
    value = custom_default_of(child);
    if (value != NULL)
        json_object_set_new(object, child->name, value);
    else
        json_object_del(object, child->name);
}

static void custom_default_object(json_t *object, const struct custom_node *n, bool root)
{
    const char *key;
    json_t *value;

    for (size_t i = 0; i < n->n_children; i++)
        if (!custom_is_envelope(n, root, n->children[i].name))
            custom_default_member(object, &n->children[i]);
    json_object_foreach (object, key, value) {
        const struct custom_node *child = custom_node_child(n, key);

        if (child == NULL)
            child = n->items;
        if (child != NULL && !custom_is_envelope(n, root, key))
            custom_default_value(value, child, false);
    }
}

static void custom_default_value(json_t *value, const struct custom_node *n, bool root)
{
    json_t *item;
    size_t i;

    if (json_is_object(value))
        custom_default_object(value, n, root);
    if (!json_is_array(value) || n->items == NULL)
        return;
    json_array_foreach (value, i, item)
        custom_default_value(item, n->items, false);
}

void custom_default(json_t *tree, const struct custom_node *root)
{
    custom_default_value(tree, root, true);
}
