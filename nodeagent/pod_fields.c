#include "nodeagent/pod_fields.h"

#include "api/quantity.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A value as Go's %q writes it: that is what the kubelet puts into the file. */
static void pod_fields_quote(struct text *t, const char *s)
{
    text_putc(t, '"');
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\')
            text_fmt(t, "\\%c", c);
        else if (c == '\n')
            text_puts(t, "\\n");
        else if (c == '\t')
            text_puts(t, "\\t");
        else if (c == '\r')
            text_puts(t, "\\r");
        else if (c < 0x20 || c == 0x7f)
            text_fmt(t, "\\x%02x", c);
        else
            text_putc(t, *s);
    }
    text_putc(t, '"');
}

static int pod_fields_by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void pod_fields_map(struct text *ret, const json_t *map)
{
    size_t n = json_object_size(map), i = 0;
    cleanup(freep) const char **keys = MEM_NEW_ARRAY(const char *, n + 1);
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)map, key, value)
        keys[i++] = key;
    qsort(keys, n, sizeof(*keys), pod_fields_by_name);
    for (i = 0; i < n; i++) {
        const char *s = json_string_value(json_object_get(map, keys[i]));

        text_fmt(ret, "%s%s=", i == 0 ? "" : "\n", keys[i]);
        pod_fields_quote(ret, s == NULL ? "" : s);
    }
}

/* "metadata.labels['key']" -> key.  False: another form. */
static bool pod_fields_key(const char *path, const char *prefix, char **ret_key)
{
    size_t len = strlen(prefix);

    if (strncmp(path, prefix, len) != 0 || strncmp(path + len, "['", 2) != 0 ||
        !str_ends(path, "']") || strlen(path) < len + 4)
        return false;
    *ret_key = mem_strn(path + len + 2, strlen(path) - len - 4);
    return true;
}

int pod_fields_get(struct text *ret, const struct pod_view *pod, const char *path,
                   const struct pod_surroundings *around, struct err *err)
{
    const json_t *meta = json_at(pod->tree, "metadata");
    const struct {
        const char *path, *value;
    } plain[] = {
        { "metadata.name", pod->name },
        { "metadata.namespace", pod->ns },
        { "metadata.uid", pod->uid },
        { "spec.nodeName", around->node_name },
        { "spec.serviceAccountName", json_str_or(pod->spec, "serviceAccountName", "") },
        { "status.hostIP", around->host_ip },
        { "status.hostIPs", around->host_ip },
        { "status.podIP", around->pod_ip },
        { "status.podIPs", around->pod_ip },
    };
    static const char *const maps[] = { "labels", "annotations" };

    for (size_t i = 0; i < N_ELEMENTS(plain); i++) {
        if (str_eq(path, plain[i].path)) {
            text_puts(ret, plain[i].value == NULL ? "" : plain[i].value);
            return 0;
        }
    }
    for (size_t i = 0; i < N_ELEMENTS(maps); i++) {
        cleanup(freep) char *whole = mem_fmt("metadata.%s", maps[i]);
        cleanup(freep) char *key = NULL;
        const json_t *map = json_object_get(meta, maps[i]);

        if (str_eq(path, whole)) {
            pod_fields_map(ret, map);
            return 0;
        }
        if (path != NULL && pod_fields_key(path, whole, &key)) {
            const char *value = json_string_value(json_object_get(map, key));

            text_puts(ret, value == NULL ? "" : value);
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "unsupported fieldPath: %s", path == NULL ? "" : path);
}

static const struct container_view *pod_fields_container(const struct pod_view *pod,
                                                         const char *name)
{
    for (size_t i = 0; i < pod->n; i++)
        if (str_eq(pod->containers[i].name, name))
            return &pod->containers[i];
    return NULL;
}

int pod_fields_resource(struct text *ret, const struct pod_view *pod, const json_t *ref,
                        const char *container, const struct pod_surroundings *around,
                        struct err *err)
{
    const char *resource = json_str_or(ref, "resource", "");
    const struct container_view *c = pod_fields_container(
        pod, json_str_or(ref, "containerName", container));
    bool is_limit = str_starts(resource, "limits.");
    const char *name = strchr(resource, '.');
    const json_t *have;
    const char *value;
    int64_t amount, divisor;
    bool is_cpu;

    if (c == NULL)
        return err_set(err, ERR_INVALID, "container %s not found",
                       json_str_or(ref, "containerName", ""));
    if (name == NULL || (!is_limit && !str_starts(resource, "requests.")))
        return err_set(err, ERR_INVALID, "unsupported container resource : %s", resource);
    have = json_object_get(json_at(c->spec, is_limit ? "resources.limits" : "resources.requests"),
                           ++name);
    value = json_string_value(have);
    if (value == NULL && is_limit)
        value = json_string_value(json_object_get(around->allocatable, name));
    is_cpu = str_eq(name, "cpu");
    amount = is_cpu ? quantity_text_milli(value, 0) : quantity_text_value(value, 0);
    divisor = is_cpu ? quantity_text_milli(json_str(ref, "divisor"), 1000)
                     : quantity_text_value(json_str(ref, "divisor"), 1);
    if (divisor <= 0)
        divisor = is_cpu ? 1000 : 1; /* "0", which is how an absent divisor is stored */
    text_fmt(ret, "%lld", (long long)(amount / divisor + (amount % divisor != 0)));
    return 0;
}
