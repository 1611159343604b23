/* reclaim: data of local volumes that are deleted leaves this node's disk.
 *
 * Follows the PersistentVolumes.  One of ours whose last finalizer is ours loses its directory,
 * then the finalizer.  Killed in between, the next agent does it again: an absent directory is
 * fine.  Owner: agent.  Thread: loop; the disk is worked on by worker threads.
 */
#ifndef NODEAGENT_RECLAIM_H
#define NODEAGENT_RECLAIM_H

#include "api/client.h"

enum reclaim_step {
    RECLAIM_NOTHING, /* not ours, not deleted, or somebody else still holds it */
    RECLAIM_RELEASE, /* nothing of it is here: only the finalizer goes */
    RECLAIM_REMOVE,  /* the directory first */
};

/* Pure.  @ret_dir: name of the directory below "<data_dir>/volumes" (borrowed from @volume) with
 * RECLAIM_REMOVE. */
enum reclaim_step reclaim_plan(const char **ret_dir, const json_t *volume, const char *node_name,
                               const char *data_dir);

struct reclaim;

int reclaim_new(struct reclaim **ret, uv_loop_t *loop, struct client *client, const char *node_name,
                const char *data_dir, struct err *err);
struct reclaim *reclaim_close(
    struct reclaim *r); /* returns NULL; jobs under way end by themselves */

#endif
