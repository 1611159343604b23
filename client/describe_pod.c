/* Pods and the templates of pods: containers, probes, environment, mounts, volumes, tolerations. */
#include "base/mem.h"
#include "client/describe.h"
#include "client/print.h"

#include <stdio.h>
#include <string.h>

/* --- containers --- */

static void describe_state(struct describe *d, unsigned level, const char *title,
                           const json_t *state)
{
    static const struct {
        const char *key, *word;
    } states[] = { { "running", "Running" },
                   { "waiting", "Waiting" },
                   { "terminated", "Terminated" } };
    static const struct {
        const char *title, *key;
    } times[] = { { "Started", "startedAt" }, { "Finished", "finishedAt" } };

    for (size_t i = 0; i < N_ELEMENTS(states); i++) {
        const json_t *s = json_object_get(state, states[i].key);

        if (s == NULL)
            continue;
        describe_say(d, level, "%s:\t%s", title, states[i].word);
        if (json_str(s, "reason") != NULL)
            describe_say(d, level + 1, "Reason:\t%s", json_str(s, "reason"));
        if (json_str(s, "message") != NULL && i == 2) /* kubectl tells it of ends only */
            describe_say(d, level + 1, "Message:\t%s", json_str(s, "message"));
        if (json_at(s, "exitCode") != NULL)
            describe_say(d, level + 1, "Exit Code:\t%lld", (long long)json_int(s, "exitCode", 0));
        for (size_t k = 0; k < N_ELEMENTS(times); k++) {
            cleanup(text_fini) struct text at = TEXT_EMPTY;

            if (json_str(s, times[k].key) == NULL)
                continue;
            describe_time(&at, json_str(s, times[k].key));
            describe_say(d, level + 1, "%s:\t%s", times[k].title, text_str(&at));
        }
        return;
    }
    if (str_eq(title, "State"))
        describe_say(d, level, "%s:\tWaiting", title);
}

static void describe_ports(struct describe *d, unsigned level, const json_t *ports)
{
    cleanup(text_fini) struct text inner = TEXT_EMPTY;
    cleanup(text_fini) struct text outer = TEXT_EMPTY;
    const char *s = json_array_size(ports) > 1 ? "s" : "";
    const json_t *p;
    size_t i;

    json_array_foreach (ports, i, p) {
        const char *protocol = json_str_or(p, "protocol", "TCP");

        text_fmt(&inner, "%s%lld/%s", i > 0 ? ", " : "", (long long)json_int(p, "containerPort", 0),
                 protocol);
        if (json_str(p, "name") != NULL)
            text_fmt(&inner, " (%s)", json_str(p, "name"));
        text_fmt(&outer, "%s%lld/%s", i > 0 ? ", " : "", (long long)json_int(p, "hostPort", 0),
                 protocol);
        if (json_str(p, "name") != NULL)
            text_fmt(&outer, " (%s)", json_str(p, "name"));
    }
    describe_say(d, level, "Port%s:\t%s", s, inner.len > 0 ? text_str(&inner) : "<none>");
    describe_say(d, level, "Host Port%s:\t%s", s, outer.len > 0 ? text_str(&outer) : "<none>");
}

static void describe_lines(struct describe *d, unsigned level, const char *title,
                           const json_t *list)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    describe_say(d, level, "%s:", title);
    json_array_foreach (list, i, item) {
        cleanup(strv_freep) char **lines = str_split(json_string_value(item), '\n');

        for (size_t k = 0; lines[k] != NULL; k++)
            describe_say(d, level + 1, "%s", lines[k]);
    }
}

static void describe_resources(struct describe *d, unsigned level, const char *title,
                               const json_t *list)
{
    cleanup(freep) const char **keys = json_keys(list);

    if (keys[0] != NULL)
        describe_say(d, level, "%s:", title);
    for (size_t i = 0; keys[i] != NULL; i++)
        describe_say(d, level + 1, "%s:\t%s", keys[i],
                     json_string_value(json_object_get(list, keys[i])));
}

