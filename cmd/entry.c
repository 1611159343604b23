/* mkube entry: the single entry point, as a process of its own that outlives the server. */
#include "net/entry.h"

#include "api/client.h"
#include "api/informer.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "cmd/entry_guard.h"
#include "net/podnet.h"

#include <signal.h>
#include <sys/stat.h>

#define GATE_LOOK_MS 2000

struct gate {
    const char *kubeconfig, *run_dir, *data_dir, *address, *publish_ip;
    int64_t http_port, https_port;
    uv_loop_t loop;
    struct loop_signals *signals;
    struct client *client;
    struct timer *look; /* at the kubeconfig, which the server renews */
    struct stat seen;
    struct informer *nodes;
    struct podnet *podnet; /* the way to the pods */
    struct entry *entry;
    bool closing;
};

/* --- the way to the pods --- */

static const char *gate_node_ip(const json_t *node)
{
    const json_t *address = json_find(json_at(node, "status.addresses"), "type", "InternalIP");

    return json_str(address, "address");
}

static void gate_on_node(void *arg, const struct object *object UNUSED,
                         const struct object *before UNUSED)
{
    struct gate *g = arg;
    size_t n = 0, n_max = informer_count(g->nodes), it = 0;
    cleanup(freep) struct podnet_peer *peers = MEM_NEW_ARRAY(struct podnet_peer, n_max + 1);
    cleanup(freep) json_t **trees = MEM_NEW_ARRAY(json_t *, n_max + 1);
    const struct object *o;

    while ((o = informer_next(g->nodes, &it)) != NULL) {
        json_t *tree = trees[n] = object_tree(o);

        peers[n].node_ip = gate_node_ip(tree);
        peers[n].pod_cidr = json_str(tree, "spec.podCIDR");
        if (peers[n].node_ip != NULL && peers[n].pod_cidr != NULL)
            n++;
        else
            json_decref(tree);
    }
    podnet_set_peers(g->podnet, peers, n);
    while (n > 0)
        json_decref(trees[--n]);
}

/* --- end --- */

static void gate_on_entry_closed(void *arg)
{
    struct gate *g = arg;

    g->look = timer_close(g->look);
    g->nodes = informer_close(g->nodes);
    g->podnet = podnet_free(g->podnet);
    g->client = client_close(g->client);
    g->signals = loop_signals_close(g->signals);
}

static void gate_close(struct gate *g)
{
    if (g->closing)
        return;
    g->closing = true;
    if (g->entry != NULL)
        entry_close(g->entry, gate_on_entry_closed, g);
    else
        gate_on_entry_closed(g);
}

static void gate_on_signal(void *arg, int signum)
{
    log_info("stopping", KV("signal", "%d", signum));
    gate_close(arg);
}

/* --- start --- */

/* The server replaces the file when it has renewed our certificate. */
static bool gate_has_new_config(struct gate *g)
{
    struct stat now;
    bool is_new = stat(g->kubeconfig, &now) == 0 &&
                  (now.st_ino != g->seen.st_ino || now.st_mtim.tv_sec != g->seen.st_mtim.tv_sec ||
                   now.st_mtim.tv_nsec != g->seen.st_mtim.tv_nsec);

    if (is_new)
        g->seen = now;
    return is_new;
}

static void gate_on_look(void *arg)
{
    struct gate *g = arg;
    struct client_config config = { 0 };
    struct err err = ERR_EMPTY;

    if (gate_has_new_config(g)) {
        if (client_config_load(&config, g->kubeconfig, &err) == 0)
            client_renew(g->client, &config);
        else
            log_warn("kubeconfig not read again", KV_ERR(&err));
        client_config_fini(&config);
    }
    timer_start(g->look, GATE_LOOK_MS);
}

