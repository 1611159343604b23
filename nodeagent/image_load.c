/* Archives of images in a directory: `docker save` and OCI layouts, as an air-gapped site
 * brings them on a stick. */
#include "nodeagent/image_pull.h"

#include "base/bits.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "nodeagent/image_ref.h"
#include "nodeagent/image_unpack.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOAD_FILE_MAX (16 * 1024 * 1024)

static int load_json(json_t **ret, const char *dir, const char *name, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", dir, name);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc = file_read(&t, path, LOAD_FILE_MAX, err);

    return rc == 0 ? json_parse(ret, t.data, t.len, NULL, err) : rc;
}

/* A path inside the archive: nothing that climbs out of @dir. */
static bool load_is_inside(const char *name)
{
    return name[0] != '/' && strstr(name, "..") == NULL;
}

static int load_hash(char ret[72], const char *path, struct err *err)
{
    struct bits_sha256 *h = bits_sha256_new();
    char hex[BITS_SHA256_HEX], block[65536];
    FILE *f = fopen(path, "re");
    size_t n;

    while (f != NULL && (n = fread(block, 1, sizeof(block), f)) > 0)
        bits_sha256_add(h, block, n);
    bits_sha256_done(h, hex);
    if (f == NULL)
        return err_errno(err, errno, "open %s", path);
    fclose(f);
    snprintf(ret, 72, "sha256:%s", hex);
    return 0;
}

struct load_image {           /* borrowed from the archive's documents */
    const char *ref, *config; /* config: path below dir */
    json_t *layers;           /* array of paths below dir */
};

static int load_layers(const struct image_layout *l, const char *dir, const json_t *layers,
                       json_t *digests, uint64_t *size, struct err *err)
{
    size_t i;
    json_t *layer;

    json_array_foreach (layers, i, layer) {
        const char *name = json_string_value(layer);
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, name != NULL ? name : "");
        char digest[72];
        uint64_t one;
        int rc;

        if (name == NULL || !load_is_inside(name))
            return err_set(err, ERR_CORRUPT, "a layer's path leaves the archive");
        rc = load_hash(digest, path, err);
        if (rc == 0)
            rc = image_install_layer(l, path, digest, &one, err);
        if (rc < 0)
            return rc;
        *size += one;
        json_array_append_new(digests, json_string(digest));
    }
    return 0;
}

static int load_install(const struct image_layout *l, const char *dir, const struct load_image *img,
                        struct err *err)
{
    struct image_name name;
    cleanup(text_fini) struct text full = TEXT_EMPTY;
    cleanup(text_fini) struct text config = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *digests = json_array();
    cleanup(json_decrefpp) json_t *record = NULL;
    cleanup(freep) char *path = mem_fmt("%s/%s", dir, img->config);
    char id[72];
    uint64_t size = 0;
    int rc = image_name_parse(&name, img->ref, err);

    if (rc == 0 && !load_is_inside(img->config))
        rc = err_set(err, ERR_CORRUPT, "the configuration's path leaves the archive");
    if (rc == 0)
        rc = file_read(&config, path, LOAD_FILE_MAX, err);
    if (rc == 0)
        rc = load_hash(id, path, err);
    if (rc == 0)
        rc = load_layers(l, dir, img->layers, digests, &size, err);
    if (rc < 0)
        return rc;
    image_name_print(&full, &name);
    record = json_pack("{s:s, s:s, s:s, s:O, s:I}", "ref", text_str(&full), "id", id, "digest", "",
                       "layers", digests, "size", (json_int_t)size);
    return image_layout_write(l, record, text_str(&config), config.len, err);
}

/* manifest.json of `docker save`: [{"Config","RepoTags","Layers"}] */
static int load_docker(const struct image_layout *l, const char *dir, const json_t *manifest,
                       struct err *err)
{
    size_t i, j;
    json_t *row, *tag;
    int rc = 0;

    json_array_foreach (manifest, i, row)
        json_array_foreach (json_at(row, "RepoTags"), j, tag) {
            struct load_image img = { .ref = json_string_value(tag),
                                      .config = json_str_or(row, "Config", ""),
                                      .layers = json_at(row, "Layers") };

            if (rc == 0 && img.ref != NULL)
                rc = load_install(l, dir, &img, err);
        }
    return rc;
}

