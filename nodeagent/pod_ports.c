#include "nodeagent/pod_ports.h"

#include "base/mem.h"

void pod_ports_fini(struct pod_ports *p)
{
    for (size_t i = 0; i < p->n_ips; i++)
        free(p->ips[i]);
    free(p->ips);
    free(p->list);
    *p = (struct pod_ports)POD_PORTS_EMPTY;
}

static const char *pod_ports_keep(struct pod_ports *p, const char *ip)
{
    p->ips = mem_grow(p->ips, p->n_ips + 1, sizeof(*p->ips));
    return p->ips[p->n_ips++] = mem_str(ip);
}

void pod_ports_add(struct pod_ports *p, const struct pod_view *pod, const char *ip)
{
    const char *kept = NULL;

    for (size_t c = 0; c < pod->n && !pod->host_network; c++) {
        size_t i;
        json_t *port;

        json_array_foreach (json_at(pod->containers[c].spec, "ports"), i, port) {
            if (json_int(port, "hostPort", 0) <= 0)
                continue;
            kept = kept == NULL ? pod_ports_keep(p, ip) : kept;
            p->list = mem_grow(p->list, p->n + 1, sizeof(*p->list));
            p->list[p->n++] = (struct host_port){
                .protocol = json_str_or(port, "protocol", "TCP"),
                .host_ip = json_str_or(port, "hostIP", ""),
                .host_port = (uint16_t)json_int(port, "hostPort", 0),
                .pod_ip = kept,
                .pod_port = (uint16_t)json_int(port, "containerPort", 0),
            };
        }
    }
}
