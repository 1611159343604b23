/* image_auths: credentials for registries out of a pod's imagePullSecrets.  Pure. */
#ifndef NODEAGENT_IMAGE_AUTHS_H
#define NODEAGENT_IMAGE_AUTHS_H

#include "nodeagent/image.h"
#include "nodeagent/pod_view.h"

struct image_auths {        /* end with image_auths_fini */
    struct image_auth *list;    /* ends with .registry == NULL; NULL = none */
    size_t n;
};
void image_auths_fini(struct image_auths *a);

/* @find as in payload_sources; what is missing or malformed is passed over. */
void image_auths_make(struct image_auths *ret, const struct pod_view *pod,
                      const json_t *(*find)(void *arg, const char *kind, const char *name), void *arg);

#endif