static void describe_probe_target(struct text *t, const json_t *p)
{
    const json_t *exec = json_at(p, "exec.command"), *http = json_at(p, "httpGet"), *item;
    const json_t *port = json_at(http != NULL ? http : json_at(p, "tcpSocket"), "port");
    cleanup(text_fini) struct text number = TEXT_EMPTY;
    size_t i;

    if (port != NULL)
        describe_word(&number, port);
    if (exec != NULL) {
        text_puts(t, "exec [");
        json_array_foreach (exec, i, item)
            text_fmt(t, "%s%s", i > 0 ? " " : "", json_string_value(item));
        text_putc(t, ']');
    } else if (http != NULL) {
        const char *scheme = json_str_or(http, "scheme", "HTTP");

        text_fmt(t, "http-get %s://%s:%s%s", str_eq(scheme, "HTTPS") ? "https" : "http",
                 json_str_or(http, "host", ""), text_str(&number), json_str_or(http, "path", ""));
    } else if (json_at(p, "tcpSocket") != NULL) {
        text_fmt(t, "tcp-socket %s:%s", json_str_or(p, "tcpSocket.host", ""), text_str(&number));
    } else if (json_at(p, "grpc") != NULL) {
        text_fmt(t, "grpc <pod>:%lld %s", (long long)json_int(p, "grpc.port", 0),
                 json_str_or(p, "grpc.service", ""));
    } else {
        text_puts(t, "unknown");
    }
}

static void describe_probe(struct describe *d, unsigned level, const char *title, const json_t *p)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (p == NULL)
        return;
    describe_probe_target(&t, p);
    describe_say(d, level,
                 "%s:\t%s delay=%llds timeout=%llds period=%llds #success=%lld "
                 "#failure=%lld",
                 title, text_str(&t), (long long)json_int(p, "initialDelaySeconds", 0),
                 (long long)json_int(p, "timeoutSeconds", 1),
                 (long long)json_int(p, "periodSeconds", 10),
                 (long long)json_int(p, "successThreshold", 1),
                 (long long)json_int(p, "failureThreshold", 3));
}

static void describe_env_from(struct describe *d, unsigned level, const json_t *list)
{
    const json_t *e;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    describe_say(d, level, "Environment Variables from:");
    json_array_foreach (list, i, e) {
        const json_t *secret = json_at(e, "secretRef"), *map = json_at(e, "configMapRef");
        const json_t *from = secret != NULL ? secret : map;

        describe_say(d, level + 1, "%s\t%s\tOptional: %s", json_str_or(from, "name", ""),
                     secret != NULL ? "Secret" : "ConfigMap",
                     json_bool(from, "optional", false) ? "true" : "false");
    }
}

static void describe_env(struct describe *d, unsigned level, const json_t *list)
{
    const json_t *e;
    size_t i;

    describe_say(d, level, json_array_size(list) == 0 ? "Environment:\t<none>" : "Environment:");
    json_array_foreach (list, i, e) {
        const char *name = json_str_or(e, "name", "");
        const json_t *secret = json_at(e, "valueFrom.secretKeyRef");
        const json_t *map = json_at(e, "valueFrom.configMapKeyRef");
        const json_t *ref = secret != NULL ? secret : map;

        if (ref != NULL)
            describe_say(
                d, level + 1, "%s:\t<set to the key '%s' %s '%s'>\tOptional: %s", name,
                json_str_or(ref, "key", ""), secret != NULL ? "in secret" : "of config map",
                json_str_or(ref, "name", ""), json_bool(ref, "optional", false) ? "true" : "false");
        else if (json_at(e, "valueFrom.fieldRef") != NULL)
            describe_say(d, level + 1, "%s:\t (%s:%s)", name,
                         json_str_or(e, "valueFrom.fieldRef.apiVersion", "v1"),
                         json_str_or(e, "valueFrom.fieldRef.fieldPath", ""));
        else if (json_at(e, "valueFrom.resourceFieldRef") != NULL)
            describe_say(d, level + 1, "%s:\t (%s)", name,
                         json_str_or(e, "valueFrom.resourceFieldRef.resource", ""));
        else
            describe_say(d, level + 1, "%s:\t%s", name, json_str_or(e, "value", ""));
    }
}

static void describe_mounts(struct describe *d, unsigned level, const json_t *list)
{
    const json_t *m;
    size_t i;

    describe_say(d, level, json_array_size(list) == 0 ? "Mounts:\t<none>" : "Mounts:");
    json_array_foreach (list, i, m) {
        cleanup(freep) char *sub = json_str(m, "subPath") != NULL
                                       ? mem_fmt(",path=\"%s\"", json_str(m, "subPath"))
                                       : mem_str("");

        describe_say(d, level + 1, "%s from %s (%s%s)", json_str_or(m, "mountPath", ""),
                     json_str_or(m, "name", ""), json_bool(m, "readOnly", false) ? "ro" : "rw",
                     sub);
    }
}

