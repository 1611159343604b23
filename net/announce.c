#include "net/announce.h"

#include "api/address_range.h"
#include "base/child.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* See controlplane/balancer_impl.h. */
#define ANNOUNCE_NOTE_POOL    "metallb.io/ip-allocated-from-pool"
#define ANNOUNCE_NOTE_NODE    "mkube.io/announced-by"
#define ANNOUNCE_NOTE_DEVICES "mkube.io/announced-on"

#define ANNOUNCE_SETTLE_MS 20
#define ANNOUNCE_RETRY_MS  2000
#define ANNOUNCE_SPAM_MS   1000 /* between gratuitous ARPs of new addresses */
#define ANNOUNCE_SPAM_N    5
#define ANNOUNCE_CHILD_MS  20000

/* --- pure --- */

bool announce_read(struct announce_address *ret, const json_t *service, const char *node)
{
    const json_t *notes = json_at(service, "metadata.annotations");
    const json_t *list = json_at(service, "status.loadBalancer.ingress");
    const char *ip = json_str(json_array_get(list, 0), "ip");
    const char *devices = json_string_value(json_object_get(notes, ANNOUNCE_NOTE_DEVICES));

    if (!str_eq(json_str(service, "spec.type"), "LoadBalancer") ||
        json_object_get(notes, ANNOUNCE_NOTE_POOL) == NULL ||
        !str_eq(json_string_value(json_object_get(notes, ANNOUNCE_NOTE_NODE)), node) ||
        ip == NULL || !address_parse(&ret->ip, ip))
        return false;
    snprintf(ret->device, sizeof(ret->device), "%s", devices != NULL ? devices : "");
    /* They go into a rule: what is no device's name means no restriction to it. */
    if (strspn(ret->device,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@,") !=
        strlen(ret->device))
        ret->device[0] = '\0';
    return true;
}

static bool announce_has(const uint32_t *list, size_t n, uint32_t ip)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == ip)
            return true;
    return false;
}

static bool announce_wants(const struct announce_address *list, size_t n, uint32_t ip)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].ip == ip)
            return true;
    return false;
}

void announce_commands(struct text *ret, const struct announce_address *want, size_t n_want,
                       const uint32_t *have, size_t n_have)
{
    char ip[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < n_have; i++) {
        address_print(ip, have[i]);
        if (!announce_wants(want, n_want, have[i]))
            text_fmt(ret, "addr del %s/32 dev " ANNOUNCE_DEVICE "\n", ip);
    }
    for (size_t i = 0; i < n_want; i++) {
        address_print(ip, want[i].ip);
        /* Services may share an address: the first adds it. */
        if (!announce_has(have, n_have, want[i].ip) && !announce_wants(want, i, want[i].ip))
            text_fmt(ret, "addr add %s/32 dev " ANNOUNCE_DEVICE "\n", ip);
    }
}

void announce_rules(struct text *ret, const struct announce_address *want, size_t n_want)
{
    char ip[ADDRESS_TEXT_MAX];

    text_puts(ret, "table arp mkube_announce {}\ndelete table arp mkube_announce\n"
                   "table arp mkube_announce {\n  chain input {\n"
                   "    type filter hook input priority filter; policy accept;\n");
    for (size_t i = 0; i < n_want; i++) {
        if (want[i].device[0] == '\0')
            continue;
        address_print(ip, want[i].ip);
        text_fmt(ret, "    arp daddr ip %s iifname != { ", ip);
        for (const char *p = want[i].device; *p != '\0';) {
            size_t len = strcspn(p, ",");

            text_fmt(ret, "%s\"%.*s\"", p > want[i].device ? ", " : "", (int)len, p);
            p += len + (p[len] == ',');
        }
        text_puts(ret, " } drop\n");
    }
    text_puts(ret, "  }\n}\n");
}

void announce_frame(unsigned char ret[ANNOUNCE_FRAME], const unsigned char mac[6], uint32_t ip)
{
    /* Ethernet, then ARP: hardware type 1, protocol IPv4, lengths, request (RFC 826). */
    static const unsigned char fixed[] = {
        ETHERTYPE_ARP >> 8, ETHERTYPE_ARP & 0xff, 0, 1, 8, 0, 6, 4, 0, 1
    };
    const unsigned char address[] = { (unsigned char)(ip >> 24), (unsigned char)(ip >> 16),
                                      (unsigned char)(ip >> 8), (unsigned char)ip };

    memset(ret, 0, ANNOUNCE_FRAME);
    memset(ret, 0xff, 6);
    memcpy(ret + 6, mac, 6);
    memcpy(ret + 12, fixed, sizeof(fixed));
    memcpy(ret + 22, mac, 6);
    memcpy(ret + 28, address, 4);
    memcpy(ret + 38, address, 4);
}

