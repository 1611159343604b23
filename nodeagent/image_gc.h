/* image_gc: which images leave a disk that runs full, and their leaving.
 *
 * The kubelet's rule: above 85 % of the disk, unused images go, the longest unused first and none
 * younger than two minutes, until 80 % would be left.  image_gc_plan is pure; image_gc_run blocks, and
 * nothing may be pulled meanwhile: layers are shared, and one that is there is not fetched again.
 */
#ifndef NODEAGENT_IMAGE_GC_H
#define NODEAGENT_IMAGE_GC_H

#include "base/err.h"
#include "nodeagent/host_info.h"
#include "nodeagent/image_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_GC_HIGH_PERCENT 85
#define IMAGE_GC_LOW_PERCENT  80

/* Bytes to free so that the disk is below the lower mark; 0: it is not above the higher one. */
int64_t image_gc_wanted(const struct host_disk *disk);

struct image_gc_item {
    const char *ref;
    int64_t used_ms; /* wall clock, of its last use */
    int64_t size;
    bool in_use;
};
/* Indices of those to remove, in order, into @ret (room for @n); how many.  @ret_bytes: their sum. */
size_t image_gc_plan(size_t *ret, const struct image_gc_item *items, size_t n, int64_t wanted,
                     int64_t now_ms, int64_t *ret_bytes);

struct image_gc_result { /* end with image_gc_result_fini */
    char **removed;      /* normalised references, owned, NULL-terminated */
    int64_t bytes;
};
void image_gc_result_fini(struct image_gc_result *r);
/* @in_use: normalised references, NULL-terminated.  Blocking. */
int image_gc_run(struct image_gc_result *ret, const struct image_layout *l,
                 const char *const *in_use, int64_t wanted, int64_t now_ms, struct err *err);

#endif