static void describe_container(struct describe *d, unsigned level, const json_t *c,
                               const json_t *status)
{
    if (status != NULL)
        describe_say(d, level, "Container ID:\t%s", json_str_or(status, "containerID", ""));
    describe_say(d, level, "Image:\t%s", json_str_or(c, "image", ""));
    if (status != NULL)
        describe_say(d, level, "Image ID:\t%s", json_str_or(status, "imageID", ""));
    describe_ports(d, level, json_at(c, "ports"));
    describe_lines(d, level, "Command", json_at(c, "command"));
    describe_lines(d, level, "Args", json_at(c, "args"));
    if (status != NULL) {
        describe_state(d, level, "State", json_at(status, "state"));
        describe_state(d, level, "Last State", json_at(status, "lastState"));
        describe_say(d, level, "Ready:\t%s", json_bool(status, "ready", false) ? "True" : "False");
        describe_say(d, level, "Restart Count:\t%lld",
                     (long long)json_int(status, "restartCount", 0));
    }
    describe_resources(d, level, "Limits", json_at(c, "resources.limits"));
    describe_resources(d, level, "Requests", json_at(c, "resources.requests"));
    describe_probe(d, level, "Liveness", json_at(c, "livenessProbe"));
    describe_probe(d, level, "Readiness", json_at(c, "readinessProbe"));
    describe_probe(d, level, "Startup", json_at(c, "startupProbe"));
    describe_env_from(d, level, json_at(c, "envFrom"));
    describe_env(d, level, json_at(c, "env"));
    describe_mounts(d, level, json_at(c, "volumeMounts"));
}

static void describe_containers(struct describe *d, unsigned level, const char *title,
                                const json_t *list, const json_t *statuses)
{
    const json_t *c;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    describe_say(d, level, "%s:", title);
    json_array_foreach (list, i, c) {
        const char *name = json_str_or(c, "name", "");

        /* Templates have one blank more, as kubectl's have. */
        describe_say(d, level, "%s%s:", level == 0 ? "  " : " ", name);
        describe_container(d, 2, c, json_find(statuses, "name", name));
    }
}

/* --- volumes --- */

static const struct {
    const char *key, *says;
    const char *fields[7]; /* "Title=path", NULL behind the last */
} describe_volume_kinds[] = {
    { "hostPath", "HostPath (bare host directory volume)", { "Path=path", "HostPathType=type" } },
    { "emptyDir",
      "EmptyDir (a temporary directory that shares a pod's lifetime)",
      { "Medium=medium", "SizeLimit=sizeLimit?<unset>" } },
    { "secret",
      "Secret (a volume populated by a Secret)",
      { "SecretName=secretName", "Optional=optional?false" } },
    { "configMap",
      "ConfigMap (a volume populated by a ConfigMap)",
      { "Name=name", "Optional=optional?false" } },
    { "persistentVolumeClaim",
      "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
      { "ClaimName=claimName", "ReadOnly=readOnly?false" } },
    { "downwardAPI", "DownwardAPI (a volume populated by information about the pod)", { NULL } },
    { "ephemeral", "EphemeralVolume (an inline specification for a volume)", { NULL } },
    { "nfs",
      "NFS (an NFS mount that lasts the lifetime of a pod)",
      { "Server=server", "Path=path", "ReadOnly=readOnly?false" } },
};

static void describe_projected(struct describe *d, unsigned level, const json_t *sources)
{
    const json_t *s;
    size_t i;

    describe_say(d, level,
                 "Type:\tProjected (a volume that contains injected data from multiple sources)");
    json_array_foreach (sources, i, s) {
        const char *map = json_str(s, "configMap.name"), *secret = json_str(s, "secret.name");

        if (json_at(s, "serviceAccountToken") != NULL)
            describe_say(d, level, "TokenExpirationSeconds:\t%lld",
                         (long long)json_int(s, "serviceAccountToken.expirationSeconds", 3600));
        if (map != NULL) {
            describe_say(d, level, "ConfigMapName:\t%s", map);
            describe_say(d, level, "ConfigMapOptional:\t%s",
                         json_at(s, "configMap.optional") == NULL    ? "<nil>"
                         : json_bool(s, "configMap.optional", false) ? "true"
                                                                     : "false");
        }
        if (secret != NULL)
            describe_say(d, level, "SecretName:\t%s", secret);
        if (json_at(s, "downwardAPI") != NULL)
            describe_say(d, level, "DownwardAPI:\ttrue");
    }
}

