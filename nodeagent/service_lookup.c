#include "nodeagent/service_lookup.h"

#include "base/mem.h"
#include "nodeagent/service_env.h"

#include <string.h>

void service_lookup_env(struct env_list *ret, const struct informer *services, const char *ns,
                        bool all)
{
    const struct object *o;
    size_t it = 0;

    while (services != NULL && (o = informer_next(services, &it)) != NULL) {
        bool is_master = str_eq(o->ns, "default") && str_eq(o->name, "kubernetes");
        cleanup(json_decrefpp) json_t *service = NULL;

        if (!is_master && (!all || !str_eq(o->ns, ns)))
            continue;
        service = object_tree(o);
        service_env_add(ret, service);
    }
}

static bool service_lookup_is_ready_in(const struct object *slice, const char *uid)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    size_t i;
    json_t *endpoint;

    if (strstr(slice->json, uid) == NULL)
        return false;
    tree = object_tree(slice);
    json_array_foreach (json_at(tree, "endpoints"), i, endpoint)
        if (str_eq(json_str(endpoint, "targetRef.uid"), uid) &&
            json_bool(endpoint, "conditions.ready", true))
            return true;
    return false;
}

bool service_lookup_is_endpoint(const struct informer *slices, const char *uid)
{
    const struct object *o;
    size_t it = 0;

    while (slices != NULL && (o = informer_next(slices, &it)) != NULL)
        if (service_lookup_is_ready_in(o, uid))
            return true;
    return false;
}
