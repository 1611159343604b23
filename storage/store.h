/* store: all objects in memory, one order of revisions, a bounded ring of changes, and a
 * backend that makes batches durable.
 *
 * A write is validated by the caller against store_latest(), submitted (it gets its revision
 * then: submit order is revision order), committed by the backend in batches (group commit),
 * and only then visible to store_get/list/cursors; on_done fires after it is visible.  When a
 * batch fails, every write submitted and not yet visible fails with the same error, because
 * later ones may have been computed from it; nothing of them was or becomes visible.
 *
 * Lazy writes (Leases, Events, heartbeats) become visible at once, unless a write before them is
 * still pending, and reach the disk with the next durable batch or after lazy_flush_ms, without
 * fsync of their own, only the newest state per object; a power cut may lose them.
 *
 * After a restart the counter starts above any revision ever shown: a durable ceiling is kept
 * ahead of it, and a lazy write above the ceiling waits for a batch that moves it.  (An orderly
 * end lowers the ceiling to the counter: no gap.)  A cursor is told STORE_TOO_OLD when its
 * revision lies before a change of its bucket that fell off the ring, was lazy and written
 * before a restart, or among revisions that a crash may have taken.
 *
 * Owner: cmd (or the simulator).  Thread: loop; the backend brings its own.  Knows no libuv.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/err.h"
#include "base/json.h"
#include "storage/object.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct store_backend;

struct store_opts {
    size_t max_objects; /* 0 = 1,000,000 */
    /* Live bytes; 0 = 4 GiB.  Above, creates and growing updates are ERR_NOSPACE. */
    size_t max_bytes;
    size_t ring_changes; /* 0 = 10,000; at most an eighth of them lazy ones */
    size_t ring_bytes;   /* 0 = 64 MiB: whichever bound comes first */
};

/* Loads everything through @backend, which is taken over: closed by store_close, and on failure
 * (which takes some turns of its loop, or steps). */
int store_open(struct store **ret, struct store_backend *backend, const struct store_opts *opts,
               struct err *err);
/* Flushes what was submitted (its on_done is called), then closes the backend and calls @on_closed
 * (may be NULL), never from within; s is gone.  Meanwhile reading goes on and writes are refused.
 * Cursors must be freed before @on_closed. */
void store_close(struct store *s, void (*on_closed)(void *arg), void *arg);

/* --- writing --- */
enum store_verb { STORE_CREATE, STORE_UPDATE, STORE_DELETE };

struct store_write {
    enum store_verb verb;
    const char *bucket, *ns, *name;
    /* The new state, borrowed.  For STORE_DELETE: the last state to show, NULL = as it is. */
    json_t *tree;
    uint64_t expect; /* UPDATE/DELETE: revision store_latest() must show; 0 = any */
    bool lazy;
};

enum store_outcome {
    STORE_OK = 0,
    STORE_EXISTS = 1, /* create: there is one (committed or pending) */
    STORE_ABSENT = 2, /* update, delete: there is none */
    STORE_STALE = 3,  /* @expect differs */
};

/* rc 0: @object is the visible state (borrowed; of a deletion: the last, with its revision).
 * rc ERR_*: @object is NULL, @err tells why; nothing of the write is or will be visible. */
typedef void (*store_done_fn)(void *arg, int rc, const struct object *object,
                              const struct err *err);

/* Returns STORE_OK (on_done will be called exactly once, never from within), a positive outcome
 * (nothing submitted, no callback), or ERR_NOSPACE (limits) / ERR_UNAVAILABLE (closing, or too many
 * writes wait for the disk). @done may be NULL.
 * @ret_object (may be NULL) gets the pending object, borrowed until done. */
int store_submit(struct store *s, const struct store_write *w, store_done_fn done, void *arg,
                 const struct object **ret_object, struct err *err);

/* What is submitted between the two becomes durable together or not at all (lazy writes excepted, as
 * ever).  Counted; without a return to the loop in between. */
void store_hold(struct store *s);
void store_release(struct store *s);

/* --- reading: all borrowed until the caller returns to the loop; ref to keep --- */
const struct object *store_get(const struct store *s, const char *bucket, const char *ns,
                               const char *name);
/* Including what is submitted but not yet committed: the base for read-modify-write. NULL when
 * absent or pending deletion. */
const struct object *store_latest(const struct store *s, const char *bucket, const char *ns,
                                  const char *name);
uint64_t store_revision(const struct store *s); /* newest visible */
size_t store_count(const struct store *s, const char *bucket);
/* Every bucket name in use, sorted, NULL-terminated; free() the array; names borrowed. */
const char **store_buckets(const struct store *s);

/* Walks visible objects of a bucket in order of (ns, name). @ns NULL = all namespaces.
 * Start after (@after_ns, @after_name), NULL = from the start. The store must not change while
 * walking (no return to the loop). */
struct store_iter {
    const struct store *s;
    void *pos;
    const char *ns;
    bool latest; /* set it after store_iter_init: walk what store_latest shows */
};
void store_iter_init(struct store_iter *it, const struct store *s, const char *bucket,
                     const char *ns, const char *after_ns, const char *after_name);
const struct object *store_iter_next(struct store_iter *it); /* NULL at the end */

/* Objects by index, visible ones, any order; NULL at the end.  Same rules as above. */
struct store_walk {
    const void *pos;
};
void store_walk_owned(struct store_walk *w, const struct store *s, const char *owner_uid);
void store_walk_node(struct store_walk *w, const struct store *s, const char *bucket,
                     const char *node);
const struct object *store_walk_next(struct store_walk *w);

/* --- following --- */
enum store_change_type { STORE_ADDED, STORE_MODIFIED, STORE_DELETED };

struct store_change { /* borrowed until the next call on the cursor or return to the loop */
    enum store_change_type type;
    const struct object
        *object; /* new state; for DELETED the last one with the deletion's revision */
    const struct object *before; /* state before; NULL for ADDED, and for any change
                                  * from before a restart: it may have been anything */
};

struct store_cursor;
/* Follows changes with revision > @after.  @bucket NULL = all.  @wake is called (from within
 * the store's commit or a lazy submit, so only note it or defer) when something new may be
 * there; it is not called again until the cursor was drained.  What is there already wakes
 * nobody: drain first.
 * STORE_TOO_OLD (positive) when @after is unknown, or above store_revision(). */
#define STORE_TOO_OLD 10
int store_cursor_new(struct store_cursor **ret, struct store *s, const char *bucket, uint64_t after,
                     void (*wake)(void *arg), void *arg);
/* 1: *ret is the next change; 0: none for now; STORE_TOO_OLD: fell off the ring, close it. */
int store_cursor_next(struct store_cursor *c, struct store_change *ret);
/* The changes up to @revision are no longer kept: who follows from before one of them is told
 * STORE_TOO_OLD.  The file forgets them with a later batch.  Returns the bytes that were freed, at most:
 * the present and others may still hold some of their objects. */
size_t store_forget(struct store *s, uint64_t revision);
/* All up to here was handed out or filtered. */
uint64_t store_cursor_revision(const struct store_cursor *c);
struct store_cursor *store_cursor_free(struct store_cursor *c);

/* --- state of health --- */
struct store_stats {
    /* lazy_lost_at_start: revisions a crash may have taken, at most; 0 after an orderly end. */
    size_t objects, live_bytes, ring_changes, ring_bytes, pending;
    uint64_t revision, commits, lazy_lost_at_start;
    bool failing; /* the last batch could not be made durable */
};
void store_stats(const struct store *s, struct store_stats *ret);

#endif
