#include "nodeagent/image_pull.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "nodeagent/image_http.h"
#include "nodeagent/image_ref.h"
#include "nodeagent/image_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PULL_LAYERS_MAX 127

static const char pull_accept[] =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

struct pull {
    const struct image_layout *l;
    struct image_http *http; /* owned */
    struct image_name name;
    char path[256]; /* repository as this registry calls it */
    char *full;     /* owned: normalised reference */
    uint64_t size;
};

static void pull_fini(struct pull *p)
{
    image_http_free(p->http);
    free(p->full);
}

/* --- layers --- */

static int layer_lock(const struct image_layout *l, const char *dir, struct err *err)
{
    const char *slash = strrchr(dir, '/');
    cleanup(freep) char *path = mem_fmt("%s/tmp/%s.lock", l->dir, slash + 1);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, errno, "make %s", path);
    if (flock(fd, LOCK_EX) < 0) {
        int rc = err_errno(err, errno, "lock %s", path);

        close(fd);
        return rc;
    }
    return fd;
}

static int layer_unpack(const struct image_layout *l, const char *archive, const char *dir,
                        uint64_t *ret_size, struct err *err)
{
    cleanup(freep) char *tmp = image_layout_tmp(l, "layer");
    cleanup(freep) char *parent = mem_fmt("%s/layers", l->dir);
    struct err ignored = ERR_EMPTY;
    int rc;

    if (mkdir(tmp, 0755) < 0)
        return err_errno(err, errno, "make %s", tmp);
    rc = image_unpack(archive, tmp, ret_size, err);
    if (rc == 0 && rename(tmp, dir) < 0)
        rc = err_errno(err, errno, "put layer in place at %s", dir);
    if (rc == 0)
        return file_sync_dir(parent, err);
    file_remove_tree(tmp, &ignored);
    return rc;
}

int image_install_layer(const struct image_layout *l, const char *archive, const char *digest,
                        uint64_t *ret_size, struct err *err)
{
    cleanup(freep) char *dir = image_layout_layer(l, digest);
    int lock = layer_lock(l, dir, err);
    int rc = 0;

    *ret_size = 0;
    if (lock < 0)
        return lock;
    if (!file_exists(dir))
        rc = layer_unpack(l, archive, dir, ret_size, err);
    close(lock);
    return rc;
}

static int pull_layer(struct pull *p, const char *digest, struct err *err)
{
    cleanup(freep) char *dir = image_layout_layer(p->l, digest);
    cleanup(freep) char *tmp = image_layout_tmp(p->l, "blob");
    cleanup(freep) char *path = mem_fmt("/v2/%s/blobs/%s", p->path, digest);
    char hash[BITS_SHA256_HEX];
    uint64_t size = 0;
    int rc;

    if (file_exists(dir))
        return 0;
    rc = image_http_download(p->http, path, tmp, hash, &size, err);
    if (rc == 0 && !str_eq(hash, digest + 7))
        rc = err_set(err, ERR_CORRUPT, "content is sha256:%s, not what was asked for", hash);
    if (rc == 0)
        rc = image_install_layer(p->l, tmp, digest, &size, err);
    unlink(tmp);
    p->size += size;
    return rc < 0 ? err_wrap(err, rc, "layer %s", digest) : 0;
}

/* --- documents --- */

/* "manifest unknown" out of {"errors":[{"code","message","detail"}]}. */
static void pull_said(struct text *ret, const struct text *body)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err ignored = ERR_EMPTY;
    const json_t *first;

    if (json_parse(&tree, text_str(body), body->len, NULL, &ignored) < 0)
        return;
    first = json_array_get(json_at(tree, "errors"), 0);
    if (json_str(first, "message") != NULL)
        text_fmt(ret, " %s: %s", json_str_or(first, "code", ""), json_str(first, "message"));
}

static int pull_refused(const struct pull *p, int status, const struct text *body, struct err *err)
{
    cleanup(text_fini) struct text said = TEXT_EMPTY;

    pull_said(&said, body);
    return err_set(err, status == 404 ? ERR_NOT_FOUND : ERR_PROTOCOL,
                   "failed to resolve reference \"%s\": %s: the registry answered %d%s", p->full,
                   status == 404 ? "not found" : "unexpected status", status, text_str(&said));
}

static int pull_manifest(struct pull *p, const char *reference, json_t **ret,
                         struct image_http_answer *answer, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("/v2/%s/manifests/%s", p->path, reference);
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    int rc = image_http_get(p->http, path, pull_accept, answer, &body, err);
    char hash[BITS_SHA256_HEX];

    if (rc < 0)
        return err_wrap(err, rc, "failed to resolve reference \"%s\"", p->full);
    if (answer->status != 200)
        return pull_refused(p, answer->status, &body, err);
    bits_sha256_hex(hash, text_str(&body), body.len);
    if (str_starts(reference, "sha256:") && !str_eq(hash, reference + 7))
        return err_set(err, ERR_CORRUPT, "manifest %s has another content", reference);
    snprintf(answer->digest, sizeof(answer->digest), "sha256:%s", hash);
    return json_parse(ret, text_str(&body), body.len, NULL, err);
}

