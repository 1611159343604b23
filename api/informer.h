/* informer: a local copy of a resource, kept true by LIST and WATCH.
 *
 * Reconnects for ever with back-off (100 ms doubling to 10 s, jitter), relists on 410, resumes
 * from the last revision otherwise, at once when the client finds the way to the server whole
 * again (client_listener); keeps serving the last known state while the server is away.
 * Listeners are told of every change after the copy is updated.  Thread: loop.
 */
#ifndef API_INFORMER_H
#define API_INFORMER_H

#include "api/client.h"
#include "storage/object.h"

#include <stdbool.h>

struct informer;

struct informer_opts {
    struct client *client;      /* borrowed */
    const char *bucket;         /* "pods", "endpointslices.discovery.k8s.io" */
    const char *ns;             /* NULL = all */
    const char *field_selector; /* "spec.nodeName=worker1" or NULL */
    const char *label_selector;
};

struct informer_listener {
    /* @object NULL = deleted; @before NULL = new.  Borrowed; ref to keep.  An object that was
     * deleted and made anew while nobody looked comes as a change with another uid. */
    void (*on_change)(void *arg, const struct object *object, const struct object *before);
    /* The first complete list is in (once). */
    void (*on_synced)(void *arg);
    /* Connection lost or regained (true); may be NULL. */
    void (*on_connected)(void *arg, bool connected);
    void *arg;
};

int informer_new(struct informer **ret, uv_loop_t *loop, const struct informer_opts *opts,
                 struct err *err);
void informer_listen(struct informer *i,
                     const struct informer_listener *l); /* copied; before start */
void informer_start(struct informer *i);
bool informer_synced(const struct informer *i);
bool informer_connected(const struct informer *i);
const struct object *informer_get(const struct informer *i, const char *ns, const char *name);
/* for (it = 0; (o = informer_next(i, &it)); )  any order; no changes while walking */
const struct object *informer_next(const struct informer *i, size_t *it);
size_t informer_count(const struct informer *i);
/* Not from within a callback.  No callback after this; handles die on the loop; returns NULL.
 * Before the client's end. */
struct informer *informer_close(struct informer *i);

#endif
