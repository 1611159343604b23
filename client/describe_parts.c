/* What only some kinds show: workloads, Services, volumes, Secrets, roles, quotas. */
#include "client/describe_parts.h"

#include "base/mem.h"
#include "client/print.h"

#include <string.h>

/* --- what only some kinds have --- */

void describe_node_of(struct describe *d, const struct describe_row *r)
{
    const char *node = json_str(d->o, "spec.nodeName");

    describe_say(d, 0, "%s:\t%s%s%s", r->title, node != NULL ? node : "<none>",
                 node != NULL ? "/" : "",
                 node != NULL ? json_str_or(d->o, "status.hostIP", "") : "");
}

void describe_status(struct describe *d, const struct describe_row *r)
{
    cleanup(text_fini) struct text age = TEXT_EMPTY;

    if (json_at(d->o, "metadata.deletionTimestamp") == NULL) {
        describe_text(d, r);
        return;
    }
    describe_age(&age, d, json_str(d->o, "metadata.deletionTimestamp"));
    describe_say(d, 0, "%s:\tTerminating (lasts %s)", r->title, text_str(&age));
}

void describe_ips(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *ip;
    size_t i;

    describe_say(d, 0, json_array_size(list) > 0 ? "IPs:" : "IPs:\t<none>");
    json_array_foreach (list, i, ip)
        describe_say(d, 1, "IP:\t%s", json_str_or(ip, "ip", ""));
}

void describe_controller(struct describe *d, const struct describe_row *r)
{
    const json_t *list = json_at(d->o, "metadata.ownerReferences"), *ref;
    size_t i;

    json_array_foreach (list, i, ref)
        if (json_bool(ref, "controller", false))
            describe_say(d, 0, "%s:\t%s/%s", r->title, json_str_or(ref, "kind", ""),
                         json_str_or(ref, "name", ""));
}

static long long describe_int(const json_t *o, const char *path)
{
    return json_int(o, path, 0);
}

void describe_replicas(struct describe *d, const struct describe_row *r)
{
    const json_t *o = d->o;

    if (str_eq(d->resource->plural, "deployments"))
        describe_say(d, 0,
                     "%s:\t%lld desired | %lld updated | %lld total | %lld available | %lld "
                     "unavailable",
                     r->title, describe_int(o, "spec.replicas"),
                     describe_int(o, "status.updatedReplicas"), describe_int(o, "status.replicas"),
                     describe_int(o, "status.availableReplicas"),
                     describe_int(o, "status.unavailableReplicas"));
    else if (str_eq(d->resource->plural, "statefulsets"))
        describe_say(d, 0, "%s:\t%lld desired | %lld total", r->title,
                     describe_int(o, "spec.replicas"), describe_int(o, "status.replicas"));
    else
        describe_say(d, 0, "%s:\t%lld current / %lld desired", r->title,
                     describe_int(o, "status.replicas"), describe_int(o, "spec.replicas"));
}

/* "2 Running / 0 Waiting / 0 Succeeded / 0 Failed", of the pods that it controls. */
void describe_pod_counts(struct describe *d, const struct describe_row *r)
{
    static const char *const phases[] = { "Running", "Pending", "Succeeded", "Failed" };
    const json_t *pods = json_object_get(d->related, "pods"), *pod;
    long long n[N_ELEMENTS(phases)] = { 0 };
    size_t i;

    json_array_foreach (pods, i, pod) {
        if (json_find(json_at(pod, "metadata.ownerReferences"), "uid",
                      json_str_or(d->o, "metadata.uid", "")) == NULL)
            continue;
        for (size_t k = 0; k < N_ELEMENTS(phases); k++)
            n[k] += str_eq(json_str(pod, "status.phase"), phases[k]) ? 1 : 0;
    }
    describe_say(d, 0, "%s:\t%lld Running / %lld Waiting / %lld Succeeded / %lld Failed", r->title,
                 n[0], n[1], n[2], n[3]);
}

void describe_rolling(struct describe *d, const struct describe_row *r)
{
    cleanup(text_fini) struct text gone = TEXT_EMPTY;
    cleanup(text_fini) struct text more = TEXT_EMPTY;
    const json_t *rolling = describe_value(d, r);

    if (rolling == NULL)
        return;
    describe_word(&gone, json_at(rolling, "maxUnavailable"));
    describe_word(&more, json_at(rolling, "maxSurge"));
    describe_say(d, 0, "%s:\t%s max unavailable, %s max surge", r->title, text_str(&gone),
                 text_str(&more));
}

static const char *describe_note(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(json_at(o, "metadata.annotations"), key));
}

