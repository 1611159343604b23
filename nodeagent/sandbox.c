#include "nodeagent/sandbox.h"

#include "api/pod_resources.h"
#include "api/quantity.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"
#include "net/podnet.h"
#include "nodeagent/pid_ns.h"
#include "nodeagent/pod_etc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define SANDBOX_HOSTNAME_MAX 64                   /* the kernel's __NEW_UTS_LEN */
#define SANDBOX_SHM_OPTIONS  "mode=1777,size=64m" /* as every container runtime has it */
#define SANDBOX_FILE_MAX     (1 << 20)
#define NSFS_MAGIC_          0x6e736673 /* linux/magic.h */

struct sandbox {
    const struct sandbox_host *host; /* borrowed */
    struct pod_view *pod;
    void (*mounted)(void *arg);
    sandbox_done_fn done; /* NULL once told or forgotten */
    void *arg;
    unsigned n_jobs;
    bool is_free;
    char ip[PODNET_IP_MAX];
    char *net_ns, *uts_ns, *ipc_ns, *shm;
    char *hostname;
    char *run_dir, *data_dir; /* of this pod */
    int rc;                   /* first failure of the jobs beside each other */
    struct err err;
};

/* --- worker thread: mounts --- */

static int sandbox_mkdir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return err_errno(err, errno, "make %s", path);
    return 0;
}

static bool sandbox_is_mount(const char *path)
{
    cleanup(freep) char *parent = mem_fmt("%s/..", path);
    struct stat a, b;

    return stat(path, &a) == 0 && stat(parent, &b) == 0 && a.st_dev != b.st_dev;
}

static bool sandbox_is_ns(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC_;
}

static int sandbox_tmpfs(const char *path, const char *options, struct err *err)
{
    int rc = sandbox_mkdir(path, 0711, err);

    if (rc < 0 || sandbox_is_mount(path))
        return rc;
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return err_errno(err, errno, "mount a tmpfs at %s", path);
    return 0;
}

/* The namespaces of a thread can be its own: it makes them, pins them by bind mounts, and ends. */
struct sandbox_pin {
    const char *uts, *ipc; /* paths or NULL */
    const char *hostname;
    int errnum;
    const char *what;
};

static bool sandbox_pin_one(struct sandbox_pin *pin, const char *own, const char *path)
{
    int fd = open(path, O_CREAT | O_RDONLY | O_CLOEXEC, 0444);

    pin->what = path;
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && mount(own, path, NULL, MS_BIND, NULL) == 0)
        return true;
    pin->errnum = errno;
    return false;
}

static void *sandbox_pin_thread(void *arg)
{
    struct sandbox_pin *pin = arg;
    int flags = (pin->uts != NULL ? CLONE_NEWUTS : 0) | (pin->ipc != NULL ? CLONE_NEWIPC : 0);

    pin->what = "unshare";
    if (unshare(flags) < 0 ||
        (pin->uts != NULL && sethostname(pin->hostname, strlen(pin->hostname)) < 0)) {
        pin->errnum = errno;
        return NULL;
    }
    if (pin->uts != NULL && !sandbox_pin_one(pin, "/proc/thread-self/ns/uts", pin->uts))
        return NULL;
    if (pin->ipc != NULL)
        sandbox_pin_one(pin, "/proc/thread-self/ns/ipc", pin->ipc);
    return NULL;
}

static int sandbox_pin_all(const struct sandbox *s, struct err *err)
{
    struct sandbox_pin pin = {
        .uts = s->uts_ns != NULL && !sandbox_is_ns(s->uts_ns) ? s->uts_ns : NULL,
        .ipc = s->ipc_ns != NULL && !sandbox_is_ns(s->ipc_ns) ? s->ipc_ns : NULL,
    };
    pthread_t thread;
    int rc;

    if (pin.uts == NULL && pin.ipc == NULL)
        return 0;
    pin.hostname = s->hostname;
    rc = pthread_create(&thread, NULL, sandbox_pin_thread, &pin);
    if (rc != 0)
        return err_errno(err, rc, "start a thread");
    pthread_join(thread, NULL);
    return pin.errnum == 0 ? 0 : err_errno(err, pin.errnum, "make namespaces: %s", pin.what);
}

