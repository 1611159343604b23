/* store_snapshot: the objects of a bucket as they were at one revision, referenced.
 *
 * Nothing is kept for it: a state of the past is the present with the ring's changes since then
 * undone, for as long as the ring knows them all.  So pages of a list need no memory between
 * requests, however many clients read them; the bound is the ring's (number and bytes).
 * What a snapshot references stays as it is while the store goes on: it pins memory only of
 * objects that changed since.
 *
 * Owner: the caller.  Thread: loop.
 */
#ifndef STORAGE_STORE_SNAPSHOT_H
#define STORAGE_STORE_SNAPSHOT_H

#include "storage/store.h"

struct store_snapshot_opts {
    const char *bucket;
    const char *ns;                    /* NULL = all */
    const char *after_ns, *after_name; /* begin behind this one; NULL = at the start */
    uint64_t revision;                 /* at most store_revision() */
    size_t max;                        /* objects to reference; 0 = all */
    bool count_rest;                   /* how many more there are is asked for */
};

struct store_snapshot {
    struct object **objects; /* shared refs, in order of (ns, name) */
    size_t n;
    size_t n_rest; /* behind them, if count_rest */
    bool has_more; /* there is at least one behind them */
};

/* 0, or STORE_TOO_OLD when the revision can not be seen any more; *ret is only changed on 0. */
int store_snapshot_take(struct store_snapshot *ret, struct store *s,
                        const struct store_snapshot_opts *opts);
void store_snapshot_fini(struct store_snapshot *snapshot); /* idempotent */

#endif
