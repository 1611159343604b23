#include "cmd/site.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/prom.h"
#include "base/text.h"
#include "storage/store.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Less than this for the store's log and a copy of its file, and writes will soon fail. */
#define SITE_SPACE_MIN (32ULL << 20)

/* --- health --- */

/* Of figures the kernel has: no disk is read. */
static bool site_has_space(void *arg)
{
    const struct site *s = arg;
    struct statvfs fs;

    return statvfs(s->data_dir, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= SITE_SPACE_MIN;
}

static bool site_has_controllers(void *arg)
{
    return ((const struct site *)arg)->runner != NULL;
}

static bool site_has_certificates(void *arg)
{
    const struct site *s = arg;
    struct err err = ERR_EMPTY;
    int64_t expiry_ms;

    return tls_cert_expiry(&expiry_ms, s->pki->server.cert_pem, &err) == 0 &&
           expiry_ms > clock_wall_ms();
}

static const struct server_check site_checks[] = {
    { "store-space", SERVER_READYZ, site_has_space },
    { "controllers", SERVER_LIVEZ | SERVER_READYZ | SERVER_HEALTHZ, site_has_controllers },
    { "certificates", SERVER_READYZ | SERVER_HEALTHZ, site_has_certificates },
    { .name = NULL },
};

/* --- figures --- */

static double site_file_size(const struct site *s, const char *name)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", s->data_dir, name);
    struct stat st;

    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static void site_print_store(const struct site *s, struct text *ret)
{
    prom_family(ret, "apiserver_storage_size_bytes", "gauge",
                "Size of the storage database file physically allocated in bytes.");
    prom_value(ret, "apiserver_storage_size_bytes", "storage_cluster_id=\"state.db\"",
               site_file_size(s, "state.db"));
    prom_value(ret, "apiserver_storage_size_bytes", "storage_cluster_id=\"state.db-wal\"",
               site_file_size(s, "state.db-wal"));
}

enum site_queue { SITE_DEPTH, SITE_ADDS, SITE_RETRIES };

static double site_queue_value(const struct runner_row_stats *row, enum site_queue which)
{
    return which == SITE_DEPTH  ? (double)row->depth
           : which == SITE_ADDS ? (double)row->plans
                                : (double)row->retries;
}

static void site_print_queues(const struct site *s, struct text *ret)
{
    static const struct {
        const char *name, *type, *help;
    } families[] = {
        [SITE_DEPTH] = { "workqueue_depth", "gauge", "Current depth of workqueue" },
        [SITE_ADDS] = { "workqueue_adds_total", "counter",
                        "Total number of adds handled by workqueue" },
        [SITE_RETRIES] = { "workqueue_retries_total", "counter",
                           "Total number of retries handled by workqueue" },
    };
    struct runner_row_stats row;

    for (size_t f = 0; f < N_ELEMENTS(families); f++) {
        prom_family(ret, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; runner_row_stats(s->runner, i, &row); i++) {
            cleanup(text_fini) struct text labels = TEXT_EMPTY;

            prom_labels(&labels, "name", row.controller);
            prom_value(ret, families[f].name, text_str(&labels),
                       site_queue_value(&row, (enum site_queue)f));
        }
    }
}

/* Pods without a node; those that the scheduler has looked at and found no room for say so. */
static void site_print_pending(const struct site *s, struct text *ret)
{
    static const char family[] = "scheduler_pending_pods";
    unsigned active = 0, unschedulable = 0;
    const struct object *o;
    struct store_iter it;

    store_iter_init(&it, s->store, "pods", NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        if (o->node[0] != '\0' || o->deleting || !str_eq(o->phase, "Pending"))
            continue;
        if (strstr(o->json, "\"reason\":\"Unschedulable\"") != NULL)
            unschedulable++;
        else
            active++;
    }
    prom_family(ret, family, "gauge",
                "Number of pending pods, by the queue type. 'active' means number of pods in "
                "activeQ; 'unschedulable' means number of pods in unschedulablePods.");
    prom_value(ret, family, "queue=\"active\"", active);
    prom_value(ret, family, "queue=\"unschedulable\"", unschedulable);
}

static void site_print_certificates(const struct site *s, struct text *ret)
{
    static const char family[] = "mkube_certificate_expiration_timestamp_seconds";
    const char *name, *pem;

    prom_family(ret, family, "gauge", "When a certificate of this server ends.");
    for (size_t i = 0; pki_each(s->pki, i, &name, &pem); i++) {
        cleanup(text_fini) struct text labels = TEXT_EMPTY;
        struct err err = ERR_EMPTY;
        int64_t expiry_ms;

        if (tls_cert_expiry(&expiry_ms, pem, &err) < 0)
            continue;
        prom_labels(&labels, "name", name);
        prom_value(ret, family, text_str(&labels), (double)expiry_ms / 1000);
    }
}

static void site_metrics(void *arg, struct text *ret)
{
    const struct site *s = arg;

    site_print_store(s, ret);
    site_print_certificates(s, ret);
    site_print_pending(s, ret);
    if (s->runner != NULL)
        site_print_queues(s, ret);
}

/* --- keys --- */

static json_t *site_encryption(void *arg)
{
    return encryption_status(((const struct site *)arg)->encryption);
}

static int site_encryption_rotate(void *arg, struct err *err)
{
    return encryption_rotate(((const struct site *)arg)->encryption, err);
}

static int site_store_token_key(void *arg, const char *key_pem, const json_t *old, struct err *err)
{
    const struct site *s = arg;

    return pki_store_token_key(s->pki, s->data_dir, key_pem, old, err);
}

struct server_site site_of_server(struct site *s)
{
    return (struct server_site){
        .checks = site_checks,
        .metrics = site_metrics,
        .encryption = site_encryption,
        .encryption_rotate = site_encryption_rotate,
        .store_token_key = site_store_token_key,
        .arg = s,
    };
}
