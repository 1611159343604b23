#include "net/host_ports.h"

#include "base/map.h"
#include "base/mem.h"
#include "net/nft.h"

#include <string.h>

/* --- pure --- */

static const char host_ports_hooks[] =
    "  chain ports {\n"
    "    dnat ip to meta l4proto . ip daddr . th dport map @bound\n"
    "    dnat ip to meta l4proto . th dport map @any\n"
    "  }\n"
    "  chain prerouting {\n"
    "    type nat hook prerouting priority dstnat; policy accept;\n"
    "    fib daddr type local ip daddr != 127.0.0.0/8 jump ports\n"
    "  }\n"
    "  chain output {\n"
    "    type nat hook output priority -100; policy accept;\n"
    "    fib daddr type local ip daddr != 127.0.0.0/8 jump ports\n"
    "  }\n"
    /* A pod that calls itself by the node's address must see the answer come from there. */
    "  chain postrouting {\n"
    "    type nat hook postrouting priority srcnat; policy accept;\n"
    "    ip saddr . ip daddr @hairpin masquerade\n"
    "  }\n";

static void host_ports_map(struct text *ret, const char *name, const char *type,
                           const struct text *elements)
{
    text_fmt(ret, "  %s {\n    type %s\n", name, type);
    if (elements->len > 0)
        text_fmt(ret, "    elements = { %s }\n", text_str(elements));
    text_puts(ret, "  }\n");
}

/* nft would refuse the whole transaction over one key given twice. */
static void host_ports_element(struct text *to, struct map *seen, const char *key,
                               const char *value)
{
    if (map_get(seen, key) != NULL)
        return;
    map_put(seen, key, seen);
    text_fmt(to, "%s%s%s", to->len == 0 ? "" : ", ", key, value);
}

void host_ports_print(struct text *ret, const struct host_port *list, size_t n)
{
    cleanup(text_fini) struct text any = TEXT_EMPTY;
    cleanup(text_fini) struct text bound = TEXT_EMPTY;
    cleanup(text_fini) struct text hairpin = TEXT_EMPTY;
    struct map *seen = map_new(NULL);

    for (size_t i = 0; i < n; i++) {
        const struct host_port *p = &list[i];
        const char *protocol = str_eq(p->protocol, "UDP")    ? "udp"
                               : str_eq(p->protocol, "SCTP") ? "sctp"
                                                             : "tcp";
        bool is_any = str_empty(p->host_ip) || str_eq(p->host_ip, "0.0.0.0");
        cleanup(freep) char *key = is_any ? mem_fmt("%s . %u", protocol, p->host_port)
                                          : mem_fmt("%s . %s . %u", protocol, p->host_ip,
                                                    p->host_port);
        cleanup(freep) char *value = mem_fmt(" : %s . %u", p->pod_ip, p->pod_port);
        cleanup(freep) char *self = mem_fmt("%s . %s", p->pod_ip, p->pod_ip);

        host_ports_element(is_any ? &any : &bound, seen, key, value);
        host_ports_element(&hairpin, seen, self, "");
    }
    map_free(seen);
    text_puts(ret, "table ip mkube_host_ports {}\ndelete table ip mkube_host_ports\n");
    if (n == 0)
        return;
    text_puts(ret, "table ip mkube_host_ports {\n");
    host_ports_map(ret, "map any", "inet_proto . inet_service : ipv4_addr . inet_service", &any);
    host_ports_map(ret, "map bound",
                   "inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service", &bound);
    host_ports_map(ret, "set hairpin", "ipv4_addr . ipv4_addr", &hairpin);
    text_fmt(ret, "%s}\n", host_ports_hooks);
}

/* --- effects --- */

struct host_ports {
    struct nft *nft;
    char *rules; /* owned: what is wanted */
};

static int host_ports_on_print(void *arg, struct text *ret, struct err *err UNUSED)
{
    const struct host_ports *h = arg;

    text_puts(ret, h->rules);
    return 1;
}

struct host_ports *host_ports_new(uv_loop_t *loop)
{
    struct host_ports *h = MEM_NEW(struct host_ports);

    h->nft = nft_new(loop, &(struct nft_opts){ .what = "host ports",
                                               .table = "mkube_host_ports",
                                               .print = host_ports_on_print,
                                               .arg = h });
    return h;
}

void host_ports_set(struct host_ports *h, const struct host_port *list, size_t n)
{
    struct text t = TEXT_EMPTY;

    host_ports_print(&t, list, n);
    free(h->rules);
    h->rules = text_take(&t);
    nft_changed(h->nft);
}

struct host_ports *host_ports_close(struct host_ports *h)
{
    if (h == NULL)
        return NULL;
    nft_close(h->nft);
    free(h->rules);
    free(h);
    return NULL;
}
