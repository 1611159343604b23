#include "net/netns.h"

#include "base/child.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NETNS_IP_MS 10000

bool netns_is_pinned(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

/* Only this thread changes its namespace; the file names the thread's, not the process'. */
static int netns_pin(const char *path, struct err *err)
{
    char own[64];
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, errno, "make %s", path);
    close(fd);
    snprintf(own, sizeof(own), "/proc/%d/task/%d/ns/net", getpid(), gettid());
    if (mount(own, path, NULL, MS_BIND, NULL) < 0)
        return err_errno(err, errno, "pin network namespace at %s", path);
    return 0;
}

/* Run by this thread, so inside the new namespace: the child inherits it. */
static int netns_wire(const struct netns_spec *spec, struct err *err)
{
    static const char *const argv[] = { "ip", "-batch", "-", NULL };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct child_spec child = { .argv = argv, .deadline_ms = NETNS_IP_MS };

    text_fmt(&t,
             "link set lo up\n"
             "link add eth0 mtu %d type veth peer name %s mtu %d netns %d\n"
             "addr add %s/32 dev eth0\n"
             "link set eth0 up\n"
             "route add %s dev eth0 scope link\n"
             "route add default via %s\n",
             spec->mtu, spec->veth, spec->mtu, getpid(), spec->ip, spec->gateway, spec->gateway);
    child.input = t.data;
    child.input_len = t.len;
    return child_run_sync(&child, NULL, NULL, err);
}

/* Our end joins the bridge and comes up (bridge(8) and ip(8) do these two ioctls). */
static int netns_attach(const struct netns_spec *spec, struct err *err)
{
    struct ifreq req;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = 0;

    if (fd < 0)
        return err_errno(err, errno, "socket");
    memset(&req, 0, sizeof(req));
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", spec->bridge);
    req.ifr_ifindex = (int)if_nametoindex(spec->veth);
    if (ioctl(fd, SIOCBRADDIF, &req) < 0)
        rc = err_errno(err, errno, "add %s to bridge %s", spec->veth, spec->bridge);
    memset(&req, 0, sizeof(req));
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", spec->veth);
    if (rc == 0 && ioctl(fd, SIOCGIFFLAGS, &req) < 0)
        rc = err_errno(err, errno, "flags of %s", spec->veth);
    req.ifr_flags = (short)(req.ifr_flags | IFF_UP);
    if (rc == 0 && ioctl(fd, SIOCSIFFLAGS, &req) < 0)
        rc = err_errno(err, errno, "bring %s up", spec->veth);
    close(fd);
    return rc;
}

/* Where br_netfilter is on, the bridge itself carries out a DNAT to one of its ports: a pod that
 * calls its own Service must get the frame back through the port it came from. */
static int netns_hairpin(const struct netns_spec *spec, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("/sys/class/net/%s/brport/hairpin_mode", spec->veth);
    cleanup(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "1", 1) != 1)
        return err_errno(err, errno, "set %s", path);
    return 0;
}

static int netns_make_inside(const struct netns_spec *spec, struct err *err)
{
    int rc;

    if (unshare(CLONE_NEWNET) < 0)
        return err_errno(err, errno, "make a network namespace");
    rc = netns_pin(spec->path, err);
    return rc == 0 ? netns_wire(spec, err) : rc;
}

int netns_make(const struct netns_spec *spec, struct err *err)
{
    struct err ignored = ERR_EMPTY;
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int rc;

    if (home < 0)
        return err_errno(err, errno, "open own network namespace");
    rc = netns_make_inside(spec, err);
    if (setns(home, CLONE_NEWNET) < 0)
        abort(); /* a worker thread in the wrong namespace would corrupt everything after */
    close(home);
    if (rc == 0)
        rc = netns_attach(spec, err);
    if (rc == 0)
        rc = netns_hairpin(spec, err);
    if (rc < 0)
        netns_drop(spec->path, spec->veth, &ignored);
    return rc;
}

/* Removing our end removes the pair at once, also while processes linger in the namespace. */
static void netns_remove_veth(const char *veth)
{
    const char *const argv[] = { "ip", "link", "del", veth, NULL };
    struct child_spec child = { .argv = argv, .deadline_ms = NETNS_IP_MS };
    struct err ignored = ERR_EMPTY;

    if (if_nametoindex(veth) != 0)
        child_run_sync(&child, NULL, NULL, &ignored);
}

int netns_drop(const char *path, const char *veth, struct err *err)
{
    netns_remove_veth(veth);
    while (netns_is_pinned(path))
        if (umount2(path, MNT_DETACH) < 0)
            return err_errno(err, errno, "unpin %s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(err, errno, "remove %s", path);
    return 0;
}
