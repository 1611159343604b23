#include "api/request_stats.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/prom.h"

#include <stdio.h>

#define STATS_SERIES_MAX 1000

/* Kubernetes: apiserver/pkg/endpoints/metrics/metrics.go */
static const double stats_bounds[] = { 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8,
                                       1,     1.25,  1.5,  2,   3,   4,   5,   6,
                                       8,     10,    15,   20,  30,  45,  60 };

struct request_stats {
    struct map *totals;    /* labels -> double */
    struct map *durations; /* labels -> struct prom_histogram */
    struct map *longs;     /* labels -> double: under way */
    unsigned reading, writing;
};

struct request_stats *request_stats_new(void)
{
    struct request_stats *s = MEM_NEW(struct request_stats);

    s->totals = map_new(free);
    s->durations = map_new(free);
    s->longs = map_new(free);
    return s;
}

struct request_stats *request_stats_free(struct request_stats *s)
{
    if (s == NULL)
        return NULL;
    map_free(s->totals);
    map_free(s->durations);
    map_free(s->longs);
    free(s);
    return NULL;
}

static void stats_labels(struct text *ret, const struct request_kind *k)
{
    prom_labels(ret, "component", "apiserver", "dry_run", k->dry_run ? "All" : "", "group",
                k->group, "resource", k->resource, "scope", k->scope, "subresource", k->sub, "verb",
                k->verb, "version", k->version);
}

/* The series of these labels, made when it is new; past the bound, the one for all others. */
static void *stats_series(struct map *map, const char *labels, size_t size)
{
    void *series = map_get(map, labels);

    if (series == NULL && map_len(map) >= STATS_SERIES_MAX) {
        labels = "resource=\"_other\"";
        series = map_get(map, labels);
    }
    if (series == NULL) {
        series = mem_zero(size);
        map_put(map, labels, series);
    }
    return series;
}

void request_stats_begin(struct request_stats *s, const struct request_kind *k)
{
    cleanup(text_fini) struct text labels = TEXT_EMPTY;

    if (k->is_long) {
        stats_labels(&labels, k);
        ++*(double *)stats_series(s->longs, text_str(&labels), sizeof(double));
    } else if (k->mutates) {
        s->writing++;
    } else {
        s->reading++;
    }
}

static void stats_end_long(struct request_stats *s, const char *labels)
{
    double *n = map_get(s->longs, labels);

    if (n == NULL)
        n = stats_series(s->longs, labels, sizeof(double));
    if (*n > 0)
        --*n;
}

void request_stats_end(struct request_stats *s, const struct request_kind *k, int code,
                       double seconds)
{
    cleanup(text_fini) struct text labels = TEXT_EMPTY;
    char number[16];

    stats_labels(&labels, k);
    if (k->is_long) {
        stats_end_long(s, text_str(&labels));
    } else {
        prom_observe(stats_series(s->durations, text_str(&labels), sizeof(struct prom_histogram)),
                     stats_bounds, N_ELEMENTS(stats_bounds), seconds);
        s->writing -= k->mutates;
        s->reading -= !k->mutates;
    }
    snprintf(number, sizeof(number), "%d", code);
    prom_labels(&labels, "code", number);
    ++*(double *)stats_series(s->totals, text_str(&labels), sizeof(double));
}

static void stats_print_values(struct text *ret, const char *name, struct map *map)
{
    const char *labels;
    void *value;

    for (size_t it = 0; map_each(map, &it, &labels, &value);)
        prom_value(ret, name, labels, *(double *)value);
}

static void stats_print_durations(struct text *ret, struct map *map)
{
    const char *labels;
    void *value;

    for (size_t it = 0; map_each(map, &it, &labels, &value);)
        prom_histogram(ret, "apiserver_request_duration_seconds", labels, value, stats_bounds,
                       N_ELEMENTS(stats_bounds));
}

void request_stats_print(struct text *ret, const struct request_stats *s)
{
    prom_family(ret, "apiserver_request_total", "counter",
                "Counter of apiserver requests broken out for each verb, dry run value, group, "
                "version, resource, scope, component, and HTTP response code.");
    stats_print_values(ret, "apiserver_request_total", s->totals);
    prom_family(ret, "apiserver_request_duration_seconds", "histogram",
                "Response latency distribution in seconds for each verb, dry run value, group, "
                "version, resource, subresource, scope and component.");
    stats_print_durations(ret, s->durations);
    prom_family(ret, "apiserver_current_inflight_requests", "gauge",
                "Maximal number of currently used inflight request limit of this apiserver per "
                "request kind in last second.");
    prom_value(ret, "apiserver_current_inflight_requests", "request_kind=\"mutating\"", s->writing);
    prom_value(ret, "apiserver_current_inflight_requests", "request_kind=\"readOnly\"", s->reading);
    prom_family(ret, "apiserver_longrunning_requests", "gauge",
                "Gauge of all active long-running apiserver requests broken out by verb, group, "
                "version, resource, scope and component. Not all requests are tracked this way.");
    stats_print_values(ret, "apiserver_longrunning_requests", s->longs);
}
