#include "net/peers.h"

#include "api/alloc.h"
#include "base/child.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define PEERS_IP_MS    10000
#define PEERS_RETRY_MS 3000
#define PEERS_WATCH_MS 15000 /* looks whether the routes are still there */
#define PEERS_FILE_MAX (1024 * 1024)

/* --- pure --- */

void peers_plan_fini(struct peers_plan *p)
{
    text_fini(&p->ip);
    text_fini(&p->fdb);
}

void peers_mac(char ret[18], uint32_t node_ip)
{
    snprintf(ret, 18, "0a:58:%02x:%02x:%02x:%02x", node_ip >> 24, (node_ip >> 16) & 255,
             (node_ip >> 8) & 255, node_ip & 255);
}

static bool peers_same(const struct podnet_peer *a, const struct podnet_peer *b)
{
    return str_eq(a->node_ip, b->node_ip) && str_eq(a->pod_cidr, b->pod_cidr);
}

static bool peers_has(const struct podnet_peer *list, size_t n, const struct podnet_peer *peer)
{
    for (size_t i = 0; i < n; i++)
        if (peers_same(&list[i], peer))
            return true;
    return false;
}

static const struct podnet_peer *peers_find_cidr(const struct podnet_peer *list, size_t n,
                                                 const char *cidr)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i].pod_cidr, cidr))
            return &list[i];
    return NULL;
}

/* Both become words of commands: nothing else may be in them.  A peer at our own address is the
 * agent beside this server: its pods are on this host, and no route must lead elsewhere. */
static bool peers_parse(const struct peers_link *link, const struct podnet_peer *peer,
                        uint32_t *ret_ip)
{
    struct err ignored = ERR_EMPTY;
    uint32_t first;
    unsigned bits;

    return alloc_ip_parse(peer->node_ip, ret_ip) && *ret_ip != link->ip &&
           alloc_cidr(&first, &bits, peer->pod_cidr, &ignored) == 0;
}

static bool peers_on_link(const struct peers_link *link, uint32_t ip)
{
    return (link->ip & link->mask) == (ip & link->mask);
}

static void peers_plan_add(struct peers_plan *ret, const struct peers_link *link,
                           const struct podnet_peer *peer)
{
    cleanup(freep) char *first = mem_strn(peer->pod_cidr, strcspn(peer->pod_cidr, "/"));
    char mac[18];
    uint32_t ip;

    if (!peers_parse(link, peer, &ip))
        return;
    if (peers_on_link(link, ip)) {
        text_fmt(&ret->ip, "route replace %s via %s dev %s\n", peer->pod_cidr, peer->node_ip,
                 link->name);
        return;
    }
    peers_mac(mac, ip);
    ret->needs_vxlan = true;
    text_fmt(&ret->ip, "neigh replace %s lladdr %s dev " PEERS_VXLAN " nud permanent\n", first,
             mac);
    text_fmt(&ret->ip, "route replace %s via %s dev " PEERS_VXLAN " onlink\n", peer->pod_cidr,
             first);
    text_fmt(&ret->fdb, "fdb replace %s dev " PEERS_VXLAN " dst %s self permanent\n", mac,
             peer->node_ip);
}

/* @heir: who has the network now; its route replaces the old one. */
static void peers_plan_del(struct peers_plan *ret, const struct peers_link *link,
                           const struct podnet_peer *peer, const struct podnet_peer *heir)
{
    cleanup(freep) char *first = mem_strn(peer->pod_cidr, strcspn(peer->pod_cidr, "/"));
    char mac[18];
    uint32_t ip, heir_ip;

    if (!peers_parse(link, peer, &ip))
        return;
    if (heir == NULL)
        text_fmt(&ret->ip, "route del %s\n", peer->pod_cidr);
    if (peers_on_link(link, ip))
        return;
    peers_mac(mac, ip);
    if (heir == NULL || (peers_parse(link, heir, &heir_ip) && peers_on_link(link, heir_ip)))
        text_fmt(&ret->ip, "neigh del %s dev " PEERS_VXLAN "\n", first);
    text_fmt(&ret->fdb, "fdb del %s dev " PEERS_VXLAN " dst %s self\n", mac, peer->node_ip);
}

void peers_plan(struct peers_plan *ret, const struct peers_link *link,
                const struct podnet_peer *before, size_t n_before, const struct podnet_peer *now,
                size_t n_now)
{
    for (size_t i = 0; i < n_before; i++)
        if (!peers_has(now, n_now, &before[i]))
            peers_plan_del(ret, link, &before[i], peers_find_cidr(now, n_now, before[i].pod_cidr));
    /* All present ones again: replace is idempotent and mends what somebody took away. */
    for (size_t i = 0; i < n_now; i++)
        peers_plan_add(ret, link, &now[i]);
}

static bool peers_has_route(const char *routes, uint32_t first, uint32_t mask)
{
    for (const char *line = routes; line != NULL; line = strchr(line, '\n')) {
        unsigned destination, line_mask;

        line += *line == '\n';
        if (sscanf(line, "%*s %x %*x %*x %*d %*d %*d %x", &destination, &line_mask) == 2 &&
            ntohl(destination) == first && ntohl(line_mask) == mask)
            return true;
    }
    return false;
}

