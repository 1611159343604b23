/* The page of a node: its conditions, what it offers, who uses it. */
#include "api/pod_status.h"
#include "api/quantity.h"
#include "api/resource_list.h"
#include "base/mem.h"
#include "client/describe_parts.h"
#include "client/print.h"

#include <string.h>

void describe_roles(struct describe *d, const struct describe_row *r)
{
    static const char role[] = "node-role.kubernetes.io/";
    cleanup(freep) const char **keys = json_keys(json_at(d->o, "metadata.labels"));
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (size_t i = 0; keys[i] != NULL; i++)
        if (str_starts(keys[i], role))
            text_fmt(&t, "%s%s", t.len > 0 ? "," : "", keys[i] + strlen(role));
    describe_say(d, 0, "%s:\t%s", r->title, t.len > 0 ? text_str(&t) : "<none>");
}

void describe_taints(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *t;
    size_t i;

    if (json_array_size(list) == 0)
        describe_say(d, 0, "%s:\t<none>", r->title);
    json_array_foreach (list, i, t)
        describe_say(d, 0, "%s%s\t%s%s%s:%s", i == 0 ? r->title : "", i == 0 ? ":" : "",
                     json_str_or(t, "key", ""), json_str(t, "value") != NULL ? "=" : "",
                     json_str_or(t, "value", ""), json_str_or(t, "effect", ""));
}

void describe_node_conditions(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *c;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    describe_say(d, 0, "%s:", r->title);
    describe_say(d, 1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
    describe_say(d, 1, "----\t------\t-----------------\t------------------\t------\t-------");
    json_array_foreach (list, i, c) {
        cleanup(text_fini) struct text seen = TEXT_EMPTY;
        cleanup(text_fini) struct text since = TEXT_EMPTY;

        describe_time(&seen, json_str(c, "lastHeartbeatTime"));
        describe_time(&since, json_str(c, "lastTransitionTime"));
        describe_say(d, 1, "%s \t%s \t%s \t%s \t%s \t%s", json_str_or(c, "type", ""),
                     json_str_or(c, "status", ""), text_str(&seen), text_str(&since),
                     json_str_or(c, "reason", ""), json_str_or(c, "message", ""));
    }
}

void describe_node_addresses(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *a;
    size_t i;

    describe_say(d, 0, "%s:", r->title);
    json_array_foreach (list, i, a)
        describe_say(d, 1, "%s:\t%s", json_str_or(a, "type", ""), json_str_or(a, "address", ""));
}

void describe_system(struct describe *d, const struct describe_row *r)
{
    static const struct {
        const char *title, *key;
    } rows[] = {
        { "Machine ID", "machineID" },
        { "System UUID", "systemUUID" },
        { "Boot ID", "bootID" },
        { "Kernel Version", "kernelVersion" },
        { "OS Image", "osImage" },
        { "Operating System", "operatingSystem" },
        { "Architecture", "architecture" },
        { "Container Runtime Version", "containerRuntimeVersion" },
        { "Kubelet Version", "kubeletVersion" },
        { "Kube-Proxy Version", "kubeProxyVersion" },
    };
    const json_t *info = describe_value(d, r);

    describe_say(d, 0, "%s:", r->title);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        describe_say(d, 1, "%s:\t%s", rows[i].title, json_str_or(info, rows[i].key, ""));
}

void describe_amounts(struct describe *d, const struct describe_row *r)
{
    const json_t *map = describe_value(d, r);
    cleanup(freep) const char **keys = json_keys(map);

    if (keys[0] != NULL)
        describe_say(d, 0, "%s:", r->title);
    for (size_t i = 0; keys[i] != NULL; i++)
        describe_say(d, 1, "%s:\t%s", keys[i], json_string_value(json_object_get(map, keys[i])));
}

/* "500m (25%)" */
static void describe_part(struct text *t, const json_t *list, const char *name, const json_t *of)
{
    char text[QUANTITY_TEXT_MAX];
    struct quantity q, all;
    int64_t whole;

    resource_list_get(list, name, &q);
    resource_list_get(of, name, &all);
    quantity_print(text, q);
    whole = quantity_milli(all);
    text_fmt(t, "%s (%lld%%)", text,
             whole > 0 ? (long long)((__int128)quantity_milli(q) * 100 / whole) : 0LL);
}

static void describe_node_row(struct describe *d, const json_t *pod, const json_t *of,
                              json_t *requests, json_t *limits)
{
    static const char *const names[] = { "cpu", "memory" };
    cleanup(json_decrefpp)
        json_t *asks = resource_list_of_pod_charged(json_at(pod, "spec"), "requests");
    cleanup(json_decrefpp)
        json_t *may = resource_list_of_pod_charged(json_at(pod, "spec"), "limits");
    cleanup(text_fini) struct text row = TEXT_EMPTY;
    cleanup(text_fini) struct text age = TEXT_EMPTY;

    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        describe_part(&row, asks, names[i], of);
        text_putc(&row, '\t');
        describe_part(&row, may, names[i], of);
        text_putc(&row, '\t');
    }
    resource_list_add(requests, asks);
    resource_list_add(limits, may);
    describe_age(&age, d, json_str(pod, "metadata.creationTimestamp"));
    describe_say(d, 1, "%s\t%s\t%s%s", json_str_or(pod, "metadata.namespace", ""),
                 json_str_or(pod, "metadata.name", ""), text_str(&row), text_str(&age));
}

void describe_node_pods(struct describe *d, const struct describe_row *r UNUSED)
{
    static const char *const names[] = { "cpu", "memory", "ephemeral-storage" };
    const json_t *pods = json_object_get(d->related, "pods"), *pod;
    const json_t *of = json_at(d->o, "status.allocatable");
    cleanup(json_decrefpp) json_t *requests = json_object();
    cleanup(json_decrefpp) json_t *limits = json_object();
    size_t i, n = 0;

    json_array_foreach (pods, i, pod)
        n += str_eq(json_str(pod, "spec.nodeName"), json_str(d->o, "metadata.name")) &&
                     !pod_is_terminal(pod)
                 ? 1
                 : 0;
    describe_say(d, 0, "Non-terminated Pods:\t(%zu in total)", n);
    describe_say(d, 1,
                 "Namespace\tName\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    describe_say(d, 1,
                 "---------\t----\t------------\t----------\t---------------\t-------------\t---");
    json_array_foreach (pods, i, pod)
        if (str_eq(json_str(pod, "spec.nodeName"), json_str(d->o, "metadata.name")) &&
            !pod_is_terminal(pod))
            describe_node_row(d, pod, of, requests, limits);
    describe_say(d, 0, "Allocated resources:");
    describe_say(d, 1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
    describe_say(d, 1, "Resource\tRequests\tLimits");
    describe_say(d, 1, "--------\t--------\t------");
    for (i = 0; i < N_ELEMENTS(names); i++) {
        cleanup(text_fini) struct text asks = TEXT_EMPTY;
        cleanup(text_fini) struct text may = TEXT_EMPTY;

        describe_part(&asks, requests, names[i], of);
        describe_part(&may, limits, names[i], of);
        describe_say(d, 1, "%s\t%s\t%s", names[i], text_str(&asks), text_str(&may));
    }
}
