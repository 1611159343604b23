/* sim: a whole cluster in one process on a virtual clock: store, registry, controllers and
 * scheduler as they are, with simulated agents, clients and mishaps around them.
 *
 * One seed is one history, to the last byte: time, randomness and the seed of hash tables
 * come from the simulator (wrap.c).  sim_run lives through a time of mishaps, heals everything,
 * waits for quiet, and looks at what is left.  Invariants are checked with every change.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "api/registry.h"
#include "controlplane/runner.h"
#include "storage/backend.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_TREES         (8u << 20) /* bytes of JSON whose trees are kept: parsing is most of the work */
#define SIM_NS            "default"
#define SIM_QUOTA         "all"
#define SIM_AGENTS_MAX    4
#define SIM_SLOTS         48
#define SIM_WORKLOADS     5
#define SIM_WALL_START_MS 1767225600000 /* 2026-01-01T00:00:00Z */

struct sim;
typedef void (*sim_fn)(struct sim *s, void *arg);

/* --- agents --- */

enum sim_state {
    SIM_FREE,     /* the slot holds nothing */
    SIM_STARTING, /* pulling its image: not running yet */
    SIM_LIVE,     /* runs, is not ready */
    SIM_READY,
    SIM_STOPPING, /* still runs */
    SIM_DEAD,
    SIM_FAILED, /* ended by itself, well or not; not to be restarted */
};

struct sim_slot { /* the containers of one pod on one node */
    struct sim_agent *agent;
    enum sim_state state;
    uint64_t life; /* moves with every use: late events miss it */
    char uid[64], name[128];
    bool is_stateful, is_job;
    int exit_code;   /* once SIM_FAILED */
    bool seen;       /* by the synchronisation under way */
    bool posting;    /* an answer is awaited */
    bool posted;     /* the API knows @state */
    uint64_t looked; /* revision of the pod that was compared with @state */
    unsigned restarts, address;
    int64_t live_ms, cpu_ns; /* since when it runs, and what it used */
    int64_t ready_ms;
};

struct sim_agent {
    struct sim *sim;
    unsigned index;
    char name[16];
    bool powered, linked, registered;
    bool syncing;  /* an event for it is on its way */
    uint64_t life; /* moves when the process starts or the power goes */
    int64_t cpu_milli;
    unsigned addresses; /* handed out */
    uint64_t node_seen; /* revision of its node that it has looked at */
    struct sim_slot slots[SIM_SLOTS];
};

/* --- workloads --- */

struct sim_workload {
    bool is_stateful, is_daemon, recreate, parallel, has_claims, has_service;
    bool is_critical; /* of high priority: others leave for it, it for nobody */
    bool exists;
    char name[16];
    int64_t replicas, surge, unavailable, cpu_milli;
    unsigned version;
    /* For the checks: what may be true while a change of mind is being carried out. */
    int64_t high, low;
};

/* --- a load, and what carries it --- */

struct sim_load {
    bool is_there;
    int64_t milli;    /* thousandths of a CPU, over all that carry it */
    int64_t replicas; /* last seen; -1 = none */
    int64_t grown_ms; /* when the number last grew, or the server started */
};

/* --- the whole --- */

struct sim_event {
    int64_t at_ms;
    uint64_t order;
    sim_fn fn;
    void *arg;
    const uint64_t *life; /* NULL, or: the event is void when it has moved */
    uint64_t life_then;
};

struct sim_opts {
    uint64_t seed;
    bool trace;        /* tell everything as it happens */
    int64_t chaos_ms;  /* how long mishaps happen */
    int64_t settle_ms; /* how long it may take to be quiet afterwards */
    int64_t days;      /* not 0: so many days of CronJobs instead */
};

struct sim {
    struct sim_opts opts;
    uint64_t random;
    int64_t now_ms;
    struct sim_event *events; /* owned; a heap */
    size_t n_events, cap_events;
    uint64_t order;

    /* The server, gone while !up. */
    struct backend_memory *disk;
    struct store *store;
    struct registry *registry;
    struct runner *runner;
    struct metrics *metrics;
    struct store_cursor *watch; /* of the checks */
    struct view *view;          /* of the checks and agents */
    bool up, stepping_disk, stepping_runner;
    int64_t runner_at_ms, held_until_ms;
    int64_t stall_ms; /* the next wake leads to nothing for so long */
    uint64_t server_life;
    unsigned ring;