static const char *pull_architecture(void)
{
    static const struct {
        const char *machine, *name;
    } names[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" } };
    struct utsname u;

    uname(&u);
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (str_eq(u.machine, names[i].machine))
            return names[i].name;
    return "unknown";
}

/* Of an index, the manifest for this machine. */
static int pull_choose(const struct pull *p, const json_t *index, char ret[72], struct err *err)
{
    size_t i;
    json_t *m;

    json_array_foreach (json_at(index, "manifests"), i, m) {
        const char *digest = json_str_or(m, "digest", "");

        if (str_eq(json_str_or(m, "platform.os", "linux"), "linux") &&
            str_eq(json_str_or(m, "platform.architecture", pull_architecture()),
                   pull_architecture()) &&
            image_digest_ok(digest)) {
            snprintf(ret, 72, "%s", digest);
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no match for platform linux/%s in \"%s\"",
                   pull_architecture(), p->full);
}

static int pull_resolve(struct pull *p, json_t **ret, char ret_digest[72], struct err *err)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct image_http_answer answer = { 0 };
    char chosen[72];
    int rc = pull_manifest(p, image_name_reference(&p->name), &tree, &answer, err);

    if (rc < 0)
        return rc;
    snprintf(ret_digest, 72, "%s", answer.digest);
    if (json_at(tree, "manifests") != NULL) {
        json_t *one = NULL;

        rc = pull_choose(p, tree, chosen, err);
        if (rc == 0)
            rc = pull_manifest(p, chosen, &one, &answer, err);
        if (rc < 0)
            return rc;
        *ret = one;
        return 0;
    }
    *ret = STEAL(tree);
    return 0;
}

static int pull_config(struct pull *p, const json_t *manifest, struct text *ret, struct err *err)
{
    const char *digest = json_str_or(manifest, "config.digest", "");
    cleanup(freep) char *path = mem_fmt("/v2/%s/blobs/%s", p->path, digest);
    struct image_http_answer answer;
    char hash[BITS_SHA256_HEX];
    int rc;

    if (!image_digest_ok(digest))
        return err_set(err, ERR_PROTOCOL, "config digest \"%.80s\" is not sha256", digest);
    rc = image_http_get(p->http, path, NULL, &answer, ret, err);
    if (rc < 0)
        return rc;
    bits_sha256_hex(hash, text_str(ret), ret->len);
    if (answer.status != 200 || !str_eq(hash, digest + 7))
        return err_set(err, ERR_PROTOCOL, "image configuration %s: the registry answered %d",
                       digest, answer.status);
    return 0;
}

static int pull_layers(struct pull *p, const json_t *manifest, json_t *digests, struct err *err)
{
    size_t i;
    json_t *layer;
    int rc = 0;

    if (json_array_size(json_at(manifest, "layers")) > PULL_LAYERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d layers", PULL_LAYERS_MAX);
    json_array_foreach (json_at(manifest, "layers"), i, layer) {
        const char *digest = json_str_or(layer, "digest", "");

        if (!image_digest_ok(digest))
            return err_set(err, ERR_PROTOCOL, "layer digest \"%.80s\" is not sha256", digest);
        rc = pull_layer(p, digest, err);
        if (rc < 0)
            return rc;
        json_array_append_new(digests, json_string(digest));
    }
    return rc;
}

static int pull_all(struct pull *p, json_t **ret_record, struct err *err)
{
    cleanup(json_decrefpp) json_t *manifest = NULL;
    cleanup(json_decrefpp) json_t *digests = json_array();
    cleanup(text_fini) struct text config = TEXT_EMPTY;
    cleanup(freep) char *by_digest = NULL;
    char digest[72] = "";
    json_t *record;
    int rc = pull_resolve(p, &manifest, digest, err);

    if (rc == 0)
        rc = pull_config(p, manifest, &config, err);
    if (rc == 0)
        rc = pull_layers(p, manifest, digests, err);
    if (rc < 0)
        return rc;
    by_digest = mem_fmt("%s/%s@%s", p->name.registry, p->name.path, digest);
    record = json_pack("{s:s, s:s, s:s, s:O, s:I}", "ref", p->full, "id",
                       json_str(manifest, "config.digest"), "digest", by_digest, "layers", digests,
                       "size", (json_int_t)p->size);
    rc = image_layout_write(p->l, record, text_str(&config), config.len, err);
    if (rc < 0)
        json_decref(record);
    else
        *ret_record = record;
    return rc;
}

int image_pull(const struct image_layout *l, const struct image_pull_opts *opts,
               json_t **ret_record, struct err *err)
{
    cleanup(pull_fini) struct pull p = { .l = l };
    cleanup(text_fini) struct text url = TEXT_EMPTY;
    cleanup(text_fini) struct text full = TEXT_EMPTY;
    struct image_http_opts http = { .user = opts->user, .password = opts->password };
    bool mirrored;
    int rc = image_name_parse(&p.name, opts->ref, err);

    if (rc < 0)
        return rc;
    image_name_print(&full, &p.name);
    p.full = text_take(&full);
    mirrored = image_name_url(&url, &p.name, opts->mirrors);
    http.base = text_str(&url);
    rc = image_http_new(&p.http, &http, err);
    if (rc < 0)
        return rc;
    snprintf(p.path, sizeof(p.path), "%s", p.name.path);
    rc = pull_all(&p, ret_record, err);
    /* A site's own registry often holds "redis" where Docker's name is "library/redis". */
    if (rc == ERR_NOT_FOUND && mirrored && str_starts(p.path, "library/")) {
        struct err first = *err;

        memmove(p.path, p.path + 8, strlen(p.path + 8) + 1);
        rc = pull_all(&p, ret_record, err);
        if (rc == ERR_NOT_FOUND)
            *err = first;
    }
    return rc;
}
