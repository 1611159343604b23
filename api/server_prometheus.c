/* /metrics: what this server counted, in Prometheus' text. */
#include "api/server_impl.h"
#include "base/mem.h"
#include "base/prom.h"
#include "base/text.h"
#include "base/version.h"

#include <stdlib.h>

static void prometheus_build(struct text *ret)
{
    cleanup(text_fini) struct text labels = TEXT_EMPTY;

    prom_labels(&labels, "major", MKUBE_KUBERNETES_MAJOR, "minor", MKUBE_KUBERNETES_MINOR,
                "git_version", MKUBE_KUBERNETES_VERSION, "platform", "linux/amd64");
    prom_family(
        ret, "kubernetes_build_info", "gauge",
        "A metric with a constant '1' value labeled by major, minor, git version, git "
        "commit, git tree state, build date, Go version, and compiler from which Kubernetes "
        "was built, and platform on which it is running.");
    prom_value(ret, "kubernetes_build_info", text_str(&labels), 1);
}

static void prometheus_objects(struct text *ret, const struct store *store)
{
    const char **buckets = store_buckets(store);

    prom_family(ret, "apiserver_storage_objects", "gauge",
                "Number of stored objects at the time of last check split by kind.");
    for (size_t i = 0; buckets[i] != NULL; i++) {
        cleanup(text_fini) struct text labels = TEXT_EMPTY;

        prom_labels(&labels, "resource", buckets[i]);
        prom_value(ret, "apiserver_storage_objects", text_str(&labels),
                   (double)store_count(store, buckets[i]));
    }
    free(buckets);
}

static void prometheus_store(struct text *ret, const struct store *store)
{
    struct store_stats stats;

    store_stats(store, &stats);
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        { "mkube_store_live_bytes", "gauge", "Bytes of all objects in memory.",
          (double)stats.live_bytes },
        { "mkube_store_changes", "gauge", "Changes kept for watches.", (double)stats.ring_changes },
        { "mkube_store_pending_writes", "gauge", "Writes that wait for the disk.",
          (double)stats.pending },
        { "mkube_store_commits_total", "counter", "Batches of writes made durable.",
          (double)stats.commits },
        { "mkube_store_revision", "gauge", "The newest visible revision.", (double)stats.revision },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        prom_family(ret, rows[i].name, rows[i].type, rows[i].help);
        prom_value(ret, rows[i].name, NULL, rows[i].value);
    }
}

void server_prometheus(struct call *c)
{
    struct text t = TEXT_EMPTY;

    request_stats_print(&t, c->s->stats);
    prometheus_objects(&t, c->s->store);
    prometheus_store(&t, c->s->store);
    prometheus_build(&t);
    if (c->s->audit != NULL)
        audit_print_metrics(c->s->audit, &t);
    if (c->s->site.metrics != NULL)
        c->s->site.metrics(c->s->site.arg, &t);
    prom_process(&t);
    call_send_text(c, 200, "text/plain; version=0.0.4; charset=utf-8", &t);
}
