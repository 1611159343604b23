#include "nodeagent/node_usage.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "nodeagent/cgroup_usage.h"
#include "nodeagent/host_info.h"

#include <stdlib.h>
#include <string.h>

#define USAGE_RATE_MS 1000 /* over less than that a rate says little */

struct usage_container {
    char *name, *id;
    int64_t started_ms;
    struct cgroup_usage now;
};

struct usage_pod {
    char *ns, *name, *uid;
    struct usage_container *containers;
    size_t n;
};

/* An earlier reading, from which a rate is told. */
struct usage_mark {
    int64_t cpu_ns, at_ms; /* monotonic */
};

struct node_usage {
    const struct cgroup *cg;
    const char *node_name;
    bool has_host;
    struct cgroup_usage host;
    struct usage_pod *pods; /* owned */
    size_t n, cap;
    struct map *marks; /* owned; container id, "" = the host, to struct usage_mark */
    int64_t marked_ms;
};

/* --- measuring --- */

struct node_usage *node_usage_new(const struct cgroup *cg, const char *node_name)
{
    struct node_usage *u = MEM_NEW(struct node_usage);

    u->cg = cg;
    u->node_name = node_name;
    u->marks = map_new(free);
    return u;
}

static void usage_forget(struct node_usage *u)
{
    for (size_t i = 0; i < u->n; i++) {
        struct usage_pod *p = &u->pods[i];

        for (size_t j = 0; j < p->n; j++) {
            free(p->containers[j].name);
            free(p->containers[j].id);
        }
        free(p->containers);
        free(p->ns);
        free(p->name);
        free(p->uid);
    }
    free(u->pods);
    u->pods = NULL;
    u->n = u->cap = 0;
}

struct node_usage *node_usage_free(struct node_usage *u)
{
    if (u == NULL)
        return NULL;
    usage_forget(u);
    map_free(u->marks);
    free(u);
    return NULL;
}

void node_usage_begin(struct node_usage *u)
{
    usage_forget(u);
    u->has_host = cgroup_usage_host(u->cg, &u->host);
}

void node_usage_add(struct node_usage *u, const struct pod_worker *w)
{
    const struct pod_view *pod = pod_worker_pod(w);
    struct worker_running c;
    struct cgroup_usage now;
    struct usage_pod *p;

    if (u->n == u->cap) {
        u->cap = u->cap > 0 ? 2 * u->cap : 8;
        u->pods = mem_grow(u->pods, u->cap, sizeof(*u->pods));
    }
    p = &u->pods[u->n++];
    *p = (struct usage_pod){ .ns = mem_str(pod->ns),
                             .name = mem_str(pod->name),
                             .uid = mem_str(pod->uid) };
    for (size_t it = 0; pod_worker_running(w, &it, &c);) {
        if (!cgroup_usage_of(u->cg, pod->uid, c.id, &now))
            continue; /* it ended just now */
        p->containers = mem_grow(p->containers, p->n + 1, sizeof(*p->containers));
        p->containers[p->n++] = (struct usage_container){
            .name = mem_str(c.name), .id = mem_str(c.id), .started_ms = c.started_ms, .now = now
        };
    }
}

static void usage_sum(const struct usage_pod *p, struct cgroup_usage *ret)
{
    *ret = (struct cgroup_usage){ .at_ms = p->n > 0 ? p->containers[0].now.at_ms : 0 };
    for (size_t i = 0; i < p->n; i++) {
        const struct cgroup_usage *c = &p->containers[i].now;

        ret->cpu_ns += c->cpu_ns;
        ret->memory += c->memory;
        ret->working_set += c->working_set;
        ret->rss += c->rss;
        ret->page_faults += c->page_faults;
        ret->major_faults += c->major_faults;
    }
}

/* --- rates: nanocores since the reading before --- */

/* Negative: not known yet. */
static int64_t usage_rate(const struct node_usage *u, const char *id, int64_t cpu_ns,
                          int64_t now_ms)
{
    const struct usage_mark *mark = map_get(u->marks, id);

    if (mark == NULL || now_ms - mark->at_ms < USAGE_RATE_MS || cpu_ns < mark->cpu_ns)
        return -1;
    return (int64_t)((__int128)(cpu_ns - mark->cpu_ns) * 1000 / (now_ms - mark->at_ms));
}

