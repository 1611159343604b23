/* client: an ordinary Kubernetes API client over base/http_client.
 *
 * Used by the agent, the entry and the client verbs.  Answers are trees; failures carry the
 * server's Status message.  Thread: loop.
 */
#ifndef API_CLIENT_H
#define API_CLIENT_H

#include "base/err.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/list.h"

#include <uv.h>

#define CLIENT_CONNECTIONS 64 /* at most; calls beyond wait */

struct client;

struct client_config { /* where and as whom; owned strings, end with client_config_fini */
    char *server;      /* "https://10.0.0.1:6443" */
    char *ca_pem;
    char *cert_pem, *key_pem; /* or */
    char *token;
    char *ns;          /* default namespace of the context, NULL = "default" */
    const char *agent; /* User-Agent, a literal; NULL = "mkube" */
};
void client_config_fini(struct client_config *c);
/* kubeconfig: current-context; inline data or files. */
int client_config_load(struct client_config *ret, const char *path, struct err *err);
/* A kubeconfig text with inline data. */
void client_config_print(struct text *ret, const struct client_config *c, const char *cluster);

int client_new(struct client **ret, uv_loop_t *loop, const struct client_config *config,
               struct err *err);
void client_renew(struct client *c, const struct client_config *config);
struct client *client_close(struct client *c); /* cancels calls; returns NULL */
const char *client_server(const struct client *c);

/* @body is borrowed tree or NULL.  @path starts with '/', query included (already encoded).
 * on_done: rc 0 for 2xx with the answer's tree (borrowed, may be NULL for non-JSON); otherwise
 * ERR_* matching the Status, message from it; @status always has the HTTP code, 0 if none. */
typedef void (*client_done_fn)(void *arg, int rc, int status, const json_t *body,
                               const struct err *err);
struct client_call;
struct client_call *client_call(struct client *c, const char *method, const char *path,
                                const char *content_type, const json_t *body, client_done_fn done,
                                void *arg);
/* The same with a limit to the whole call (client_call: 30 s). */
struct client_call *client_call_within(struct client *c, int64_t timeout_ms, const char *method,
                                       const char *path, const char *content_type,
                                       const json_t *body, client_done_fn done, void *arg);
void client_call_cancel(struct client_call *call);

/* The way to the server was cut and is whole again.
 *
 * A connection from before may hang for as long as TCP's own back-off says, so the first answer
 * after a failure is the sign: calls that had been waiting end with ERR_UNAVAILABLE, then whoever
 * waits for a back-off, or sits on a stream that may be dead, is told.  Not from within a call's
 * callback; on_back does not close the client. */
struct client_listener {
    struct list link;
    void (*on_back)(void *arg);
    void *arg;
};
/* Nobody answers: the last call that ended found no server, or none ever has. */
bool client_is_away(const struct client *c);
void client_listen(struct client *c, struct client_listener *l); /* borrowed until: */
void client_unlisten(struct client_listener *l); /* idempotent; fine for a zeroed one */

/* Streams (watch, logs): chunks of bytes as they come; on_done as http_client. */
struct http_call *client_stream(struct client *c, const char *path,
                                const struct http_call_listener *listener);

/* "/api/v1/namespaces/ns/pods/name" or "/apis/apps/v1/deployments"; ns/name may be NULL; @sub may be NULL. */
struct schema_resource;
void client_path(struct text *ret, const struct schema_resource *r, const char *ns,
                 const char *name, const char *sub);

#endif
