/* log_serve: answers GET /containerLogs with a stream, following the file when asked to.
 *
 * Owner: itself; it ends with the client, the log, or log_serve_stop_all.  Thread: loop, reading on
 * worker threads.  A slow client stops the reading, nothing piles up.
 */
#ifndef NODEAGENT_LOG_SERVE_H
#define NODEAGENT_LOG_SERVE_H

#include "base/http_server.h"
#include "nodeagent/log_cursor.h"

#include <uv.h>

struct log_source { /* the container whose log it is */
    char *path;     /* taken */
    /* May the file still grow?  Asked whenever its end is reached. */
    bool (*is_open)(void *arg, const char *uid, const char *container, const char *path);
    void *arg;
    char *uid, *container; /* taken */
};

/* Takes the exchange and @source's strings. */
void log_serve(uv_loop_t *loop, struct http_exchange *x, struct log_source *source,
               const struct log_query *q, bool follow);

#endif
