/* mkube server: composes the control plane of one site. */
#include "api/server.h"
#include "api/alloc.h"
#include "api/client.h"
#include "api/registry.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/version.h"
#include "cmd/cmd.h"
#include "cmd/encryption.h"
#include "cmd/entry_guard.h"
#include "cmd/join_offer.h"
#include "cmd/pki.h"
#include "cmd/pki_renewal.h"
#include "cmd/site.h"
#include "controlplane/controllers.h"
#include "controlplane/runner.h"
#include "storage/past.h"
#include "storage/store.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define CONTROL_LIFETIME_MIN_MS 10000
#define CONTROL_LIFETIME_MAX_MS (87600LL * 3600 * 1000)

struct server_flags {
    const char *data_dir, *run_dir, *advertise, *bind, *cluster_cidr, *service_cidr, *domain;
    int64_t port, http_port, https_port;
    const char *audit_policy, *audit_path;
    const char *certificate_life;
    int64_t audit_megabytes, audit_backups, audit_days;
    bool no_entry;
};

struct control {
    struct server_flags flags;
    char service_ip[ALLOC_IP_MAX], dns_ip[ALLOC_IP_MAX];
    uv_loop_t loop;
    struct loop_signals *signals;
    struct pki pki;
    struct encryption *encryption;
    struct site site;
    struct store *store;
    struct past *past;
    struct registry *registry;
    struct metrics *metrics;
    struct audit *audit;
    struct server *server;
    struct runner *runner;
    struct timer *step;
    struct pki_renewal *renewal;
    int64_t certificate_s;
    struct entry_guard *guard;
    int64_t started_ms;
    struct err err; /* why it ended, if it failed */
    bool closing;
};

static int64_t control_wall_ms(void *arg)
{
    (void)arg;
    return clock_wall_ms();
}

/* Every object takes two: the kernel is asked for many at once.  None serves twice. */
static uint64_t control_random(void *arg)
{
    static uint64_t pool[64];
    static size_t left;

    (void)arg;
    if (left == 0) {
        bits_random(pool, sizeof(pool));
        left = N_ELEMENTS(pool);
    }
    return pool[--left];
}

/* --- ending, in the reverse order of starting --- */

static void control_on_store_closed(void *arg)
{
    struct control *c = arg;

    c->signals = loop_signals_close(c->signals);
}

static void control_close_store(struct control *c)
{
    c->step = timer_close(c->step);
    c->site.runner = c->runner = runner_free(c->runner);
    c->past = past_close(c->past);
    encryption_stop(c->encryption);
    if (c->store != NULL)
        store_close(STEAL(c->store), control_on_store_closed, c);
    else
        control_on_store_closed(c);
}

static void control_on_server_closed(void *arg)
{
    struct control *c = arg;

    c->audit = audit_close(c->audit);
    control_close_store(arg);
}

static void control_close(struct control *c)
{
    if (c->closing)
        return;
    c->closing = true;
    c->renewal = pki_renewal_close(c->renewal);
    c->guard = entry_guard_close(c->guard);
    if (c->server != NULL)
        server_close(STEAL(c->server), control_on_server_closed, c);
    else
        control_on_server_closed(c);
}

static void control_on_signal(void *arg, int signum)
{
    log_info("stopping", KV("signal", "%d", signum));
    control_close(arg);
}

static void control_fail(struct control *c, const struct err *err)
{
    c->err = *err;
    control_close(c);
}

/* --- the runner's turn --- */

static void control_on_step(void *arg)
{
    struct control *c = arg;
    struct clock_now now = { .wall_ms = clock_wall_ms(), .mono_ms = clock_mono_ms() };
    int64_t next_ms;

    if (c->runner == NULL)
        return;
    next_ms = runner_step(c->runner, now);
    if (next_ms >= 0 && !timer_active(c->step))
        timer_start(c->step, next_ms);
}

static void control_on_wake(void *arg)
{
    struct control *c = arg;

    if (c->step != NULL)
        timer_start(c->step, 0);
}

static int control_start_runner(struct control *c, struct err *err)
{
    struct runner_opts opts = { .registry = c->registry,
                                .controllers = controllers,
                                .metrics = c->metrics,
                                .wake = control_on_wake,
                                .arg = c };
    int rc;

    c->step = timer_new(&c->loop, control_on_step, c);
    rc = runner_new(&c->runner, &opts, err);
    if (rc == 0)
        timer_start(c->step, 0);
    c->site.runner = c->runner;
    return rc;
}