/* The pod's own group holds the sum, so that pods share the CPU by what they asked for. */
static int sandbox_cgroup(const struct sandbox *s, struct err *err)
{
    struct cgroup_limits l = { .cpu_quota_us = 0, .memory = 0 };
    struct pod_resources sum = POD_RESOURCES_EMPTY;
    bool has_quota = true, has_memory = true;

    pod_resources_sum(&sum, s->pod->spec);
    l.cpu_shares = sum.cpu_milli * 1024 / 1000;
    l.cpu_shares = l.cpu_shares < 2 ? 2 : l.cpu_shares > 262144 ? 262144 : l.cpu_shares;
    pod_resources_fini(&sum);
    for (size_t i = 0; i < s->pod->n; i++) {
        const json_t *limits = json_at(s->pod->containers[i].spec, "resources.limits");
        int64_t cpu = quantity_text_milli(json_str(limits, "cpu"), 0);
        int64_t memory = quantity_text_value(json_str(limits, "memory"), 0);

        has_quota = has_quota && cpu > 0;
        has_memory = has_memory && memory > 0;
        l.cpu_quota_us += cpu * 100;
        l.memory += memory;
    }
    if (!has_quota)
        l.cpu_quota_us = -1;
    else if (l.cpu_quota_us < 1000)
        l.cpu_quota_us = 1000;
    if (!has_memory)
        l.memory = -1;
    return cgroup_make_pod(runtime_cgroup(s->host->rt), s->pod->uid, &l, err);
}

static int sandbox_mount_run(void *arg, struct err *err)
{
    struct sandbox *s = arg;
    cleanup(freep) char *volumes = mem_fmt("%s/volumes", s->run_dir);
    cleanup(freep) char *data_volumes = mem_fmt("%s/volumes", s->data_dir);
    cleanup(freep) char *etc = mem_fmt("%s/etc", s->data_dir);
    int rc = 0;

    if (s->uts_ns != NULL && strlen(s->hostname) > SANDBOX_HOSTNAME_MAX)
        rc = err_set(err, ERR_INVALID,
                     "failed to construct FQDN from Pod hostname and cluster domain, FQDN %s is "
                     "too long (%d characters is the max, %zu characters requested)",
                     s->hostname, SANDBOX_HOSTNAME_MAX, strlen(s->hostname));
    if (rc == 0)
        rc = sandbox_tmpfs(s->run_dir, "mode=0711", err);
    if (rc == 0)
        rc = sandbox_mkdir(volumes, 0711, err);
    if (rc == 0)
        rc = file_mkdirs(data_volumes, 0711, err);
    if (rc == 0)
        rc = sandbox_mkdir(etc, 0755, err);
    if (rc == 0 && s->shm != NULL)
        rc = sandbox_tmpfs(s->shm, SANDBOX_SHM_OPTIONS, err);
    if (rc == 0)
        rc = sandbox_pin_all(s, err);
    if (rc == 0)
        rc = sandbox_cgroup(s, err);
    return rc;
}

static char *sandbox_read(const char *path)
{
    struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;

    file_read(&t, path, SANDBOX_FILE_MAX, &ignored);
    return text_take(&t);
}

/* Containers hold these files by bind mount: what is right already is left in place. */
static int sandbox_write_etc(const struct sandbox *s, const char *file, const struct text *t,
                             struct err *err)
{
    cleanup(freep) char *path = sandbox_etc(s, file);
    cleanup(freep) char *have = sandbox_read(path);

    if (str_eq(have, text_str(t)) && file_exists(path))
        return 0;
    return file_write_fast(path, text_str(t), t->len, 0644, err);
}

static int sandbox_etc_run(void *arg, struct err *err)
{
    struct sandbox *s = arg;
    cleanup(text_fini) struct text hosts = TEXT_EMPTY, resolv = TEXT_EMPTY, name = TEXT_EMPTY;
    cleanup(freep) char *host_hosts = sandbox_read("/etc/hosts");
    cleanup(freep) char *host_resolv = sandbox_read("/etc/resolv.conf");
    int rc;

    text_fmt(&name, "%s\n", s->hostname);
    pod_etc_hosts(&hosts, s->pod, s->ip, s->host->cluster_domain, host_hosts);
    pod_etc_resolv(&resolv, s->pod, s->host->dns_ip, s->host->cluster_domain, host_resolv);
    rc = sandbox_write_etc(s, "hosts", &hosts, err);
    if (rc == 0)
        rc = sandbox_write_etc(s, "hostname", &name, err);
    if (rc == 0)
        rc = sandbox_write_etc(s, "resolv.conf", &resolv, err);
    return rc;
}

