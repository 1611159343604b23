/* What an autoscaler turns: anything with a scale subresource, found by its group and kind. */
#include "controlplane/hpa_impl.h"

#include "api/registry.h"
#include "base/mem.h"

#include <string.h>

static const struct schema_resource *hpa_resource_of(const char *group, const char *kind)
{
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++)
        if (r->stored && str_eq(r->group, group) && str_eq(r->kind, kind))
            return r;
    return NULL;
}

static int hpa_group_of(char ret[256], const char *api_version, struct err *err)
{
    const char *slash = strchr(api_version, '/');

    ret[0] = '\0';
    if (slash == NULL)
        return 0; /* "v1", or nothing: the core group */
    if (strchr(slash + 1, '/') != NULL || slash - api_version > 255)
        return err_set(err, ERR_INVALID, "unexpected GroupVersion string: %s", api_version);
    memcpy(ret, api_version, (size_t)(slash - api_version));
    ret[slash - api_version] = '\0';
    return 0;
}

int hpa_find(struct view *v, const struct object *hpa, const json_t *spec,
             const struct object **ret, json_t **ret_scale, struct err *err)
{
    const char *kind = json_str_or(spec, "scaleTargetRef.kind", "");
    const char *name = json_str_or(spec, "scaleTargetRef.name", "");
    const struct schema_resource *r;
    char group[256];
    int rc = hpa_group_of(group, json_str_or(spec, "scaleTargetRef.apiVersion", ""), err);

    if (rc < 0)
        return rc;
    r = hpa_resource_of(group, kind);
    if (r == NULL || !r->namespaced)
        return err_set(err, ERR_NOT_FOUND, "no matches for kind \"%s\" in group \"%s\"", kind,
                       group);
    if (schema_sub(r, "scale") == NULL)
        return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
    *ret = view_get(v, r->bucket, hpa->ns, name);
    if (*ret == NULL)
        return err_set(err, ERR_NOT_FOUND, "%s%s%s \"%s\" not found", r->plural,
                       group[0] != '\0' ? "." : "", group, name);
    *ret_scale = registry_scale_of(view_tree(v, *ret), r);
    return *ret_scale != NULL
               ? 0
               : err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
}

/* --- whose pods --- */

static bool hpa_has_pod(struct view *v, const char *ns, const struct selector *mine,
                        const struct selector *theirs)
{
    const struct object *const *pods = view_list(v, "pods", ns, NULL);

    for (; *pods != NULL; pods++)
        if (selector_matches(mine, *pods) && selector_matches(theirs, *pods))
            return true;
    return false;
}

/* Is one of the pods of @mine under the autoscaler @other as well? */
static bool hpa_shares(struct view *v, const struct object *hpa, const struct object *other,
                       const struct selector *mine)
{
    const struct object *target;
    cleanup(json_decrefpp) json_t *scale = NULL;
    cleanup(selector_freep) struct selector *theirs = NULL;
    struct err ignored = ERR_EMPTY;
    const char *text;

    if (other == hpa)
        return true;
    if (hpa_find(v, other, json_at(view_tree(v, other), "spec"), &target, &scale, &ignored) < 0)
        return false;
    text = json_str(scale, "status.selector");
    return text != NULL && selector_parse(&theirs, text, &ignored) == 0 &&
           hpa_has_pod(v, hpa->ns, mine, theirs);
}

unsigned hpa_sharers(struct view *v, const struct object *hpa, const struct selector *mine,
                     struct text *ret_names)
{
    const struct object *const *all = view_list(v, HPA_BUCKET, hpa->ns, NULL);
    unsigned n = 0;

    for (; *all != NULL; all++)
        if (hpa_shares(v, hpa, *all, mine))
            text_fmt(ret_names, "%s{%s %s}", n++ > 0 ? " " : "", (*all)->name, (*all)->ns);
    return n;
}
