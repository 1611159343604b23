/* pod_record: what a pod needs to be found and run again by the next agent, on disk.
 *
 *   <data_dir>/pods/<uid>/pod.json            the Pod as accepted, and what the node added
 *   <data_dir>/pods/<uid>/sources.json        what its environment and volumes were made of
 *   <data_dir>/pods/<uid>/containers/<name>.json   the present life of each container
 *
 * pod.json is durable (fsync): it is what a node starts from when the server is away after a
 * power cut.  The others are made again when they are lost.  Blocking.
 */
#ifndef NODEAGENT_POD_RECORD_H
#define NODEAGENT_POD_RECORD_H

#include "base/err.h"
#include "base/json.h"
#include "nodeagent/pod_plan.h"
#include "nodeagent/pod_view.h"

char *pod_record_dir(const char *data_dir, const char *uid); /* new strings */
char *pod_record_container(const char *data_dir, const char *uid, const char *name);

/* @sources: JSON text or NULL.  Makes the directories. */
int pod_record_save(const char *data_dir, const char *uid, const char *pod, const char *sources,
                    struct err *err);
/* Text of pod.json: the pod's tree and when this node accepted it. */
char *pod_record_print(const struct pod_view *pod, int64_t started_wall_ms, bool is_over);

/* The trees of pod.json and sources.json (may be NULL when lost). */
int pod_record_load(json_t **ret_pod, json_t **ret_sources, const char *data_dir, const char *uid,
                    struct err *err);
/* Uids of all records, NULL-terminated, owned (strv_free). */
char **pod_record_list(const char *data_dir);
int pod_record_remove(const char *data_dir, const char *uid, struct err *err);

/* A container's facts as JSON text, and back.  @facts must be zeroed; false: no record. */
char *pod_record_facts(const struct container_facts *facts, const char *log_path);
bool pod_record_read_facts(struct container_facts *ret, char **ret_log_path, const char *data_dir,
                           const char *uid, const char *name);

#endif
