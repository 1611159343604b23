/* externalsecret_impl: the parts of the external secrets controllers.  Only for externalsecret*.c.
 *
 * externalsecret.c when and what to write; externalsecret_data.c what the store gives;
 * externalsecret_target.c the Secret made of it; externalsecret_store.c stores and who may use them.
 */
#ifndef CONTROLPLANE_EXTERNALSECRET_IMPL_H
#define CONTROLPLANE_EXTERNALSECRET_IMPL_H

#include "base/err.h"
#include "controlplane/controllers.h"

#define EXTERNAL_NAME           "external-secrets"
#define EXTERNAL_BUCKET         "externalsecrets.external-secrets.io"
#define EXTERNAL_STORES         "secretstores.external-secrets.io"
#define EXTERNAL_CLUSTER_STORES "clustersecretstores.external-secrets.io"

struct external { /* one ExternalSecret being looked at; all borrowed */
    struct view *view;
    const struct object *object;
    const json_t *tree, *spec;
    const char *target;   /* name of its Secret */
    const char *creation; /* policies */
    const char *deletion;
};

enum external_store {
    EXTERNAL_STORE_OK,
    EXTERNAL_STORE_FOREIGN, /* another controller looks after it */
    EXTERNAL_STORE_REFUSED, /* there is none, or it may not be used here: see err */
};
/* @ref: {name, kind}. */
enum external_store external_store_find(const struct external *x, const json_t *ref,
                                        struct err *err);

/* All that spec.data and spec.dataFrom name, as a map of base64 texts in *ret (the caller's).
 * What is missing is left out when the deletion policy says that this is no error.
 * Positive: not ours to do (EXTERNAL_STORE_FOREIGN).  ERR_NOT_FOUND, ERR_UNSUPPORTED, ...: says
 * which item. */
int external_data(const struct external *x, json_t **ret, struct err *err);

/* @data as the template shapes it: the data of the Secret; the caller's. */
int external_template(const struct external *x, const json_t *data, json_t **ret, struct err *err);
/* The Secret that should be: made new, or out of what @have (may be NULL) holds; the caller's.
 * NULL: it cannot be, see @err. */
json_t *external_target(const struct external *x, const struct object *have, const json_t *data,
                        struct err *err);
/* Is @have as external_target left it? */
bool external_target_holds(const struct external *x, const struct object *have);

#endif
