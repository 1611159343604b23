/* image_http: requests to one registry, one after the other, with its authentication.
 *
 * Blocking, with a loop of its own; used by image_pull only.
 */
#ifndef NODEAGENT_IMAGE_HTTP_H
#define NODEAGENT_IMAGE_HTTP_H

#include "base/bits.h"
#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

struct image_http;

struct image_http_opts {
    const char *base;            /* "https://registry-1.docker.io" */
    const char *user, *password; /* or NULL */
};

int image_http_new(struct image_http **ret, const struct image_http_opts *opts, struct err *err);
struct image_http *image_http_free(struct image_http *h);

struct image_http_answer {
    int status;
    char content_type[128];
    char digest[72]; /* Docker-Content-Digest, or "" */
};

/* Small documents: the body into @ret_body whatever the status.  @accept is a header line or NULL. */
int image_http_get(struct image_http *h, const char *path, const char *accept,
                   struct image_http_answer *ret, struct text *ret_body, struct err *err);
/* A blob into @file, hashed on the way; ERR_PROTOCOL for any status but 200. */
int image_http_download(struct image_http *h, const char *path, const char *file,
                        char ret_hash[BITS_SHA256_HEX], uint64_t *ret_size, struct err *err);

#endif
