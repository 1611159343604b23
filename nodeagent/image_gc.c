#include "nodeagent/image_gc.h"

#include "base/file.h"
#include "base/mem.h"
#include "nodeagent/image_ref.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_GC_MIN_AGE_MS (2 * 60 * 1000)
#define IMAGE_GC_RECORD_MAX (1 << 20)

int64_t image_gc_wanted(const struct host_disk *disk)
{
    int64_t used = disk->size - disk->available;

    if (disk->size <= 0 || (__int128)used * 100 < (__int128)disk->size * IMAGE_GC_HIGH_PERCENT)
        return 0;
    return disk->size / 100 * (100 - IMAGE_GC_LOW_PERCENT) - disk->available;
}

size_t image_gc_plan(size_t *ret, const struct image_gc_item *items, size_t n, int64_t wanted,
                     int64_t now_ms, int64_t *ret_bytes)
{
    cleanup(freep) bool *taken = MEM_NEW_ARRAY(bool, n + 1);
    int64_t bytes = 0;
    size_t n_ret = 0;

    while (bytes < wanted) {
        size_t oldest = n;

        for (size_t i = 0; i < n; i++)
            if (!taken[i] && !items[i].in_use && now_ms - items[i].used_ms >= IMAGE_GC_MIN_AGE_MS &&
                (oldest == n || items[i].used_ms < items[oldest].used_ms))
                oldest = i;
        if (oldest == n)
            break;
        taken[oldest] = true;
        bytes += items[oldest].size;
        ret[n_ret++] = oldest;
    }
    *ret_bytes = bytes;
    return n_ret;
}

/* --- on disk --- */

struct image_gc_record {
    char *path;   /* owned */
    json_t *tree; /* owned */
    int64_t used_ms;
    bool goes;
};

struct image_gc_records {
    struct image_gc_record *list;
    size_t n;
};

static void image_gc_records_fini(struct image_gc_records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->list[i].path);
        json_decref(r->list[i].tree);
    }
    free(r->list);
}

void image_gc_result_fini(struct image_gc_result *r)
{
    r->removed = strv_free(r->removed);
}

static int image_gc_read_one(struct image_gc_record *r, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct stat st;
    size_t i;
    json_t *digest;
    int rc = 0;

    if (stat(r->path, &st) < 0)
        return err_errno(err, errno, "look at %s", r->path);
    r->used_ms = (int64_t)st.st_mtim.tv_sec * 1000;
    rc = file_read(&t, r->path, IMAGE_GC_RECORD_MAX, err);
    if (rc == 0)
        rc = json_parse(&r->tree, text_str(&t), t.len, NULL, err);
    json_array_foreach (json_at(r->tree, "layers"), i, digest)
        if (rc == 0 && (!json_is_string(digest) || !image_digest_ok(json_string_value(digest))))
            rc = err_set(err, ERR_CORRUPT, "record %s names no layer", r->path);
    return rc;
}

/* All or none: what an unread record names would look unused. */
static int image_gc_read(struct image_gc_records *all, const struct image_layout *l,
                         struct err *err)
{
    cleanup(freep) char *dir = mem_fmt("%s/refs", l->dir);
    DIR *d = opendir(dir);
    struct dirent *e;
    int rc = d == NULL ? err_errno(err, errno, "open %s", dir) : 0;

    while (rc == 0 && (e = readdir(d)) != NULL) {
        if (!str_ends(e->d_name, ".json"))
            continue;
        all->list = mem_grow(all->list, all->n + 1, sizeof(*all->list));
        all->list[all->n] = (struct image_gc_record){ .path = mem_fmt("%s/%s", dir, e->d_name) };
        rc = image_gc_read_one(&all->list[all->n++], err);
    }
    if (d != NULL)
        closedir(d);
    return rc;
}

static bool image_gc_is_in(const char *const *list, const char *ref)
{
    for (; *list != NULL; list++)
        if (str_eq(*list, ref))
            return true;
    return false;
}

/* Does an image that stays have this layer (directory name), or configuration? */
static bool image_gc_is_needed(const struct image_gc_records *all, const struct image_layout *l,
                               const char *path)
{
    for (size_t i = 0; i < all->n; i++) {
        const json_t *tree = all->list[i].tree;
        cleanup(freep) char *config = image_layout_config(l, json_str_or(tree, "id", ""));
        size_t k;
        json_t *digest;

        if (all->list[i].goes)
            continue;
        if (str_eq(config, path))
            return true;
        json_array_foreach (json_at(tree, "layers"), k, digest) {
            cleanup(freep) char *layer = image_layout_layer(l, json_string_value(digest));

            if (str_eq(layer, path))
                return true;
        }
    }
    return false;
}

/* What is in @part ("layers", "configs") and no record left names. */
static int image_gc_sweep(const struct image_gc_records *all, const struct image_layout *l,
                          const char *part, struct err *err)
{
    cleanup(freep) char *dir = mem_fmt("%s/%s", l->dir, part);
    DIR *d = opendir(dir);
    struct dirent *e;
    int rc = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, e->d_name);

        if (e->d_name[0] != '.' && rc == 0 && !image_gc_is_needed(all, l, path))
            rc = file_remove_tree(path, err);
    }
    if (d != NULL)
        closedir(d);
    return rc;
}

int image_gc_run(struct image_gc_result *ret, const struct image_layout *l,
                 const char *const *in_use, int64_t wanted, int64_t now_ms, struct err *err)
{
    cleanup(image_gc_records_fini) struct image_gc_records all = { .n = 0 };
    cleanup(freep) struct image_gc_item *items = NULL;
    cleanup(freep) size_t *chosen = NULL;
    size_t n;
    int rc = image_gc_read(&all, l, err);

    if (rc < 0)
        return rc;
    items = MEM_NEW_ARRAY(struct image_gc_item, all.n + 1);
    chosen = MEM_NEW_ARRAY(size_t, all.n + 1);
    for (size_t i = 0; i < all.n; i++) {
        const char *ref = json_str_or(all.list[i].tree, "ref", "");
        /* Loaded from an archive: no registry is known that would have it. */
        bool is_pinned = json_str_or(all.list[i].tree, "digest", "")[0] == '\0';

        items[i] = (struct image_gc_item){ .ref = ref,
                                           .used_ms = all.list[i].used_ms,
                                           .size = json_int(all.list[i].tree, "size", 0),
                                           .in_use = is_pinned || image_gc_is_in(in_use, ref) };
    }
    n = image_gc_plan(chosen, items, all.n, wanted, now_ms, &ret->bytes);
    ret->removed = MEM_NEW_ARRAY(char *, n + 1);
    /* Records first: one that is there names only what is there. */
    for (size_t i = 0; i < n; i++) {
        unlink(all.list[chosen[i]].path);
        all.list[chosen[i]].goes = true;
        ret->removed[i] = mem_str(items[chosen[i]].ref);
    }
    rc = image_gc_sweep(&all, l, "layers", err);
    return rc < 0 ? rc : image_gc_sweep(&all, l, "configs", err);
}
