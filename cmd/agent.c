/* mkube agent: composes one worker. */
#include "nodeagent/agent.h"
#include "api/client.h"
#include "api/informer.h"
#include "api/quantity.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/version.h"
#include "cmd/cmd.h"
#include "cmd/identity.h"
#include "cmd/node_peers.h"
#include "cmd/node_renewal.h"
#include "net/announce.h"
#include "net/dns.h"
#include "net/podnet.h"
#include "net/policy.h"
#include "net/services.h"
#include "nodeagent/node_status.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct agent_flags {
    const char *server, *token, *data_dir, *log_dir, *run_dir, *node_name, *node_ip, *images_dir,
        *resolv_conf;
    struct opt_list mirrors, labels, taints;
    const char *memory, *cpus; /* quantities to offer, or NULL */
    int64_t max_pods;
};

struct worker {
    struct agent_flags flags;
    uv_loop_t loop;
    struct loop_signals *signals;
    struct identity id;
    struct tls_server *creds;
    struct client *client;
    struct informer *services, *slices, *nodes;
    struct services *rules;
    struct policy *policy;
    struct announce *announce;
    struct dns *dns;
    struct node_peers *peers;
    struct podnet *podnet;
    struct agent *agent;
    struct node_renewal *renewal;
    struct err err; /* why it ended, if it failed */
    bool closing;
};

/* --- ending: containers, rules and routes stay --- */

static void worker_close(struct worker *w)
{
    if (w->closing)
        return;
    w->closing = true;
    w->renewal = node_renewal_close(w->renewal);
    w->agent = agent_close(w->agent);
    w->dns = dns_close(w->dns);
    w->announce = announce_close(w->announce);
    w->policy = policy_close(w->policy);
    w->rules = services_close(w->rules);
    w->peers = node_peers_close(w->peers);
    w->services = informer_close(w->services);
    w->slices = informer_close(w->slices);
    w->nodes = informer_close(w->nodes);
    w->client = client_close(w->client);
    w->podnet = podnet_free(w->podnet);
    w->signals = loop_signals_close(w->signals);
}

static void worker_on_signal(void *arg, int signum)
{
    log_info("stopping", KV("signal", "%d", signum));
    worker_close(arg);
}

static void worker_fail(struct worker *w, const struct err *err)
{
    w->err = *err;
    worker_close(w);
}

/* --- starting --- */

static void worker_on_cidr(void *arg, const char *pod_cidr)
{
    struct worker *w = arg;
    struct err err = ERR_EMPTY;
    struct podnet_opts opts = {
        .run_dir = w->flags.run_dir,
        .pod_cidr = pod_cidr,
        .cluster_cidr = w->id.cluster_cidr,
        .service_cidr = w->id.service_cidr,
        .node_ip = w->flags.node_ip,
        .dns_ip = w->id.dns_ip,
    };
    int rc = podnet_new(&w->podnet, &w->loop, &opts, &err);

    if (rc == 0) {
        node_peers_set_podnet(w->peers, w->podnet);
        rc = agent_run(w->agent, w->podnet, &err);
    }
    if (rc < 0) {
        worker_fail(w, &err);
        return;
    }
    log_info("node serves pods", KV("node", "%s", w->id.node_name), KV("cidr", "%s", pod_cidr));
}

static int worker_informers(struct worker *w, struct err *err)
{
    const struct {
        struct informer **to;
        const char *bucket;
    } rows[] = { { &w->services, "services" },
                 { &w->slices, "endpointslices.discovery.k8s.io" },
                 { &w->nodes, "nodes" } };
    int rc = 0;

    for (size_t i = 0; i < N_ELEMENTS(rows) && rc == 0; i++) {
        struct informer_opts opts = { .client = w->client, .bucket = rows[i].bucket };

        rc = informer_new(rows[i].to, &w->loop, &opts, err);
    }
    return rc;
}