static void usage_mark(struct map *marks, const char *id, int64_t cpu_ns, int64_t now_ms)
{
    struct usage_mark *mark = MEM_NEW(struct usage_mark);

    *mark = (struct usage_mark){ .cpu_ns = cpu_ns, .at_ms = now_ms };
    map_put(marks, id, mark);
}

/* This reading is what the next is compared with; of containers that went nothing stays. */
static void usage_remember(struct node_usage *u, int64_t now_ms)
{
    struct map *marks;

    if (now_ms - u->marked_ms < USAGE_RATE_MS)
        return;
    marks = map_new(free);
    usage_mark(marks, "", u->host.cpu_ns, now_ms);
    for (size_t i = 0; i < u->n; i++)
        for (size_t j = 0; j < u->pods[i].n; j++)
            usage_mark(marks, u->pods[i].containers[j].id, u->pods[i].containers[j].now.cpu_ns,
                       now_ms);
    map_free(u->marks);
    u->marks = marks;
    u->marked_ms = now_ms;
}

/* --- /stats/summary (k8s.io/kubelet/pkg/apis/stats/v1alpha1) --- */

static json_t *usage_time(int64_t wall_ms)
{
    char text[CLOCK_TEXT_MAX];

    clock_print(text, wall_ms);
    return json_string(text);
}

static json_t *usage_cpu_tree(const struct cgroup_usage *now, int64_t rate)
{
    json_t *cpu = json_pack("{s:o, s:I}", "time", usage_time(now->at_ms), "usageCoreNanoSeconds",
                            (json_int_t)now->cpu_ns);

    if (rate >= 0)
        json_put_int(cpu, "usageNanoCores", rate);
    return cpu;
}

static json_t *usage_memory_tree(const struct cgroup_usage *now)
{
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "time", usage_time(now->at_ms), "usageBytes",
                     (json_int_t)now->memory, "workingSetBytes", (json_int_t)now->working_set,
                     "rssBytes", (json_int_t)now->rss, "pageFaults", (json_int_t)now->page_faults,
                     "majorPageFaults", (json_int_t)now->major_faults);
}

static json_t *usage_pod_tree(const struct node_usage *u, const struct usage_pod *p, int64_t now_ms)
{
    json_t *containers = json_array();
    struct cgroup_usage sum;
    int64_t rates = 0;

    usage_sum(p, &sum);
    for (size_t i = 0; i < p->n; i++) {
        const struct usage_container *c = &p->containers[i];
        int64_t rate = usage_rate(u, c->id, c->now.cpu_ns, now_ms);

        rates = rates < 0 || rate < 0 ? -1 : rates + rate;
        json_array_append_new(containers, json_pack("{s:s, s:o, s:o, s:o}", "name", c->name,
                                                    "startTime", usage_time(c->started_ms), "cpu",
                                                    usage_cpu_tree(&c->now, rate), "memory",
                                                    usage_memory_tree(&c->now)));
    }
    return json_pack("{s:{s:s, s:s, s:s}, s:o, s:o, s:o, s:o}", "podRef", "name", p->name,
                     "namespace", p->ns, "uid", p->uid, "startTime",
                     usage_time(p->containers[0].started_ms), "containers", containers, "cpu",
                     usage_cpu_tree(&sum, rates), "memory", usage_memory_tree(&sum));
}

static json_t *usage_node_tree(const struct node_usage *u, int64_t now_ms)
{
    json_t *node = json_pack("{s:s}", "nodeName", u->node_name);
    json_t *memory;

    if (!u->has_host)
        return node;
    memory = usage_memory_tree(&u->host);
    json_put_int(memory, "availableBytes", host_info_memory_available());
    json_put(node, "cpu", usage_cpu_tree(&u->host, usage_rate(u, "", u->host.cpu_ns, now_ms)));
    json_put(node, "memory", memory);
    return node;
}

