/* drain_plan: which pods leave a node, which stay, and which keep it from being drained.
 *
 * Facts: kubernetes/kubectl pkg/drain/filters.go.  Pure.
 */
#ifndef CLIENT_DRAIN_PLAN_H
#define CLIENT_DRAIN_PLAN_H

#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>

struct drain_opts {
    bool ignore_daemon_sets, delete_local, force;
};

enum drain_verdict { DRAIN_EVICT, DRAIN_SKIP, DRAIN_REFUSE };

/* @ret_why is one of drain_words, or NULL when there is nothing to say. */
enum drain_verdict drain_plan(const json_t *pod, const struct drain_opts *opts,
                              const char **ret_why);

#endif
