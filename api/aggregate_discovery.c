/* What discovery documents say of APIs that somebody else serves. */
#include "api/aggregate.h"

#include "base/mem.h"

#include <string.h>

/* --- the legacy form --- */

static json_t *discovery_version_of(const struct aggregate_api *api)
{
    cleanup(freep) char *both = mem_fmt("%s/%s", api->group, api->version);

    return json_pack("{s:s, s:s}", "groupVersion", both, "version", api->version);
}

/* The group's entry in @list (of APIGroups), made if it is not there. */
static json_t *discovery_group(json_t *list, const struct aggregate_api *api)
{
    json_t *group = json_find(list, "name", api->group);

    if (group == NULL) {
        group = json_pack("{s:s, s:[], s:o}", "name", api->group, "versions", "preferredVersion",
                          discovery_version_of(api));
        json_array_append_new(list, group);
    }
    return group;
}

static void discovery_add_legacy(json_t *list, const struct aggregate_api *api)
{
    json_t *versions = json_object_get(discovery_group(list, api), "versions");

    if (json_find(versions, "version", api->version) == NULL)
        json_array_append_new(versions, discovery_version_of(api));
}

/* --- the aggregated form --- */

static json_t *discovery_kind_of(const struct aggregate_api *api, const json_t *resource)
{
    const char *group = json_str(resource, "group"), *version = json_str(resource, "version");

    return json_pack("{s:s, s:s, s:s}", "group", group != NULL ? group : api->group, "version",
                     version != NULL ? version : api->version, "kind",
                     json_str_or(resource, "kind", ""));
}

static void discovery_copy(json_t *to, const json_t *from, const char *key)
{
    if (json_object_get(from, key) != NULL)
        json_object_set(to, key, json_object_get(from, key));
}

/* "flowers/status" goes below "flowers". */
static void discovery_add_sub(json_t *list, const struct aggregate_api *api, const json_t *resource,
                              const char *name)
{
    const char *slash = strchr(name, '/');
    cleanup(freep) char *owner = mem_strn(name, (size_t)(slash - name));
    json_t *parent = json_find(list, "resource", owner), *sub;

    if (parent == NULL)
        return;
    sub = json_pack("{s:s, s:o}", "subresource", slash + 1, "responseKind",
                    discovery_kind_of(api, resource));
    discovery_copy(sub, resource, "verbs");
    if (json_object_get(parent, "subresources") == NULL)
        json_object_set_new(parent, "subresources", json_array());
    json_array_append_new(json_object_get(parent, "subresources"), sub);
}

static void discovery_add_resource(json_t *list, const struct aggregate_api *api,
                                   const json_t *resource, const char *name)
{
    bool namespaced = json_bool(resource, "namespaced", false);
    json_t *entry = json_pack("{s:s, s:o, s:s, s:s}", "resource", name, "responseKind",
                              discovery_kind_of(api, resource), "scope",
                              namespaced ? "Namespaced" : "Cluster", "singularResource",
                              json_str_or(resource, "singularName", ""));

    discovery_copy(entry, resource, "verbs");
    discovery_copy(entry, resource, "shortNames");
    discovery_copy(entry, resource, "categories");
    json_array_append_new(list, entry);
}

static json_t *discovery_resources_of(const struct aggregate_api *api)
{
    json_t *list = json_array(), *resource;
    size_t i;

    for (int subs = 0; subs < 2; subs++)
        json_array_foreach (api->resources, i, resource) {
            const char *name = json_str_or(resource, "name", "");
            bool is_sub = strchr(name, '/') != NULL;

            if (is_sub && subs == 1)
                discovery_add_sub(list, api, resource, name);
            else if (!is_sub && subs == 0)
                discovery_add_resource(list, api, resource, name);
        }
    return list;
}

static json_t *discovery_item(json_t *items, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach (items, i, item)
        if (strcmp(json_str_or(item, "metadata.name", ""), name) == 0)
            return item;
    item = json_pack("{s:{s:s, s:n}, s:[]}", "metadata", "name", name, "creationTimestamp",
                     "versions");
    json_array_append_new(items, item);
    return item;
}

static void discovery_add_aggregated(json_t *items, const struct aggregate_api *api)
{
    json_t *versions = json_object_get(discovery_item(items, api->group), "versions");

    json_array_append_new(versions, json_pack("{s:s, s:o, s:s}", "version", api->version,
                                              "resources", discovery_resources_of(api), "freshness",
                                              api->available ? "Current" : "Stale"));
}

/* --- both --- */

static void discovery_print(struct text *t, const json_t *tree)
{
    text_clear(t);
    json_print_to(t, tree);
    text_putc(t, '\n');
}

/* The document of one group. */
static bool discovery_merge_group(struct text *t, const struct aggregate *a, const char *group)
{
    const struct aggregate_api *api;
    cleanup(json_decrefpp) json_t *list = json_array();
    json_t *own = NULL;
    struct err err = ERR_EMPTY;

    if (t->len > 0 && json_parse(&own, t->data, t->len, NULL, &err) == 0)
        json_array_append_new(list, own);
    for (size_t i = 0; (api = aggregate_at(a, i)) != NULL; i++)
        if (strcmp(api->group, group) == 0)
            discovery_add_legacy(list, api);
    if (json_array_size(list) == 0)
        return false;
    own = json_array_get(list, 0);
    json_put_str(own, "kind", "APIGroup");
    json_put_str(own, "apiVersion", "v1");
    discovery_print(t, own);
    return true;
}

bool aggregate_merge(struct text *t, const struct aggregate *a, const char *path, bool aggregated)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    const struct aggregate_api *api;
    struct err err = ERR_EMPTY;
    json_t *list;

    if (aggregate_at(a, 0) == NULL || strncmp(path, "apis", 4) != 0)
        return t->len > 0;
    if (path[4] == '/' && strchr(path + 5, '/') == NULL)
        return discovery_merge_group(t, a, path + 5) || t->len > 0;
    if (path[4] != '\0' || json_parse(&tree, text_str(t), t->len, NULL, &err) < 0)
        return t->len > 0;
    list = json_object_get(tree, aggregated ? "items" : "groups");
    for (size_t i = 0; (api = aggregate_at(a, i)) != NULL; i++) {
        if (aggregated)
            discovery_add_aggregated(list, api);
        else
            discovery_add_legacy(list, api);
    }
    discovery_print(t, tree);
    return true;
}
