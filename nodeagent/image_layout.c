#include "nodeagent/image_layout.h"

#include "base/bits.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "nodeagent/image_ref.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYOUT_FILE_MAX  (4 * 1024 * 1024)
#define LAYOUT_LAYER_HEX 12

int image_layout_init(struct image_layout *ret, const char *data_dir, struct err *err)
{
    static const char *const parts[] = { "layers", "refs", "configs", "tmp" };
    int rc = 0;

    if (snprintf(ret->dir, sizeof(ret->dir), "%s/images", data_dir) >= (int)sizeof(ret->dir))
        return err_set(err, ERR_INVALID, "data directory: path too long");
    for (size_t i = 0; i < N_ELEMENTS(parts) && rc == 0; i++) {
        cleanup(freep) char *path = mem_fmt("%s/%s", ret->dir, parts[i]);

        rc = file_mkdirs(path, 0700, err);
    }
    return rc;
}

static const char *layout_hex(const char *digest)
{
    const char *colon = strchr(digest, ':');

    return colon != NULL ? colon + 1 : digest;
}

char *image_layout_layer(const struct image_layout *l, const char *digest)
{
    assert(image_digest_ok(digest));
    return mem_fmt("%s/layers/%.*s", l->dir, LAYOUT_LAYER_HEX, layout_hex(digest));
}

char *image_layout_ref(const struct image_layout *l, const char *ref)
{
    char hash[BITS_SHA256_HEX];

    bits_sha256_hex(hash, ref, strlen(ref));
    return mem_fmt("%s/refs/%.32s.json", l->dir, hash);
}

char *image_layout_config(const struct image_layout *l, const char *digest)
{
    return mem_fmt("%s/configs/%.64s.json", l->dir, layout_hex(digest));
}

char *image_layout_tmp(const struct image_layout *l, const char *what)
{
    uint64_t random;

    bits_random(&random, sizeof(random));
    return mem_fmt("%s/tmp/%s-%d-%016llx", l->dir, what, getpid(), (unsigned long long)random);
}

int image_layout_write(const struct image_layout *l, const json_t *record, const char *config,
                       size_t config_len, struct err *err)
{
    cleanup(freep) char *config_path = image_layout_config(l, json_str_or(record, "id", ""));
    cleanup(freep) char *path = image_layout_ref(l, json_str_or(record, "ref", ""));
    cleanup(freep) char *text = NULL;
    size_t len;
    int rc = file_write_atomic(config_path, config, config_len, 0600, err);

    /* The record last: what it names is there. */
    text = json_print(record, &len);
    return rc == 0 ? file_write_atomic(path, text, len, 0600, err) : rc;
}

static int layout_read_json(json_t **ret, const char *path, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc = file_read(&t, path, LAYOUT_FILE_MAX, err);

    return rc == 0 ? json_parse(ret, t.data, t.len, NULL, err) : rc;
}

int image_layout_read(const struct image_layout *l, const char *ref, json_t **ret_record,
                      json_t **ret_config, struct err *err)
{
    cleanup(freep) char *path = image_layout_ref(l, ref);
    cleanup(freep) char *config_path = NULL;
    cleanup(json_decrefpp) json_t *record = NULL;
    cleanup(json_decrefpp) json_t *config = NULL;
    size_t i;
    json_t *layer;
    int rc = layout_read_json(&record, path, err);

    if (rc < 0)
        return rc;
    json_array_foreach (json_at(record, "layers"), i, layer) {
        const char *digest = json_string_value(layer);
        cleanup(freep) char *dir = digest != NULL && image_digest_ok(digest)
                                       ? image_layout_layer(l, digest)
                                       : NULL;

        if (dir == NULL || !file_exists(dir))
            return err_set(err, ERR_NOT_FOUND, "image %s: a layer is missing", ref);
    }
    config_path = image_layout_config(l, json_str_or(record, "id", ""));
    rc = layout_read_json(&config, config_path, err);
    if (rc < 0)
        return rc;
    *ret_record = STEAL(record);
    if (ret_config != NULL)
        *ret_config = STEAL(config);
    return 0;
}

void image_layout_touch(const struct image_layout *l, const char *ref)
{
    cleanup(freep) char *path = image_layout_ref(l, ref);

    /* Without it the image only looks older than it is. */
    if (utimensat(AT_FDCWD, path, NULL, 0) < 0)
        log_debug("use of an image is not noted", KV("image", "%s", ref));
}

void image_layout_clean(const struct image_layout *l)
{
    cleanup(freep) char *dir = mem_fmt("%s/tmp", l->dir);
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, entry->d_name);
        const char *dash = strchr(entry->d_name, '-');
        struct err ignored = ERR_EMPTY;
        int pid = dash != NULL ? atoi(dash + 1) : 0;

        if (entry->d_name[0] != '.' && (pid <= 0 || kill(pid, 0) < 0))
            file_remove_tree(path, &ignored);
    }
    if (d != NULL)
        closedir(d);
}