bool peers_have_routes(const char *routes, const struct peers_link *link,
                       const struct podnet_peer *peers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err ignored = ERR_EMPTY;
        uint32_t first, ip;
        unsigned bits;

        if (!peers_parse(link, &peers[i], &ip) ||
            alloc_cidr(&first, &bits, peers[i].pod_cidr, &ignored) < 0)
            continue;
        if (!peers_has_route(routes, first, bits == 0 ? 0 : UINT32_MAX << (32 - bits)))
            return false;
    }
    return true;
}

/* --- the link --- */

static int peers_take_link(struct peers_link *ret, const struct ifaddrs *list, uint32_t ip)
{
    for (const struct ifaddrs *a = list; a != NULL; a = a->ifa_next) {
        if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_INET || a->ifa_netmask == NULL)
            continue;
        if (ntohl(((struct sockaddr_in *)a->ifa_addr)->sin_addr.s_addr) != ip)
            continue;
        ret->ip = ip;
        ret->mask = ntohl(((struct sockaddr_in *)a->ifa_netmask)->sin_addr.s_addr);
        snprintf(ret->name, sizeof(ret->name), "%s", a->ifa_name);
        return 0;
    }
    return 1;
}

int peers_find_link(struct peers_link *ret, const char *node_ip, struct err *err)
{
    struct ifaddrs *list = NULL;
    uint32_t ip;
    int rc;

    if (!alloc_ip_parse(node_ip, &ip))
        return err_set(err, ERR_INVALID, "node address %s is not an IPv4 address", node_ip);
    if (getifaddrs(&list) < 0)
        return err_set(err, ERR_IO, "cannot list network interfaces");
    rc = peers_take_link(ret, list, ip);
    freeifaddrs(list);
    return rc == 0 ? 0
                   : err_set(err, ERR_NOT_FOUND, "no interface holds the node address %s", node_ip);
}

/* --- effects --- */

struct peers_set {
    struct podnet_peer *list; /* owned, with owned strings */
    size_t n;
};

static void peers_set_fini(struct peers_set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free((char *)(uintptr_t)s->list[i].node_ip);
        free((char *)(uintptr_t)s->list[i].pod_cidr);
    }
    free(s->list);
    memset(s, 0, sizeof(*s));
}

static void peers_set_add(struct peers_set *s, const char *node_ip, const char *pod_cidr)
{
    s->list = mem_grow(s->list, s->n + 1, sizeof(*s->list));
    s->list[s->n++] = (struct podnet_peer){ .node_ip = mem_str(node_ip),
                                            .pod_cidr = mem_str(pod_cidr) };
}

struct peers {
    uv_loop_t *loop;
    struct peers_link link;
    char *own_cidr, *path; /* owned; own_cidr NULL = no pods here */
    struct peers_set applied, wanted;
    struct timer *retry, *watch;
    struct peers_job *job; /* under way, or NULL */
    bool again;
    bool is_failing; /* and was told so */
};

struct peers_job {
    struct peers *owner; /* NULL when the owner went */
    struct peers_plan plan;
    struct peers_set set;
    struct peers_link link;
    char *own_cidr, *path;
};

static int peers_run(const char *program, const struct text *input, struct err *err)
{
    const char *const argv[] = { program, "-force", "-batch", "-", NULL };
    struct child_spec child = {
        .argv = argv, .input = input->data, .input_len = input->len, .deadline_ms = PEERS_IP_MS
    };

    return input->len == 0 ? 0 : child_run_sync(&child, NULL, NULL, err);
}

static int peers_make_vxlan(const struct peers_job *j, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char ip[ALLOC_IP_MAX], mac[18];

    if (if_nametoindex(PEERS_VXLAN) != 0)
        return 0;
    alloc_ip_print(ip, j->link.ip);
    peers_mac(mac, j->link.ip);
    text_fmt(&t,
             "link add " PEERS_VXLAN " address %s type vxlan id %d local %s dstport %d nolearning\n"
             "link set " PEERS_VXLAN " up\n",
             mac, PEERS_VXLAN_ID, ip, PEERS_VXLAN_PORT);
    if (j->own_cidr != NULL)
        text_fmt(&t, "addr replace %.*s/32 dev " PEERS_VXLAN "\n", (int)strcspn(j->own_cidr, "/"),
                 j->own_cidr);
    return peers_run("ip", &t, err);
}

static int peers_remember(const struct peers_job *j, struct err *err)
{
    cleanup(json_decrefpp) json_t *list = json_array();
    cleanup(freep) char *text = NULL;
    size_t len;

    for (size_t i = 0; i < j->set.n; i++)
        json_array_append_new(list,
                              json_pack("[s, s]", j->set.list[i].node_ip, j->set.list[i].pod_cidr));
    text = json_print(list, &len);
    return file_write_fast(j->path, text, len, 0600, err);
}