static int gate_connect(struct gate *g, struct err *err)
{
    struct client_config config = { 0 };
    int rc;

    gate_has_new_config(g);
    rc = client_config_load(&config, g->kubeconfig, err);
    if (rc == 0)
        rc = client_new(&g->client, &g->loop, &config, err);
    client_config_fini(&config);
    if (rc < 0)
        return rc;
    g->look = timer_new(&g->loop, gate_on_look, g);
    timer_start(g->look, GATE_LOOK_MS);
    return 0;
}

static int gate_start(struct gate *g, struct err *err)
{
    struct informer_opts nodes = { .bucket = "nodes" };
    struct informer_listener listener = { .on_change = gate_on_node, .arg = g };
    struct entry_opts opts = { .address = g->address,
                               .publish_ip = g->publish_ip,
                               .data_dir = g->data_dir,
                               .http_port = (uint16_t)g->http_port,
                               .https_port = (uint16_t)g->https_port };
    int rc = loop_signals_new(&g->signals, &g->loop, gate_on_signal, g, err);

    if (rc == 0)
        rc = gate_connect(g, err);
    if (rc == 0)
        rc = podnet_new_routes_only(&g->podnet, &g->loop, g->publish_ip, g->run_dir, err);
    nodes.client = opts.client = g->client;
    if (rc == 0)
        rc = informer_new(&g->nodes, &g->loop, &nodes, err);
    if (rc == 0)
        rc = entry_new(&g->entry, &g->loop, &opts, err);
    if (rc < 0)
        return rc;
    informer_listen(g->nodes, &listener);
    informer_start(g->nodes);
    return 0;
}

static int gate_check_flags(const struct gate *g, struct err *err)
{
    if (str_empty(g->kubeconfig))
        return err_set(err, ERR_INVALID, "--kubeconfig is needed");
    if (str_empty(g->publish_ip))
        return err_set(err, ERR_INVALID, "--publish-address is needed");
    if (g->http_port < 1 || g->http_port > UINT16_MAX || g->https_port < 1 ||
        g->https_port > UINT16_MAX || g->http_port == g->https_port)
        return err_set(err, ERR_INVALID, "--http-port and --https-port are two ports, 1 to 65535");
    return 0;
}

int cmd_entry(const struct verb *self, int argc, char **argv)
{
    struct gate g = {
        .run_dir = "/run/mkube", .address = "0.0.0.0", .http_port = 80, .https_port = 443
    };
    struct err err = ERR_EMPTY;
    int n, exit_code, rc;
    const struct opt table[] = {
        { "kubeconfig", 0, OPT_TEXT, &g.kubeconfig, "FILE", "how to reach the cluster" },
        { "run-dir", 0, OPT_TEXT, &g.run_dir, "DIR",
          "what a reboot may forget (default /run/mkube)" },
        { "data-dir", 0, OPT_TEXT, &g.data_dir, "DIR",
          "where certificates of its own making are kept (default: nowhere)" },
        { "bind-address", 0, OPT_TEXT, &g.address, "IP", "where to listen (default 0.0.0.0)" },
        { "publish-address", 0, OPT_TEXT, &g.publish_ip, "IP",
          "what the status of Ingresses and Services shows" },
        { "http-port", 0, OPT_NUMBER, &g.http_port, "PORT", "HTTP (default 80)" },
        { "https-port", 0, OPT_NUMBER, &g.https_port, "PORT", "HTTPS (default 443)" },
        { .name = NULL },
    };

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    rc = gate_check_flags(&g, &err);
    if (rc == 0)
        rc = entry_lock_take(g.run_dir, &err);
    if (rc != 0)
        return rc < 0 ? verb_fail(self, &err) : VERB_DONE; /* one is running already */
    uv_loop_init(&g.loop);
    rc = gate_start(&g, &err);
    if (rc < 0)
        gate_close(&g);
    uv_run(&g.loop, UV_RUN_DEFAULT);
    loop_finish(&g.loop);
    return rc < 0 ? verb_fail(self, &err) : VERB_DONE;
}
