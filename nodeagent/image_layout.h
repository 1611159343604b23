/* image_layout: where images lie on a node's disk, and their records.
 *
 *   DIR/layers/<12 hex of the layer's digest>/   one unpacked layer, complete (renamed into place)
 *   DIR/refs/<hash of the reference>.json        which image a reference means here
 *   DIR/configs/<hex>.json                       image configurations
 *   DIR/tmp/                                     downloads and half-unpacked layers, emptied at start
 */
#ifndef NODEAGENT_IMAGE_LAYOUT_H
#define NODEAGENT_IMAGE_LAYOUT_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

struct image_layout {
    char dir[256]; /* DATA/images */
};

int image_layout_init(struct image_layout *ret, const char *data_dir, struct err *err);

/* The owned path of a layer by its digest "sha256:...". */
char *image_layout_layer(const struct image_layout *l, const char *digest);
char *image_layout_ref(const struct image_layout *l, const char *ref);
char *image_layout_config(const struct image_layout *l, const char *digest);
/* A fresh name below tmp, unique among processes. */
char *image_layout_tmp(const struct image_layout *l, const char *what);

/* A record is {"ref","id","digest","layers":[digests, bottom first],"size"}; durable when it returns. */
int image_layout_write(const struct image_layout *l, const json_t *record, const char *config,
                       size_t config_len, struct err *err);
/* ERR_NOT_FOUND when absent or when a layer of it is missing.  @ret_config may be NULL. */
int image_layout_read(const struct image_layout *l, const char *ref, json_t **ret_record,
                      json_t **ret_config, struct err *err);
/* Leftovers of pulls that were cut off go; those of processes that still run are left alone. */
void image_layout_clean(const struct image_layout *l);
/* Remembers that it was used now: the record's time of change. */
void image_layout_touch(const struct image_layout *l, const char *ref);

#endif