    struct sim_agent agents[SIM_AGENTS_MAX];
    unsigned n_agents;
    struct sim_workload workloads[SIM_WORKLOADS];
    unsigned n_workloads;
    struct sim_load load;
    bool chaos;
    bool tight; /* little room on the nodes, and then no pod is bound to one by a volume */

    uint64_t highest;           /* revision ever seen */
    uint64_t quota_counted;     /* revision; 0 after a crash, which may give it again */
    struct map *before_crash;   /* owned; "bucket\nns\nname" to revision, durable ones */
    int64_t disturbed_until_ms; /* unavailability is nobody's fault until then */
    int64_t last_change_ms;     /* of something that should become quiet */

    struct map *cron_served; /* owned; names of the Jobs there were, to uids; NULL = no CronJobs */

    bool failed;
    char why[512];
    char **lines; /* owned ring of the last things that happened */
    size_t n_lines;
    uint64_t story; /* a hash of all that was said: equal for equal histories */
    struct {
        uint64_t events, changes, crashes, losses, plans, conflicts, relists, refusals, starts;
    } stats;
};

/* --- core.c: time, chance, words --- */
uint64_t sim_random(struct sim *s);
int64_t sim_between(struct sim *s, int64_t low, int64_t high); /* both included */
bool sim_chance(struct sim *s, unsigned percent);
void sim_after(struct sim *s, int64_t delay_ms, sim_fn fn, void *arg, const uint64_t *life);
int64_t sim_wall_ms(const struct sim *s);
void sim_say(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 0 when the seed passed; @s tells the rest until sim_fini. */
int sim_run(struct sim *s, const struct sim_opts *opts);
void sim_fini(struct sim *s);

/* --- server.c --- */
void sim_server_start(struct sim *s);
/* @power: lazy writes that were not flushed are lost too. */
void sim_server_crash(struct sim *s, bool power);
void sim_server_wake(struct sim *s);
void sim_server_close(struct sim *s);
/* Adds what the runner has counted since the server started. */
void sim_server_count(struct sim *s);
/* A write as @user; @body is consumed.  False: the server is down. */
bool sim_write(struct sim *s, const char *user, enum registry_verb verb, const char *bucket,
               const char *sub, const char *name, json_t *body_steal, registry_done_fn done,
               void *arg);

/* --- agent.c --- */
void sim_agent_init(struct sim *s, unsigned index);
void sim_agent_wake(struct sim *s, const char *node);
void sim_agent_wake_all(struct sim *s);
void sim_agent_power_off(struct sim_agent *a);
void sim_agent_power_on(struct sim_agent *a);
void sim_agent_restart(struct sim_agent *a);
void sim_agent_link(struct sim_agent *a, bool linked);
/* A container of a random pod ends; @for_good: the pod fails. */
void sim_agent_crash_container(struct sim_agent *a, bool for_good);

/* --- agent_node.c --- */
#define SIM_AGENT_USER "system:node"
/* The node object; its status is told when somebody else wrote the node last. */
void sim_agent_tell_node(struct sim_agent *a);
void sim_agent_renew_lease(struct sim_agent *a);

/* --- workload.c: what people do --- */
void sim_workloads_init(struct sim *s);
void sim_workloads_act(struct sim *s);
void sim_workloads_settle(struct sim *s);
/* Somebody writes annotations to objects, @n times within @ms. */
void sim_workloads_touch(struct sim *s, int64_t n, int64_t ms);
struct sim_workload *sim_workload_of(struct sim *s, const struct object *pod);

/* --- cron.c: CronJobs --- */
void sim_cron_init(struct sim *s);
void sim_cron_fini(struct sim *s);
int64_t sim_cron_runtime_ms(struct sim *s);
void sim_cron_check(struct sim *s, const struct object *job);
void sim_cron_check_end(struct sim *s);

/* --- load.c: a load that comes and goes, and its autoscaler --- */
void sim_load_init(struct sim *s);
void sim_load_server_started(struct sim *s);
void sim_load_check(struct sim *s); /* with every change of a Deployment */
void sim_load_check_end(struct sim *s);

/* --- check.c: what must hold at every change --- */
void sim_check_start(struct sim *s, const struct sim_slot *slot);
void sim_check_follow(struct sim *s);
void sim_check_before_crash(struct sim *s);
void sim_check_after_crash(struct sim *s);
void sim_check_disturb(struct sim *s, int64_t for_ms);
/* --- check_end.c: what must hold when all is quiet --- */
void sim_check_end(struct sim *s);

#endif
