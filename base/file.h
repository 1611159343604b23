/* file: whole files, atomically; directories; all descriptors are CLOEXEC.
 *
 * Blocking: call at start-up or from a worker thread (base/work.h), never from a loop
 * callback unless the file is small and local configuration.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads at most @max bytes; more is ERR_LIMIT; absent is ERR_NOT_FOUND. Appends to @ret. */
int file_read(struct text *ret, const char *path, size_t max, struct err *err);
/* temp file in the same directory, fsync, rename, fsync of the directory: old or new, never half. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
/* The same without fsync, for what is rebuilt after a power cut. */
int file_write_fast(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
int file_mkdirs(const char *path, mode_t mode, struct err *err); /* existing is fine */
int file_remove_tree(const char *path,
                     struct err *err); /* absent is fine; never follows links or crosses mounts */
int file_sync_dir(const char *path, struct err *err);
bool file_exists(const char *path);

#endif
