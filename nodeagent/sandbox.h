/* sandbox: what the containers of one pod share: network, host name, IPC, /dev/shm, its files
 * below /etc, its control group.  No process holds it: namespaces are pinned by bind mounts.
 *
 *   <run_dir>/pods/<uid>/           a tmpfs of the pod's own: uts, ipc, shm/, volumes/
 *   <data_dir>/pods/<uid>/etc/      hosts, hostname, resolv.conf
 *
 * Owner: pod_worker.  Thread: loop; mounting on worker threads.
 */
#ifndef NODEAGENT_SANDBOX_H
#define NODEAGENT_SANDBOX_H

#include "base/err.h"
#include "nodeagent/pod_view.h"
#include "nodeagent/runtime.h"

#include <stdbool.h>

struct podnet;
struct sandbox;

struct sandbox_host { /* the same for all pods; borrowed */
    struct runtime *rt;
    struct podnet *podnet; /* NULL: only pods on the node's own network */
    const char *node_ip, *dns_ip, *cluster_domain;
};

typedef void (*sandbox_done_fn)(void *arg, int rc, const struct err *err);

/* Makes it, or takes up one that stands from before.  @mounted fires when its directories can take
 * volumes (the network may still be under way; not when that part failed), then @done exactly
 * once; neither from within, nor after sandbox_free. */
struct sandbox *sandbox_make(const struct sandbox_host *host, struct pod_view *pod,
                             void (*mounted)(void *arg), sandbox_done_fn done, void *arg);
/* Did one of an earlier agent stand whole?  Asked before sandbox_make. */
bool sandbox_stands(const struct sandbox_host *host, const struct pod_view *pod);

const char *sandbox_ip(const struct sandbox *s); /* "" on the node's network or before done */
const char *sandbox_net_ns(
    const struct sandbox *s); /* path, NULL = the node's own; likewise below */
const char *sandbox_uts_ns(const struct sandbox *s);
const char *sandbox_ipc_ns(const struct sandbox *s);
const char *sandbox_hostname(const struct sandbox *s); /* as the containers see it */
const char *sandbox_shm(const struct sandbox *s);
char *sandbox_etc(const struct sandbox *s, const char *file); /* new string */

/* Forgets; what was made stays.  Returns NULL. */
struct sandbox *sandbox_free(struct sandbox *s);
/* Removes everything of the pod's sandbox, whether a struct sandbox stands for it or not. */
void sandbox_remove(const struct sandbox_host *host, const char *uid, sandbox_done_fn done,
                    void *arg);

#endif
