/* evictor: measures, at a steady pace, the pods that have limits on local disk, and ends those over;
 * has unused images removed when the disk runs full, and ends pods one by one when that is not enough.
 *
 * What is decided is in eviction and image_gc; this walks directories on a worker thread, one pod
 * after the other, never two rounds at a time.  Owner: agent.  Thread: loop.
 */
#ifndef NODEAGENT_EVICTOR_H
#define NODEAGENT_EVICTOR_H

#include "nodeagent/pod_worker.h"

struct evictor;

struct evictor_opts { /* copied; what it points to is borrowed */
    uv_loop_t *loop;
    struct image_store *images;
    const char *data_dir;
    /* The pods of this node, in any order; NULL: no more.  *it starts at 0. */
    struct pod_worker *(*next)(void *arg, size_t *it);
    struct pod_worker *(*find)(void *arg, const char *uid);
    void *arg;
};

struct evictor *evictor_new(const struct evictor_opts *opts);
struct evictor *evictor_close(struct evictor *e); /* returns NULL; no pod is ended any more */

#endif
