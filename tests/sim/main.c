/* sim: runs seeds and says which failed.
 *
 *   sim --seeds 1000            all of them, on as many processors as there are
 *   sim --seed 7 --trace        one, telling everything that happens
 */
#include "tests/sim/sim.h"

#include "base/log.h"
#include "base/mem.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAIN_LINES    600
#define MAIN_JOBS_MAX 16

struct main_opts {
    uint64_t first, seeds;
    unsigned jobs;
    unsigned stop_after; /* failures; 0 = go on */
    unsigned lines;      /* of the trace to show */
    struct sim_opts sim;
};

/* What a worker process tells: plain sums, written to a pipe. */
struct main_report {
    uint64_t passed, failed, virtual_ms;
    uint64_t events, changes, crashes, losses, plans, conflicts, relists, starts;
};

static void main_show(const struct sim *s, unsigned lines)
{
    size_t from = s->n_lines > lines ? s->n_lines - lines : 0;

    if (s->n_lines > MAIN_LINES && from < s->n_lines - MAIN_LINES)
        from = s->n_lines - MAIN_LINES;
    for (size_t i = from; !s->opts.trace && i < s->n_lines; i++)
        printf("%s\n", s->lines[i % MAIN_LINES]);
}

static void main_one(struct main_report *r, const struct main_opts *o, uint64_t seed)
{
    struct sim_opts opts = o->sim;
    struct sim s;

    opts.seed = seed;
    if (sim_run(&s, &opts) == 0) {
        r->passed++;
    } else {
        r->failed++;
        main_show(&s, o->lines);
        printf("seed %llu failed after %.1f s: %s\n", (unsigned long long)seed,
               (double)s.now_ms / 1000, s.why);
    }
    r->virtual_ms += (uint64_t)s.now_ms;
    r->events += s.stats.events;
    r->changes += s.stats.changes;
    r->crashes += s.stats.crashes;
    r->losses += s.stats.losses;
    r->plans += s.stats.plans;
    r->conflicts += s.stats.conflicts;
    r->relists += s.stats.relists;
    r->starts += s.stats.starts;
    sim_fini(&s);
    fflush(stdout);
}

/* A seed that fails is only worth something when it fails again. */
static void main_repeat(struct main_report *r, const struct main_opts *o)
{
    uint64_t stories[2];

    for (int i = 0; i < 2; i++) {
        struct sim_opts opts = o->sim;
        struct sim s;

        opts.seed = o->first;
        opts.trace = false;
        sim_run(&s, &opts);
        stories[i] = s.story;
        sim_fini(&s);
    }
    if (stories[0] == stories[1])
        return;
    printf("seed %llu told two different stories\n", (unsigned long long)o->first);
    r->failed++;
}

static void main_worker(const struct main_opts *o, unsigned index, int out)
{
    struct main_report r = { 0 };

    if (index == 0 && o->seeds > 1)
        main_repeat(&r, o);
    for (uint64_t i = index; i < o->seeds; i += o->jobs) {
        main_one(&r, o, o->first + i);
        if (o->stop_after && r.failed >= o->stop_after)
            break;
    }
    if (write(out, &r, sizeof(r)) != sizeof(r))
        exit(2);
}

static void main_add(struct main_report *sum, const struct main_report *r)
{
    sum->passed += r->passed;
    sum->failed += r->failed;
    sum->virtual_ms += r->virtual_ms;
    sum->events += r->events;
    sum->changes += r->changes;
    sum->crashes += r->crashes;
    sum->losses += r->losses;
    sum->plans += r->plans;
    sum->conflicts += r->conflicts;
    sum->relists += r->relists;
    sum->starts += r->starts;
}

/* A worker that dies of a signal has found something too. */
static void main_collect(struct main_report *sum, pid_t pid, int in)
{
    struct main_report r = { 0 };
    int status = 0;

    if (read(in, &r, sizeof(r)) != sizeof(r))
        r.failed++;
    main_add(sum, &r);
    close(in);
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("a worker died of signal %d\n", WTERMSIG(status));
}

