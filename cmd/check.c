/* mkube check: what this host lacks, and the package that brings it. */
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CHECK_FILE_MAX (8 * 1024 * 1024) /* modules.dep of a kernel with everything: half a MiB */

enum check_role { CHECK_SERVER = 1, CHECK_AGENT = 2 };

static bool check_in_path(const char *program)
{
    char **dirs = str_split("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ':');
    bool found = false;

    for (size_t i = 0; dirs[i] != NULL && !found; i++) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dirs[i], program);

        found = access(path, X_OK) == 0;
    }
    strv_free(dirs);
    return found;
}

static bool check_file_has(const char *path, const char *words)
{
    struct err err = ERR_EMPTY;
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    return file_read(&t, path, CHECK_FILE_MAX, &err) == 0 && strstr(text_str(&t), words) != NULL;
}

/* The kernel loads it when it is first mounted: a fresh host has it all the same. */
static bool check_filesystem(const char *name)
{
    struct utsname kernel;
    cleanup(freep) char *line = mem_fmt("\t%s\n", name);
    cleanup(freep) char *module = mem_fmt("/%s.ko", name);
    cleanup(freep) char *modules = NULL;

    if (check_file_has("/proc/filesystems", line))
        return true;
    if (uname(&kernel) < 0)
        return false;
    modules = mem_fmt("/lib/modules/%s/modules.dep", kernel.release);
    return check_file_has(modules, module);
}

static bool check_root(const char *unused)
{
    (void)unused;
    return geteuid() == 0;
}

static bool check_netfilter(const char *unused)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

    (void)unused;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool check_cgroups(const char *unused)
{
    (void)unused;
    return file_exists("/sys/fs/cgroup/cgroup.controllers") || file_exists("/sys/fs/cgroup/memory");
}

static const struct {
    unsigned roles;
    const char *what, *arg;
    bool (*is_there)(const char *arg);
    const char *answer;
} check_rows[] = {
    { CHECK_SERVER | CHECK_AGENT, "root", NULL, check_root, "run mkube as root" },
    { CHECK_SERVER | CHECK_AGENT, "ip (iproute2)", "ip", check_in_path,
      "apt-get install iproute2" },
    { CHECK_AGENT, "runc", "runc", check_in_path, "apt-get install runc" },
    { CHECK_AGENT, "conmon", "conmon", check_in_path, "apt-get install conmon" },
    { CHECK_AGENT, "nft (nftables)", "nft", check_in_path, "apt-get install nftables" },
    { CHECK_AGENT, "overlay file system", "overlay", check_filesystem, "modprobe overlay" },
    { CHECK_AGENT, "nftables in the kernel", NULL, check_netfilter, "modprobe nf_tables" },
    { CHECK_AGENT, "control groups", NULL, check_cgroups, "mount cgroup2 at /sys/fs/cgroup" },
};

int cmd_check(const struct verb *self, int argc, char **argv)
{
    static const struct opt table[] = { { .name = NULL } };
    unsigned role = CHECK_SERVER | CHECK_AGENT;
    unsigned lacking = 0;
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (n == 1 && str_eq(argv[0], "server"))
        role = CHECK_SERVER;
    else if (n == 1 && str_eq(argv[0], "agent"))
        role = CHECK_AGENT;
    else if (n != 0) {
        fprintf(stderr, "Usage: %s\n", self->usage);
        return VERB_USAGE;
    }
    for (size_t i = 0; i < N_ELEMENTS(check_rows); i++) {
        bool there = check_rows[i].is_there(check_rows[i].arg);

        if ((check_rows[i].roles & role) == 0)
            continue;
        lacking += there ? 0 : 1;
        printf("%-8s %-24s %s\n", there ? "ok" : "lacking", check_rows[i].what,
               there ? "" : check_rows[i].answer);
    }
    return lacking == 0 ? VERB_DONE : VERB_FAILED;
}