/* --- what people need: a kubeconfig and a way to join --- */

/* Without fsync: each start writes it anew. */
static int control_write_kubeconfig(struct control *c, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("%s/admin.kubeconfig", c->flags.data_dir);
    cleanup(freep) char *url = mem_fmt("https://%s:%u", c->flags.advertise, server_port(c->server));
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct client_config config = { .server = url,
                                    .ca_pem = c->pki.ca.cert_pem,
                                    .cert_pem = c->pki.admin.cert_pem,
                                    .key_pem = c->pki.admin.key_pem };

    client_config_print(&t, &config, "mkube");
    return file_write_fast(path, text_str(&t), t.len, 0600, err);
}

static void control_offer_token(struct control *c)
{
    cleanup(freep) char *url = mem_fmt("https://%s:%u", c->flags.advertise, server_port(c->server));
    const struct join_offer_opts opts = { .registry = c->registry,
                                          .data_dir = c->flags.data_dir,
                                          .server = url,
                                          .ca_hash = c->pki.ca_hash };

    join_offer(&opts);
}

/* --- starting --- */

static struct pki_names control_names(const struct control *c)
{
    return (struct pki_names){ .advertise_ip = c->flags.advertise,
                               .service_ip = c->service_ip,
                               .domain = c->flags.domain,
                               .life_s = c->certificate_s };
}

static int control_open_audit(struct control *c, struct err *err)
{
    const struct server_flags *f = &c->flags;
    cleanup(freep) char *own = mem_fmt("%s/audit/audit.log", f->data_dir);
    struct audit_opts opts = {
        .policy_path = f->audit_policy,
        .log = { .path = f->audit_path != NULL ? f->audit_path : own,
                 .max_bytes = (uint64_t)f->audit_megabytes << 20,
                 .max_backups = (unsigned)f->audit_backups,
                 .max_days = (unsigned)f->audit_days },
    };

    if (str_eq(f->audit_path, "none"))
        return 0;
    if (f->audit_megabytes < 0 || f->audit_backups < 0 || f->audit_days < 0)
        return err_set(err, ERR_INVALID, "--audit-log-max...: must not be negative");
    return audit_new(&c->audit, &c->loop, &opts, err);
}

static int control_listen(struct control *c, struct err *err)
{
    const struct server_flags *f = &c->flags;
    struct server_opts opts = {
        .registry = c->registry,
        .metrics = c->metrics,
        .audit = c->audit,
        .certificate_seconds = c->certificate_s,
        .address = f->bind,
        .port = (uint16_t)f->port,
        .advertise_ip = f->advertise,
        .ca = &c->pki.ca,
        .own = &c->pki.server,
        .node_client = &c->pki.node_client,
        .front_ca = &c->pki.front_ca,
        .sa_key_pem = c->pki.sa_key_pem,
        .sa_old_keys = c->pki.sa_old_keys,
        .cluster_cidr = f->cluster_cidr,
        .service_cidr = f->service_cidr,
        .dns_ip = c->dns_ip,
        .domain = f->domain,
        .site = site_of_server(&c->site),
    };

    return server_new(&c->server, &c->loop, &opts, err);
}

static struct entry_guard_opts control_entry_opts(const struct control *c)
{
    return (struct entry_guard_opts){
        .data_dir = c->flags.data_dir,
        .run_dir = c->flags.run_dir,
        .pair = &c->pki.entry,
        .ca_pem = c->pki.ca.cert_pem,
        .server_port = server_port(c->server),
        .publish_ip = c->flags.advertise,
        .http_port = c->flags.http_port,
        .https_port = c->flags.https_port,
    };
}

static int control_start_entry(struct control *c, struct err *err)
{
    struct entry_guard_opts opts = control_entry_opts(c);

    return c->flags.no_entry ? 0 : entry_guard_new(&c->guard, &c->loop, &opts, err);
}

static void control_on_renewed(void *arg)
{
    struct control *c = arg;
    struct entry_guard_opts entry = control_entry_opts(c);
    struct err err = ERR_EMPTY;

    server_renew(c->server, &c->pki.server, &c->pki.node_client);
    if (control_write_kubeconfig(c, &err) < 0 ||
        (c->guard != NULL && entry_guard_renew(c->guard, &entry, &err) < 0))
        log_warn("kubeconfig with the renewed certificate not written", KV_ERR(&err));
}

