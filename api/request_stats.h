/* request_stats: requests counted and timed, under Kubernetes' names of metrics.
 *
 * Pure.  What a client can make many of (series) has a bound: requests past it are counted in
 * one series, resource "_other".  Owner: server.  Thread: loop.
 */
#ifndef API_REQUEST_STATS_H
#define API_REQUEST_STATS_H

#include "base/text.h"

#include <stdbool.h>

struct request_stats;
struct request_stats *request_stats_new(void);
struct request_stats *request_stats_free(struct request_stats *s); /* NULL is fine; returns NULL */

struct request_kind { /* borrowed, "" = none */
    const char *verb; /* "GET", "LIST", "WATCH", "POST", "PUT", "PATCH", "APPLY", "CONNECT"... */
    const char *group, *version, *resource, *sub;
    const char *scope; /* "cluster", "namespace", "resource", "" */
    bool dry_run;
    bool is_long; /* a watch, a log, exec: counted while it lasts, and not timed */
    bool mutates;
};
void request_stats_begin(struct request_stats *s, const struct request_kind *k);
/* The same kind as at its begin.  @code 0: nobody was left to answer. */
void request_stats_end(struct request_stats *s, const struct request_kind *k, int code,
                       double seconds);
void request_stats_print(struct text *ret, const struct request_stats *s);

#endif