/* --- loop --- */

static void sandbox_fini(struct sandbox *s)
{
    pod_view_unref(s->pod);
    free(s->net_ns);
    free(s->uts_ns);
    free(s->ipc_ns);
    free(s->shm);
    free(s->hostname);
    free(s->run_dir);
    free(s->data_dir);
    free(s);
}

static void sandbox_etc_done(void *arg, int rc, const struct err *err)
{
    struct sandbox *s = arg;
    sandbox_done_fn done = STEAL(s->done);

    s->n_jobs--;
    if (s->is_free)
        sandbox_fini(s);
    else
        done(s->arg, rc, err);
}

static void sandbox_on_step(struct sandbox *s, int rc, const struct err *err)
{
    if (rc < 0 && s->rc == 0) {
        s->rc = rc;
        s->err = *err;
    }
    if (--s->n_jobs > 0)
        return;
    if (s->is_free) {
        sandbox_fini(s);
        return;
    }
    if (s->rc < 0) {
        sandbox_done_fn done = STEAL(s->done);

        done(s->arg, s->rc, &s->err);
        return;
    }
    s->n_jobs++;
    work_submit(runtime_loop(s->host->rt), sandbox_etc_run, sandbox_etc_done, s);
}

static void sandbox_mount_done(void *arg, int rc, const struct err *err)
{
    struct sandbox *s = arg;

    if (rc == 0 && !s->is_free)
        s->mounted(s->arg);
    sandbox_on_step(s, rc, err);
}

static void sandbox_on_network(void *arg, int rc, const char *ip, const char *netns,
                               const struct err *err)
{
    struct sandbox *s = arg;

    if (rc == 0) {
        snprintf(s->ip, sizeof(s->ip), "%s", ip);
        s->net_ns = mem_str(netns);
    }
    sandbox_on_step(s, rc, err);
}

static char *sandbox_own_hostname(void)
{
    char name[SANDBOX_HOSTNAME_MAX + 1] = "";

    gethostname(name, sizeof(name) - 1);
    return mem_str(name);
}

struct sandbox *sandbox_make(const struct sandbox_host *host, struct pod_view *pod,
                             void (*mounted)(void *arg), sandbox_done_fn done, void *arg)
{
    struct sandbox *s = MEM_NEW(struct sandbox);

    s->host = host;
    s->pod = pod_view_ref(pod);
    s->mounted = mounted;
    s->done = done;
    s->arg = arg;
    s->run_dir = mem_fmt("%s/pods/%s", runtime_run_dir(host->rt), pod->uid);
    s->data_dir = mem_fmt("%s/pods/%s", runtime_data_dir(host->rt), pod->uid);
    s->hostname = pod->host_network ? sandbox_own_hostname()
                                    : pod_view_nodename(pod, host->cluster_domain);
    s->uts_ns = pod->host_network ? NULL : mem_fmt("%s/uts", s->run_dir);
    s->ipc_ns = pod->host_ipc ? NULL : mem_fmt("%s/ipc", s->run_dir);
    s->shm = pod->host_ipc ? NULL : mem_fmt("%s/shm", s->run_dir);
    s->n_jobs = 1 + !pod->host_network;
    work_submit(runtime_loop(host->rt), sandbox_mount_run, sandbox_mount_done, s);
    if (!pod->host_network)
        podnet_add(host->podnet, pod->uid, sandbox_on_network, s);
    return s;
}

bool sandbox_stands(const struct sandbox_host *host, const struct pod_view *pod)
{
    cleanup(freep) char *uts = mem_fmt("%s/pods/%s/uts", runtime_run_dir(host->rt), pod->uid);
    cleanup(freep) char *ipc = mem_fmt("%s/pods/%s/ipc", runtime_run_dir(host->rt), pod->uid);
    cleanup(freep) char *volumes = mem_fmt("%s/pods/%s/volumes", runtime_run_dir(host->rt),
                                           pod->uid);
    char ip[PODNET_IP_MAX];

    return file_exists(volumes) &&
           (pod->host_network || (sandbox_is_ns(uts) && podnet_get(host->podnet, pod->uid, ip))) &&
           (pod->host_ipc || sandbox_is_ns(ipc));
}

