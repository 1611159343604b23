/* The world as rules see it: lists, lookups, events, owners. */
#include "base/clock.h"
#include "base/mem.h"
#include "client/why_impl.h"

#include "api/table.h"

#include <string.h>

const struct why_source why_sources[] = {
    { "", "v1", "nodes", false },
    { "", "v1", "namespaces", false },
    { "", "v1", "pods", false },
    { "", "v1", "services", false },
    { "", "v1", "persistentvolumeclaims", false },
    { "", "v1", "persistentvolumes", false },
    { "", "v1", "events", false },
    { "", "v1", "configmaps", true },
    { "", "v1", "secrets", true },
    { "", "v1", "serviceaccounts", true },
    { "apps", "v1", "deployments", false },
    { "apps", "v1", "replicasets", false },
    { "apps", "v1", "statefulsets", false },
    { "apps", "v1", "daemonsets", false },
    { "batch", "v1", "jobs", false },
    { "batch", "v1", "cronjobs", false },
    { "autoscaling", "v2", "horizontalpodautoscalers", false },
    { "discovery.k8s.io", "v1", "endpointslices", false },
    { "networking.k8s.io", "v1", "ingresses", false },
    { "networking.k8s.io", "v1", "ingressclasses", false },
    { "storage.k8s.io", "v1", "storageclasses", false },
    { "certificates.k8s.io", "v1", "certificatesigningrequests", false },
    { NULL, NULL, NULL, false },
};

const char *why_ns(const json_t *o)
{
    return json_str_or(o, "metadata.namespace", "");
}

const char *why_name(const json_t *o)
{
    return json_str_or(o, "metadata.name", "");
}

const json_t *why_list(const struct why_world *w, const char *plural)
{
    return json_object_get(w->lists, plural);
}

const json_t *why_get(const struct why_world *w, const char *plural, const char *ns,
                      const char *name)
{
    const json_t *o;
    size_t i;

    json_array_foreach (why_list(w, plural), i, o)
        if (str_eq(why_name(o), name) && (ns == NULL || str_eq(why_ns(o), ns)))
            return o;
    return NULL;
}

bool why_lacks(const struct why_world *w, const char *plural, const char *ns, const char *name)
{
    return why_list(w, plural) != NULL && why_get(w, plural, ns, name) == NULL;
}

void why_put_age(struct why_case *c, const char *name, const char *since)
{
    char age[TABLE_AGE_MAX] = "some time";
    int64_t ms;

    if (since != NULL && clock_parse(since, &ms))
        table_age(age, c->w->now_ms > ms ? c->w->now_ms - ms : 0);
    why_put(c, name, "%s", age);
}

static int64_t why_event_ms(const json_t *event)
{
    static const char *const when[] = { "series.lastObservedTime", "lastTimestamp", "eventTime",
                                        "metadata.creationTimestamp" };
    int64_t ms;

    for (size_t i = 0; i < N_ELEMENTS(when); i++) {
        const char *text = json_str(event, when[i]);

        if (text != NULL && clock_parse(text, &ms))
            return ms;
    }
    return 0;
}

static bool why_event_is(const json_t *event, const json_t *o, const char *reason, const char *part)
{
    const char *uid = json_str(event, "involvedObject.uid");

    if (!str_eq(json_str(event, "involvedObject.name"), why_name(o)))
        return false;
    if (!str_empty(uid) && !str_eq(uid, json_str(o, "metadata.uid")))
        return false;
    if (reason != NULL ? !str_eq(json_str(event, "reason"), reason)
                       : !str_eq(json_str(event, "type"), "Warning"))
        return false;
    return part == NULL || strstr(json_str_or(event, "message", ""), part) != NULL;
}

const json_t *why_event(const struct why_case *c, const json_t *o, const char *reason,
                        const char *part)
{
    const json_t *event, *newest = NULL;
    size_t i;

    json_array_foreach (why_list(c->w, "events"), i, event)
        if (why_event_is(event, o, reason, part) &&
            (newest == NULL || why_event_ms(event) >= why_event_ms(newest)))
            newest = event;
    return newest;
}

const json_t *why_owner(const struct why_world *w, const json_t *o, const char **ret_plural)
{
    const json_t *refs = json_at(o, "metadata.ownerReferences"), *ref;
    size_t i;

    json_array_foreach (refs, i, ref) {
        const struct schema_resource *r = schema_by_api_version(json_str_or(ref, "apiVersion", ""),
                                                                json_str_or(ref, "kind", ""));
        const json_t *owner;

        if (r == NULL || !json_bool(ref, "controller", false))
            continue;
        owner = why_get(w, r->plural, r->namespaced ? why_ns(o) : NULL,
                        json_str_or(ref, "name", ""));
        if (owner != NULL) {
            *ret_plural = r->plural;
            return owner;
        }
    }
    return NULL;
}

void why_put_place(struct why_case *c, const json_t *o)
{
    const char *plural = o == c->o ? c->plural : "pods", *above;
    const json_t *top = o, *owner;
    const struct schema_resource *r;

    for (unsigned i = 0; i < 3 && (owner = why_owner(c->w, top, &above)) != NULL; i++) {
        top = owner;
        plural = above;
    }
    r = schema_guess(plural);
    why_put(c, "manifest", "%s/%s", r != NULL ? r->singular : plural, why_name(top));
    why_put(c, "at", "%s",
            str_eq(plural, "pods")       ? "spec"
            : str_eq(plural, "cronjobs") ? "spec.jobTemplate.spec.template.spec"
                                         : "spec.template.spec");
}

bool why_put_quoted(struct why_case *c, const char *name, const char *message, const char *part)
{
    const char *at = strstr(message, part), *from, *to;

    from = at != NULL ? strchr(at, '"') : NULL;
    to = from != NULL ? strchr(from + 1, '"') : NULL;
    if (to == NULL)
        return false;
    why_put(c, name, "%.*s", (int)(to - from - 1), from + 1);
    return true;
}
