/* life_files: the blocking halves of a life: making its bundle, reading its ends, removing it.
 *
 * Runs on worker threads with private or immutable input (prepare, remove) or on small pseudo
 * files (the rest).  Owner: life.c and life_create.c.
 */
#ifndef NODEAGENT_LIFE_FILES_H
#define NODEAGENT_LIFE_FILES_H

#include "base/err.h"
#include "nodeagent/life.h"

struct life_job { /* what preparing needs; all borrowed from the life */
    const struct runtime *rt;
    const struct life_spec *spec;
};

/* Directories, overlay mount, user, config.json, record: the bundle is ready for conmon. */
int life_files_prepare(const struct life_job *job, struct err *err);
/* Kills conmon and runc that are still about to create @id, for an agent that was killed; nothing
 * once the container is made. */
void life_files_kill_makers(const struct runtime *rt, const char *id);
/* Does the container still wait to be started (or did it end waiting)? */
bool life_files_is_unstarted(const struct runtime *rt, const char *id);
/* Unmounts and removes everything but the log; what fails is left for the next sweep. */
int life_files_remove(const struct runtime *rt, const char *id, struct err *err);

/* The exit code conmon left; false when there is none (yet). @ret_ms: when, wall clock. */
bool life_files_exit(const struct runtime *rt, const char *id, int *ret_code, int64_t *ret_ms);
/* The process conmon's pid file names, if it is alive and not only runc's init that waits to be
 * started; @ret_started_ms is its start, wall clock.  0: none. */
pid_t life_files_pid(const struct runtime *rt, const char *id, int64_t *ret_started_ms);
/* Appends the termination message by the container's policy. */
void life_files_message(struct text *ret, const struct runtime *rt, const char *id,
                        const struct container_view *c, int exit_code, const char *log_path);

#endif