const char *sandbox_ip(const struct sandbox *s)
{
    return s->ip;
}
const char *sandbox_net_ns(const struct sandbox *s)
{
    return s->net_ns;
}
const char *sandbox_uts_ns(const struct sandbox *s)
{
    return s->uts_ns;
}
const char *sandbox_ipc_ns(const struct sandbox *s)
{
    return s->ipc_ns;
}
const char *sandbox_hostname(const struct sandbox *s)
{
    return s->hostname;
}
const char *sandbox_shm(const struct sandbox *s)
{
    return s->shm;
}

char *sandbox_etc(const struct sandbox *s, const char *file)
{
    return mem_fmt("%s/etc/%s", s->data_dir, file);
}

struct sandbox *sandbox_free(struct sandbox *s)
{
    if (s == NULL)
        return NULL;
    s->is_free = true;
    s->done = NULL;
    if (s->n_jobs == 0)
        sandbox_fini(s);
    return NULL;
}

/* --- removal --- */

struct sandbox_removal {
    const struct sandbox_host *host;
    char *uid;
    sandbox_done_fn done;
    void *arg;
    unsigned n_jobs;
    int rc;
    struct err err;
};

/* Unmounts every mount at or below @dir, the latest first. */
static int sandbox_unmount_below(const char *dir, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(strv_freep) char **lines = NULL;
    size_t n = 0, len = strlen(dir);
    int rc = file_read(&t, "/proc/self/mountinfo", 64 << 20, err);

    if (rc < 0)
        return rc;
    lines = str_split(text_str(&t), '\n');
    while (lines[n] != NULL)
        n++;
    while (n-- > 0) {
        char *p = lines[n];

        for (int skip = 0; skip < 4 && p != NULL; skip++) /* the fifth field is the mount point */
            p = strchr(p, ' ') == NULL ? NULL : strchr(p, ' ') + 1;
        if (p == NULL)
            continue;
        p[strcspn(p, " ")] = '\0';
        if (strncmp(p, dir, len) == 0 && (p[len] == '\0' || p[len] == '/') &&
            umount2(p, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
            return err_errno(err, errno, "unmount %s", p);
    }
    return 0;
}

static int sandbox_remove_run(void *arg, struct err *err)
{
    struct sandbox_removal *r = arg;
    cleanup(freep) char *run = mem_fmt("%s/pods/%s", runtime_run_dir(r->host->rt), r->uid);
    cleanup(freep) char *data = mem_fmt("%s/pods/%s/volumes", runtime_data_dir(r->host->rt),
                                        r->uid);
    int rc;

    pid_ns_end(run);
    rc = sandbox_unmount_below(run, err);

    if (rc == 0)
        rc = sandbox_unmount_below(data, err);
    if (rc == 0)
        rc = file_remove_tree(run, err);
    /* A pod that has ended may stay in the API for long; its emptyDirs need not stay on the disk. */
    if (rc == 0)
        rc = file_remove_tree(data, err);
    cgroup_remove_pod(runtime_cgroup(r->host->rt), r->uid);
    return rc;
}

static void sandbox_removal_step(void *arg, int rc, const struct err *err)
{
    struct sandbox_removal *r = arg;
    sandbox_done_fn done = r->done;
    void *done_arg = r->arg;
    struct err first;

    if (rc < 0 && r->rc == 0) {
        r->rc = rc;
        r->err = *err;
    }
    if (--r->n_jobs > 0)
        return;
    rc = r->rc;
    first = r->err;
    free(r->uid);
    free(r);
    done(done_arg, rc, &first);
}

void sandbox_remove(const struct sandbox_host *host, const char *uid, sandbox_done_fn done,
                    void *arg)
{
    struct sandbox_removal *r = MEM_NEW(struct sandbox_removal);

    r->host = host;
    r->uid = mem_str(uid);
    r->done = done;
    r->arg = arg;
    r->n_jobs = host->podnet == NULL ? 1 : 2;
    work_submit(runtime_loop(host->rt), sandbox_remove_run, sandbox_removal_step, r);
    if (host->podnet != NULL)
        podnet_del(host->podnet, uid, sandbox_removal_step, r);
}
