#include "nodeagent/cgroup_usage.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define USAGE_MOUNT    "/sys/fs/cgroup"
#define USAGE_FILE_MAX (1 << 20) /* /proc/stat of a large host is the longest */

/* Where each thing stands: version 1, version 2 (kernel: admin-guide/cgroup-v1/memory.rst,
 * cgroup-v2.rst). */
struct usage_files {
    const char *cpu, *cpu_key; /* file; key in it, NULL = the number alone */
    int64_t cpu_unit_ns;
    const char *memory, *stat;
    const char *inactive, *rss, *faults, *major; /* keys of @stat */
};

static const struct usage_files usage_v1 = {
    .cpu = USAGE_MOUNT "/cpuacct%s/cpuacct.usage",
    .cpu_unit_ns = 1,
    .memory = USAGE_MOUNT "/memory%s/memory.usage_in_bytes",
    .stat = USAGE_MOUNT "/memory%s/memory.stat",
    .inactive = "total_inactive_file",
    .rss = "total_rss",
    .faults = "total_pgfault",
    .major = "total_pgmajfault",
};

static const struct usage_files usage_v2 = {
    .cpu = USAGE_MOUNT "%s/cpu.stat",
    .cpu_key = "usage_usec",
    .cpu_unit_ns = 1000,
    .memory = USAGE_MOUNT "%s/memory.current",
    .stat = USAGE_MOUNT "%s/memory.stat",
    .inactive = "inactive_file",
    .rss = "anon",
    .faults = "pgfault",
    .major = "pgmajfault",
};

static bool usage_read(struct text *ret, const char *pattern, const char *below)
{
    /* One %s, as in the tables above. */
    const char *hole = strstr(pattern, "%s");
    cleanup(freep) char *path = mem_fmt("%.*s%s%s", (int)(hole - pattern), pattern, below,
                                        hole + 2);
    struct err ignored = ERR_EMPTY;

    text_clear(ret);
    return file_read(ret, path, USAGE_FILE_MAX, &ignored) == 0;
}

/* The number behind @key at the start of a line; @otherwise when there is none. */
static int64_t usage_number(const char *text, const char *key, int64_t otherwise)
{
    size_t len = key != NULL ? strlen(key) : 0;
    int64_t n;

    if (len == 0)
        return sscanf(text, "%" SCNd64, &n) == 1 ? n : otherwise;
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, len) == 0 && (line[len] == ' ' || line[len] == ':'))
            return sscanf(line + len + 1, "%" SCNd64, &n) == 1 ? n : otherwise;
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return otherwise;
}

static bool usage_cpu(const struct usage_files *f, const char *below, struct cgroup_usage *ret)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int64_t n = usage_read(&t, f->cpu, below) ? usage_number(text_str(&t), f->cpu_key, -1) : -1;

    ret->cpu_ns = n * f->cpu_unit_ns;
    ret->at_ms = clock_wall_ms();
    return n >= 0;
}

static bool usage_memory(const struct usage_files *f, const char *below, struct cgroup_usage *ret)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int64_t inactive;

    if (!usage_read(&t, f->memory, below))
        return false;
    ret->memory = usage_number(text_str(&t), NULL, 0);
    if (!usage_read(&t, f->stat, below))
        return false;
    inactive = usage_number(text_str(&t), f->inactive, 0);
    ret->working_set = ret->memory > inactive ? ret->memory - inactive : 0;
    ret->rss = usage_number(text_str(&t), f->rss, 0);
    ret->page_faults = usage_number(text_str(&t), f->faults, 0);
    ret->major_faults = usage_number(text_str(&t), f->major, 0);
    return true;
}

bool cgroup_usage_of(const struct cgroup *cg, const char *uid, const char *id,
                     struct cgroup_usage *ret)
{
    const struct usage_files *f = cg->unified ? &usage_v2 : &usage_v1;
    cleanup(freep) char *below = cgroup_path(cg, uid, id);

    return usage_cpu(f, below, ret) && usage_memory(f, below, ret);
}

/* The root group of version 2 has no memory.current. */
static bool usage_meminfo(struct cgroup_usage *ret)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int64_t total, inactive;

    if (!usage_read(&t, "/proc%s/meminfo", ""))
        return false;
    total = usage_number(text_str(&t), "MemTotal", -1);
    inactive = usage_number(text_str(&t), "Inactive(file)", 0) * 1024;
    ret->memory = (total - usage_number(text_str(&t), "MemFree", total)) * 1024;
    ret->working_set = ret->memory > inactive ? ret->memory - inactive : 0;
    ret->rss = usage_number(text_str(&t), "AnonPages", 0) * 1024;
    return total >= 0;
}

/* "cpu  user nice system idle iowait irq softirq steal ..." in hundredths of a second (proc(5)). */
static bool usage_proc_stat(struct cgroup_usage *ret)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int64_t user, nice, sys, idle, iowait, irq, softirq;

    if (!usage_read(&t, "/proc%s/stat", "") ||
        sscanf(text_str(&t),
               "cpu %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
               " %" SCNd64,
               &user, &nice, &sys, &idle, &iowait, &irq, &softirq) != 7)
        return false;
    ret->cpu_ns = (user + nice + sys + irq + softirq) * 10000000;
    ret->at_ms = clock_wall_ms();
    return true;
}

bool cgroup_usage_host(const struct cgroup *cg, struct cgroup_usage *ret)
{
    const struct usage_files *f = cg->unified ? &usage_v2 : &usage_v1;

    *ret = (struct cgroup_usage){ .at_ms = 0 };
    return (usage_cpu(f, "", ret) || usage_proc_stat(ret)) &&
           (usage_memory(f, "", ret) || usage_meminfo(ret));
}
