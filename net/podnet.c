#include "net/podnet.h"

#include "api/alloc.h"
#include "base/bits.h"
#include "base/child.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/work.h"
#include "net/netns.h"
#include "net/nft_canary.h"
#include "net/peers.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PODNET_BRIDGE         "mkube0"
#define PODNET_VXLAN_OVERHEAD 50
#define PODNET_IP_MS          10000

struct podnet {
    uv_loop_t *loop;
    struct peers *peers; /* owned */
    struct alloc *ips;   /* owned; NULL without pods here */
    struct nft_canary *canary;
    struct child *nft;      /* setting @masquerade again, or NULL */
    char *masquerade;       /* owned rules */
    struct map *pods;       /* id -> char *ip, owned */
    char *net_dir, *ns_dir; /* owned: records and pins */
    char gateway[ALLOC_IP_MAX];
    int mtu;
};

static char *podnet_ns_path(const struct podnet *p, const char *id)
{
    return mem_fmt("%s/%s", p->ns_dir, id);
}

/* Interface names hold 15 characters: a hash of the id tells pods apart. */
static void podnet_veth(char ret[16], const char *id)
{
    snprintf(ret, 16, "mk%012llx",
             (unsigned long long)(bits_fnv64a(id, strlen(id)) & 0xffffffffffffULL));
}

/* --- start: bridge, forwarding, masquerade --- */

static int podnet_sysctl(const char *name, const char *value, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("/proc/sys/net/ipv4/%s", name);
    FILE *f = fopen(path, "we");
    bool ok = f != NULL && fputs(value, f) >= 0;

    if (f != NULL)
        ok = fclose(f) == 0 && ok;
    return ok ? 0 : err_errno(err, errno, "set %s", path);
}

static int podnet_mtu(const char *link)
{
    struct ifreq req;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int mtu = 1500;

    memset(&req, 0, sizeof(req));
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%.15s", link);
    if (fd >= 0 && ioctl(fd, SIOCGIFMTU, &req) == 0)
        mtu = req.ifr_mtu;
    if (fd >= 0)
        close(fd);
    return mtu;
}

static int podnet_pipe(const char *const *argv, const struct text *input, struct err *err)
{
    struct child_spec child = {
        .argv = argv, .input = input->data, .input_len = input->len, .deadline_ms = PODNET_IP_MS
    };

    return child_run_sync(&child, NULL, NULL, err);
}

static int podnet_make_bridge(const struct podnet *p, const struct podnet_opts *opts, unsigned bits,
                              struct err *err)
{
    static const char *const argv[] = { "ip", "-batch", "-", NULL };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char mac[18];
    uint32_t gateway;

    alloc_ip_parse(p->gateway, &gateway);
    peers_mac(mac, gateway);
    if (if_nametoindex(PODNET_BRIDGE) == 0)
        text_fmt(&t, "link add " PODNET_BRIDGE " address %s mtu %d type bridge\n", mac, p->mtu);
    text_fmt(&t, "addr replace %s/%u dev " PODNET_BRIDGE "\n", p->gateway, bits);
    if (opts->dns_ip != NULL)
        text_fmt(&t, "addr replace %s/32 dev " PODNET_BRIDGE "\n", opts->dns_ip);
    text_puts(&t, "link set " PODNET_BRIDGE " up\n");
    /* A host without a default route must be able to call Services too: DNAT happens after
     * the first routing decision, so there must be one. */
    text_fmt(&t, "route replace %s dev " PODNET_BRIDGE "\n", opts->service_cidr);
    return podnet_pipe(argv, &t, err);
}

static const char *const podnet_nft[] = { "nft", "-f", "-", NULL };

static void podnet_on_nft(void *arg, int rc, const struct child_result *result UNUSED,
                          const struct err *err)
{
    struct podnet *p = arg;

    p->nft = NULL;
    if (rc < 0)
        log_warn("masquerading not set", KV_ERR(err));
    nft_canary_watch(p->canary, p->masquerade); /* which tries again */
}

