/* host_info: what this machine is and has, read from the kernel.
 *
 * Blocking, small pseudo files only.  Thread: loop, at start and for node status.
 */
#ifndef NODEAGENT_HOST_INFO_H
#define NODEAGENT_HOST_INFO_H

#include "base/json.h"
#include "nodeagent/runc_spec.h"

#include <stdint.h>

void host_info_limits(struct runc_host *ret);

int64_t host_info_memory(void);           /* bytes, total */
int64_t host_info_memory_available(void); /* bytes; -1 when not told */
int host_info_cpus(void);
/* Bytes and inodes of the file system that holds @path; false when it cannot be told. */
struct host_disk {
    int64_t size, available, inodes, inodes_free;
};
bool host_info_disk(const char *path, struct host_disk *ret);
int64_t host_info_pid_max(void);
int64_t host_info_pids(void); /* tasks now */
/* status.nodeInfo: machineID, systemUUID, bootID, kernelVersion, osImage, ...; a new object. */
json_t *host_info_node(void);

#endif
