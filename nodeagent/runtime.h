/* runtime: what all lives of containers on this node share: directories, programs, the watch on
 * the place where conmon leaves exit codes.
 *
 *   <run_dir>/containers/<id>/  bundle: config.json, rootfs (overlay), pidfile, attach, ctl
 *   <run_dir>/exits/<id>        exit code, written by conmon
 *   <run_dir>/runc/<id>/        runc's own state (--root)
 *   <data_dir>/containers/<id>/ upper, work, termination-log
 *
 * Owner: agent.  Thread: loop.
 */
#ifndef NODEAGENT_RUNTIME_H
#define NODEAGENT_RUNTIME_H

#include "base/err.h"
#include "nodeagent/cgroup.h"
#include "nodeagent/runc_spec.h"

#include <uv.h>

struct runtime;
struct life;

struct runtime_opts {
    const char *data_dir, *run_dir;
    const char *cgroup_root; /* NULL = "/mkube" */
};

/* Blocking: makes the directories, looks at the host.  ERR_NOT_FOUND: runc or conmon is not
 * installed, with the package that brings it. */
int runtime_new(struct runtime **ret, uv_loop_t *loop, const struct runtime_opts *opts,
                struct err *err);
/* Every life must be gone or left before; containers run on.  The memory goes with the last
 * life whose jobs on worker threads still look at it.  Returns NULL. */
struct runtime *runtime_close(struct runtime *rt);

uv_loop_t *runtime_loop(const struct runtime *rt);
const char *runtime_runc(const struct runtime *rt); /* "/usr/sbin/runc" */
const char *runtime_runc_root(const struct runtime *rt);
const char *runtime_conmon(const struct runtime *rt);
const char *runtime_run_dir(const struct runtime *rt);
const char *runtime_data_dir(const struct runtime *rt);
const struct cgroup *runtime_cgroup(const struct runtime *rt);
const struct runc_host *runtime_host(const struct runtime *rt);

/* A new container id: 64 hexadecimal digits. */
void runtime_make_id(char ret[65]);
/* Bundle directory or container's data directory of an id; new strings. */
char *runtime_bundle(const struct runtime *rt, const char *id, const char *file);
char *runtime_store(const struct runtime *rt, const char *id, const char *file);

/* For life.c only.  Keeps the memory of @rt. */
void runtime_hold(struct runtime *rt);
void runtime_release(struct runtime *rt);
/* For life.c only: exit files of @id are told to @life (life_on_exit_file). */
void runtime_add(struct runtime *rt, const char *id, struct life *life);
/* Nothing when @id is another life by now. */
void runtime_remove(struct runtime *rt, const char *id, const struct life *life);

/* Removes every container that is neither in @ids (NULL-terminated) nor alive as a struct life:
 * kill, runc delete, unmount, remove.  Blocking, at start. */
void runtime_sweep(struct runtime *rt, const char *const *ids);

#endif