static void podnet_on_lost(void *arg)
{
    struct podnet *p = arg;
    struct child_spec spec = { .argv = podnet_nft,
                               .input = p->masquerade,
                               .input_len = strlen(p->masquerade),
                               .deadline_ms = PODNET_IP_MS };

    p->nft = child_run(p->loop, &spec, podnet_on_nft, p);
}

/* Pods speak with their own address inside the cluster and with the node's outside of it. */
static int podnet_masquerade(struct podnet *p, const struct podnet_opts *opts, struct err *err)
{
    struct text t = TEXT_EMPTY;
    int rc;

    text_fmt(&t,
             "table ip mkube_pods {}\n"
             "delete table ip mkube_pods\n"
             "table ip mkube_pods {\n"
             "  chain postrouting {\n"
             "    type nat hook postrouting priority srcnat + 1; policy accept;\n"
             "    ip saddr %s ip daddr != { %s, %s } oifname != \"" PODNET_BRIDGE "\" masquerade\n"
             "  }\n"
             "}\n",
             opts->pod_cidr, opts->cluster_cidr, opts->service_cidr);
    rc = podnet_pipe(podnet_nft, &t, err);
    p->masquerade = text_take(&t);
    p->canary = nft_canary_new(p->loop, "mkube_pods", podnet_on_lost, p);
    nft_canary_watch(p->canary, p->masquerade);
    return rc;
}

static int podnet_prepare(struct podnet *p, const struct podnet_opts *opts, unsigned bits,
                          struct err *err)
{
    int rc = podnet_sysctl("ip_forward", "1", err);

    if (rc == 0)
        rc = podnet_make_bridge(p, opts, bits, err);
    /* Neighbours talk through us: telling them of a shorter way would break Services. */
    if (rc == 0)
        rc = podnet_sysctl("conf/" PODNET_BRIDGE "/send_redirects", "0", err);
    if (rc == 0)
        rc = podnet_sysctl("conf/all/send_redirects", "0", err);
    return rc == 0 ? podnet_masquerade(p, opts, err) : rc;
}

/* --- records: a file per pod, named by id, holding its address --- */

static void podnet_recall_one(struct podnet *p, const char *id)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", p->net_dir, id);
    cleanup(freep) char *ns = podnet_ns_path(p, id);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;
    uint32_t ip;

    if (file_read(&t, path, 64, &ignored) == 0 && netns_is_pinned(ns) &&
        alloc_ip_parse(text_str(&t), &ip) && alloc_take(p->ips, ip))
        map_put(p->pods, id, text_take(&t));
    else
        unlink(path); /* from before a reboot, or half made */
}

