/* node_status: what this node says about itself: the Node object and its status.
 *
 * Pure: measures come in, trees go out.  Pressure is judged by the kubelet's default thresholds.
 */
#ifndef NODEAGENT_NODE_STATUS_H
#define NODEAGENT_NODE_STATUS_H

#include "base/json.h"
#include "nodeagent/host_info.h"

#include <stdbool.h>
#include <stdint.h>

struct node_measures {
    int64_t now_wall_ms;
    int64_t memory, memory_available; /* bytes; available -1 = not known */
    int64_t cpu_milli;
    int64_t pids, pid_max;
    struct host_disk disk;
    bool has_disk;
    int max_pods;
    const char *not_ready; /* NULL = ready, else why not */
};

struct node_identity {
    const char *name, *ip;
    const char *const *labels; /* "key=value", NULL-terminated, or NULL */
    const char *const *taints; /* "key[=value]:Effect", as node_taint reads them; or NULL */
    uint16_t api_port;         /* 0 = none */
    const json_t *info;        /* host_info_node */
};

/* "key=value:NoSchedule" or "key:NoExecute" to {key, value, effect}; a new tree, NULL if it is no taint. */
json_t *node_status_taint(const char *text);
#define NODE_DISK_PERCENT 10 /* less free than that is pressure, as under the kubelet */
bool node_status_disk_pressure(const struct host_disk *disk);

/* For POST: kind Node with labels and status. */
json_t *node_status_object(const struct node_identity *id, const struct node_measures *m);
/* @before: the status published last (times of transitions), or NULL. */
json_t *node_status_make(const struct node_identity *id, const struct node_measures *m,
                         const json_t *before);
/* Did anything change that is worth telling before the next regular report? */
bool node_status_differs(const json_t *a, const json_t *b);
/* The resource list that pods may use. */
json_t *node_status_allocatable(const struct node_measures *m);

#endif
