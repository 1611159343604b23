/* image_unpack: one layer archive into a directory for overlayfs.  Blocking.
 *
 * gzip, zstd, xz, bzip2 or plain tar.  Whiteouts become overlayfs' own (OCI image-spec layer.md;
 * kernel Documentation/filesystems/overlayfs.rst): ".wh.NAME" a 0:0 character device, ".wh..wh..opq"
 * the attribute trusted.overlay.opaque.  Paths that leave the directory, also through links, are
 * refused.
 */
#ifndef NODEAGENT_IMAGE_UNPACK_H
#define NODEAGENT_IMAGE_UNPACK_H

#include "base/err.h"

#include <stdint.h>

/* Changes directory, umask and locale of the process meanwhile: for one of its own
 * (`mkube image`).  @dir must exist and be empty.  @ret_size: bytes of files. */
int image_unpack(const char *archive_path, const char *dir, uint64_t *ret_size, struct err *err);

#endif
