/* pod_view: a Pod's tree with the few things read again and again picked out.
 *
 * Pure.  Immutable after it was made; shared by reference, because effects under way keep the
 * pod they were started for.  Init containers come first, in order, then the others, then ephemeral
 * ones, of which a later view of the pod may have more.
 */
#ifndef NODEAGENT_POD_VIEW_H
#define NODEAGENT_POD_VIEW_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POD_CONTAINERS_MAX 64 /* plans hold sets of containers as bits */

/* In the order of pod_view.containers; EPHEMERAL: `kubectl debug` added it, behind all others. */
enum container_kind { CONTAINER_INIT, CONTAINER_SIDECAR, CONTAINER_MAIN, CONTAINER_EPHEMERAL };
enum restart_policy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };

struct container_view {
    const json_t *spec; /* borrowed from the tree, as are the strings */
    const char *name;
    const char *image;
    enum container_kind kind;
};

struct pod_view {
    unsigned refs;
    json_t *tree; /* owned */
    const json_t *spec;
    const char *ns, *name, *uid;
    enum restart_policy restart;
    bool host_network, host_pid, host_ipc, shares_pid;
    bool deleting;
    int64_t grace_s;    /* of the deletion under way, else terminationGracePeriodSeconds */
    int64_t deadline_s; /* activeDeadlineSeconds, -1 = none */
    size_t n;
    struct container_view containers[POD_CONTAINERS_MAX];
};

/* Takes @tree, also on failure.  ERR_INVALID: no uid, no containers, or too many. */
int pod_view_new(struct pod_view **ret, json_t *tree, struct err *err);
struct pod_view *pod_view_ref(struct pod_view *v);
struct pod_view *pod_view_unref(struct pod_view *v); /* NULL is fine; returns NULL */
void pod_view_unrefp(struct pod_view **v);

/* Has @v the containers of @before at their places, and perhaps more behind them? */
bool pod_view_continues(const struct pod_view *v, const struct pod_view *before);
/* Do other processes live beside those of the container, in the same namespace? */
bool pod_view_shares_pid(const struct pod_view *v, size_t container);
/* The volume of that name in spec.volumes; borrowed or NULL. */
const json_t *pod_view_volume(const struct pod_view *v, const char *name);
/* Host name inside the pod: spec.hostname or the pod's name, cut at 63 (Linux' limit is 64). */
/* The same, or with setHostnameAsFQDN "name.subdomain.ns.svc.domain"; a new string. */
char *pod_view_nodename(const struct pod_view *v, const char *cluster_domain);
void pod_view_hostname(char ret[64], const struct pod_view *v);

#endif