/* The newest one that has the Deployment's revision, and those before that still have pods. */
void describe_replica_sets(struct describe *d, const struct describe_row *r UNUSED)
{
    static const char revision[] = "deployment.kubernetes.io/revision";
    const json_t *sets = json_object_get(d->related, "replicasets"), *rs;
    cleanup(text_fini) struct text old = TEXT_EMPTY;
    cleanup(text_fini) struct text new = TEXT_EMPTY;
    size_t i;

    json_array_foreach (sets, i, rs) {
        bool newest = str_eq(describe_note(rs, revision), describe_note(d->o, revision));
        struct text *t = newest ? &new : &old;

        if (json_find(json_at(rs, "metadata.ownerReferences"), "uid",
                      json_str_or(d->o, "metadata.uid", "")) == NULL)
            continue;
        text_fmt(t, "%s%s (%lld/%lld replicas created)", t->len > 0 ? ", " : "",
                 json_str_or(rs, "metadata.name", ""), describe_int(rs, "status.replicas"),
                 describe_int(rs, "spec.replicas"));
    }
    describe_say(d, 0, "OldReplicaSets:\t%s", old.len > 0 ? text_str(&old) : "<none>");
    describe_say(d, 0, "NewReplicaSet:\t%s", new.len > 0 ? text_str(&new) : "<none>");
}

/* --- Services and Ingresses --- */

static void describe_endpoints(struct text *t, const struct describe *d, const json_t *port)
{
    const json_t *slices = json_object_get(d->related, "endpointslices"), *s, *e, *p;
    size_t i, k, j, n = 0;

    json_array_foreach (slices, i, s) {
        const char *of = json_string_value(
            json_object_get(json_at(s, "metadata.labels"), "kubernetes.io/service-name"));

        if (!str_eq(of, json_str(d->o, "metadata.name")))
            continue;
        json_array_foreach (json_at(s, "ports"), j, p) {
            if (!str_eq(json_str_or(p, "name", ""), json_str_or(port, "name", "")))
                continue;
            json_array_foreach (json_at(s, "endpoints"), k, e)
                if (json_bool(e, "conditions.ready", true) && ++n <= 3)
                    text_fmt(t, "%s%s:%lld", n > 1 ? "," : "",
                             json_string_value(json_array_get(json_at(e, "addresses"), 0)),
                             describe_int(p, "port"));
        }
    }
    if (n > 3)
        text_fmt(t, " + %zu more...", n - 3);
}

void describe_service_ports(struct describe *d, const struct describe_row *r UNUSED)
{
    const json_t *ports = json_at(d->o, "spec.ports"), *p;
    size_t i;

    json_array_foreach (ports, i, p) {
        const char *protocol = json_str_or(p, "protocol", "TCP");
        cleanup(text_fini) struct text target = TEXT_EMPTY;
        cleanup(text_fini) struct text ends = TEXT_EMPTY;

        describe_word(&target, json_at(p, "targetPort"));
        describe_endpoints(&ends, d, p);
        describe_say(d, 0, "Port:\t%s\t%lld/%s", json_str_or(p, "name", "<unset>"),
                     describe_int(p, "port"), protocol);
        describe_say(d, 0, "TargetPort:\t%s/%s", text_str(&target), protocol);
        if (describe_int(p, "nodePort") != 0)
            describe_say(d, 0, "NodePort:\t%s\t%lld/%s", json_str_or(p, "name", "<unset>"),
                         describe_int(p, "nodePort"), protocol);
        describe_say(d, 0, "Endpoints:\t%s", text_str(&ends));
    }
}

void describe_addresses(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *a;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    size_t i;

    json_array_foreach (list, i, a)
        text_fmt(&t, "%s%s", i > 0 ? "," : "",
                 json_str_or(a, "ip", json_str_or(a, "hostname", "")));
    if (t.len > 0 || r->otherwise == NULL)
        describe_say(d, 0, "%s:\t%s", r->title, text_str(&t));
}

static void describe_backend(struct text *t, const json_t *backend)
{
    cleanup(text_fini) struct text port = TEXT_EMPTY;
    const json_t *name = json_at(backend, "service.port.name");

    describe_word(&port, name != NULL ? name : json_at(backend, "service.port.number"));
    if (backend == NULL)
        text_puts(t, "<default>");
    else
        text_fmt(t, "%s:%s", json_str_or(backend, "service.name", ""), text_str(&port));
}