static void control_start_renewal(struct control *c)
{
    const struct pki_renewal_opts opts = { .data_dir = c->flags.data_dir,
                                           .names = control_names(c),
                                           .pki = &c->pki,
                                           .on_renewed = control_on_renewed,
                                           .arg = c };

    c->renewal = pki_renewal_new(&c->loop, &opts);
}

static void control_on_bootstrapped(void *arg, int rc, const struct err *bootstrap_err)
{
    struct control *c = arg;
    struct err err = ERR_EMPTY;

    if (rc < 0) {
        control_fail(c, bootstrap_err);
        return;
    }
    if (c->closing)
        return;
    rc = control_open_audit(c, &err);
    if (rc == 0)
        rc = control_listen(c, &err);
    if (rc == 0)
        rc = control_write_kubeconfig(c, &err);
    if (rc == 0)
        rc = control_start_runner(c, &err);
    if (rc == 0)
        rc = control_start_entry(c, &err);
    if (rc < 0) {
        control_fail(c, &err);
        return;
    }
    control_start_renewal(c);
    c->past = past_new(&c->loop, c->store, PAST_TURN_MS);
    log_info("serving", KV("version", "%s", MKUBE_VERSION), KV("address", "%s", c->flags.advertise),
             KV("port", "%u", server_port(c->server)),
             KV("start_ms", "%lld", (long long)(clock_mono_ms() - c->started_ms)),
             KV("revision", "%llu", (unsigned long long)store_revision(c->store)));
    control_offer_token(c);
}

static int control_make_registry(struct control *c, struct err *err)
{
    struct registry_opts opts = {
        .store = c->store,
        .wall_ms = control_wall_ms,
        .random = control_random,
        .service_cidr = c->flags.service_cidr,
        .pod_cidr = c->flags.cluster_cidr,
        .node_port_min = 30000,
        .node_port_max = 32767,
        .cluster_domain = c->flags.domain,
        .ca_pem = c->pki.ca.cert_pem,
    };

    c->metrics = metrics_new();
    return registry_new(&c->registry, &opts, err);
}

static int control_start(struct control *c, struct err *err)
{
    struct pki_names names = control_names(c);
    int rc = loop_signals_new(&c->signals, &c->loop, control_on_signal, c, err);

    if (rc == 0)
        rc = file_mkdirs(c->flags.data_dir, 0700, err);
    if (rc == 0)
        rc = pki_load(&c->pki, c->flags.data_dir, &names, err);
    if (rc == 0)
        rc = encryption_open(&c->encryption, &c->store, &c->loop, c->flags.data_dir, err);
    c->site = (struct site){ .data_dir = c->flags.data_dir,
                             .encryption = c->encryption,
                             .store = c->store,
                             .pki = &c->pki };
    if (rc == 0)
        rc = control_make_registry(c, err);
    if (rc < 0)
        return rc;
    registry_bootstrap(c->registry, c->flags.advertise, (uint16_t)c->flags.port,
                       control_on_bootstrapped, c);
    return 0;
}

/* --- flags --- */

/* The address from which this host reaches the world: what others will reach it by. */
static bool control_guess_address(char ret[INET_ADDRSTRLEN])
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok;

    /* RFC 5737 documentation address: a UDP connect sends nothing, it only picks a route. */
    inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
    ok = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
         getsockname(fd, (struct sockaddr *)&own, &len) == 0;
    if (ok)
        inet_ntop(AF_INET, &own.sin_addr, ret, INET_ADDRSTRLEN);
    if (fd >= 0)
        close(fd);
    return ok;
}

static int control_service_ips(struct control *c, struct err *err)
{
    uint32_t first;
    unsigned bits;
    int rc = alloc_cidr(&first, &bits, c->flags.service_cidr, err);

    if (rc < 0)
        return err_wrap(err, rc, "--service-cidr");
    alloc_ip_print(c->service_ip, first + 1);
    alloc_ip_print(c->dns_ip, first + 10);
    return 0;
}

static int control_lifetime(struct control *c, struct err *err)
{
    const char *life = c->flags.certificate_life;
    int64_t ms;

    if (life == NULL)
        return 0;
    if (!duration_parse(life, &ms) || ms < CONTROL_LIFETIME_MIN_MS || ms > CONTROL_LIFETIME_MAX_MS)
        return err_set(err, ERR_INVALID,
                       "--certificate-lifetime: \"%s\" is no duration from 10s to 87600h", life);
    c->certificate_s = ms / 1000;
    return 0;
}