void node_usage_print_summary(struct node_usage *u, struct text *ret)
{
    int64_t now_ms = clock_mono_ms();
    json_t *pods = json_array();
    cleanup(json_decrefpp) json_t *summary = NULL;

    for (size_t i = 0; i < u->n; i++)
        if (u->pods[i].n > 0)
            json_array_append_new(pods, usage_pod_tree(u, &u->pods[i], now_ms));
    summary = json_pack("{s:o, s:o}", "node", usage_node_tree(u, now_ms), "pods", pods);
    json_print_to(ret, summary);
    usage_remember(u, now_ms);
}

/* --- /metrics/resource --- */

static double usage_cpu_seconds(const struct cgroup_usage *now)
{
    return (double)now->cpu_ns / 1e9;
}

static double usage_working_set(const struct cgroup_usage *now)
{
    return (double)now->working_set;
}

/* The series of kubelets (pkg/kubelet/metrics/collectors/resource_metrics.go). */
static const struct usage_series {
    const char *name, *type, *help;
    double (*value)(const struct cgroup_usage *now); /* NULL = the start of the container */
    int decimals;
} usage_series[] = {
    { "cpu_usage_seconds_total", "counter",
      "Cumulative cpu time consumed by the %s in core-seconds", usage_cpu_seconds, 9 },
    { "memory_working_set_bytes", "gauge", "Current working set of the %s in bytes",
      usage_working_set, 0 },
    { "start_time_seconds", "gauge", "Start time of the %s since unix epoch in seconds", NULL, 3 },
};

static void usage_head(struct text *ret, const struct usage_series *s, const char *of)
{
    const char *hole = strstr(s->help, "%s");

    text_fmt(ret, "# HELP %s_%s [STABLE] %.*s%s%s\n# TYPE %s_%s %s\n", of, s->name,
             (int)(hole - s->help), s->help, of, hole + 2, of, s->name, s->type);
}

static void usage_line(struct text *ret, const struct usage_series *s,
                       const struct cgroup_usage *now, int64_t started_ms)
{
    if (s->value != NULL)
        text_fmt(ret, " %.*f %lld\n", s->decimals, s->value(now), (long long)now->at_ms);
    else
        text_fmt(ret, " %.*f\n", s->decimals, (double)started_ms / 1000);
}

static void usage_of_containers(const struct node_usage *u, const struct usage_series *s,
                                struct text *ret)
{
    usage_head(ret, s, "container");
    for (size_t i = 0; i < u->n; i++)
        for (size_t j = 0; j < u->pods[i].n; j++) {
            const struct usage_container *c = &u->pods[i].containers[j];

            text_fmt(ret, "container_%s{container=\"%s\",namespace=\"%s\",pod=\"%s\"}", s->name,
                     c->name, u->pods[i].ns, u->pods[i].name);
            usage_line(ret, s, &c->now, c->started_ms);
        }
}

static void usage_of_pods(const struct node_usage *u, const struct usage_series *s,
                          struct text *ret)
{
    usage_head(ret, s, "pod");
    for (size_t i = 0; i < u->n; i++) {
        struct cgroup_usage sum;

        if (u->pods[i].n == 0)
            continue;
        usage_sum(&u->pods[i], &sum);
        text_fmt(ret, "pod_%s{namespace=\"%s\",pod=\"%s\"}", s->name, u->pods[i].ns,
                 u->pods[i].name);
        usage_line(ret, s, &sum, 0);
    }
}

void node_usage_print_cadvisor(struct node_usage *u, struct text *ret)
{
    for (size_t i = 0; i < N_ELEMENTS(usage_series); i++)
        usage_of_containers(u, &usage_series[i], ret);
}

void node_usage_print_metrics(struct node_usage *u, struct text *ret)
{
    node_usage_print_cadvisor(u, ret);
    for (size_t i = 0; i < N_ELEMENTS(usage_series) && usage_series[i].value != NULL; i++) {
        if (u->has_host) {
            usage_head(ret, &usage_series[i], "node");
            text_fmt(ret, "node_%s", usage_series[i].name);
            usage_line(ret, &usage_series[i], &u->host, 0);
        }
        usage_of_pods(u, &usage_series[i], ret);
    }
    text_fmt(ret,
             "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting "
             "container metrics, 0 otherwise\n# TYPE resource_scrape_error gauge\n"
             "resource_scrape_error %d\n",
             !u->has_host);
}