static int worker_network(struct worker *w, struct err *err)
{
    struct services_opts rules = { .services = w->services,
                                   .slices = w->slices,
                                   .node_name = w->id.node_name };
    struct dns_opts dns = { .listen_ip = w->id.dns_ip,
                            .port = 53,
                            .domain = w->id.domain,
                            .services = w->services,
                            .slices = w->slices,
                            .resolv_conf = w->flags.resolv_conf };
    struct policy_opts policy = {
        .client = w->client, .nodes = w->nodes, .slices = w->slices, .node_name = w->id.node_name
    };
    int rc = services_new(&w->rules, &w->loop, &rules, err);

    if (rc == 0)
        rc = policy_new(&w->policy, &w->loop, &policy, err);
    w->announce = announce_new(&w->loop, w->services, w->id.node_name);
    w->peers = node_peers_new(&w->loop, w->nodes, w->id.node_name);
    return rc == 0 ? dns_new(&w->dns, &w->loop, &dns, err) : rc;
}

static struct client_config worker_config(const struct worker *w)
{
    return (struct client_config){ .server = w->id.server,
                                   .ca_pem = w->id.ca_pem,
                                   .cert_pem = w->id.client.cert_pem,
                                   .key_pem = w->id.client.key_pem,
                                   .agent = "kubelet/v1.32.0 (mkube)" };
}

/* For connections from now on; those that are open, watches and logs, go on. */
static void worker_on_renewed(void *arg)
{
    struct worker *w = arg;
    struct client_config config = worker_config(w);
    struct tls_server *creds = NULL;
    struct err err = ERR_EMPTY;

    client_renew(w->client, &config);
    if (tls_server_new(&creds, &w->id.serving, w->id.ca_pem, &err) < 0) {
        log_warn("renewed certificate not taken", KV_ERR(&err));
        return;
    }
    agent_renew(w->agent, creds);
    tls_server_unref(w->creds);
    w->creds = creds;
}

static void worker_renewal(struct worker *w)
{
    const struct node_renewal_opts opts = { .client = w->client,
                                            .id = &w->id,
                                            .node_ip = w->flags.node_ip,
                                            .data_dir = w->flags.data_dir,
                                            .on_renewed = worker_on_renewed,
                                            .arg = w };

    w->renewal = node_renewal_new(&w->loop, &opts);
}

static int worker_client(struct worker *w, struct err *err)
{
    struct client_config config = worker_config(w);
    int rc = client_new(&w->client, &w->loop, &config, err);

    return rc == 0 ? tls_server_new(&w->creds, &w->id.serving, w->id.ca_pem, err) : rc;
}

static int worker_agent(struct worker *w, struct err *err)
{
    struct agent_opts opts = {
        .node_name = w->id.node_name,
        .node_ip = w->flags.node_ip,
        .data_dir = w->flags.data_dir,
        .log_dir = w->flags.log_dir,
        .run_dir = w->flags.run_dir,
        .labels = w->flags.labels.values,
        .taints = w->flags.taints.values,
        .memory = quantity_text_value(w->flags.memory, 0),
        .cpu_milli = quantity_text_milli(w->flags.cpus, 0),
        .client = w->client,
        .services = w->services,
        .slices = w->slices,
        .nodes = w->nodes,
        .dns_ip = w->id.dns_ip,
        .cluster_domain = w->id.domain,
        .image_mirrors = w->flags.mirrors.values,
        .image_archive_dir = w->flags.images_dir,
        .max_pods = (int)w->flags.max_pods,
        .creds = w->creds,
        .on_cidr = worker_on_cidr,
        .arg = w,
    };

    return agent_new(&w->agent, &w->loop, &opts, err);
}

/* A host that was off for too long.  Without a token that works it goes on as it is: its pods run,
 * and the log says what is to be done. */
static void worker_join_again(struct worker *w, const struct identity_join *join)
{
    struct err err = ERR_EMPTY;
    struct identity fresh;

    if (join->server == NULL || join->token == NULL) {
        log_error(IDENTITY_EXPIRED);
        return;
    }
    if (identity_join(&fresh, join, &err) < 0) {
        log_error(IDENTITY_EXPIRED, KV_ERR(&err));
        return;
    }
    identity_fini(&w->id);
    w->id = fresh;
    log_info("joined again", KV("server", "%s", join->server), KV("node", "%s", join->node_name));
}

