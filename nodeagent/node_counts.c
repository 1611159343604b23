#include "nodeagent/node_counts.h"

#include "base/mem.h"
#include "base/prom.h"

void node_counts_add(struct node_counts *c, const json_t *pod)
{
    static const char *const lists[] = { "status.initContainerStatuses",
                                         "status.containerStatuses" };
    unsigned before = c->running;
    json_t *one;
    size_t i;

    for (size_t l = 0; l < N_ELEMENTS(lists); l++)
        json_array_foreach (json_at(pod, lists[l]), i, one) {
            c->running += json_at(one, "state.running") != NULL;
            c->exited += json_at(one, "state.terminated") != NULL;
            c->created += json_at(one, "state.waiting") != NULL &&
                          !str_empty(json_str(one, "containerID"));
        }
    c->pods += c->running > before;
}

/* Kubernetes: pkg/kubelet/metrics/metrics.go. */
void node_counts_print(struct text *ret, const struct node_counts *c, const char *node_name)
{
    static const char containers[] = "kubelet_running_containers";
    cleanup(text_fini) struct text labels = TEXT_EMPTY;

    prom_family(ret, "kubelet_node_name", "gauge", "The node's name. The count is always 1.");
    prom_labels(&labels, "node", node_name);
    prom_value(ret, "kubelet_node_name", text_str(&labels), 1);
    prom_family(ret, "kubelet_running_pods", "gauge",
                "Number of pods that have a running pod sandbox");
    prom_value(ret, "kubelet_running_pods", NULL, c->pods);
    prom_family(ret, containers, "gauge", "Number of containers currently running");
    prom_value(ret, containers, "container_state=\"created\"", c->created);
    prom_value(ret, containers, "container_state=\"exited\"", c->exited);
    prom_value(ret, containers, "container_state=\"running\"", c->running);
}
