#include "base/prom.h"

#include "base/file.h"
#include "base/mem.h"

#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

void prom_family(struct text *ret, const char *name, const char *type, const char *help)
{
    text_fmt(ret, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void prom_escape(struct text *ret, const char *s)
{
    size_t plain;

    while (s[plain = strcspn(s, "\"\\\n")] != '\0') {
        text_add(ret, s, plain);
        text_putc(ret, '\\');
        text_putc(ret, s[plain] == '\n' ? 'n' : s[plain]);
        s += plain + 1;
    }
    text_add(ret, s, plain);
}

void prom_labels_list(struct text *ret, ...)
{
    const char *key;
    va_list ap;

    va_start(ap, ret);
    while ((key = va_arg(ap, const char *)) != NULL) {
        if (ret->len > 0)
            text_putc(ret, ',');
        text_puts(ret, key);
        text_puts(ret, "=\"");
        prom_escape(ret, va_arg(ap, const char *));
        text_putc(ret, '"');
    }
    va_end(ap);
}

/* Whole numbers as such, up to where a double holds them all. */
static void prom_number(struct text *ret, double value)
{
    if (fabs(value) < 9e15 && value == floor(value))
        text_fmt(ret, "%.0f\n", value);
    else
        text_fmt(ret, "%.9g\n", value);
}

void prom_value(struct text *ret, const char *name, const char *labels, double value)
{
    text_puts(ret, name);
    if (!str_empty(labels))
        text_fmt(ret, "{%s}", labels);
    text_putc(ret, ' ');
    prom_number(ret, value);
}

void prom_observe(struct prom_histogram *h, const double *bounds, size_t n_bounds, double value)
{
    size_t i = 0;

    assert(n_bounds <= PROM_BOUNDS_MAX);
    while (i < n_bounds && value > bounds[i])
        i++;
    if (i < n_bounds)
        h->counts[i]++;
    h->count++;
    h->sum += value;
}

void prom_histogram(struct text *ret, const char *name, const char *labels,
                    const struct prom_histogram *h, const double *bounds, size_t n_bounds)
{
    const char *with = str_empty(labels) ? "" : labels;
    const char *comma = *with != '\0' ? "," : "";
    cleanup(freep) char *sum = mem_fmt("%s_sum", name);
    cleanup(freep) char *count = mem_fmt("%s_count", name);
    uint64_t below = 0;

    for (size_t i = 0; i < n_bounds; i++) {
        below += h->counts[i];
        text_fmt(ret, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, with, comma, bounds[i],
                 (unsigned long long)below);
    }
    text_fmt(ret, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, with, comma,
             (unsigned long long)h->count);
    prom_value(ret, sum, labels, h->sum);
    prom_value(ret, count, labels, (double)h->count);
}

/* --- this process --- */

static unsigned prom_count_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (dir != NULL && readdir(dir) != NULL)
        n++;
    if (dir != NULL)
        closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", "..", and the one that counts */
}

/* proc(5): fields behind the name, which ends with the last ')'. */
static bool prom_read_stat(double *ret_cpu_s, double *ret_start_ticks, double *ret_virtual,
                           double *ret_pages)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    unsigned long long user, sys, start, virtual;
    long pages;
    const char *at;

    if (file_read(&t, "/proc/self/stat", 4096, &err) < 0)
        return false;
    at = strrchr(text_str(&t), ')');
    if (at == NULL || sscanf(at + 1,
                             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d"
                             " %*d %*d %*d %llu %llu %ld",
                             &user, &sys, &start, &virtual, &pages) != 5)
        return false;
    *ret_cpu_s = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    *ret_start_ticks = (double)start;
    *ret_virtual = (double)virtual;
    *ret_pages = (double)pages;
    return true;
}

/* When the machine started, in seconds since 1970. */
static double prom_boot_s(void)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const char *at;
    double boot_s = 0;

    if (file_read(&t, "/proc/stat", 1 << 20, &err) == 0 &&
        (at = strstr(text_str(&t), "\nbtime ")) != NULL)
        boot_s = strtod(at + strlen("\nbtime "), NULL);
    return boot_s;
}

void prom_process(struct text *ret)
{
    double cpu_s = 0, start = 0, virtual = 0, pages = 0;
    struct rlimit files = { 0 };

    if (!prom_read_stat(&cpu_s, &start, &virtual, &pages))
        return;
    getrlimit(RLIMIT_NOFILE, &files);
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        { "process_cpu_seconds_total", "counter",
          "Total user and system CPU time spent in seconds.", cpu_s },
        { "process_max_fds", "gauge", "Maximum number of open file descriptors.",
          (double)files.rlim_cur },
        { "process_open_fds", "gauge", "Number of open file descriptors.",
          (double)prom_count_files() },
        { "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
          pages * (double)sysconf(_SC_PAGESIZE) },
        { "process_start_time_seconds", "gauge",
          "Start time of the process since unix epoch in seconds.",
          prom_boot_s() + start / (double)sysconf(_SC_CLK_TCK) },
        { "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", virtual },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        prom_family(ret, rows[i].name, rows[i].type, rows[i].help);
        prom_value(ret, rows[i].name, NULL, rows[i].value);
    }
}