void describe_ingress_rules(struct describe *d, const struct describe_row *r UNUSED)
{
    const json_t *rules = json_at(d->o, "spec.rules"), *rule, *p, *tls;
    size_t i, k;

    if (json_array_size(json_at(d->o, "spec.tls")) > 0)
        describe_say(d, 0, "TLS:");
    json_array_foreach (json_at(d->o, "spec.tls"), i, tls) {
        cleanup(text_fini) struct text hosts = TEXT_EMPTY;

        json_array_foreach (json_at(tls, "hosts"), k, p)
            text_fmt(&hosts, "%s%s", k > 0 ? "," : "", json_string_value(p));
        describe_say(d, 1, "%s terminates %s", json_str_or(tls, "secretName", "SNI routes"),
                     text_str(&hosts));
    }
    describe_say(d, 0, "Rules:");
    describe_say(d, 1, "Host\tPath\tBackends");
    describe_say(d, 1, "----\t----\t--------");
    json_array_foreach (rules, i, rule) {
        describe_say(d, 1, "%s\t", json_str_or(rule, "host", "*"));
        json_array_foreach (json_at(rule, "http.paths"), k, p) {
            cleanup(text_fini) struct text t = TEXT_EMPTY;

            describe_backend(&t, json_at(p, "backend"));
            describe_say(d, 1, "  \t%s \t%s", json_str_or(p, "path", ""), text_str(&t));
        }
    }
}

void describe_default_backend(struct describe *d, const struct describe_row *r)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    describe_backend(&t, json_at(d->o, "spec.defaultBackend"));
    describe_say(d, 0, "%s:\t%s", r->title, text_str(&t));
}

/* --- volumes, secrets, roles --- */

void describe_used_by(struct describe *d, const struct describe_row *r)
{
    const json_t *pods = json_object_get(d->related, "pods"), *pod, *v;
    bool first = true;
    size_t i, k;

    json_array_foreach (pods, i, pod)
        json_array_foreach (json_at(pod, "spec.volumes"), k, v) {
            if (!str_eq(json_str(v, "persistentVolumeClaim.claimName"),
                        json_str(d->o, "metadata.name")))
                continue;
            describe_say(d, 0, "%s\t%s", first ? "Used By:" : "",
                         json_str_or(pod, "metadata.name", ""));
            first = false;
        }
    if (first)
        describe_say(d, 0, "%s:\t<none>", r->title);
}

/* A Secret's values are not shown, only how long they are. */
void describe_sizes(struct describe *d, const struct describe_row *r)
{
    const json_t *data = describe_value(d, r);
    cleanup(freep) const char **keys = json_keys(data);

    describe_say(d, 0, "\n%s\n====", r->title);
    for (size_t i = 0; keys[i] != NULL; i++) {
        const char *value = json_string_value(json_object_get(data, keys[i]));
        size_t len = value != NULL ? strlen(value) : 0, pad = 0;

        while (pad < 2 && len > pad && value[len - 1 - pad] == '=')
            pad++;
        describe_say(d, 0, "%s:\t%zu bytes", keys[i], len / 4 * 3 - pad);
    }
}

void describe_contents(struct describe *d, const struct describe_row *r)
{
    const json_t *data = describe_value(d, r);
    cleanup(freep) const char **keys = json_keys(data);

    describe_say(d, 0, "\n%s\n====", r->title);
    for (size_t i = 0; keys[i] != NULL; i++)
        describe_say(d, 0, "%s:\n----\n%s\n", keys[i],
                     json_string_value(json_object_get(data, keys[i])));
}

void describe_sizes_of_binary(struct describe *d, const struct describe_row *r)
{
    describe_sizes(d, r);
    describe_say(d, 0, "%s", "");
}

static void describe_joined(struct text *t, const json_t *list)
{
    const json_t *item;
    size_t i;

    text_putc(t, '[');
    json_array_foreach (list, i, item)
        text_fmt(t, "%s%s", i > 0 ? " " : "", json_string_value(item));
    text_putc(t, ']');
}

void describe_rules(struct describe *d, const struct describe_row *r)
{
    const json_t *rules = describe_value(d, r), *rule, *group, *resource;
    size_t i, k, j;

    describe_say(d, 0, "%s:", r->title);
    describe_say(d, 1, "Resources\tNon-Resource URLs\tResource Names\tVerbs");
    describe_say(d, 1, "---------\t-----------------\t--------------\t-----");
    json_array_foreach (rules, i, rule) {
        cleanup(text_fini) struct text names = TEXT_EMPTY;
        cleanup(text_fini) struct text urls = TEXT_EMPTY;
        cleanup(text_fini) struct text verbs = TEXT_EMPTY;

        describe_joined(&names, json_at(rule, "resourceNames"));
        describe_joined(&urls, json_at(rule, "nonResourceURLs"));
        describe_joined(&verbs, json_at(rule, "verbs"));
        if (json_array_size(json_at(rule, "resources")) == 0)
            describe_say(d, 1, "\t%s\t%s\t%s", text_str(&urls), text_str(&names), text_str(&verbs));
        json_array_foreach (json_at(rule, "apiGroups"), k, group)
            json_array_foreach (json_at(rule, "resources"), j, resource) {
                const char *g = json_string_value(group);

                describe_say(d, 1, "%s%s%s\t%s\t%s\t%s", json_string_value(resource),
                             str_empty(g) ? "" : ".", str_empty(g) ? "" : g, text_str(&urls),
                             text_str(&names), text_str(&verbs));
            }
    }
}

