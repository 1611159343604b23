/* cronjob_impl: what the files of the CronJob controller share.  Private to controlplane/cronjob*.c.
 *
 * The time that was served last stands in status.lastScheduleTime; what is due follows from it, from
 * the schedule and from now.  A Job is created first and written into the status when it is
 * visible: its name holds its time, so it can not be made twice, and the annotation with its time
 * tells after a crash in between which time was served.
 */
#ifndef CONTROLPLANE_CRONJOB_IMPL_H
#define CONTROLPLANE_CRONJOB_IMPL_H

#include "api/cron.h"
#include "base/map.h"
#include "controlplane/controller.h"

#define CRONJOB           "cronjobs.batch"
#define CRONJOB_JOBS      "jobs.batch"
#define CRONJOB_NAME      "cronjob-controller"
#define CRONJOB_TIMESTAMP "batch.kubernetes.io/cronjob-scheduled-timestamp"

/* What is remembered of a CronJob: only what keeps it from talking or starting too often. */
struct cronjob_memo {
    char *uid, *schedule; /* owned; with the zone */
    int64_t hold_s;       /* a new schedule starts with its next time, not with one that is past */
    struct map *told;     /* owned; events, each told once per time */
};

struct cronjob {
    struct plan *plan;
    struct view *view;
    const struct object *object;
    const json_t *tree;
    json_t *status; /* owned; what it is to become */
    const struct object *const *jobs;
    struct cronjob_memo *memo;
    struct clock_now now;
    struct cron cron;
    struct zone *zone;  /* owned; NULL = UTC */
    int64_t earliest_s; /* the time served last, or of its creation */
};

/* --- cronjob_time.c: which time is due --- */

enum cronjob_missed { CRONJOB_NONE_MISSED, CRONJOB_FEW_MISSED, CRONJOB_MANY_MISSED };

struct cronjob_times {
    int64_t recent_s; /* the latest that is not in the future; CRON_NEVER = none */
    enum cronjob_missed missed;
    bool is_odd; /* a schedule that never comes */
};

struct cronjob_times cronjob_times(const struct cron *c, const struct zone *z, int64_t earliest_s,
                                   int64_t now_s);
/* When to look again; CRON_NEVER = no time comes. */
int64_t cronjob_next(const struct cron *c, const struct zone *z, int64_t earliest_s, int64_t now_s);
/* RFC 3339 with the zone's offset; a new string. */
char *cronjob_print(const struct zone *z, int64_t unix_s);
/* "Thu, 01 Jan 2026 00:05:00 +0000"; a new string. */
char *cronjob_print_mail(int64_t unix_s);

/* --- cronjob_jobs.c: the Jobs there are --- */

/* Brings status.active, lastScheduleTime and lastSuccessfulTime up to date. */
void cronjob_jobs_follow(struct cronjob *c);
/* Plans to delete finished ones beyond the limits. */
void cronjob_jobs_prune(struct cronjob *c);
void cronjob_jobs_delete(struct cronjob *c, const struct object *job);
/* "name-29465280": minutes since 1970. */
char *cronjob_jobs_name(const struct cronjob *c, int64_t due_s);

/* An Event, the first time that this is so since the last Job was started; @what makes it another. */
void cronjob_tell(struct cronjob *c, bool warning, const char *reason, const char *what,
                  const char *message);

#endif
