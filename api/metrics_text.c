/* The text that nodes answer /metrics/resource with (Prometheus' text format 0.0.4), as far as
 * kubelets write it: one series a line, a timestamp in milliseconds behind the value.  It comes
 * from outside: every byte may be wrong. */
#include "api/metrics.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_LABEL_MAX 254
#define METRICS_LINE_MAX  4096

struct metrics_line {
    char ns[METRICS_LABEL_MAX], pod[METRICS_LABEL_MAX], container[METRICS_LABEL_MAX];
    double value;
    int64_t at_ms; /* -1 = not said */
};

static void metrics_take_cpu(struct metrics_reading *r, const struct metrics_line *line)
{
    r->cpu_ns = (int64_t)(line->value * 1e9);
    r->at_ms = line->at_ms;
}

static void metrics_take_memory(struct metrics_reading *r, const struct metrics_line *line)
{
    r->memory = (int64_t)line->value;
}

static void metrics_take_start(struct metrics_reading *r, const struct metrics_line *line)
{
    r->start_ms = (int64_t)(line->value * 1000);
}

static const struct metrics_series {
    const char *name;
    bool of_node;
    double max; /* more is nonsense, and would not fit */
    void (*take)(struct metrics_reading *r, const struct metrics_line *line);
} metrics_series[] = {
    { "node_cpu_usage_seconds_total", true, 9e9, metrics_take_cpu },
    { "node_memory_working_set_bytes", true, 9e18, metrics_take_memory },
    { "container_cpu_usage_seconds_total", false, 9e9, metrics_take_cpu },
    { "container_memory_working_set_bytes", false, 9e18, metrics_take_memory },
    { "container_start_time_seconds", false, 9e15, metrics_take_start },
};

/* The quoted value at *@at, undone; false: it has no end or is too long. */
static bool metrics_read_label(char ret[METRICS_LABEL_MAX], const char **at)
{
    const char *s = *at;
    size_t n = 0;

    if (*s++ != '"')
        return false;
    while (*s != '\0' && *s != '"') {
        char c = *s++;

        if (c == '\\') {
            c = *s == 'n' ? '\n' : *s;
            if (*s++ == '\0')
                return false;
        }
        if (n + 1 == METRICS_LABEL_MAX)
            return false;
        ret[n++] = c;
    }
    ret[n] = '\0';
    *at = s + 1;
    return *s == '"';
}

/* `{container="c",namespace="n",pod="p"}`; leaves *@at behind it. */
static bool metrics_read_labels(struct metrics_line *line, const char **at)
{
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {
        { "namespace", offsetof(struct metrics_line, ns) },
        { "pod", offsetof(struct metrics_line, pod) },
        { "container", offsetof(struct metrics_line, container) },
    };
    const char *s = *at + 1;
    char value[METRICS_LABEL_MAX];

    while (*s != '}') {
        size_t len = strcspn(s, "=,}\" ");
        const char *name = s;

        s += len;
        if (*s++ != '=' || !metrics_read_label(value, &s))
            return false;
        for (size_t i = 0; i < N_ELEMENTS(rows); i++)
            if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
                memcpy((char *)line + rows[i].offset, value, sizeof(value));
        if (*s == ',')
            s++;
        else if (*s != '}')
            return false;
    }
    *at = s + 1;
    return true;
}

/* ` 1.5e+09 1700000000000` */
static bool metrics_read_value(struct metrics_line *line, const char *s)
{
    char *end;

    if (*s != ' ')
        return false;
    line->value = strtod(s, &end);
    if (end == s || !isfinite(line->value) || line->value < 0)
        return false;
    line->at_ms = -1;
    while (*end == ' ')
        end++;
    return *end == '\0' || (str_i64(end, &line->at_ms) && line->at_ms >= 0);
}

static int metrics_read_line(struct metrics_sample *s, const char *text, struct err *err)
{
    size_t len = strcspn(text, "{ ");
    struct metrics_line line = { .value = 0 };
    struct metrics_reading r = { .cpu_ns = -1, .memory = -1, .at_ms = -1, .start_ms = -1 };
    const char *at = text + len;

    for (size_t i = 0; i < N_ELEMENTS(metrics_series); i++) {
        const struct metrics_series *series = &metrics_series[i];

        if (strlen(series->name) != len || strncmp(series->name, text, len) != 0)
            continue;
        if ((*at == '{' && !metrics_read_labels(&line, &at)) || !metrics_read_value(&line, at) ||
            line.value > series->max || (line.pod[0] == '\0') != series->of_node)
            return err_set(err, ERR_PROTOCOL, "not a series: %.100s", text);
        r.ns = line.ns;
        r.pod = line.pod;
        r.container = line.container;
        series->take(&r, &line);
        return metrics_sample_add(s, &r, err);
    }
    return 0;
}

int metrics_sample_parse(struct metrics_sample **ret, const char *data, size_t len, struct err *err)
{
    struct metrics_sample *s = metrics_sample_new();
    char line[METRICS_LINE_MAX];
    int rc = 0;

    for (size_t i = 0; i < len && rc == 0;) {
        const char *end = memchr(data + i, '\n', len - i);
        size_t n = end != NULL ? (size_t)(end - data) - i : len - i;

        if (n >= sizeof(line)) {
            rc = err_set(err, ERR_PROTOCOL, "a line of %zu bytes", n);
        } else if (n > 0 && data[i] != '#') {
            memcpy(line, data + i, n);
            line[n] = '\0';
            rc = metrics_read_line(s, line, err);
        }
        i += n + 1;
    }
    if (rc < 0) {
        metrics_sample_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}
