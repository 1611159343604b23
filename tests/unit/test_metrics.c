/* layer: api */
#include "api/metrics.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

#define T0 1700000000000

static struct metrics *m;

static void up(void)
{
    m = metrics_new();
}

static void down(void)
{
    m = metrics_free(m);
}

static int parse(const char *text)
{
    struct metrics_sample *sample = NULL;
    struct err err = ERR_EMPTY;
    int rc = metrics_sample_parse(&sample, text, strlen(text), &err);

    if (rc == 0)
        metrics_put(m, "n", sample);
    return rc;
}

/* One container of pod a/b, and the node. */
static void told(double cpu_s, int64_t at_ms, int64_t start_ms, int64_t memory)
{
    cleanup(freep) char *text = mem_fmt(
        "# HELP x y\n"
        "container_cpu_usage_seconds_total{container=\"c\",namespace=\"a\",pod=\"b\"} %.3f %lld\n"
        "container_memory_working_set_bytes{container=\"c\",namespace=\"a\",pod=\"b\"} %lld %lld\n"
        "container_start_time_seconds{container=\"c\",namespace=\"a\",pod=\"b\"} %.3f\n"
        "node_cpu_usage_seconds_total %.3f %lld\n"
        "node_memory_working_set_bytes 1.5e+09 %lld\n"
        "pod_cpu_usage_seconds_total{namespace=\"a\",pod=\"b\"} 7 1\n",
        cpu_s, (long long)at_ms, (long long)memory, (long long)at_ms, (double)start_ms / 1000,
        10 * cpu_s, (long long)at_ms, (long long)at_ms);

    CHECK_INT(parse(text), 0);
}

TEST(metrics, two_samples_make_a_rate)
{
    struct metrics_usage node;
    struct metrics_pod pod;
    int64_t at_ms, window_ms;

    up();
    told(10, T0, T0 - 100000, 4096);
    CHECK(!metrics_pod(m, "n", "a", "b", &pod));
    CHECK(!metrics_node(m, "n", &node, &at_ms, &window_ms));
    told(13, T0 + 15000, T0 - 100000, 8192);
    CHECK(metrics_pod(m, "n", "a", "b", &pod));
    CHECK_INT(pod.n, 1);
    CHECK_STR(pod.containers[0].name, "c");
    CHECK_INT(pod.containers[0].cpu_nano, 200000000);
    CHECK_INT(pod.containers[0].memory, 8192);
    CHECK_INT(pod.window_ms, 15000);
    CHECK_INT(pod.at_ms, T0 + 15000);
    CHECK(metrics_node(m, "n", &node, &at_ms, &window_ms));
    CHECK_INT(node.cpu_nano, 2000000000);
    CHECK_INT(node.memory, 1500000000);
    CHECK(!metrics_pod(m, "n", "a", "other", &pod));
    CHECK(!metrics_pod(m, "other", "a", "b", &pod));
    down();
}

TEST(metrics, a_container_that_started_between_two_samples_counts_from_its_start)
{
    struct metrics_pod pod;

    up();
    told(1, T0, T0 - 12000, 1);
    CHECK(metrics_pod(m, "n", "a", "b", &pod));
    CHECK_INT(pod.window_ms, 12000);
    CHECK_INT(pod.containers[0].cpu_nano, 83333333);
    down();
    up();
    told(1, T0, T0 - 9000, 1); /* too young to mean something */
    CHECK(!metrics_pod(m, "n", "a", "b", &pod));
    down();
}

TEST(metrics, a_restart_is_no_negative_rate)
{
    struct metrics_pod pod;

    up();
    told(50, T0, T0 - 100000, 1);
    told(2, T0 + 15000, T0 + 4000, 1);
    CHECK(metrics_pod(m, "n", "a", "b", &pod));
    CHECK_INT(pod.window_ms, 11000);
    told(1, T0 + 30000, T0 + 29000, 1);
    CHECK(!metrics_pod(m, "n", "a", "b", &pod));
    down();
}

