/* runner: feeds the controllers and the scheduler from the log of changes and carries out
 * their plans through the registry.
 *
 * One key of one controller is planned at a time, and not again before its writes are answered
 * (answered = visible, so a plan always sees its own earlier writes).  A conflict plans again
 * within milliseconds, when what won has become visible; other failures back off 50 ms doubling
 * to 30 s per key, which a change of what the key concerns cuts short.  Knows no libuv:
 * runner_step is called when something woke it or when time came; the simulator steps it on a
 * virtual clock.
 */
#ifndef CONTROLPLANE_RUNNER_H
#define CONTROLPLANE_RUNNER_H

#include "api/registry.h"
#include "controlplane/controller.h"

struct runner;

struct runner_opts {
    struct registry *registry;                   /* borrowed */
    const struct controller *const *controllers; /* NULL-terminated */
    const struct metrics *metrics;               /* borrowed; NULL: none are known */
    void (*wake)(void *arg);                     /* something is to do: call runner_step soon */
    void *arg;
    unsigned max_in_flight; /* writes under way; 0 = 256 */
    size_t keep_trees;      /* see view_keep; 0 = small and slow, as a server at rest should be */
};

int runner_new(struct runner **ret, const struct runner_opts *opts, struct err *err);
/* Does all that is due; returns ms (from now.mono_ms) until it wants to be called again, -1 = only on wake. */
int64_t runner_step(struct runner *r, struct clock_now now);
/* Forgets writes under way (their answers are ignored); returns NULL. */
struct runner *runner_free(struct runner *r);

struct runner_stats {
    uint64_t plans, writes, conflicts, failures, relists;
    size_t queued, in_flight;
};
void runner_stats(const struct runner *r, struct runner_stats *ret);

/* Of one controller: its queue, and what it did. */
struct runner_row_stats {
    const char *controller;
    size_t depth; /* keys that are ready, wait, or are planned */
    uint64_t plans, retries;
};
/* Of controller @i; false: there are not so many. */
bool runner_row_stats(const struct runner *r, size_t i, struct runner_row_stats *ret);

#endif
