/* store_impl: what the files of the store share.  Private to them.
 *
 * The life of a write (store_commit.c):
 *
 *   submit -> pending -> batch -> visible -> finished (on_done)
 *               |                    ^
 *               +--- lazy, first ----+--> dirty -> batch (the newest state per key)
 */
#ifndef STORAGE_STORE_IMPL_H
#define STORAGE_STORE_IMPL_H

#include "base/list.h"
#include "storage/backend.h"
#include "storage/store.h"
#include "storage/store_index.h"
#include "storage/store_ring.h"

/* How far the durable ceiling runs ahead of the counter at most, and so how many revisions a
 * crash skips.  It is moved when less than half is left. */
#define STORE_HEADROOM    10000
/* Writes that wait for the disk; more are refused. */
#define STORE_MAX_PENDING 65536
/* Writes in one batch: bounds the time others wait and the size of the log. */
#define STORE_MAX_BATCH   4096

/* A write on its way from submit to on_done. */
struct store_pending {
    struct list list;
    struct store_record *record; /* until visible or failed */
    struct object *object;       /* owned ref */
    enum store_change_type type;
    bool lazy;
    bool joined; /* the next one is of the same batch */
    int rc;
    store_done_fn done;
    void *arg;
};

/* A visible lazy state the disk does not have. */
struct store_dirty {
    struct list list;
    struct store_record *record;
    struct object *object; /* owned ref */
    enum store_change_type type;
};

struct store_batch {
    bool busy;
    size_t n_pending;  /* the first of the pending writes are in it */
    struct list dirty; /* these too */
    struct backend_row *rows;
    size_t cap;
    struct backend_batch batch;
};

struct store {
    struct store_backend *backend; /* owned */
    struct store_opts opts;        /* limits, none 0 */
    struct store_index index;
    struct store_ring ring;
    struct list cursors; /* those that follow all buckets */
    size_t n_cursors;

    uint64_t counter; /* last revision handed out */
    uint64_t visible; /* newest one applied */
    uint64_t ceiling; /* durable: no revision above was shown without a durable write */
    uint64_t floor;   /* loaded: cursors from before are too old */
    uint64_t lost_from,
        lost_to; /* revisions between may have been shown, and lost with the power */

    struct list pending; /* store_pending, in revision order */
    size_t n_pending;
    size_t n_latest, latest_bytes; /* as if everything pending were visible */
    struct list dirty;             /* store_dirty, in revision order */
    struct store_batch batch;
    struct list finished; /* store_pending: their on_done is due */
    struct list touched;  /* store_bucket: changed since cursors were woken */
    uint64_t commits;

    bool deferred;      /* a deferred call to finish is under way */
    unsigned finishing; /* within on_done callbacks */
    unsigned held;      /* see store_hold */
    bool closing;
    bool failing; /* the last batch failed */
    bool gave_up; /* the last batch failed: close all the same */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

static inline const char *store_ns(const char *ns)
{
    return ns ? ns : "";
}

/* store_load.c: everything from the backend into an empty store. */
int store_load(struct store *s, struct err *err);
/* store_commit.c: starts a batch if there is reason to and none is under way. */
void store_pump(struct store *s, bool flush);
/* With all there is, or nothing but the ceiling. */
void store_batch_start(struct store *s);
void store_on_flush(void *arg);
/* store.c: goes on with closing when nothing is under way any more. */
void store_settle(struct store *s);
/* store_cursor.c: tells those who follow a touched bucket, or everything: there may be news. */
void store_cursors_wake(struct store *s);

#endif