int cmd_server(const struct verb *self, int argc, char **argv)
{
    static char guessed[INET_ADDRSTRLEN];
    struct control *c = MEM_NEW(struct control);
    struct err err = ERR_EMPTY;
    int n, exit_code, rc;
    const struct opt table[] = {
        { "data-dir", 'd', OPT_TEXT, &c->flags.data_dir, "DIR",
          "where the cluster's state lives (default /var/lib/mkube)" },
        { "run-dir", 0, OPT_TEXT, &c->flags.run_dir, "DIR",
          "what a reboot may forget (default /run/mkube)" },
        { "advertise-address", 0, OPT_TEXT, &c->flags.advertise, "IP",
          "how workers and clients reach this host (default: its main address)" },
        { "bind-address", 0, OPT_TEXT, &c->flags.bind, "IP",
          "where the API listens (default 0.0.0.0)" },
        { "port", 0, OPT_NUMBER, &c->flags.port, "PORT", "port of the API (default 6443)" },
        { "cluster-cidr", 0, OPT_TEXT, &c->flags.cluster_cidr, "CIDR",
          "addresses of pods, a /24 for each node (default 10.244.0.0/16)" },
        { "service-cidr", 0, OPT_TEXT, &c->flags.service_cidr, "CIDR",
          "addresses of Services (default 10.96.0.0/16)" },
        { "cluster-domain", 0, OPT_TEXT, &c->flags.domain, "NAME",
          "DNS domain of the cluster (default cluster.local)" },
        { "entry-http-port", 0, OPT_NUMBER, &c->flags.http_port, "PORT",
          "HTTP port of the entry (default 80)" },
        { "entry-https-port", 0, OPT_NUMBER, &c->flags.https_port, "PORT",
          "HTTPS port of the entry (default 443)" },
        { "certificate-lifetime", 0, OPT_TEXT, &c->flags.certificate_life, "DURATION",
          "of certificates signed from now on (default 8760h)" },
        { "audit-policy-file", 0, OPT_TEXT, &c->flags.audit_policy, "FILE",
          "what the audit log holds, an audit.k8s.io/v1 Policy (default: Metadata of writes)" },
        { "audit-log-path", 0, OPT_TEXT, &c->flags.audit_path, "FILE",
          "where it is written; - = stdout, none = not at all (default DATA/audit/audit.log)" },
        { "audit-log-maxsize", 0, OPT_NUMBER, &c->flags.audit_megabytes, "MB",
          "size of one of its files (default 10)" },
        { "audit-log-maxbackup", 0, OPT_NUMBER, &c->flags.audit_backups, "N",
          "files kept beside the current one, 0 = all (default 4)" },
        { "audit-log-maxage", 0, OPT_NUMBER, &c->flags.audit_days, "DAYS",
          "how long they are kept, 0 = for ever (default 0)" },
        { "no-entry", 0, OPT_FLAG, &c->flags.no_entry, NULL,
          "do not start the entry proxy on this host" },
        { .name = NULL },
    };

    c->started_ms = clock_mono_ms();
    c->flags = (struct server_flags){ .data_dir = "/var/lib/mkube",
                                      .run_dir = "/run/mkube",
                                      .bind = "0.0.0.0",
                                      .port = 6443,
                                      .cluster_cidr = "10.244.0.0/16",
                                      .service_cidr = "10.96.0.0/16",
                                      .domain = "cluster.local",
                                      .http_port = 80,
                                      .https_port = 443,
                                      .audit_megabytes = 10,
                                      .audit_backups = 4 };
    if (!verb_begin(self, table, argc, argv, &n, &exit_code)) {
        free(c);
        return exit_code;
    }
    if (c->flags.advertise == NULL && control_guess_address(guessed))
        c->flags.advertise = guessed;
    uv_loop_init(&c->loop);
    rc = control_service_ips(c, &err);
    if (rc == 0 && c->flags.advertise == NULL)
        rc = err_set(&err, ERR_INVALID, "--advertise-address: this host has no route; give its IP");
    if (rc == 0)
        rc = control_lifetime(c, &err);
    if (rc == 0)
        rc = control_start(c, &err);
    if (rc < 0)
        control_fail(c, &err);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    loop_finish(&c->loop);
    registry_free(c->registry);
    metrics_free(c->metrics);
    encryption_free(c->encryption);
    pki_fini(&c->pki);
    exit_code = VERB_DONE;
    if (c->err.code != 0) {
        verb_fail(self, &c->err);
        exit_code = c->err.code == ERR_CORRUPT ? VERB_REFUSED : VERB_FAILED;
    }
    free(c);
    return exit_code;
}
