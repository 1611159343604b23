/* image: container images on this node: fetched from a registry or an archive directory,
 * unpacked to layer directories, handed out as shared immutable descriptions.
 *
 * It does not mount: the runtime stacks @layer_dirs with overlayfs.  One fetch per reference at
 * a time however many ask (single flight), a bounded number of fetches and unpackings beside
 * each other.  Owner: agent.  Thread: loop; blocking parts on worker threads.
 */
#ifndef NODEAGENT_IMAGE_H
#define NODEAGENT_IMAGE_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct image_store;

struct image_store_opts {
    const char *data_dir;       /* "/var/lib/mkube": layers and metadata live below "images" */
    const char *const *mirrors; /* NULL-terminated "host=url" or "*=url"; NULL = none */
    const char *archive_dir;    /* OCI and docker archives to load from; NULL = none */
};

/* One image as it lies on this node.  Immutable; references belong to the loop thread. */
struct image {
    unsigned refs;
    const char *ref; /* normalised: "docker.io/library/busybox:1.36" */
    const char *id;  /* "sha256:...", digest of the config */
    const char *
        digest; /* "docker.io/library/busybox@sha256:...", "" when loaded from an archive without one */
    const char *const
        *layer_dirs;      /* NULL-terminated, top first, as overlayfs lowerdir wants; short paths */
    const json_t *config; /* OCI image configuration, whole document */
    uint64_t size;        /* bytes unpacked */
};
struct image *image_ref(const struct image *img);
struct image *image_unref(const struct image *img); /* NULL is fine; returns NULL */

enum image_pull_policy { IMAGE_ALWAYS, IMAGE_IF_NOT_PRESENT, IMAGE_NEVER };

/* Positive outcomes of image_ensure besides 0 and ERR_*; @err holds the message for people
 * all the same, because it goes into the container's status and events. */
enum image_outcome {
    IMAGE_INVALID_NAME = 1, /* InvalidImageName */
    IMAGE_PULL_FAILED = 2,  /* ErrImagePull; message with the registry's answer */
    IMAGE_NEVER_PULL = 3,   /* ErrImageNeverPull */
};

/* A credential for a registry, from an imagePullSecret. */
struct image_auth {
    const char *registry; /* "registry.example.com", "https://index.docker.io/v1/" */
    const char *user, *password;
};

/* How it went, for Events. */
struct image_event_info {
    bool was_present; /* nothing was fetched */
    int64_t pull_ms;  /* time fetching and unpacking */
    int64_t wait_ms;  /* the same with waiting for a free slot */
    uint64_t size;    /* bytes fetched or unpacked */
};

/* @opts is copied. */
int image_store_new(struct image_store **ret, uv_loop_t *loop, const struct image_store_opts *opts,
                    struct err *err);
/* Cancels what runs (callbacks do not fire); returns NULL. */
struct image_store *image_store_free(struct image_store *s);

/* @rc 0: @img is there (borrowed; image_ref to keep).  Positive: enum image_outcome, @err says
 * why.  Negative: ERR_* of this node (disk full, ...). */
typedef void (*image_done_fn)(void *arg, int rc, const struct image *img,
                              const struct image_event_info *info, const struct err *err);

struct image_request;
/* @auths ends with .registry == NULL, or is NULL; copied.  @done fires exactly once, never from
 * within this call, unless canceled.  The pointer is dead after @done. */
struct image_request *image_ensure(struct image_store *s, const char *ref,
                                   enum image_pull_policy policy, const struct image_auth *auths,
                                   image_done_fn done, void *arg);
/* No callback any more; a fetch that others wait for goes on. */
void image_request_cancel(struct image_request *r);

/* Removes images that nothing uses, the longest unused first, until @wanted bytes are free; what is
 * pulled comes first, and waits while this runs.  @in_use: names as people write them,
 * NULL-terminated.  False: not now, something is pulled or removed already. */
bool image_store_collect(struct image_store *s, const char *const *in_use, int64_t wanted);

/* What is known without asking a registry; borrowed or NULL. */
const struct image *image_known(const struct image_store *s, const char *ref);
/* All images, in any order: for (it = 0; (img = image_next(s, &it)); ) */
const struct image *image_next(const struct image_store *s, size_t *it);

#endif