static int peers_job_run(void *arg, struct err *err)
{
    struct peers_job *j = arg;
    struct err deletion = ERR_EMPTY;
    int rc = j->plan.needs_vxlan ? peers_make_vxlan(j, err) : 0;

    if (rc == 0)
        rc = peers_run("ip", &j->plan.ip, err);
    if (rc == 0)
        rc = peers_run("bridge", &j->plan.fdb, &deletion); /* deleting what is gone is no failure */
    if (rc < 0 && err->code == 0)
        *err = deletion;
    return rc == 0 ? peers_remember(j, err) : rc;
}

static void peers_apply(struct peers *p);

static void peers_job_done(void *arg, int rc, const struct err *err)
{
    struct peers_job *j = arg;
    struct peers *p = j->owner;

    if (p != NULL) {
        p->job = NULL;
        if (rc == 0) {
            peers_set_fini(&p->applied);
            p->applied = j->set;
            memset(&j->set, 0, sizeof(j->set));
            timer_start(p->watch, PEERS_WATCH_MS);
        } else {
            if (!p->is_failing)
                log_warn("routes to other nodes not set", KV_ERR(err));
            timer_start(p->retry, PEERS_RETRY_MS);
        }
        p->is_failing = rc < 0;
        if (p->again)
            peers_apply(p);
    }
    peers_plan_fini(&j->plan);
    peers_set_fini(&j->set);
    free(j->own_cidr);
    free(j->path);
    free(j);
}

static void peers_apply(struct peers *p)
{
    struct peers_job *j;

    p->again = p->job != NULL;
    if (p->again)
        return;
    j = p->job = MEM_NEW(struct peers_job);
    j->owner = p;
    j->link = p->link;
    j->own_cidr = mem_str(p->own_cidr);
    j->path = mem_str(p->path);
    for (size_t i = 0; i < p->wanted.n; i++)
        peers_set_add(&j->set, p->wanted.list[i].node_ip, p->wanted.list[i].pod_cidr);
    peers_plan(&j->plan, &p->link, p->applied.list, p->applied.n, j->set.list, j->set.n);
    work_submit(p->loop, peers_job_run, peers_job_done, j);
}

static void peers_on_retry(void *arg)
{
    peers_apply(arg);
}

/* They go with a link that was down, however short (ifdown, networkd's restart). */
static void peers_on_watch(void *arg)
{
    struct peers *p = arg;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;

    if (p->job != NULL || timer_active(p->retry))
        return; /* its end starts us again */
    if (file_read(&t, "/proc/net/route", PEERS_FILE_MAX, &ignored) < 0 ||
        peers_have_routes(text_str(&t), &p->link, p->applied.list, p->applied.n)) {
        timer_start(p->watch, PEERS_WATCH_MS);
        return;
    }
    log_warn("routes to other nodes are gone: setting them again");
    peers_apply(p);
}

void peers_set(struct peers *p, const struct podnet_peer *peers, size_t n)
{
    peers_set_fini(&p->wanted);
    for (size_t i = 0; i < n; i++)
        peers_set_add(&p->wanted, peers[i].node_ip, peers[i].pod_cidr);
    peers_apply(p);
}

/* What a process before us had set: it is ours to take away. */
static void peers_recall(struct peers *p)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *list = NULL;
    struct err ignored = ERR_EMPTY;
    size_t i;
    json_t *row;

    if (file_read(&t, p->path, PEERS_FILE_MAX, &ignored) < 0 ||
        json_parse(&list, t.data, t.len, NULL, &ignored) < 0)
        return;
    json_array_foreach (list, i, row) {
        const char *ip = json_string_value(json_array_get(row, 0));
        const char *cidr = json_string_value(json_array_get(row, 1));

        if (ip != NULL && cidr != NULL)
            peers_set_add(&p->applied, ip, cidr);
    }
}

int peers_new(struct peers **ret, uv_loop_t *loop, const char *node_ip, const char *own_cidr,
              const char *run_dir, struct err *err)
{
    struct peers *p = MEM_NEW(struct peers);
    int rc = peers_find_link(&p->link, node_ip, err);

    if (rc == 0)
        rc = file_mkdirs(run_dir, 0755, err);
    if (rc < 0) {
        free(p);
        return rc;
    }
    p->loop = loop;
    p->own_cidr = mem_str(own_cidr);
    p->path = mem_fmt("%s/peers.json", run_dir);
    p->retry = timer_new(loop, peers_on_retry, p);
    p->watch = timer_new(loop, peers_on_watch, p);
    peers_recall(p);
    *ret = p;
    return 0;
}

struct peers *peers_free(struct peers *p)
{
    if (p == NULL)
        return NULL;
    if (p->job != NULL)
        p->job->owner = NULL;
    timer_close(p->retry);
    timer_close(p->watch);
    peers_set_fini(&p->applied);
    peers_set_fini(&p->wanted);
    free(p->own_cidr);
    free(p->path);
    free(p);
    return NULL;
}
