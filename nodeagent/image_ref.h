/* image_ref: references to images as people write them, normalised.  Pure.
 *
 * Grammar: the distribution project's reference.go; "redis" means docker.io/library/redis:latest.
 */
#ifndef NODEAGENT_IMAGE_REF_H
#define NODEAGENT_IMAGE_REF_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

#define IMAGE_REF_MAX 512

struct image_name {
    char registry[256]; /* "docker.io", "registry.example.com:5000" */
    char path[256];     /* "library/redis" */
    char tag[129];      /* "" when a digest is given without one */
    char digest[72];    /* "sha256:..." or "" */
};

/* ERR_INVALID in Kubernetes' words. */
int image_name_parse(struct image_name *ret, const char *ref, struct err *err);
/* "docker.io/library/redis:7" */
void image_name_print(struct text *ret, const struct image_name *n);
/* "sha256:" and 64 lower-case hex digits: registries are believed nothing, and digests become paths. */
bool image_digest_ok(const char *digest);
/* What is asked of a registry: the digest if there is one, else the tag. */
const char *image_name_reference(const struct image_name *n);

/* The registry's URL for @n: the mirror table first ("host=url", "*=url"; NULL-terminated, may be NULL). True: a mirror. */
bool image_name_url(struct text *ret, const struct image_name *n, const char *const *mirrors);

#endif
