#include "nodeagent/node_status.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

/* The kubelet's hard eviction thresholds: memory.available<100Mi, nodefs.available<10%,
 * nodefs.inodesFree<5%; and the memory threshold is kept back from pods. */
#define NODE_MEMORY_RESERVE (INT64_C(100) << 20)
#define NODE_INODES_PERCENT 5
#define NODE_PIDS_PERCENT   90

static json_t *node_resources(const struct node_measures *m, int64_t reserve)
{
    int64_t memory = m->memory > reserve ? m->memory - reserve : 0;
    cleanup(freep) char *cpu = m->cpu_milli % 1000 == 0
                                   ? mem_fmt("%lld", (long long)m->cpu_milli / 1000)
                                   : mem_fmt("%lldm", (long long)m->cpu_milli);
    cleanup(freep) char *mem = mem_fmt("%lldKi", (long long)memory / 1024);
    cleanup(freep) char *disk = mem_fmt("%lldKi", (long long)m->disk.size / 1024);
    cleanup(freep) char *pods = mem_fmt("%d", m->max_pods);
    json_t *r = json_pack("{s:s, s:s, s:s}", "cpu", cpu, "memory", mem, "pods", pods);

    if (m->has_disk)
        json_object_set_new(r, "ephemeral-storage", json_string(disk));
    return r;
}

json_t *node_status_allocatable(const struct node_measures *m)
{
    return node_resources(m, NODE_MEMORY_RESERVE);
}

static void node_condition(json_t *status, const char *type, bool holds, const char *reason,
                           const char *message, int64_t now)
{
    char time[CLOCK_TEXT_MAX];

    condition_set(status, type, holds ? "True" : "False", reason, message, now);
    clock_print(time, now);
    json_object_set_new(json_find(json_object_get(status, "conditions"), "type", type),
                        "lastHeartbeatTime", json_string(time));
}

bool node_status_disk_pressure(const struct host_disk *disk)
{
    return disk->available * 100 < disk->size * NODE_DISK_PERCENT ||
           disk->inodes_free * 100 < disk->inodes * NODE_INODES_PERCENT;
}

static void node_conditions(json_t *status, const struct node_measures *m, const json_t *before)
{
    bool memory = m->memory_available >= 0 && m->memory_available < NODE_MEMORY_RESERVE;
    bool disk = m->has_disk && node_status_disk_pressure(&m->disk);
    bool pids = m->pid_max > 0 && m->pids * 100 > m->pid_max * NODE_PIDS_PERCENT;
    const json_t *old = json_at(before, "conditions");

    json_object_set_new(status, "conditions",
                        json_is_array(old) ? json_deep_copy(old) : json_array());
    node_condition(status, "MemoryPressure", memory,
                   memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
                   memory ? "kubelet has insufficient memory available"
                          : "kubelet has sufficient memory available",
                   m->now_wall_ms);
    node_condition(
        status, "DiskPressure", disk, disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
        disk ? "kubelet has disk pressure" : "kubelet has no disk pressure", m->now_wall_ms);
    node_condition(
        status, "PIDPressure", pids, pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
        pids ? "kubelet has insufficient PID available" : "kubelet has sufficient PID available",
        m->now_wall_ms);
    node_condition(status, "Ready", m->not_ready == NULL,
                   m->not_ready == NULL ? "KubeletReady" : "KubeletNotReady",
                   m->not_ready == NULL ? "kubelet is posting ready status" : m->not_ready,
                   m->now_wall_ms);
}

json_t *node_status_make(const struct node_identity *id, const struct node_measures *m,
                         const json_t *before)
{
    json_t *status = json_object();

    json_object_set_new(status, "capacity", node_resources(m, 0));
    json_object_set_new(status, "allocatable", node_status_allocatable(m));
    node_conditions(status, m, before);
    json_object_set_new(status, "addresses",
                        json_pack("[{s:s, s:s}, {s:s, s:s}]", "type", "InternalIP", "address",
                                  id->ip, "type", "Hostname", "address", id->name));
    if (id->api_port != 0)
        json_put_int(status, "daemonEndpoints.kubeletEndpoint.Port", id->api_port);
    json_object_set_new(status, "nodeInfo", json_deep_copy(id->info));
    return status;
}

json_t *node_status_taint(const char *text)
{
    static const char *const effects[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };
    const char *colon = strrchr(text, ':');
    const char *eq = colon != NULL ? memchr(text, '=', (size_t)(colon - text)) : NULL;
    const char *end = eq != NULL ? eq : colon;
    json_t *ret = NULL;

    for (size_t i = 0; colon != NULL && end > text && i < N_ELEMENTS(effects); i++)
        if (str_eq(colon + 1, effects[i]))
            ret = json_pack("{s:s%, s:s}", "key", text, (size_t)(end - text), "effect", effects[i]);
    if (ret != NULL && eq != NULL)
        json_object_set_new(ret, "value", json_stringn(eq + 1, (size_t)(colon - eq - 1)));
    return ret;
}

static json_t *node_status_spec(const struct node_identity *id)
{
    json_t *ret = json_object(), *taints = json_array();

    for (size_t i = 0; id->taints != NULL && id->taints[i] != NULL; i++)
        json_array_append_new(taints, node_status_taint(id->taints[i]));
    if (json_array_size(taints) > 0)
        json_object_set(ret, "taints", taints);
    json_decref(taints);
    return ret;
}

json_t *node_status_object(const struct node_identity *id, const struct node_measures *m)
{
    const char *arch = json_str_or(id->info, "architecture", "unknown");
    json_t *labels = json_pack("{s:s, s:s, s:s, s:s, s:s}", "kubernetes.io/hostname", id->name,
                               "kubernetes.io/os", "linux", "kubernetes.io/arch", arch,
                               "beta.kubernetes.io/os", "linux", "beta.kubernetes.io/arch", arch);

    for (size_t i = 0; id->labels != NULL && id->labels[i] != NULL; i++) {
        const char *eq = strchr(id->labels[i], '=');
        cleanup(freep) char *key = mem_strn(
            id->labels[i], eq == NULL ? strlen(id->labels[i]) : (size_t)(eq - id->labels[i]));

        json_object_set_new(labels, key, json_string(eq == NULL ? "" : eq + 1));
    }
    return json_pack("{s:s, s:s, s:{s:s, s:o}, s:o, s:o}", "apiVersion", "v1", "kind", "Node",
                     "metadata", "name", id->name, "labels", labels, "spec", node_status_spec(id),
                     "status", node_status_make(id, m, NULL));
}

/* Without the times of measuring. */
static json_t *node_status_bare(const json_t *status)
{
    json_t *copy = json_deep_copy(status);
    size_t i;
    json_t *condition;

    json_array_foreach (json_object_get(copy, "conditions"), i, condition) {
        json_object_del(condition, "lastHeartbeatTime");
        json_object_del(condition, "lastTransitionTime");
    }
    return copy;
}

bool node_status_differs(const json_t *a, const json_t *b)
{
    cleanup(json_decrefpp) json_t *x = node_status_bare(a);
    cleanup(json_decrefpp) json_t *y = node_status_bare(b);

    return !json_equal(x, y);
}
