/* pod_worker_impl: inside of pod_worker, shared by its files only.
 *
 *   pod_worker.c       making, steps, winding down
 *   worker_prepare.c   record, sandbox, volumes
 *   worker_image.c     pulling, and what is said when it fails
 *   worker_create.c    environment and mounts of a life about to begin
 *   worker_container.c stages, starting and ending containers
 *   worker_stop.c      hooks, draining, signals
 *   worker_probe.c     probes of running containers
 *   worker_end.c       why the node itself ends a pod: refused, too old, evicted
 *   worker_status.c    publishing, deleting from the API
 */
#ifndef NODEAGENT_POD_WORKER_IMPL_H
#define NODEAGENT_POD_WORKER_IMPL_H

#include "base/loop.h"
#include "nodeagent/action.h"
#include "nodeagent/life.h"
#include "nodeagent/pod_lookup.h"
#include "nodeagent/pod_plan.h"
#include "nodeagent/pod_worker.h"
#include "nodeagent/probe.h"
#include "nodeagent/volume.h"

/*  IDLE -> PULLING -> WAITING -> BINDING -> CREATING -> POSTSTART -> RUNNING -> IDLE
 *            \___________\__________\___________\___________\________________^
 */
enum worker_stage {
    STAGE_IDLE,      /* nothing under way; facts say whether it is absent or has exited */
    STAGE_PULLING,   /* the image; without a request while its credentials are not in */
    STAGE_WAITING,   /* for sandbox and volumes */
    STAGE_BINDING,   /* subPaths, on a worker thread */
    STAGE_CREATING,  /* the life */
    STAGE_POSTSTART, /* it runs, the hook does too */
    STAGE_RUNNING,
};

enum worker_end { WORKER_END_NONE, WORKER_END_REJECTED, WORKER_END_EVICTED };

struct worker_container {
    struct pod_worker *worker;
    size_t index;
    enum worker_stage stage;
    bool is_left; /* the worker goes: binding jobs free themselves */
    struct image_request *request;
    const struct image *image; /* reference */
    struct life *life;         /* the present one */
    char *log_path;            /* of the present or ended life */
    char *last_log_path;       /* of the life before */
    struct probe *probes[PROBE_KINDS];
    char *image_name; /* of the life: to see changes of the pod's image */

    /* ending */
    struct action hook; /* postStart or preStop under way */
    struct action_run *hook_run;
    bool hook_done, drained, term_sent;
    int64_t kill_at_ms; /* monotonic */
    struct timer *kill_timer;
    const char *stop_reason; /* static; of the end, NULL = as it comes */
};

struct pod_worker {
    const struct pod_host *host;
    struct pod_view *pod;
    struct container_facts facts[POD_CONTAINERS_MAX];
    struct worker_container containers[POD_CONTAINERS_MAX];
    struct pod_plan plan;
    struct timer *step;
    int64_t step_at_ms;    /* monotonic, while the timer runs */
    struct timer *publish; /* the coalesced publication */
    struct timer *drain;
    unsigned n_lives; /* created or adopted and not yet gone */
    unsigned n_jobs;  /* on worker threads, pointing here */

    struct pod_lookup *lookup;
    struct sandbox *sandbox;
    struct volumes volumes;
    bool is_recorded, sandbox_ready, sandbox_mounted, volumes_ready, volumes_busy, volumes_dirty;
    bool sandbox_gone; /* torn down for good */
    bool tearing_down;
    int64_t retry_ms;       /* next delay of a failed sandbox or volume */
    int64_t retry_at_ms;    /* monotonic; 0 = not waiting */
    struct err unsupported; /* code != 0: the pod asks for what this node has not */

    int64_t started_wall_ms;
    bool is_over; /* a terminal phase was reached */
    bool mains_began;
    bool is_gone; /* the API object is no more */
    bool is_left, is_finished;
    bool drain_begun, is_draining;
    bool awaits_server; /* from a record: what the server shows is not known yet */

    char *end_reason, *end_message; /* of the pod: "Evicted", ...; NULL = as its containers end */
    enum worker_end end;
    bool deadline_said;

    struct client_call *status_call, *delete_call;
    json_t *published; /* status the server has from us; NULL = none */
    json_t *sending;   /* status on its way */
    bool publish_dirty, delete_done;
    bool is_foreign; /* it ended before this node had a record: its status is not ours */
    uint64_t published_revision; /* of the Pod with our status: an older one is only late */
    int64_t overwritten_ms;      /* monotonic: when we last answered what others wrote; 0 = never */
    int64_t api_retry_ms;
};

