/* layer: api */
#include "api/request_stats.h"

#include "base/mem.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

static const struct request_kind get_pod = {
    .verb = "GET", .group = "", .version = "v1", .resource = "pods", .sub = "", .scope = "resource"
};

static void once(struct request_stats *s, const struct request_kind *k, int code)
{
    request_stats_begin(s, k);
    request_stats_end(s, k, code, 0.01);
}

static bool says(const struct request_stats *s, const char *line)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    request_stats_print(&t, s);
    return strstr(text_str(&t), line) != NULL;
}

TEST(request_stats, requests_are_counted_by_code_and_timed)
{
    struct request_stats *s = request_stats_new();

    once(s, &get_pod, 200);
    once(s, &get_pod, 200);
    once(s, &get_pod, 404);
    CHECK(says(s, "apiserver_request_total{component=\"apiserver\",dry_run=\"\",group=\"\","
                  "resource=\"pods\",scope=\"resource\",subresource=\"\",verb=\"GET\","
                  "version=\"v1\",code=\"200\"} 2\n"));
    CHECK(says(s, "code=\"404\"} 1\n"));
    CHECK(says(s, "version=\"v1\",le=\"0.005\"} 0\n"));
    CHECK(says(s, "version=\"v1\",le=\"0.025\"} 3\n"));
    request_stats_free(s);
}

TEST(request_stats, what_is_under_way_is_known)
{
    struct request_kind watch = get_pod, put = get_pod;
    struct request_stats *s = request_stats_new();

    watch.verb = "WATCH";
    watch.is_long = true;
    put.verb = "PUT";
    put.mutates = true;
    request_stats_begin(s, &watch);
    request_stats_begin(s, &put);
    CHECK(says(s, "inflight_requests{request_kind=\"mutating\"} 1\n"));
    CHECK(says(s, "inflight_requests{request_kind=\"readOnly\"} 0\n"));
    CHECK(says(s, "verb=\"WATCH\",version=\"v1\"} 1\n"));
    request_stats_end(s, &put, 200, 0.1);
    request_stats_end(s, &watch, 200, 100);
    CHECK(says(s, "inflight_requests{request_kind=\"mutating\"} 0\n"));
    CHECK(says(s, "verb=\"WATCH\",version=\"v1\"} 0\n"));
    CHECK(!says(s, "duration_seconds_count{component=\"apiserver\",dry_run=\"\",group=\"\","
                   "resource=\"pods\",scope=\"resource\",subresource=\"\",verb=\"WATCH\""));
    request_stats_free(s);
}

TEST(request_stats, series_have_a_bound)
{
    struct request_stats *s = request_stats_new();
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char name[32];
    size_t lines = 0;

    for (int i = 0; i < 10000; i++) {
        struct request_kind k = get_pod;

        snprintf(name, sizeof(name), "kind%d", i);
        k.resource = name;
        k.is_long = i % 2 != 0;
        once(s, &k, 200);
    }
    request_stats_print(&t, s);
    for (const char *at = text_str(&t); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CHECK(lines <= 1001 * (26 + 2) + 10);
    CHECK(says(s, "apiserver_request_total{resource=\"_other\"} 9000\n"));
    request_stats_free(s);
}