void describe_subjects(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *s;
    size_t i;

    describe_say(d, 0, "Role:");
    describe_say(d, 1, "Kind:\t%s", json_str_or(d->o, "roleRef.kind", ""));
    describe_say(d, 1, "Name:\t%s", json_str_or(d->o, "roleRef.name", ""));
    describe_say(d, 0, "%s:", r->title);
    describe_say(d, 1, "Kind\tName\tNamespace");
    describe_say(d, 1, "----\t----\t---------");
    json_array_foreach (list, i, s)
        describe_say(d, 1, "%s\t%s\t%s", json_str_or(s, "kind", ""), json_str_or(s, "name", ""),
                     json_str_or(s, "namespace", ""));
}

static void describe_quota(struct describe *d, const json_t *quota, unsigned level)
{
    const json_t *hard = json_at(quota, "status.hard"), *used = json_at(quota, "status.used");
    cleanup(freep) const char **keys = json_keys(hard);

    describe_say(d, level, "Resource\tUsed\tHard");
    describe_say(d, level, "--------\t----\t----");
    for (size_t i = 0; keys[i] != NULL; i++) {
        const char *n = json_string_value(json_object_get(used, keys[i]));

        describe_say(d, level, "%s\t%s\t%s", keys[i], n != NULL ? n : "0",
                     json_string_value(json_object_get(hard, keys[i])));
    }
}

void describe_own_quota(struct describe *d, const struct describe_row *r UNUSED)
{
    describe_quota(d, d->o, 0);
}

static void describe_limits(struct describe *d, const json_t *range, unsigned level)
{
    static const char *const keys[] = { "min", "max", "defaultRequest", "default",
                                        "maxLimitRequestRatio" };
    const json_t *limits = json_at(range, "spec.limits"), *limit;
    size_t i;

    describe_say(d, level,
                 "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax "
                 "Limit/Request Ratio");
    describe_say(d, level,
                 "----\t--------\t---\t---\t---------------\t-------------\t-------------"
                 "----------");
    json_array_foreach (limits, i, limit) {
        cleanup(json_decrefpp) json_t *all = json_object();
        cleanup(freep) const char **names = NULL;

        for (size_t k = 0; k < N_ELEMENTS(keys); k++)
            json_object_update(all, json_object_get(limit, keys[k]));
        names = json_keys(all);
        for (size_t n = 0; names[n] != NULL; n++) {
            const char *v[N_ELEMENTS(keys)];

            for (size_t k = 0; k < N_ELEMENTS(keys); k++) {
                v[k] = json_string_value(
                    json_object_get(json_object_get(limit, keys[k]), names[n]));
                v[k] = v[k] != NULL ? v[k] : "-";
            }
            describe_say(d, level, "%s\t%s\t%s\t%s\t%s\t%s\t%s", json_str_or(limit, "type", ""),
                         names[n], v[0], v[1], v[2], v[3], v[4]);
        }
    }
}

void describe_own_limits(struct describe *d, const struct describe_row *r UNUSED)
{
    describe_limits(d, d->o, 0);
}

void describe_namespace_extras(struct describe *d, const struct describe_row *r UNUSED)
{
    const json_t *quotas = json_object_get(d->related, "resourcequotas"), *o;
    const json_t *ranges = json_object_get(d->related, "limitranges");
    size_t i;

    describe_say(d, 0, json_array_size(quotas) > 0 ? "\nResource Quotas" : "\nNo resource quota.");
    json_array_foreach (quotas, i, o) {
        describe_say(d, 1, "Name:\t%s", json_str_or(o, "metadata.name", ""));
        describe_quota(d, o, 1);
    }
    describe_say(d, 0,
                 json_array_size(ranges) > 0 ? "\nResource Limits" : "\nNo LimitRange resource.");
    json_array_foreach (ranges, i, o)
        describe_limits(d, o, 1);
}

void describe_is_default(struct describe *d, const struct describe_row *r)
{
    const char *note = describe_note(d->o, "storageclass.kubernetes.io/is-default-class");

    describe_say(d, 0, "%s:\t%s", r->title, str_eq(note, "true") ? "Yes" : "No");
}