/* A step is due (now, never from within). */
void worker_wake(struct pod_worker *w);
/* The same, and the status is published at once when the step changed it. */
void worker_wake_urgent(struct pod_worker *w);
void worker_wake_in(struct pod_worker *w, int64_t ms); /* unless a step is due before */
void worker_job_over(struct pod_worker *w);            /* after n_jobs or n_lives was lowered */
bool worker_stops(const struct pod_worker *w);         /* being deleted, or gone from the API */

void worker_free(struct pod_worker *w);

/* worker_prepare.c */
void worker_prepare(struct pod_worker *w); /* whatever is missing to start containers */
bool worker_is_prepared(const struct pod_worker *w);
void worker_refresh_volumes(struct pod_worker *w); /* sources have changed */
void worker_teardown(struct pod_worker *w);        /* sandbox and mounts */
void worker_surroundings(const struct pod_worker *w, struct pod_surroundings *ret);
void worker_save(struct pod_worker *w);            /* pod.json anew */
void worker_mains_began(struct pod_worker *w);     /* remembered as long as the sandbox stands */
bool worker_had_begun(const struct pod_worker *w); /* says the sandbox of an earlier agent */

/* worker_image.c */
void container_pull(struct worker_container *c); /* ends in container_pulled or container_refuse */

/* worker_create.c */
void container_pulled(struct worker_container *c); /* the image is there */
/* WAITING: sandbox and volumes may be there now. */
void container_go_on(struct worker_container *c);

/* worker_container.c */
void container_begin(struct worker_container *c);
void container_enter(struct worker_container *c, enum worker_stage next);
void container_idle(struct worker_container *c); /* the start came to nothing */
void container_config_error(struct worker_container *c, const struct err *err);
struct life_listener container_listener(struct worker_container *c);
void container_abort(struct worker_container *c); /* before the life began */
/* From its record; false: there is none.  @is_rebooted: the sandbox went with a reboot. */
bool container_adopt(struct worker_container *c, bool is_rebooted);
void container_running(struct worker_container *c, bool was_adopted);
struct container_facts *container_facts(struct worker_container *c);
const struct container_view *container_view(const struct worker_container *c);
void container_action_context(const struct worker_container *c, struct action_context *ret);
void container_fini(struct worker_container *c);
void container_save(struct worker_container *c); /* its record anew */
void container_refuse(struct worker_container *c, const char *reason, const char *message);

/* worker_stop.c */
/* @message: of the Killing event; NULL = the usual one, "" = it was sent already. */
void container_stop(struct worker_container *c, int64_t grace_s, const char *message);
/* @hook: "PostStart" or "PreStop". */
void container_hook_failed(const struct worker_container *c, const char *hook,
                           const struct err *err);
void container_forget_stop(struct worker_container *c); /* the life has ended */
void worker_drain(struct pod_worker *w);
void worker_drain_check(struct pod_worker *w); /* endpoints have changed */

/* worker_probe.c */
void container_start_probes(struct worker_container *c, bool was_adopted);
void container_stop_probes(struct worker_container *c);

/* worker_end.c */
void worker_admit(struct pod_worker *w);        /* refuses what the kubelet would */
void worker_say_deadline(struct pod_worker *w); /* once, when it has passed */
void worker_keep_end(struct pod_worker *w);     /* the reason that the server shows already */
void worker_end_fini(struct pod_worker *w);
void worker_finish(struct pod_worker *w);           /* its files go, then the worker */
int64_t worker_grace_s(const struct pod_worker *w); /* of containers that end by plan */

/* worker_status.c */
void worker_publish(struct pod_worker *w, bool urgent);
void worker_on_publish_timer(void *arg);
bool worker_is_published(const struct pod_worker *w);  /* the server has what we know */
bool worker_is_shown_over(const struct pod_worker *w); /* the server shows a terminal phase */
void worker_reconcile(struct pod_worker *w);           /* publish again what others overwrote */
void worker_delete(struct pod_worker *w);              /* from the API, with grace 0 */
void worker_status_fini(struct pod_worker *w);
json_t *worker_status(const struct pod_worker *w); /* as of now; a fresh tree */

#endif
