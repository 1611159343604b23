/* entry_annotations: what annotations ask of an Ingress' routes, as one struct.
 *
 * One table row per annotation; another one is a row, a field and the place that obeys it.
 * Unknown annotations are not ours.  Pure.
 */
#ifndef NET_ENTRY_ANNOTATIONS_H
#define NET_ENTRY_ANNOTATIONS_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct entry_policy {
    int64_t connect_ms; /* 0 = the entry's own limit */
    int64_t read_ms;    /* silence of the backend */
    int64_t send_ms;    /* the backend takes nothing */
    uint64_t max_body;  /* bytes; 0 = any */
};

/* @annotations NULL or an object.  A value that cannot be read leaves the default and goes to
 * @ret_bad (may be NULL): the annotation's name, borrowed from the tree; else NULL. */
void entry_annotations_read(struct entry_policy *ret, const json_t *annotations,
                            const char **ret_bad);

#endif
