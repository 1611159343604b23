/* disk_usage: what a directory takes on its disk, and the places of a pod that count.
 *
 * disk_usage blocks: for worker threads.
 */
#ifndef NODEAGENT_DISK_USAGE_H
#define NODEAGENT_DISK_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of blocks at and below @path, links not followed, other file systems left out; 0 when it is
 * not there.  What changes meanwhile is counted before or after. */
int64_t disk_usage(const char *path);

struct pod_place {
    char *path; /* owned */
    bool is_volume;
    size_t index;  /* of the volume in spec.volumes, or of the container in the pod */
    int64_t bytes; /* 0 until measured */
};

struct pod_places { /* init with zeroes, end with pod_places_fini */
    struct pod_place *list;
    size_t n;
};
void pod_places_add(struct pod_places *p, char *path_steal, bool is_volume, size_t index);
void pod_places_fini(struct pod_places *p);

#endif
