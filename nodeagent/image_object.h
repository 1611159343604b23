/* image_object: one image in memory, made of its record and configuration; shared by reference. */
#ifndef NODEAGENT_IMAGE_OBJECT_H
#define NODEAGENT_IMAGE_OBJECT_H

#include "nodeagent/image.h"
#include "nodeagent/image_layout.h"

/* With one reference, the caller's; @config is taken.  End with image_unref. */
struct image *image_object_make(const struct image_layout *l, const json_t *record,
                                json_t *config_steal);

#endif