static int worker_join(struct worker *w, struct err *err)
{
    const struct agent_flags *f = &w->flags;
    struct identity_join join = { .server = f->server,
                                  .token = f->token,
                                  .node_name = f->node_name,
                                  .node_ip = f->node_ip,
                                  .data_dir = f->data_dir };
    int rc = identity_load(&w->id, f->data_dir, err);

    if (rc == 0 && f->server != NULL)
        rc = identity_set_server(&w->id, f->server, f->data_dir, err);
    if (rc == 0 && identity_is_expired(&w->id))
        worker_join_again(w, &join);
    if (rc != 1)
        return rc;
    if (f->server == NULL || f->token == NULL)
        return err_set(err, ERR_INVALID,
                       "this host has not joined a cluster yet: give --server "
                       "and --token, as `mkube token create` prints them");
    rc = identity_join(&w->id, &join, err);
    if (rc == 0)
        log_info("joined", KV("server", "%s", f->server), KV("node", "%s", f->node_name));
    return rc;
}

static int worker_start(struct worker *w, struct err *err)
{
    int rc = loop_signals_new(&w->signals, &w->loop, worker_on_signal, w, err);

    if (rc == 0)
        rc = file_mkdirs(w->flags.run_dir, 0755, err);
    if (rc == 0)
        rc = worker_join(w, err);
    if (rc == 0)
        rc = worker_client(w, err);
    if (rc == 0)
        rc = worker_informers(w, err);
    if (rc == 0)
        rc = worker_network(w, err);
    if (rc == 0)
        rc = worker_agent(w, err);
    if (rc < 0)
        return rc;
    worker_renewal(w);
    informer_start(w->services);
    informer_start(w->slices);
    informer_start(w->nodes);
    log_info("agent started", KV("version", "%s", MKUBE_VERSION), KV("node", "%s", w->id.node_name),
             KV("server", "%s", w->id.server));
    return 0;
}

/* --- flags --- */

/* The address from which this host reaches @url's host: what the cluster will know it by. */
static int worker_guess_ip(char ret[INET_ADDRSTRLEN], const char *url, struct err *err)
{
    const char *host = strstr(url, "://") != NULL ? strstr(url, "://") + 3 : url;
    cleanup(freep) char *name = mem_strn(host, strcspn(host, ":/"));
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM };
    struct addrinfo *list = NULL;
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    int fd, rc = -1;

    if (getaddrinfo(name, "9", &hints, &list) != 0)
        return err_set(err, ERR_NOT_FOUND, "cannot resolve %s; give --node-ip", name);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) == 0)
        rc = getsockname(fd, (struct sockaddr *)&own, &len);
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    if (rc < 0)
        return err_set(err, ERR_NOT_FOUND, "no route to %s; give --node-ip", name);
    inet_ntop(AF_INET, &own.sin_addr, ret, INET_ADDRSTRLEN);
    return 0;
}

/* What can be said to be wrong before anything is begun. */
static int worker_check_flags(const struct agent_flags *f, struct err *err)
{
    const struct {
        const char *flag, *value;
    } quantities[] = { { "--memory", f->memory }, { "--cpus", f->cpus } };
    struct quantity q;

    for (size_t i = 0; i < N_ELEMENTS(quantities); i++)
        if (quantities[i].value != NULL &&
            (!quantity_parse(quantities[i].value, &q) || quantity_value(q) <= 0))
            return err_set(err, ERR_INVALID, "%s: \"%s\" is not a quantity above 0",
                           quantities[i].flag, quantities[i].value);
    for (unsigned i = 0; i < f->taints.n; i++) {
        cleanup(json_decrefpp) json_t *taint = node_status_taint(f->taints.values[i]);

        if (taint == NULL)
            return err_set(err, ERR_INVALID,
                           "--node-taint: \"%s\" is not KEY[=VALUE]:EFFECT with NoSchedule, "
                           "PreferNoSchedule or NoExecute",
                           f->taints.values[i]);
    }
    return 0;
}