static int podnet_recall(struct podnet *p, struct err *err)
{
    DIR *dir = opendir(p->net_dir);
    struct dirent *entry;

    if (dir == NULL)
        return err_errno(err, errno, "open %s", p->net_dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            podnet_recall_one(p, entry->d_name);
    closedir(dir);
    return 0;
}

static int podnet_make_dirs(struct podnet *p, const char *run_dir, struct err *err)
{
    int rc;

    p->net_dir = mem_fmt("%s/net", run_dir);
    p->ns_dir = mem_fmt("%s/netns", run_dir);
    rc = file_mkdirs(p->net_dir, 0700, err);
    return rc == 0 ? file_mkdirs(p->ns_dir, 0700, err) : rc;
}

int podnet_new(struct podnet **ret, uv_loop_t *loop, const struct podnet_opts *opts,
               struct err *err)
{
    struct podnet *p = MEM_NEW(struct podnet);
    struct peers_link link;
    uint32_t first;
    unsigned bits;
    int rc = alloc_cidr(&first, &bits, opts->pod_cidr, err);

    p->loop = loop;
    p->pods = map_new(free);
    if (rc == 0)
        rc = peers_find_link(&link, opts->node_ip, err);
    if (rc == 0)
        rc = podnet_make_dirs(p, opts->run_dir, err);
    if (rc < 0)
        goto out;
    p->mtu = opts->mtu != 0 ? opts->mtu : podnet_mtu(link.name) - PODNET_VXLAN_OVERHEAD;
    alloc_ip_print(p->gateway, first + 1);
    p->ips = alloc_new(first + 2, (1u << (32 - bits)) - 3);
    rc = podnet_prepare(p, opts, bits, err);
    if (rc == 0)
        rc = podnet_recall(p, err);
    if (rc == 0)
        rc = peers_new(&p->peers, loop, opts->node_ip, opts->pod_cidr, opts->run_dir, err);
out:
    if (rc < 0) {
        podnet_free(p);
        return err_wrap(err, rc, "pod network %s", opts->pod_cidr);
    }
    *ret = p;
    return 0;
}

int podnet_new_routes_only(struct podnet **ret, uv_loop_t *loop, const char *node_ip,
                           const char *run_dir, struct err *err)
{
    struct podnet *p = MEM_NEW(struct podnet);
    int rc;

    p->loop = loop;
    p->pods = map_new(free);
    rc = peers_new(&p->peers, loop, node_ip, NULL, run_dir, err);
    if (rc < 0) {
        podnet_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

struct podnet *podnet_free(struct podnet *p)
{
    if (p == NULL)
        return NULL;
    if (p->nft != NULL)
        child_cancel(p->nft);
    nft_canary_close(p->canary);
    free(p->masquerade);
    peers_free(p->peers);
    alloc_free(p->ips);
    map_free(p->pods);
    free(p->net_dir);
    free(p->ns_dir);
    free(p);
    return NULL;
}

void podnet_set_peers(struct podnet *p, const struct podnet_peer *peers, size_t n)
{
    peers_set(p->peers, peers, n);
}

bool podnet_get(const struct podnet *p, const char *id, char ret_ip[PODNET_IP_MAX])
{
    const char *ip = map_get(p->pods, id);

    if (ip == NULL)
        return false;
    snprintf(ret_ip, PODNET_IP_MAX, "%s", ip);
    return true;
}

/* --- add and del --- */

struct podnet_job {
    struct podnet *p;                 /* borrowed: jobs end before it does (agent waits) */
    char *id, *ns_path, *record, *ip; /* owned */
    char gateway[ALLOC_IP_MAX];
    char veth[16];
    int mtu;
    podnet_done_fn on_added;
    void (*on_deleted)(void *arg, int rc, const struct err *err);
    void *arg;
};

static struct podnet_job *podnet_job_new(struct podnet *p, const char *id)
{
    struct podnet_job *j = MEM_NEW(struct podnet_job);

    j->p = p;
    j->id = mem_str(id);
    j->ns_path = podnet_ns_path(p, id);
    j->record = mem_fmt("%s/%s", p->net_dir, id);
    j->mtu = p->mtu;
    memcpy(j->gateway, p->gateway, sizeof(j->gateway));
    podnet_veth(j->veth, id);
    return j;
}

static void podnet_job_free(struct podnet_job *j)
{
    free(j->id);
    free(j->ns_path);
    free(j->record);
    free(j->ip);
    free(j);
}

static int podnet_add_run(void *arg, struct err *err)
{
    struct podnet_job *j = arg;
    struct netns_spec spec = { .path = j->ns_path,
                               .bridge = PODNET_BRIDGE,
                               .veth = j->veth,
                               .ip = j->ip,
                               .gateway = j->gateway,
                               .mtu = j->mtu };
    int rc = netns_drop(j->ns_path, j->veth, err); /* a half-made one from before */

    if (rc == 0)
        rc = netns_make(&spec, err);
    return rc == 0 ? file_write_fast(j->record, j->ip, strlen(j->ip), 0600, err) : rc;
}

static void podnet_add_done(void *arg, int rc, const struct err *err)
{
    struct podnet_job *j = arg;
    uint32_t ip;

    if (rc < 0 && alloc_ip_parse(j->ip, &ip)) {
        alloc_give(j->p->ips, ip);
        map_del(j->p->pods, j->id);
    }
    j->on_added(j->arg, rc, rc == 0 ? j->ip : NULL, rc == 0 ? j->ns_path : NULL, err);
    podnet_job_free(j);
}

/* An answer known already still comes from the loop, never from within the call. */
static int podnet_known_run(void *arg, struct err *err)
{
    struct podnet_job *j = arg;

    return j->ip != NULL ? 0
                         : err_set(err, ERR_NOSPACE, "no address is left in the node's pod CIDR");
}

static void podnet_known_done(void *arg, int rc, const struct err *err)
{
    struct podnet_job *j = arg;

    j->on_added(j->arg, rc, rc == 0 ? j->ip : NULL, rc == 0 ? j->ns_path : NULL, err);
    podnet_job_free(j);
}

void podnet_add(struct podnet *p, const char *id, podnet_done_fn done, void *arg)
{
    struct podnet_job *j = podnet_job_new(p, id);
    const char *known = map_get(p->pods, id);
    char text[ALLOC_IP_MAX];
    uint32_t ip;

    j->on_added = done;
    j->arg = arg;
    if (known != NULL && netns_is_pinned(j->ns_path)) {
        j->ip = mem_str(known);
        work_submit(p->loop, podnet_known_run, podnet_known_done, j);
        return;
    }
    if (known != NULL) {
        j->ip = mem_str(known);
    } else if (alloc_any(p->ips, bits_fnv32a(id, strlen(id)), &ip)) {
        alloc_ip_print(text, ip);
        j->ip = mem_str(text);
        map_put(p->pods, id, mem_str(text));
    } else {
        work_submit(p->loop, podnet_known_run, podnet_known_done, j);
        return;
    }
    work_submit(p->loop, podnet_add_run, podnet_add_done, j);
}

static int podnet_del_run(void *arg, struct err *err)
{
    struct podnet_job *j = arg;
    int rc = netns_drop(j->ns_path, j->veth, err);

    if (rc == 0 && unlink(j->record) < 0 && errno != ENOENT)
        rc = err_errno(err, errno, "remove %s", j->record);
    return rc;
}

static void podnet_del_done(void *arg, int rc, const struct err *err)
{
    struct podnet_job *j = arg;
    char text[PODNET_IP_MAX];
    uint32_t ip;

    if (rc == 0 && podnet_get(j->p, j->id, text) && alloc_ip_parse(text, &ip)) {
        alloc_give(j->p->ips, ip);
        map_del(j->p->pods, j->id);
    }
    if (j->on_deleted != NULL)
        j->on_deleted(j->arg, rc, err);
    podnet_job_free(j);
}

void podnet_del(struct podnet *p, const char *id,
                void (*done)(void *arg, int rc, const struct err *err), void *arg)
{
    struct podnet_job *j = podnet_job_new(p, id);

    j->on_deleted = done;
    j->arg = arg;
    work_submit(p->loop, podnet_del_run, podnet_del_done, j);
}

static void podnet_on_swept(void *arg, int rc, const struct err *err)
{
    (void)arg;
    if (rc < 0)
        log_warn("leftover pod network not removed", KV_ERR(err));
}

void podnet_sweep(struct podnet *p, const char *const *ids)
{
    const char **known = map_keys(p->pods);

    for (size_t k = 0; known[k] != NULL; k++) {
        bool kept = false;

        for (size_t i = 0; ids[i] != NULL; i++)
            kept = kept || str_eq(ids[i], known[k]);
        if (!kept)
            podnet_del(p, known[k], podnet_on_swept, NULL);
    }
    free(known);
}
