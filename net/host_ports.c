#include "net/host_ports.h"

#include "base/child.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define HOST_PORTS_RETRY_MS 2000
#define HOST_PORTS_NFT_MS   20000

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
    uv_loop_t *loop;
    struct timer *retry;
    struct child *nft; /* under way, or NULL */
    char *wanted;      /* owned rules; NULL = not told yet */
    char *applied;     /* owned: the last that nft took */
    char *applying;    /* owned */
};

static void host_ports_apply(void *arg);

static void host_ports_on_nft(void *arg, int rc, const struct child_result *result UNUSED,
                              const struct err *err)
{
    struct host_ports *h = arg;

    h->nft = NULL;
    if (rc < 0) {
        log_warn("host ports not set", KV_ERR(err));
        free(STEAL(h->applying));
        timer_start(h->retry, HOST_PORTS_RETRY_MS);
        return;
    }
    free(h->applied);
    h->applied = STEAL(h->applying);
    host_ports_apply(h);
}

static void host_ports_apply(void *arg)
{
    static const char *const argv[] = { "nft", "-f", "-", NULL };
    struct host_ports *h = arg;
    struct child_spec spec = { .argv = argv, .deadline_ms = HOST_PORTS_NFT_MS };

    if (h->nft != NULL || timer_active(h->retry) || str_eq(h->applied, h->wanted))
        return;
    h->applying = mem_str(h->wanted);
    spec.input = h->applying;
    spec.input_len = strlen(h->applying);
    h->nft = child_run(h->loop, &spec, host_ports_on_nft, h);
}

struct host_ports *host_ports_new(uv_loop_t *loop)
{
    struct host_ports *h = MEM_NEW(struct host_ports);

    h->loop = loop;
    h->retry = timer_new(loop, host_ports_apply, h);
    return h;
}

void host_ports_set(struct host_ports *h, const struct host_port *list, size_t n)
{
    struct text t = TEXT_EMPTY;

    host_ports_print(&t, list, n);
    free(h->wanted);
    h->wanted = text_take(&t);
    host_ports_apply(h);
}

struct host_ports *host_ports_close(struct host_ports *h)
{
    if (h == NULL)
        return NULL;
    if (h->nft != NULL)
        child_cancel(h->nft);
    timer_close(h->retry);
    free(h->wanted);
    free(h->applied);
    free(h->applying);
    free(h);
    return NULL;
}
