#include "tests/sim/sim.h"

#include "base/bits.h"
#include "base/map.h"
#include "base/mem.h"
#include "tests/sim/wrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIM_LINES      600
#define SIM_QUIET_MS   60000
#define SIM_EVENTS_MAX 2000000

/* --- chance: splitmix64 --- */

uint64_t sim_random(struct sim *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

int64_t sim_between(struct sim *s, int64_t low, int64_t high)
{
    return low + (int64_t)(sim_random(s) % (uint64_t)(high - low + 1));
}

bool sim_chance(struct sim *s, unsigned percent)
{
    return sim_random(s) % 100 < percent;
}

/* --- words --- */

static void sim_keep_line(struct sim *s, char *line_steal)
{
    char **slot = &s->lines[s->n_lines++ % SIM_LINES];

    free(*slot);
    *slot = line_steal;
}

void sim_say(struct sim *s, const char *fmt, ...)
{
    struct text t = TEXT_EMPTY;
    va_list ap;

    text_fmt(&t, "%9.3f ", (double)s->now_ms / 1000);
    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    s->story = s->story * 0x100000001b3 ^ bits_fnv64a(text_str(&t), t.len);
    if (s->opts.trace)
        printf("%s\n", text_str(&t));
    sim_keep_line(s, text_take(&t));
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (s->failed)
        return;
    s->failed = true;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, ap);
    va_end(ap);
    sim_say(s, "FAILED: %s", s->why);
}

/* --- time: a heap of events, equal times in order of their making --- */

static bool sim_event_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void sim_after(struct sim *s, int64_t delay_ms, sim_fn fn, void *arg, const uint64_t *life)
{
    size_t i = s->n_events++;
    struct sim_event e = {
        .at_ms = s->now_ms + delay_ms,
        .order = s->order++,
        .fn = fn,
        .arg = arg,
        .life = life,
        .life_then = life ? *life : 0,
    };

    if (s->n_events > s->cap_events) {
        s->cap_events = s->cap_events ? 2 * s->cap_events : 256;
        s->events = mem_grow(s->events, s->cap_events, sizeof(*s->events));
    }
    for (; i > 0 && sim_event_before(&e, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
        s->events[i] = s->events[(i - 1) / 2];
    s->events[i] = e;
}

static struct sim_event sim_event_take(struct sim *s)
{
    struct sim_event first = s->events[0], last = s->events[--s->n_events];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= s->n_events)
            break;
        if (child + 1 < s->n_events && sim_event_before(&s->events[child + 1], &s->events[child]))
            child++;
        if (!sim_event_before(&s->events[child], &last))
            break;
        s->events[i] = s->events[child];
        i = child;
    }
    s->events[i] = last;
    return first;
}

int64_t sim_wall_ms(const struct sim *s)
{
    return SIM_WALL_START_MS + s->now_ms;
}

/* Lives until @until_ms, or until it failed. */
static void sim_live(struct sim *s, int64_t until_ms)
{
    while (!s->failed && s->n_events > 0 && s->events[0].at_ms <= until_ms) {
        struct sim_event e = sim_event_take(s);

        s->now_ms = e.at_ms;
        wrap_set_now(s->now_ms);
        if (e.life && *e.life != e.life_then)
            continue;
        if (++s->stats.events > SIM_EVENTS_MAX)
            sim_fail(s, "it never rests: %d events", SIM_EVENTS_MAX);
        e.fn(s, e.arg);
        sim_check_follow(s);
    }
    if (!s->failed)
        s->now_ms = until_ms;
}

/* --- one history --- */

static void sim_heal(struct sim *s)
{
    s->chaos = false;
    sim_say(s, "-- from here on nothing breaks");
    if (!s->up)
        sim_server_start(s);
    backend_memory_fail(s->disk, 1, 0, ERR_IO);
    for (unsigned i = 0; i < s->n_agents; i++) {
        sim_agent_link(&s->agents[i], true);
        if (!s->agents[i].powered)
            sim_agent_power_on(&s->agents[i]);
    }
    /* One last time the controllers miss what happens, with nothing later to remind them. */
    if (sim_chance(s, 50)) {
        s->stall_ms = sim_between(s, 3000, 10000);
        sim_workloads_touch(s, 60, 3000);
    }
    sim_workloads_settle(s);
}

static void sim_settle(struct sim *s)
{
    int64_t end_ms = s->now_ms + s->opts.settle_ms;

    s->last_change_ms = s->now_ms;
    while (!s->failed && s->now_ms - s->last_change_ms < SIM_QUIET_MS) {
        if (s->now_ms > end_ms)
            sim_fail(s, "not quiet %lld s after the last mishap",
                     (long long)s->opts.settle_ms / 1000);
        sim_live(s, s->now_ms + 5000);
    }
}

/* Nothing breaks in the last hour, so that all that was due is there. */
static int sim_run_days(struct sim *s)
{
    int64_t end_ms = s->opts.days * 86400000;

    sim_cron_init(s);
    sim_live(s, end_ms - 3600000);
    s->chaos = false;
    sim_live(s, end_ms - 1000);
    if (!s->failed)
        sim_cron_check_end(s);
    sim_server_count(s);
    return s->failed ? -1 : 0;
}

int sim_run(struct sim *s, const struct sim_opts *opts)
{
    *s = (struct sim){ .opts = *opts, .random = opts->seed * 0x2545f4914f6cdd1d + 1 };
    s->lines = MEM_NEW_ARRAY(char *, SIM_LINES);
    s->disk = backend_memory_new();
    s->ring = (unsigned)(sim_chance(s, 50) ? sim_between(s, 24, 50) : sim_between(s, 50, 200));
    s->n_agents = (unsigned)sim_between(s, 3, SIM_AGENTS_MAX);
    s->chaos = true;
    s->tight = sim_chance(s, 35);
    wrap_set_now(0);
    sim_server_start(s);
    for (unsigned i = 0; i < s->n_agents; i++)
        sim_agent_init(s, i);
    if (opts->days > 0)
        return sim_run_days(s);
    sim_workloads_init(s);
    sim_workloads_act(s);
    sim_load_init(s);
    sim_live(s, opts->chaos_ms);
    if (!s->failed)
        sim_heal(s);
    sim_settle(s);
    if (!s->failed)
        sim_check_end(s);
    sim_server_count(s);
    return s->failed ? -1 : 0;
}

void sim_fini(struct sim *s)
{
    sim_server_close(s);
    backend_memory_free(s->disk);
    map_free(s->before_crash);
    sim_cron_fini(s);
    free(s->events);
    for (size_t i = 0; i < SIM_LINES; i++)
        free(s->lines[i]);
    free(s->lines);
}