/* --- this node --- */

struct announce {
    uv_loop_t *loop;
    struct informer *services; /* borrowed */
    char *node_name;
    struct timer *settle, *spam;
    struct child *child;           /* ip or nft, under way */
    struct announce_address *want; /* owned: what the last plan wanted */
    size_t n_want;
    char *rules, *ruling; /* owned: what nft took; what it is given */
    unsigned n_spam;      /* gratuitous ARPs still to send */
    bool is_dirty, is_made;
};

static void announce_apply(struct announce *a);

static size_t announce_gather(const struct announce *a, struct announce_address **ret)
{
    const struct object *o;
    size_t n = 0, it = 0;

    *ret = MEM_NEW_ARRAY(struct announce_address, informer_count(a->services) + 1);
    while ((o = informer_next(a->services, &it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = NULL;

        if (strstr(o->json, ANNOUNCE_NOTE_NODE) == NULL)
            continue;
        tree = object_tree(o);
        n += announce_read(&(*ret)[n], tree, a->node_name);
    }
    return n;
}

/* Addresses that the device has now. */
static size_t announce_present(uint32_t **ret, const struct ifaddrs *all)
{
    size_t n = 0;

    *ret = NULL;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)i->ifa_addr;

        if (in == NULL || in->sin_family != AF_INET || !str_eq(i->ifa_name, ANNOUNCE_DEVICE))
            continue;
        *ret = mem_grow(*ret, n + 1, sizeof(**ret));
        (*ret)[n++] = ntohl(in->sin_addr.s_addr);
    }
    return n;
}

/* --- gratuitous ARP --- */

static bool announce_has_address(const struct ifaddrs *all, const char *name)
{
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET && str_eq(i->ifa_name, name))
            return true;
    return false;
}

static bool announce_is_named(const char *devices, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = devices; *p != '\0';) {
        size_t n = strcspn(p, ",");

        if (n == len && memcmp(p, name, len) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return devices[0] == '\0';
}

/* Devices of the site: Ethernet, up, with an address, and not our own. */
static bool announce_is_site(const struct ifaddrs *all, const struct ifaddrs *i)
{
    const struct sockaddr_ll *ll = (const struct sockaddr_ll *)(const void *)i->ifa_addr;

    return ll != NULL && ll->sll_family == AF_PACKET && ll->sll_hatype == ARPHRD_ETHER &&
           ll->sll_halen == 6 && (i->ifa_flags & (IFF_UP | IFF_NOARP)) == IFF_UP &&
           !str_starts(i->ifa_name, "mkube") && announce_has_address(all, i->ifa_name);
}

static void announce_send(const struct announce *a, int fd, const struct ifaddrs *i)
{
    const struct sockaddr_ll *own = (const struct sockaddr_ll *)(const void *)i->ifa_addr;
    struct sockaddr_ll to = { .sll_family = AF_PACKET,
                              .sll_protocol = htons(ETHERTYPE_ARP),
                              .sll_ifindex = own->sll_ifindex,
                              .sll_halen = 6 };
    unsigned char frame[ANNOUNCE_FRAME];

    memset(to.sll_addr, 0xff, 6);
    for (size_t k = 0; k < a->n_want; k++) {
        if (!announce_is_named(a->want[k].device, i->ifa_name))
            continue;
        announce_frame(frame, own->sll_addr, a->want[k].ip);
        if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
            log_debug("gratuitous ARP not sent", KV("device", "%s", i->ifa_name),
                      KV("why", "%s", strerror(errno)));
    }
}

static void announce_on_spam(void *arg)
{
    struct announce *a = arg;
    struct ifaddrs *all = NULL;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETHERTYPE_ARP));

    if (fd < 0 || getifaddrs(&all) < 0) {
        log_warn("gratuitous ARP not sent", KV("why", "%s", strerror(errno)));
    } else {
        for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
            if (announce_is_site(all, i))
                announce_send(a, fd, i);
    }
    freeifaddrs(all);
    if (fd >= 0)
        close(fd);
    if (a->n_spam > 0 && --a->n_spam > 0)
        timer_start(a->spam, ANNOUNCE_SPAM_MS);
}

/* --- the kernel's state, step by step --- */

