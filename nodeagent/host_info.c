#include "nodeagent/host_info.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A whole small file; "" when it cannot be read. */
static char *host_read(const char *path)
{
    struct text t = TEXT_EMPTY;
    struct err ignored = ERR_EMPTY;

    file_read(&t, path, 1 << 20, &ignored);
    return text_take(&t);
}

static char *host_read_line(const char *path)
{
    char *s = host_read(path);

    s[strcspn(s, "\n")] = '\0';
    return s;
}

/* "MemTotal:  123 kB" */
static int64_t host_meminfo(const char *key)
{
    cleanup(freep) char *text = host_read("/proc/meminfo");
    const char *line = strstr(text, key);
    long long kib = -1;

    if (line == NULL || sscanf(line + strlen(key), ": %lld", &kib) != 1)
        return -1;
    return (int64_t)kib * 1024;
}

int64_t host_info_memory(void)
{
    return host_meminfo("MemTotal");
}

int64_t host_info_memory_available(void)
{
    return host_meminfo("MemAvailable");
}

int host_info_cpus(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (int)n : 1;
}

bool host_info_disk(const char *path, struct host_disk *ret)
{
    struct statvfs s;

    if (statvfs(path, &s) < 0)
        return false;
    *ret = (struct host_disk){
        .size = (int64_t)(s.f_blocks * s.f_frsize),
        .available = (int64_t)(s.f_bavail * s.f_frsize),
        .inodes = (int64_t)s.f_files,
        .inodes_free = (int64_t)s.f_favail,
    };
    return true;
}

int64_t host_info_pid_max(void)
{
    cleanup(freep) char *text = host_read_line("/proc/sys/kernel/pid_max");
    int64_t n = 32768;

    str_i64(text, &n);
    return n;
}

int64_t host_info_pids(void)
{
    cleanup(freep) char *text = host_read_line("/proc/loadavg");
    long long running, all;

    /* "0.00 0.01 0.05 1/123 456": running and all tasks (proc(5)). */
    return sscanf(text, "%*f %*f %*f %lld/%lld", &running, &all) == 2 ? all : 0;
}

static uint64_t host_bounding_set(void)
{
    cleanup(freep) char *text = host_read("/proc/self/status");
    const char *line = strstr(text, "CapBnd:");
    unsigned long long set = 0;

    if (line != NULL)
        sscanf(line, "CapBnd: %llx", &set);
    return set;
}

/* Devices for privileged containers: plain nodes of /dev, not what each has of its own. */
static void host_add_devices(json_t *list, const char *dir, int depth)
{
    static const char *const own[] = { "/dev/pts",  "/dev/shm",   "/dev/mqueue", "/dev/console",
                                       "/dev/ptmx", "/dev/.udev", "/dev/fd" };
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        cleanup(freep) char *path = mem_fmt("%s/%s", dir, e->d_name);
        struct stat st;
        bool skip = e->d_name[0] == '.' || lstat(path, &st) < 0;

        for (size_t i = 0; i < N_ELEMENTS(own) && !skip; i++)
            skip = str_eq(path, own[i]);
        if (skip)
            continue;
        if (S_ISDIR(st.st_mode) && depth > 0)
            host_add_devices(list, path, depth - 1);
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:I, s:I, s:i, s:I, s:I}", "path", path, "type",
                                S_ISCHR(st.st_mode) ? "c" : "b", "major",
                                (json_int_t)major(st.st_rdev), "minor",
                                (json_int_t)minor(st.st_rdev), "fileMode", (int)(st.st_mode & 0777),
                                "uid", (json_int_t)st.st_uid, "gid", (json_int_t)st.st_gid));
    }
    if (d != NULL)
        closedir(d);
}

void host_info_limits(struct runc_host *ret)
{
    cleanup(freep) char *oom = host_read_line("/proc/self/oom_score_adj");
    struct rlimit files = { .rlim_max = 1024 };
    int64_t floor = 0;

    *ret = (struct runc_host){ .devices = json_array() };
    ret->capabilities = host_bounding_set();
    ret->may_lower_oom = (ret->capabilities >> 24 & 1) != 0; /* CAP_SYS_RESOURCE */
    getrlimit(RLIMIT_NOFILE, &files);
    ret->nofile_hard = files.rlim_max;
    str_i64(oom, &floor);
    ret->oom_floor = (int)floor;
    ret->memory_bytes = host_info_memory();
    host_add_devices(ret->devices, "/dev", 2);
}

/* PRETTY_NAME of os-release(5). */
static char *host_os_image(void)
{
    cleanup(freep) char *text = host_read("/etc/os-release");
    const char *line = strstr(text, "PRETTY_NAME=");

    if (line == NULL)
        return mem_str("Linux");
    line += strlen("PRETTY_NAME=");
    line += *line == '"';
    return mem_strn(line, strcspn(line, "\"\n"));
}

/* Architecture as Go spells it. */
static const char *host_arch(const char *machine)
{
    static const char *const names[][2] = {
        { "x86_64", "amd64" },
        { "aarch64", "arm64" },
        { "armv7l", "arm" },
        { "riscv64", "riscv64" },
    };

    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (str_eq(machine, names[i][0]))
            return names[i][1];
    return "unknown";
}

json_t *host_info_node(void)
{
    cleanup(freep) char *machine = host_read_line("/etc/machine-id");
    cleanup(freep) char *uuid = host_read_line("/sys/class/dmi/id/product_uuid");
    cleanup(freep) char *boot = host_read_line("/proc/sys/kernel/random/boot_id");
    cleanup(freep) char *os = host_os_image();
    struct utsname u;

    uname(&u);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "machineID", machine,
                     "systemUUID", uuid[0] == '\0' ? machine : uuid, "bootID", boot,
                     "kernelVersion", u.release, "osImage", os, "containerRuntimeVersion",
                     "mkube://1.32", "kubeletVersion", "v1.32.0", "kubeProxyVersion", "v1.32.0",
                     "operatingSystem", "linux", "architecture", host_arch(u.machine));
}
