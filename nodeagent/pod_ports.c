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

/* --- who was first --- */

/* NULL after the last one. */
static const json_t *pod_ports_next(const struct pod_view *pod, size_t *container, size_t *i)
{
    for (; *container < pod->n; (*container)++, *i = 0) {
        const json_t *list = json_at(pod->containers[*container].spec, "ports");

        while (*i < json_array_size(list)) {
            const json_t *port = json_array_get(list, (*i)++);

            if (json_int(port, "hostPort", 0) > 0)
                return port;
        }
    }
    return NULL;
}

static bool pod_ports_is_any(const char *ip)
{
    return ip[0] == '\0' || str_eq(ip, "0.0.0.0");
}

static bool pod_ports_same(const json_t *a, const json_t *b)
{
    const char *at = json_str_or(a, "hostIP", ""), *there = json_str_or(b, "hostIP", "");

    return json_int(a, "hostPort", 0) == json_int(b, "hostPort", 0) &&
           str_eq(json_str_or(a, "protocol", "TCP"), json_str_or(b, "protocol", "TCP")) &&
           (pod_ports_is_any(at) || pod_ports_is_any(there) || str_eq(at, there));
}

bool pod_ports_clash(const struct pod_view *a, const struct pod_view *b)
{
    const json_t *mine, *theirs;

    for (size_t c = 0, i = 0; (mine = pod_ports_next(a, &c, &i)) != NULL;)
        for (size_t d = 0, k = 0; (theirs = pod_ports_next(b, &d, &k)) != NULL;)
            if (pod_ports_same(mine, theirs))
                return true;
    return false;
}
