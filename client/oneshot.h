/* oneshot: a few API calls of a client verb, one after the other, each waited for.
 *
 * Owns its own loop, so that verbs read from top to bottom.  Thread: main.
 */
#ifndef CLIENT_ONESHOT_H
#define CLIENT_ONESHOT_H

#include "api/client.h"
#include "base/err.h"
#include "base/json.h"

struct oneshot;

/* @kubeconfig NULL: $KUBECONFIG, else DATA/admin.kubeconfig, else ~/.kube/config. */
int oneshot_new(struct oneshot **ret, const char *kubeconfig, struct err *err);
struct oneshot *oneshot_free(struct oneshot *o);
struct client *oneshot_client(struct oneshot *o);
uv_loop_t *oneshot_loop(struct oneshot *o);

/* @ret_body (may be NULL) is the caller's.  Failures carry the server's message. */
int oneshot_call(struct oneshot *o, const char *method, const char *path, const char *content_type,
                 const json_t *body, json_t **ret_body, struct err *err);

/* The kubeconfig a client verb would use: owned string. */
char *oneshot_find_config(const char *kubeconfig);

#endif
