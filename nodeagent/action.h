/* action: what a probe or a lifecycle hook does to a container: exec, httpGet, tcpSocket, grpc, sleep.
 *
 * Parsing is pure (named ports, hosts and defaults resolved); action_run does it once, on the
 * loop, within a time limit.
 */
#ifndef NODEAGENT_ACTION_H
#define NODEAGENT_ACTION_H

#include "base/err.h"
#include "base/http_client.h"
#include "base/json.h"
#include "nodeagent/pod_view.h"

#include <stdint.h>
#include <uv.h>

/* Who asks.  A hook only calls: any answer over HTTP will do.  A probe judges its status. */
enum action_use { ACTION_PROBE, ACTION_HOOK };
enum action_type { ACTION_EXEC, ACTION_HTTP, ACTION_TCP, ACTION_GRPC, ACTION_SLEEP };

struct action { /* end with action_fini */
    enum action_use use;
    enum action_type type;
    char **argv;    /* exec: owned, NULL-terminated */
    char *url;      /* http, grpc: owned */
    char **headers; /* http, grpc: owned, NULL-terminated "Name: value" */
    char *host;     /* tcp: owned */
    char *service;  /* grpc: owned */
    uint16_t port;
    int64_t sleep_ms;
};
void action_fini(struct action *a);

/* @handler has one of exec, httpGet, tcpSocket, grpc, sleep.  ERR_INVALID: none, or a port that does
 * not exist. */
int action_parse(struct action *ret, const json_t *handler, const struct container_view *c,
                 const char *pod_ip, enum action_use use, struct err *err);

/* Where a redirect to @location leads from @url, new; NULL: to another host. */
char *action_redirect(const char *url, const char *location);

struct action_context {
    uv_loop_t *loop;
    struct http_client *http; /* insecure by Kubernetes' rule */
    const char *runc, *runc_root;
    const char *container_id;
    const char *run_dir; /* place for exec's process description */
};

struct action_run;
/* rc 0: success.  Otherwise @err->text is the output for the event ("HTTP probe failed with
 * statuscode: 500", a program's output, ...).  ERR_UNAVAILABLE from exec: the question could not
 * be put (no such program), so there is no answer either. */
typedef void (*action_done_fn)(void *arg, int rc, const struct err *err);

/* @a and @context's strings are borrowed until @done, which is called exactly once, not from
 * within. */
struct action_run *action_run(const struct action *a, const struct action_context *context,
                              int64_t timeout_ms, action_done_fn done, void *arg);
void action_cancel(struct action_run *r); /* no callback; the pointer is dead after */

#endif
