/* backend: what makes a store durable.  SQLite (embedded default), memory (tests, simulator);
 * etcd later.
 *
 * A backend is a struct of functions (it calls upward through callbacks it was handed).  It
 * keeps, per bucket, the newest state of each object, the last changes in full, and the
 * newest revision of which it kept only the state (lazy rows): up to there a watcher can not
 * be told each change.
 * Owner: the store it was given to.  Thread: loop; a backend may work elsewhere on its own.
 */
#ifndef STORAGE_BACKEND_H
#define STORAGE_BACKEND_H

#include "base/err.h"
#include "storage/object.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct backend_row {
    uint64_t revision;
    enum store_change_type type;
    bool lazy;                   /* state only, no change to keep */
    const struct object *object; /* referenced until the batch is done */
};

struct backend_batch {
    const struct backend_row *rows; /* in revision order */
    size_t n_rows;
    uint64_t
        ceiling; /* make durable in the same transaction: highest revision that may be handed out */
    uint64_t oldest; /* changes before this revision are not needed any more */
    uint64_t floor;  /* keep the highest of: this, oldest - 1 when changes were dropped */
    bool sync;       /* fsync before done; false for a batch of only lazy rows */
};

/* Called while opening: all objects, then the changes in revision order, then the rest.
 * @json is borrowed for the call. */
struct backend_load {
    void *arg;
    int (*on_object)(void *arg, const char *bucket, uint64_t revision, const char *json, size_t len,
                     struct err *err);
    int (*on_change)(void *arg, const char *bucket, uint64_t revision, enum store_change_type type,
                     const char *json, size_t len, struct err *err);
    /* Not every change of @bucket up to @revision was kept: the newest lazy row of the bucket. */
    void (*on_forgotten)(void *arg, const char *bucket, uint64_t revision);
    /* @last: the newest revision seen in any row; @floor: not every change of any bucket up to
     * there was kept. */
    void (*on_revision)(void *arg, uint64_t last, uint64_t ceiling, uint64_t floor);
};

struct store_backend {
    /* Blocks; once, before anything else.  Nothing was written to a file that fails here. */
    int (*load)(struct store_backend *b, const struct backend_load *load, struct err *err);
    /* One batch at a time; @done on the loop thread, never from within.  The batch stays valid
     * until then.  All of it or nothing. */
    void (*commit)(struct store_backend *b, const struct backend_batch *batch,
                   void (*done)(void *arg, int rc, const struct err *err), void *arg);
    /* Calls @fn once, soon, from the loop, never from within: the store knows no loop.  At most one
     * at a time. */
    void (*defer)(struct store_backend *b, void (*fn)(void *arg), void *arg);
    /* With no batch and no deferred call under way; b is gone when @on_closed is called. */
    void (*close)(struct store_backend *b, void (*on_closed)(void *arg), void *arg);
    /* How long lazy rows may wait; 0 = for the next durable batch.  May be set before store_open.
     * The store sets no timer: the backend calls flush this often. */
    int64_t lazy_flush_ms;
    /* Set by the store: the backend calls it when lazy rows should be flushed. */
    void (*flush)(void *store);
    void *store;
};

/* One file (and its -wal beside it while open): WAL, synchronous=FULL, exclusive lock; schema
 * versions with migration steps.  @path's directory must exist.
 * A file that is corrupt, newer than this program, or not ours is refused with a message that
 * says so and what to do (ERR_CORRUPT), one that another process has open with ERR_UNAVAILABLE;
 * neither is ever written to.  Nothing else in the process may open and close @path meanwhile:
 * that would drop the lock (fcntl(2), "record locks"). */
int backend_sqlite_open(struct store_backend **ret, uv_loop_t *loop, const char *path,
                        struct err *err);

/* Before store_open: SEAL_BUCKET is sealed by @seal (borrowed until closed) when it is written. */
struct seal;
void backend_sqlite_seal(struct store_backend *b, struct seal *seal);
/* Rewrites what is plain or under an older key, in small steps between commits, and forgets the older keys;
 * @rotate: begins with a new key.  After store_open and seal_ensure; one at a time.  @done on the loop, never
 * from within; ERR_CANCELED: closed before the end.  What was not done is done by the next one. */
void backend_sqlite_reseal(struct store_backend *b, bool rotate,
                           void (*done)(void *arg, int rc, const struct err *err), void *arg);

/* Keeps committed rows in memory across store_open calls (simulated restart).  Commits, deferred
 * calls and closing complete when backend_memory_step is called.  Faults are armed by count. */
struct backend_memory;
struct backend_memory *backend_memory_new(void);
/* For store_open.  One at a time: the one before must be closed. */
struct store_backend *backend_memory_open(struct backend_memory *m);
/* Calls what was deferred, completes the batch or the closing under way; returns whether there
 * was anything.  `while (backend_memory_step(m));` settles a store. */
bool backend_memory_step(struct backend_memory *m);
/* @fn is called (from within) whenever there is something to step; for those who have a loop. */
void backend_memory_notify(struct backend_memory *m, void (*fn)(void *arg), void *arg);
/* The nth commit from now (1 = next) and the @times - 1 after it fail with @code. */
void backend_memory_fail(struct backend_memory *m, unsigned nth, unsigned times, int code);
/* The timer of lazy_flush_ms, which memory has none of. */
void backend_memory_flush(struct backend_memory *m);
/* Forgets lazy rows that no durable batch followed, and the uncommitted batch: a power cut.  The
 * open store, if any, is dead: its commits fail; close it (and step), then open a new one. */
void backend_memory_power_cut(struct backend_memory *m);
uint64_t backend_memory_commits(const struct backend_memory *m); /* completed without error */
size_t backend_memory_rows(const struct backend_memory *m);      /* written by them in total */
struct backend_memory *backend_memory_free(struct backend_memory *m);

#endif