static void describe_volume(struct describe *d, unsigned level, const json_t *v)
{
    for (size_t i = 0; i < N_ELEMENTS(describe_volume_kinds); i++) {
        const json_t *source = json_object_get(v, describe_volume_kinds[i].key);

        if (source == NULL)
            continue;
        describe_say(d, level, "Type:\t%s", describe_volume_kinds[i].says);
        for (const char *const *f = describe_volume_kinds[i].fields; *f != NULL; f++) {
            size_t title = strcspn(*f, "="), path = strcspn(*f + title + 1, "?");
            cleanup(freep) char *key = mem_strn(*f + title + 1, path);
            const char *rest = *f + title + 1 + path;
            cleanup(text_fini) struct text word = TEXT_EMPTY;

            if (json_object_get(source, key) == NULL)
                text_puts(&word, *rest == '?' ? rest + 1 : "");
            else
                describe_word(&word, json_object_get(source, key));
            describe_say(d, level, "%.*s:\t%s", (int)title, *f, text_str(&word));
        }
        return;
    }
    if (json_at(v, "projected") != NULL)
        describe_projected(d, level, json_at(v, "projected.sources"));
    else
        describe_say(d, level, "<unknown>");
}

/* --- the rest of a pod --- */

static void describe_toleration(struct text *t, const json_t *o)
{
    const char *key = json_str_or(o, "key", ""), *effect = json_str_or(o, "effect", "");

    text_puts(t, key);
    if (json_str(o, "value") != NULL)
        text_fmt(t, "=%s", json_str(o, "value"));
    if (effect[0] != '\0')
        text_fmt(t, ":%s", effect);
    if (str_eq(json_str(o, "operator"), "Exists") && json_str(o, "value") == NULL)
        text_fmt(t, "%sop=Exists", key[0] != '\0' || effect[0] != '\0' ? " " : "");
    if (json_at(o, "tolerationSeconds") != NULL)
        text_fmt(t, " for %llds", (long long)json_int(o, "tolerationSeconds", 0));
}

static void describe_tolerated(struct describe *d, unsigned level, const json_t *list)
{
    const json_t *o;
    size_t i;

    if (json_array_size(list) == 0)
        describe_say(d, level, "Tolerations:\t<none>");
    json_array_foreach (list, i, o) {
        cleanup(text_fini) struct text t = TEXT_EMPTY;

        describe_toleration(&t, o);
        describe_say(d, level, "%s\t%s", i == 0 ? "Tolerations:" : "", text_str(&t));
    }
}

void describe_pod_spec(struct describe *d, unsigned level, const json_t *spec, const json_t *status)
{
    const json_t *volumes = json_at(spec, "volumes"), *v;
    size_t i;

    describe_containers(d, level, "Init Containers", json_at(spec, "initContainers"),
                        json_at(status, "initContainerStatuses"));
    describe_containers(d, level, "Containers", json_at(spec, "containers"),
                        json_at(status, "containerStatuses"));
    describe_containers(d, level, "Ephemeral Containers", json_at(spec, "ephemeralContainers"),
                        json_at(status, "ephemeralContainerStatuses"));
    if (status != NULL)
        describe_conditions(
            d, &(struct describe_row){ "Conditions", "status.conditions", NULL, NULL });
    describe_say(d, level, json_array_size(volumes) == 0 ? "Volumes:\t<none>" : "Volumes:");
    json_array_foreach (volumes, i, v) {
        describe_say(d, level, "%s%s:", level == 0 ? "  " : " ", json_str_or(v, "name", ""));
        describe_volume(d, 2, v);
    }
    if (status != NULL)
        describe_say(d, level, "QoS Class:\t%s", json_str_or(d->o, "status.qosClass", "<none>"));
    describe_map(d, level, "Node-Selectors", json_at(spec, "nodeSelector"), "=");
    describe_tolerated(d, level, json_at(spec, "tolerations"));
}

void describe_template(struct describe *d, const struct describe_row *r)
{
    const json_t *template = describe_value(d, r);
    const char *account = json_str(template, "spec.serviceAccountName");

    describe_say(d, 0, "%s:", r->title);
    describe_map(d, 1, "Labels", json_at(template, "metadata.labels"), "=");
    if (json_at(template, "metadata.annotations") != NULL)
        describe_map(d, 1, "Annotations", json_at(template, "metadata.annotations"), ": ");
    if (account != NULL)
        describe_say(d, 1, "Service Account:\t%s", account);
    describe_pod_spec(d, 1, json_at(template, "spec"), NULL);
}

void describe_pod(struct describe *d, const struct describe_row *r UNUSED)
{
    const json_t *status = json_at(d->o, "status");

    describe_pod_spec(d, 0, json_at(d->o, "spec"), status);
}
