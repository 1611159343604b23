/* layer: base */
#include "base/prom.h"

#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

TEST(prom, values_of_labels_are_escaped)
{
    cleanup(text_fini) struct text labels = TEXT_EMPTY, t = TEXT_EMPTY;

    prom_labels(&labels, "a", "x\"y\\z\nw", "b", "");
    prom_family(&t, "f", "gauge", "Help.");
    prom_value(&t, "f", text_str(&labels), 1.5);
    prom_value(&t, "f", NULL, 12345678901234);
    CHECK_STR(text_str(&t), "# HELP f Help.\n# TYPE f gauge\n"
                            "f{a=\"x\\\"y\\\\z\\nw\",b=\"\"} 1.5\nf 12345678901234\n");
}

TEST(prom, buckets_of_a_histogram_add_up)
{
    static const double bounds[] = { 0.1, 1, 10 };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct prom_histogram h = { .count = 0 };

    prom_observe(&h, bounds, 3, 0.1);
    prom_observe(&h, bounds, 3, 0.5);
    prom_observe(&h, bounds, 3, 100);
    prom_histogram(&t, "d", "v=\"1\"", &h, bounds, 3);
    CHECK_STR(text_str(&t), "d_bucket{v=\"1\",le=\"0.1\"} 1\nd_bucket{v=\"1\",le=\"1\"} 2\n"
                            "d_bucket{v=\"1\",le=\"10\"} 2\nd_bucket{v=\"1\",le=\"+Inf\"} 3\n"
                            "d_sum{v=\"1\"} 100.6\nd_count{v=\"1\"} 3\n");
}

TEST(prom, figures_of_this_process_are_plausible)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    const char *files, *started;

    prom_process(&t);
    files = strstr(text_str(&t), "\nprocess_open_fds ");
    started = strstr(text_str(&t), "\nprocess_start_time_seconds ");
    CHECK(files != NULL && started != NULL);
    CHECK(atoi(files + strlen("\nprocess_open_fds ")) >= 3);
    CHECK(atof(started + strlen("\nprocess_start_time_seconds ")) > 1.6e9);
    CHECK(strstr(text_str(&t), "\nprocess_resident_memory_bytes ") != NULL);
}
