/* What a simulated agent tells of its node. */
#include "tests/sim/sim.h"

#include "api/conditions.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

#define NODE_LEASES "leases.coordination.k8s.io"

static void agent_node_conditions(struct sim_agent *a, json_t *node)
{
    json_t *status = json_at(node, "status");
    char now[CLOCK_TEXT_MAX];

    clock_print(now, sim_wall_ms(a->sim));
    condition_set(status, "Ready", "True", "KubeletReady", "kubelet is posting ready status",
                  sim_wall_ms(a->sim));
    json_put_str(json_find(json_at(status, "conditions"), "type", "Ready"), "lastHeartbeatTime",
                 now);
}

static json_t *agent_node(struct sim_agent *a)
{
    json_t *node = json_object();
    char cpu[16];

    snprintf(cpu, sizeof(cpu), "%lldm", (long long)a->cpu_milli);
    json_put_str(node, "metadata.name", a->name);
    json_put(node, "metadata.labels", json_object());
    json_object_set_new(json_at(node, "metadata.labels"), "kubernetes.io/hostname",
                        json_string(a->name));
    json_put_str(node, "status.allocatable.cpu", cpu);
    json_put_str(node, "status.allocatable.memory", "4Gi");
    json_put_str(node, "status.allocatable.pods", "40");
    json_put(node, "status.capacity", json_deep_copy(json_at(node, "status.allocatable")));
    agent_node_conditions(a, node);
    return node;
}

void sim_agent_renew_lease(struct sim_agent *a)
{
    bool there = store_get(a->sim->store, NODE_LEASES, "kube-node-lease", a->name) != NULL;
    json_t *lease = json_object();
    char now[CLOCK_TEXT_MAX];

    clock_print_micro(now, sim_wall_ms(a->sim) * 1000);
    json_put_str(lease, "metadata.name", a->name);
    json_put_str(lease, "metadata.namespace", "kube-node-lease");
    json_put_str(lease, "spec.holderIdentity", a->name);
    json_put_int(lease, "spec.leaseDurationSeconds", 40);
    json_put_str(lease, "spec.renewTime", now);
    sim_write(a->sim, SIM_AGENT_USER, there ? REGISTRY_PATCH : REGISTRY_CREATE, NODE_LEASES, "",
              there ? a->name : "", lease, NULL, NULL);
}

void sim_agent_tell_node(struct sim_agent *a)
{
    const struct object *o = store_get(a->sim->store, "nodes", "", a->name);
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (!o) {
        sim_write(a->sim, SIM_AGENT_USER, REGISTRY_CREATE, "nodes", "", "", agent_node(a), NULL,
                  NULL);
        return;
    }
    if (o->revision == a->node_seen)
        return;
    a->node_seen = o->revision;
    tree = object_tree(o);
    if (condition_is(json_object_get(tree, "status"), "Ready", "True"))
        return;
    agent_node_conditions(a, tree);
    sim_write(a->sim, SIM_AGENT_USER, REGISTRY_UPDATE, "nodes", "status", a->name, STEAL(tree),
              NULL, NULL);
    a->node_seen = 0;
}
