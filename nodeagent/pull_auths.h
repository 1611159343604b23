/* pull_auths: credentials for registries out of a pod's imagePullSecrets.  Pure. */
#ifndef NODEAGENT_PULL_AUTHS_H
#define NODEAGENT_PULL_AUTHS_H

#include "nodeagent/image.h"
#include "nodeagent/pod_view.h"

struct pull_auths {          /* end with pull_auths_fini */
    struct image_auth *list; /* ends with .registry == NULL; NULL = none */
    size_t n;
};
void pull_auths_fini(struct pull_auths *a);

/* @find as in payload_sources; what is missing or malformed is passed over. */
void pull_auths_make(struct pull_auths *ret, const struct pod_view *pod,
                     const json_t *(*find)(void *arg, const char *kind, const char *name),
                     void *arg);

#endif
