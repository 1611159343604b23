/* life: one life of one container, from overlay mount to the removal of its last trace.
 *
 * It runs under conmon (own session, outlives us) and is found again after a restart of the
 * agent by life_adopt.  It decides nothing about restarts: pod_worker does.
 *
 *   PREPARING -> CREATING -> RUNNING -> EXITED -> REMOVING -> (on_gone)
 *        \__________\________(on_started rc<0)_____^
 *
 * Owner: pod_worker.  Thread: loop; mounting and removing on worker threads.
 */
#ifndef NODEAGENT_LIFE_H
#define NODEAGENT_LIFE_H

#include "base/err.h"
#include "nodeagent/env.h"
#include "nodeagent/image.h"
#include "nodeagent/pod_view.h"
#include "nodeagent/runtime.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct life;

struct life_spec {
    const char *id;
    struct pod_view *pod;      /* referenced */
    size_t index;              /* of the container in the pod */
    const struct image *image; /* referenced */
    struct env_list env;       /* taken */
    struct runc_mount *mounts; /* taken, with its strings */
    size_t n_mounts;
    const char *log_path;                       /* strings are copied */
    const char *log_link;                       /* made to point to it; NULL = none */
    const char *net_ns, *uts_ns, *ipc_ns, *shm; /* NULL = the node's own */
    const char *pid_ns;      /* the pod's, or another container's; NULL = it shares none */
    const char *hostname;    /* NULL = not known */
    const char *record_path; /* written before anything is made: see pod_record */
    const char *record;
};

#define LIFE_MESSAGE_MAX 4096 /* of a termination message, as in Kubernetes */

struct life_exit {
    int exit_code; /* 128 + signal when killed */
    bool oom_killed;
    bool unknown;                    /* the monitor left no exit code */
    int64_t started_ms, finished_ms; /* wall clock */
    const char *message;             /* termination message, "" = none; borrowed */
};

struct life_listener {
    /* Exactly once for a created life: 0 = the process runs.  Negative: it never did; only
     * life_remove is left to do. */
    void (*on_started)(void *arg, int rc, const struct err *err);
    void (*on_exited)(void *arg, const struct life_exit *end);
    void (*on_gone)(void *arg); /* after life_remove; last callback, the life is dead */
    void *arg;
};

/* Callbacks never fire from within. */
struct life *life_create(struct runtime *rt, struct life_spec *spec,
                         const struct life_listener *listener);

enum life_found { LIFE_FOUND_RUNNING, LIFE_FOUND_EXITED, LIFE_FOUND_NOTHING };
/* Looks for a life of an earlier agent.  RUNNING: *ret watches it.  EXITED: *ret will tell by
 * on_exited.  NOTHING: never started or lost with a reboot; *ret is a life to life_remove. */
enum life_found life_adopt(struct life **ret, struct runtime *rt, const char *id,
                           struct pod_view *pod, size_t index, const char *log_path,
                           const struct life_listener *listener);

const char *life_id(const struct life *l);
pid_t life_pid(const struct life *l);          /* 0 while there is no process */
int64_t life_started_ms(const struct life *l); /* wall clock */
/* To the first process; nothing when it has ended. */
void life_signal(struct life *l, int signum);
/* Begins a new log file: the present one was moved away. */
void life_reopen_log(struct life *l);
/* Deletes all traces (not the log), then on_gone.  Not while RUNNING. */
void life_remove(struct life *l);
/* Forgets without touching anything: the agent ends, the container goes on. No callback. */
void life_leave(struct life *l);

/* From runtime.c: the exit file of this life has appeared. */
void life_on_exit_file(struct life *l);
/* Blocking: kills and removes whatever of @id is there. */
void life_destroy_sync(struct runtime *rt, const char *id);

#endif
