#include "nodeagent/image_object.h"

#include "base/mem.h"

#include <assert.h>

/* An image with the strings it points to, in one allocation family. */
struct image_held {
    struct image img;
    json_t *config;          /* owned */
    char **layers;           /* owned */
    char *ref, *id, *digest; /* owned */
};

struct image *image_ref(const struct image *img)
{
    struct image *i = (struct image *)(uintptr_t)img;

    i->refs++;
    return i;
}

struct image *image_unref(const struct image *img)
{
    struct image_held *h = (struct image_held *)(uintptr_t)img;

    if (h == NULL)
        return NULL;
    assert(h->img.refs > 0);
    if (--h->img.refs > 0)
        return NULL;
    json_decref(h->config);
    strv_free(h->layers);
    free(h->ref);
    free(h->id);
    free(h->digest);
    free(h);
    return NULL;
}

/* Records list layers from the bottom up, overlayfs wants the top first. */
static char **image_layers(const struct image_layout *l, const json_t *digests)
{
    size_t n = json_array_size(digests);
    char **dirs = MEM_NEW_ARRAY(char *, n + 1);

    for (size_t i = 0; i < n; i++)
        dirs[i] = image_layout_layer(l, json_string_value(json_array_get(digests, n - 1 - i)));
    return dirs;
}

struct image *image_object_make(const struct image_layout *l, const json_t *record,
                                json_t *config_steal)
{
    struct image_held *h = MEM_NEW(struct image_held);

    h->config = config_steal;
    h->layers = image_layers(l, json_at(record, "layers"));
    h->ref = mem_str(json_str_or(record, "ref", ""));
    h->id = mem_str(json_str_or(record, "id", ""));
    h->digest = mem_str(json_str_or(record, "digest", ""));
    h->img = (struct image){ .refs = 1,
                             .ref = h->ref,
                             .id = h->id,
                             .digest = h->digest,
                             .layer_dirs = (const char *const *)h->layers,
                             .config = h->config,
                             .size = (uint64_t)json_int(record, "size", 0) };
    return &h->img;
}