static char *load_blob(const char *digest)
{
    return mem_fmt("blobs/sha256/%s", str_starts(digest, "sha256:") ? digest + 7 : "");
}

static int load_oci_one(const struct image_layout *l, const char *dir, const json_t *entry,
                        struct err *err)
{
    const json_t *notes = json_at(entry, "annotations");
    const char *ref = json_string_value(json_object_get(notes, "io.containerd.image.name"));
    cleanup(freep) char *path = load_blob(json_str_or(entry, "digest", ""));
    cleanup(json_decrefpp) json_t *manifest = NULL;
    cleanup(json_decrefpp) json_t *layers = json_array();
    cleanup(freep) char *config = NULL;
    struct load_image img;
    size_t i;
    json_t *layer;
    int rc = load_json(&manifest, dir, path, err);

    if (rc < 0)
        return rc;
    if (ref == NULL)
        ref = json_string_value(json_object_get(notes, "org.opencontainers.image.ref.name"));
    if (ref == NULL)
        return err_set(err, ERR_INVALID, "an image of the archive has no name");
    json_array_foreach (json_at(manifest, "layers"), i, layer) {
        cleanup(freep) char *blob = load_blob(json_str_or(layer, "digest", ""));

        json_array_append_new(layers, json_string(blob));
    }
    config = load_blob(json_str_or(manifest, "config.digest", ""));
    img = (struct load_image){ .ref = ref, .config = config, .layers = layers };
    return load_install(l, dir, &img, err);
}

static int load_unpacked(const struct image_layout *l, const char *dir, struct err *err)
{
    cleanup(json_decrefpp) json_t *docker = NULL;
    cleanup(json_decrefpp) json_t *index = NULL;
    struct err ignored = ERR_EMPTY;
    size_t i;
    json_t *entry;
    int rc;

    if (load_json(&docker, dir, "manifest.json", &ignored) == 0)
        return load_docker(l, dir, docker, err);
    rc = load_json(&index, dir, "index.json", err);
    json_array_foreach (json_at(index, "manifests"), i, entry)
        if (rc == 0)
            rc = load_oci_one(l, dir, entry, err);
    return rc < 0 ? err_wrap(err, rc, "neither a docker nor an OCI archive") : 0;
}

static int load_archive(const struct image_layout *l, const char *path, struct err *err)
{
    cleanup(freep) char *tmp = image_layout_tmp(l, "load");
    struct err ignored = ERR_EMPTY;
    uint64_t size;
    int rc;

    if (mkdir(tmp, 0700) < 0)
        return err_errno(err, errno, "make %s", tmp);
    rc = image_unpack(path, tmp, &size, err);
    if (rc == 0)
        rc = load_unpacked(l, tmp, err);
    file_remove_tree(tmp, &ignored);
    return rc;
}

/* A mark per archive, by name, size and time: loaded once. */
static char *load_mark(const struct image_layout *l, const char *path)
{
    struct stat st;
    char hash[BITS_SHA256_HEX];
    cleanup(freep) char *what = NULL;

    if (stat(path, &st) < 0)
        return NULL;
    what = mem_fmt("%s %lld %lld", path, (long long)st.st_size, (long long)st.st_mtime);
    bits_sha256_hex(hash, what, strlen(what));
    return mem_fmt("%s/refs/loaded-%.32s", l->dir, hash);
}

int image_load_dir(const struct image_layout *l, const char *dir, struct err *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    if (d == NULL)
        return err_errno(err, errno, "open %s", dir);
    while ((entry = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, entry->d_name);
        cleanup(freep) char *mark = strstr(entry->d_name, ".tar") != NULL ? load_mark(l, path)
                                                                          : NULL;
        struct err one = ERR_EMPTY;

        if (mark == NULL || file_exists(mark))
            continue;
        if (load_archive(l, path, &one) < 0 ||
            file_write_fast(mark, path, strlen(path), 0600, &one) < 0)
            log_warn("image archive not loaded", KV("path", "%s", path), KV_ERR(&one));
        else
            log_info("image archive loaded", KV("path", "%s", path));
    }
    closedir(d);
    return 0;
}