TEST(metrics, a_clock_that_went_back_gives_no_rate)
{
    struct metrics_pod pod;

    up();
    told(10, T0, T0 - 100000, 1);
    told(11, T0 - 5000, T0 - 100000, 1);
    CHECK(!metrics_pod(m, "n", "a", "b", &pod));
    down();
}

TEST(metrics, what_was_forgotten_is_not_told)
{
    struct metrics_pod pod;

    up();
    told(10, T0, T0 - 100000, 1);
    told(11, T0 + 15000, T0 - 100000, 1);
    metrics_forget(m, "n");
    CHECK(!metrics_pod(m, "n", "a", "b", &pod));
    told(10, T0, T0 - 100000, 1);
    told(11, T0 + 15000, T0 - 100000, 1);
    metrics_clear(m);
    CHECK(!metrics_pod(m, "n", "a", "b", &pod));
    down();
}

TEST(metrics, a_pod_is_known_when_all_its_containers_are)
{
    struct metrics_pod pod;
    static const char two[] =
        "container_cpu_usage_seconds_total{container=\"c\",namespace=\"a\",pod=\"b\"} 11 "
        "1700000015000\n"
        "container_memory_working_set_bytes{container=\"c\",namespace=\"a\",pod=\"b\"} 1 1\n"
        "container_cpu_usage_seconds_total{container=\"d\",namespace=\"a\",pod=\"b\"} 1 "
        "1700000015000\n"
        "container_memory_working_set_bytes{container=\"d\",namespace=\"a\",pod=\"b\"} 1 1\n";

    up();
    told(10, T0, T0 - 100000, 1);
    CHECK_INT(parse(two), 0);
    CHECK(!metrics_pod(m, "n", "a", "b", &pod));
    down();
}

TEST(metrics, text_that_is_none_is_refused)
{
    static const char *const wrong[] = {
        "node_cpu_usage_seconds_total",
        "node_cpu_usage_seconds_total x",
        "node_cpu_usage_seconds_total 1 x",
        "node_cpu_usage_seconds_total -1",
        "node_cpu_usage_seconds_total NaN",
        "node_cpu_usage_seconds_total 1e300",
        "node_cpu_usage_seconds_total 1 -5",
        "container_cpu_usage_seconds_total 1 1",
        "container_cpu_usage_seconds_total{pod=\"b\" 1",
        "container_cpu_usage_seconds_total{pod=\"b} 1",
        "container_cpu_usage_seconds_total{pod=\"b\\",
        "container_cpu_usage_seconds_total{pod=b} 1",
        "container_cpu_usage_seconds_total{",
        "node_cpu_usage_seconds_total{pod=\"b\"} 1",
    };

    up();
    for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
        if (parse(wrong[i]) != ERR_PROTOCOL) {
            print_error("%s\n", wrong[i]);
            CHECK(!"is refused");
        }
    CHECK_INT(parse("something_else{a=\"b\"} whatever\n\n# x\n"), 0);
    CHECK_INT(parse("node_cpu_usage_seconds_total 1"), 0); /* no newline at the end */
    down();
}

TEST(metrics, escapes_in_labels_are_undone)
{
    struct metrics_pod pod;
    static const char first[] = "container_cpu_usage_seconds_total{pod=\"a\\\\b\\\"c\",namespace="
                                "\"n\",container=\"x\"} 1 5\n";
    static const char second[] =
        "container_cpu_usage_seconds_total{pod=\"a\\\\b\\\"c\",namespace=\"n\",container=\"x\"} 2 "
        "1005\n"
        "container_memory_working_set_bytes{pod=\"a\\\\b\\\"c\",namespace=\"n\",container=\"x\"} "
        "1\n";

    up();
    CHECK_INT(parse(first), 0);
    CHECK_INT(parse(second), 0);
    CHECK(metrics_pod(m, "n", "n", "a\\b\"c", &pod));
    CHECK_INT(pod.containers[0].cpu_nano, 1000000000);
    down();
}
