/* log_cursor: reads a container's log files forward, through rotations, and gives what a client
 * asked for (tail, since, limit, timestamps).
 *
 * Blocking; used by one thread at a time (log_serve hands it to a worker thread).  Memory is one
 * chunk, whatever the log's size.
 */
#ifndef NODEAGENT_LOG_CURSOR_H
#define NODEAGENT_LOG_CURSOR_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct log_cursor;

struct log_query {
    int64_t tail_lines;  /* -1 = all */
    int64_t since_ms;    /* wall clock; 0 = from the beginning */
    int64_t limit_bytes; /* -1 = none */
    bool timestamps;
};

/* @path: the newest file; "<path>.1" ... are older.  ERR_NOT_FOUND: there is none. */
int log_cursor_new(struct log_cursor **ret, const char *path, const struct log_query *q,
                   struct err *err);
struct log_cursor *log_cursor_free(struct log_cursor *c);

enum log_cursor_state { LOG_MORE = 0, LOG_AT_END = 1, LOG_LIMIT = 2 };
/* Appends the next piece (some 256 KiB at most) to @ret.  LOG_AT_END: nothing more now, call
 * again when the file has grown.  LOG_LIMIT: limit_bytes are used up.  Negative: ERR_*. */
int log_cursor_read(struct log_cursor *c, struct text *ret, struct err *err);

#endif
