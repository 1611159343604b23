/* audit_log: lines to a file, by a worker, with rotation; never waits for the disk.
 *
 * What the worker has not written yet is bounded; past the bound, and on a disk that refuses, lines are dropped
 * and counted.  A line is written whole or not at all.  Files before the current one are
 * NAME-TIME.EXT beside it; the oldest go when there are too many or when they are too old.
 * Owner: audit.  Thread: loop.
 */
#ifndef API_AUDIT_LOG_H
#define API_AUDIT_LOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct audit_log_opts {
    const char *path;     /* copied; "-" = standard output, which is not rotated */
    uint64_t max_bytes;   /* of one file; 0 = without bound */
    unsigned max_backups; /* 0 = all */
    unsigned max_days;    /* 0 = for ever */
};

struct audit_log;
/* ERR_*: the directory cannot be made or the file not be opened; a full disk is no error. */
int audit_log_new(struct audit_log **ret, uv_loop_t *loop, const struct audit_log_opts *opts,
                  struct err *err);
/* @line without its end; copied. */
void audit_log_add(struct audit_log *l, const char *line, size_t len);

struct audit_log_stats {
    uint64_t written, dropped; /* lines */
    bool failing;              /* the last write failed */
};
struct audit_log_stats audit_log_stats(const struct audit_log *l);
/* Writes what waits, then lets go; returns NULL.  NULL is fine. */
struct audit_log *audit_log_close(struct audit_log *l);

#endif
