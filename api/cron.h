/* cron: when a CronJob is due: the schedules that Kubernetes takes, with its words for those it
 * does not (the standard syntax of github.com/robfig/cron/v3).
 *
 * Five fields (minute, hour, day of month, month, day of week) of numbers, names, ranges, steps
 * and lists; @hourly and its kin; "@every 1h30m".  Pure.  Thread: any.
 */
#ifndef API_CRON_H
#define API_CRON_H

#include "base/err.h"
#include "base/zone.h"

#include <stdint.h>

#define CRON_NEVER INT64_MIN

struct cron {
    uint64_t minutes, hours, days, months, weekdays; /* bit n: n is meant */
    int64_t every_s;                                 /* of "@every"; 0 = the fields count */
};

/* ERR_INVALID; the text is robfig's. */
int cron_parse(struct cron *ret, const char *schedule, struct err *err);
/* The first time after @after_s; CRON_NEVER: there is none within five years.  Both in seconds since
 * 1970.  Hours that clocks skip are skipped, those that they show twice count twice, as in
 * Kubernetes. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_s);

#endif