/* Defaults that need a look at the host. */
static int worker_fill_flags(struct agent_flags *f, char host[256], char ip[INET_ADDRSTRLEN],
                             struct err *err)
{
    struct identity id;
    int rc = 0;

    gethostname(host, 255);
    for (char *s = host; *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
    if (f->node_name == NULL)
        f->node_name = host;
    if (f->node_ip != NULL)
        return 0;
    if (f->server != NULL) {
        rc = worker_guess_ip(ip, f->server, err);
    } else if ((rc = identity_load(&id, f->data_dir, err)) == 0) {
        rc = worker_guess_ip(ip, id.server, err);
        identity_fini(&id);
    } else if (rc == 1) {
        return 0; /* worker_join says what is missing */
    }
    if (rc == 0)
        f->node_ip = ip;
    return rc;
}

int cmd_agent(const struct verb *self, int argc, char **argv)
{
    struct worker *w = MEM_NEW(struct worker);
    struct agent_flags *f = &w->flags;
    char host[256] = "", ip[INET_ADDRSTRLEN];
    struct err err = ERR_EMPTY;
    int n, exit_code, rc;
    const struct opt table[] = {
        { "server", 's', OPT_TEXT, &f->server, "URL",
          "the cluster's API, e.g. https://10.0.0.1:6443" },
        { "token", 't', OPT_TEXT, &f->token, "TOKEN", "join token, needed once" },
        { "data-dir", 'd', OPT_TEXT, &f->data_dir, "DIR",
          "identity, images, volumes, pods (default /var/lib/mkube)" },
        { "run-dir", 0, OPT_TEXT, &f->run_dir, "DIR",
          "what a reboot may forget (default /run/mkube)" },
        { "log-dir", 0, OPT_TEXT, &f->log_dir, "DIR",
          "logs of containers: pods/ and containers/ below it (default /var/log)" },
        { "node-name", 0, OPT_TEXT, &f->node_name, "NAME",
          "name of the Node (default: this host's)" },
        { "node-ip", 0, OPT_TEXT, &f->node_ip, "IP",
          "address of this node (default: the one that reaches the server)" },
        { "node-label", 0, OPT_LIST, &f->labels, "KEY=VALUE",
          "label of the Node; may be repeated" },
        { "node-taint", 0, OPT_LIST, &f->taints, "KEY[=VALUE]:EFFECT",
          "taint of the Node; may be repeated" },
        { "memory", 0, OPT_TEXT, &f->memory, "QUANTITY",
          "memory to offer, e.g. 3Gi (default: all)" },
        { "cpus", 0, OPT_TEXT, &f->cpus, "QUANTITY",
          "processors to offer, e.g. 1500m (default: all)" },
        { "registry-mirror", 0, OPT_LIST, &f->mirrors, "HOST=URL",
          "ask URL for images of HOST (* = all); may be repeated" },
        { "images-dir", 0, OPT_TEXT, &f->images_dir, "DIR",
          "load OCI and docker archives from here at start" },
        { "resolv-conf", 0, OPT_TEXT, &f->resolv_conf, "FILE",
          "where other names are asked (default /etc/resolv.conf)" },
        { "max-pods", 0, OPT_NUMBER, &f->max_pods, "N", "pods on this node (default 110)" },
        { .name = NULL },
    };

    w->flags = (struct agent_flags){ .data_dir = "/var/lib/mkube",
                                     .log_dir = "/var/log",
                                     .run_dir = "/run/mkube",
                                     .resolv_conf = "/etc/resolv.conf" };
    if (!verb_begin(self, table, argc, argv, &n, &exit_code)) {
        free(w);
        return exit_code;
    }
    uv_loop_init(&w->loop);
    rc = worker_check_flags(f, &err);
    if (rc >= 0)
        rc = worker_fill_flags(f, host, ip, &err);
    if (rc >= 0)
        rc = worker_start(w, &err);
    if (rc < 0)
        worker_fail(w, &err);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    loop_finish(&w->loop);
    identity_fini(&w->id);
    tls_server_unref(w->creds);
    exit_code = w->err.code != 0 ? verb_fail(self, &w->err) : VERB_DONE;
    free(w);
    return exit_code;
}