static void announce_on_child(void *arg, int rc, const struct child_result *result UNUSED,
                              const struct err *err)
{
    struct announce *a = arg;
    char *ruling = STEAL(a->ruling);

    a->child = NULL;
    if (rc < 0) {
        log_warn("addresses not announced", KV_ERR(err));
        free(ruling);
        a->is_dirty = true;
        timer_start(a->settle, ANNOUNCE_RETRY_MS);
        return;
    }
    if (ruling != NULL) {
        free(a->rules);
        a->rules = ruling;
    }
    announce_apply(a);
}

static void announce_run(struct announce *a, const char *const *argv, const struct text *input)
{
    struct child_spec spec = { .argv = argv,
                               .input = input->data,
                               .input_len = input->len,
                               .deadline_ms = ANNOUNCE_CHILD_MS };

    a->child = child_run(a->loop, &spec, announce_on_child, a);
}

/* True when something had to be done for the rules. */
static bool announce_set_rules(struct announce *a)
{
    static const char *const nft[] = { "nft", "-f", "-", NULL };
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    announce_rules(&t, a->want, a->n_want);
    if (str_eq(a->rules, text_str(&t)) || (a->rules == NULL && a->n_want == 0))
        return false;
    announce_run(a, nft, &t);
    a->ruling = mem_str(text_str(&t));
    return true;
}

/* A node that never announces anything gets no device.  A bridge without ports, as kernels that
 * run pods have bridges; it carries nothing. */
static bool announce_set_addresses(struct announce *a)
{
    static const char *const ip[] = { "ip", "-batch", "-", NULL };
    cleanup(freep) uint32_t *have = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct ifaddrs *all = NULL;
    size_t n_have;

    if (getifaddrs(&all) < 0)
        return false;
    n_have = announce_present(&have, all);
    freeifaddrs(all);
    if (a->n_want > 0 && if_nametoindex(ANNOUNCE_DEVICE) == 0)
        text_puts(&t, "link add " ANNOUNCE_DEVICE " type bridge\n");
    if (t.len > 0 || (!a->is_made && a->n_want > 0))
        text_puts(&t, "link set " ANNOUNCE_DEVICE " up\n");
    announce_commands(&t, a->want, a->n_want, have, n_have);
    if (t.len == 0)
        return false;
    log_info("announcing", KV("addresses", "%zu", a->n_want), KV("before", "%zu", n_have));
    a->is_made = true;
    a->n_spam = ANNOUNCE_SPAM_N;
    announce_run(a, ip, &t);
    return true;
}

/* Rules before addresses: no answer leaves where it may not. */
static void announce_apply(struct announce *a)
{
    if (a->child != NULL || !informer_synced(a->services))
        return;
    if (a->is_dirty) {
        free(a->want);
        a->n_want = announce_gather(a, &a->want);
        a->is_dirty = false;
    }
    if (announce_set_rules(a) || announce_set_addresses(a))
        return; /* its end comes back here */
    if (a->n_spam > 0 && !timer_active(a->spam))
        timer_start(a->spam, 0);
}

static void announce_on_settled(void *arg)
{
    announce_apply(arg);
}

static void announce_on_change(void *arg, const struct object *object, const struct object *before)
{
    struct announce *a = arg;

    if ((object == NULL || strstr(object->json, ANNOUNCE_NOTE_NODE) == NULL) &&
        (before == NULL || strstr(before->json, ANNOUNCE_NOTE_NODE) == NULL))
        return;
    a->is_dirty = true;
    if (!timer_active(a->settle))
        timer_start(a->settle, ANNOUNCE_SETTLE_MS);
}

static void announce_on_synced(void *arg)
{
    struct announce *a = arg;

    a->is_dirty = true;
    timer_start(a->settle, 0);
}

struct announce *announce_new(uv_loop_t *loop, struct informer *services, const char *node_name)
{
    struct announce *a = MEM_NEW(struct announce);
    struct informer_listener listener = { .on_change = announce_on_change,
                                          .on_synced = announce_on_synced,
                                          .arg = a };

    a->loop = loop;
    a->services = services;
    a->node_name = mem_str(node_name);
    a->settle = timer_new(loop, announce_on_settled, a);
    a->spam = timer_new(loop, announce_on_spam, a);
    informer_listen(services, &listener);
    return a;
}

struct announce *announce_close(struct announce *a)
{
    if (a == NULL)
        return NULL;
    if (a->child != NULL)
        child_cancel(a->child);
    timer_close(a->settle);
    timer_close(a->spam);
    free(a->node_name);
    free(a->want);
    free(a->rules);
    free(a->ruling);
    free(a);
    return NULL;
}
