/* What every namespace has from its first moment on: the ServiceAccount "default", which pods
 * need to be admitted, and the ConfigMap kube-root-ca.crt, which they mount.
 *
 * Both are submitted right behind the namespace, so they become visible with it. */
#include "api/registry_impl.h"

#include "base/mem.h"
#include "base/text.h"

#define EXTRAS_ROOT_CA "kube-root-ca.crt"

/* Refusals only say that somebody was faster. */
static void extras_ignore(void *arg, const struct registry_answer *answer)
{
    (void)arg, (void)answer;
}

static void extras_create(struct registry *r, const char *bucket, const char *ns, const char *name)
{
    cleanup(json_decrefpp) json_t *body = json_pack("{s:{s:s}}", "metadata", "name", name);
    struct registry_request req = {
        .verb = REGISTRY_CREATE,
        .resource = schema_bucket(bucket),
        .sub = "",
        .ns = ns,
        .name = "",
        .body = body,
        .manager = "kube-controller-manager",
        .user = &registry_itself,
        .grace_seconds = -1,
    };

    registry_write(r, &req, extras_ignore, NULL);
}

void namespace_extras_create(struct registry *r, const char *ns)
{
    extras_create(r, "serviceaccounts", ns, "default");
    extras_create(r, "configmaps", ns, EXTRAS_ROOT_CA);
}

/* Whoever writes it, it holds the cluster's CA: a controller need not know that to restore it. */
void admit_root_ca(struct op *op)
{
    const char *ca = op->r->opts.ca_pem;

    if (ca == NULL || !str_eq(json_str(op->tree, "metadata.name"), EXTRAS_ROOT_CA))
        return;
    json_object_set_new(op->tree, "data", json_object());
    json_object_set_new(json_object_get(op->tree, "data"), "ca.crt", json_string(ca));
}
