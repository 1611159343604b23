/* pod_plan: what to do next for one pod, and what phase it is in.
 *
 * Pure: the pod that is wanted, the containers as they are and the time in; sets of containers
 * to start and to stop out.  It is called again after every change and at @wake_ms, so each
 * plan says only what may happen now.  pod_worker carries it out; pod_status_make shows it.
 */
#ifndef NODEAGENT_POD_PLAN_H
#define NODEAGENT_POD_PLAN_H

#include "nodeagent/backoff.h"
#include "nodeagent/pod_view.h"

#include <stdbool.h>
#include <stdint.h>

/*            start            runs              ends
 *  ABSENT ----------> STARTING ------> RUNNING ------> EXITED --(restart)--> STARTING
 *                        |  (refused: image, config)       ^
 *                        +--> ABSENT or EXITED as before   |
 */
enum container_phase { CONTAINER_ABSENT, CONTAINER_STARTING, CONTAINER_RUNNING, CONTAINER_EXITED };

#define CONTAINER_ID_MAX 65

/* One life of a container that has ended. */
struct container_end {
    char id[CONTAINER_ID_MAX]; /* "" = none */
    int exit_code;
    char reason[64];                 /* "Completed", "Error", "OOMKilled", ... */
    char *message;                   /* owned by the holder of the facts; NULL = none */
    int64_t started_ms, finished_ms; /* wall clock */
};

struct container_facts {
    enum container_phase phase;
    char id[CONTAINER_ID_MAX]; /* of the running one */
    int64_t started_ms;        /* wall clock, while RUNNING */
    unsigned restarts;
    bool started, ready;       /* verdict of probes; true without probes while RUNNING */
    bool is_stopping;          /* a stop is under way */
    struct container_end end;  /* while EXITED */
    struct container_end last; /* the life before; id "" = none */
    struct backoff crash;      /* of restarts */
    struct backoff refused;    /* of starts that never came to a container (image, config) */
    const char
        *waiting; /* static reason while ABSENT or EXITED-and-to-be-restarted; NULL = default */
    char *waiting_message; /* owned by the holder; NULL = none */
    char *image_id;        /* owned by the holder; "" or NULL = not known */
};

struct pod_facts {
    int64_t now_ms; /* monotonic */
    int64_t now_wall_ms;
    int64_t started_wall_ms; /* when this node accepted the pod */
    bool is_over;            /* phase Succeeded or Failed was reached: sticky */
    bool mains_began;        /* a main container of the present sandbox was started */
    bool must_end;           /* the API object is gone */
    const char *evicted;     /* reason to fail the pod ("Evicted", "DeadlineExceeded"); NULL */
    const struct container_facts *containers; /* as pod->containers */
};

enum pod_phase { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED };
const char *pod_phase_name(enum pod_phase phase);

struct pod_plan {
    enum pod_phase phase; /* to publish; terminal ones only when nothing runs */
    uint64_t start;       /* bit i: start container i now */
    uint64_t stop;        /* bit i: stop container i now (gracefully) */
    uint64_t held;        /* bit i: waits for its back-off */
    bool is_ending;       /* no container will be started again */
    bool is_down;         /* is_ending and nothing runs */
    bool is_initialized;
    const char *reason; /* of the pod: "DeadlineExceeded", or NULL */
    int64_t wake_ms;    /* monotonic; -1 = nothing to wait for */
};

void pod_plan(struct pod_plan *ret, const struct pod_view *pod, const struct pod_facts *facts);

/* Will an ended container of this kind be started again? */
bool pod_plan_restarts(enum restart_policy policy, enum container_kind kind, int exit_code);

#endif