static void main_fork(struct main_report *sum, const struct main_opts *o)
{
    pid_t pids[MAIN_JOBS_MAX];
    int ends[MAIN_JOBS_MAX];

    fflush(stdout);
    for (unsigned i = 0; i < o->jobs; i++) {
        int pair[2];

        if (pipe(pair) < 0)
            exit(2);
        pids[i] = fork();
        if (pids[i] == 0) {
            close(pair[0]);
            main_worker(o, i, pair[1]);
            exit(0);
        }
        close(pair[1]);
        ends[i] = pair[0];
    }
    for (unsigned i = 0; i < o->jobs; i++)
        main_collect(sum, pids[i], ends[i]);
}

static double main_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void main_usage(void)
{
    puts("sim [--seeds N] [--first SEED] [--seed SEED] [--jobs N] [--trace] [--lines N]\n"
         "    [--stop N] [--chaos SECONDS] [--days N] [--log LEVEL]");
}

static bool main_parse(struct main_opts *o, int argc, char **argv)
{
    static const struct option options[] = {
        { "seeds", required_argument, NULL, 'n' }, { "first", required_argument, NULL, 'f' },
        { "seed", required_argument, NULL, 's' },  { "jobs", required_argument, NULL, 'j' },
        { "trace", no_argument, NULL, 't' },       { "lines", required_argument, NULL, 'l' },
        { "stop", required_argument, NULL, 'x' },  { "days", required_argument, NULL, 'd' },
        { "chaos", required_argument, NULL, 'c' }, { "log", required_argument, NULL, 'g' },
        { "help", no_argument, NULL, 'h' },        { NULL, 0, NULL, 0 },
    };
    struct err err = ERR_EMPTY;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'n': o->seeds = strtoull(optarg, NULL, 10); break;
        case 'f': o->first = strtoull(optarg, NULL, 10); break;
        case 's': o->first = strtoull(optarg, NULL, 10), o->seeds = 1; break;
        case 'j': o->jobs = (unsigned)strtoul(optarg, NULL, 10); break;
        case 't': o->sim.trace = true; break;
        case 'l': o->lines = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'x': o->stop_after = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': o->sim.chaos_ms = 1000 * strtoll(optarg, NULL, 10); break;
        case 'd': o->sim.days = strtoll(optarg, NULL, 10); break;
        case 'g':
            if (log_set_level(optarg, &err) < 0)
                return false;
            break;
        default: return false;
        }
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    struct main_opts o = {
        .first = 1,
        .seeds = 1000,
        .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
        .lines = 60,
        .stop_after = 1,
        .sim = { .chaos_ms = 180000, .settle_ms = 1800000 },
    };
    struct main_report sum = { 0 };
    struct err err = ERR_EMPTY;
    double began = main_now();

    log_set_level("error", &err);
    if (!main_parse(&o, argc, argv)) {
        main_usage();
        return 2;
    }
    o.jobs = o.jobs < 1 ? 1 : o.jobs > MAIN_JOBS_MAX ? MAIN_JOBS_MAX : o.jobs;
    if (o.seeds < o.jobs)
        o.jobs = (unsigned)o.seeds;
    if (o.jobs <= 1) {
        int pair[2];

        o.jobs = 1;
        if (pipe(pair) < 0)
            return 2;
        main_worker(&o, 0, pair[1]);
        if (read(pair[0], &sum, sizeof(sum)) != sizeof(sum))
            return 2;
    } else {
        main_fork(&sum, &o);
    }
    printf("%.1f cluster-hours in %.1f s: %llu changes, %llu plans, %llu containers started,\n"
           "%llu server crashes, %llu nodes lost, %llu write conflicts, %llu relists\n",
           (double)sum.virtual_ms / 3600000, main_now() - began, (unsigned long long)sum.changes,
           (unsigned long long)sum.plans, (unsigned long long)sum.starts,
           (unsigned long long)sum.crashes, (unsigned long long)sum.losses,
           (unsigned long long)sum.conflicts, (unsigned long long)sum.relists);
    printf("%llu passed, %llu failed\n", (unsigned long long)sum.passed,
           (unsigned long long)sum.failed);
    return sum.failed != 0;
}
