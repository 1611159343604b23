/* sqlite_file: one SQLite file, ours or refused.
 *
 * Looks before it opens, so that a file which is not ours, newer, damaged or in use is never
 * written to; brings an older one up to date step by step; leaves an open, locked database
 * in WAL mode.  Knows nothing of what the tables mean.
 * Thread: any, one at a time.
 */
#ifndef STORAGE_SQLITE_FILE_H
#define STORAGE_SQLITE_FILE_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct sqlite_format {
    uint32_t application_id;  /* stands in the file's header: whose file this is */
    const char *const *steps; /* SQL from version n to n + 1 */
    unsigned n_steps;         /* and so the version of this program */
};

/* Makes @path when it is absent.  ERR_CORRUPT: refused, the message names the file and says what
 * to do; ERR_UNAVAILABLE: another process has it.  Closing @ret before sqlite_file_accept leaves
 * the file as it was found. */
int sqlite_file_open(sqlite3 **ret, const char *path, const struct sqlite_format *format,
                     struct err *err);
/* The content was read and is sound: from now on closing may tidy up. */
void sqlite_file_accept(sqlite3 *db);
void sqlite_file_closep(sqlite3 **db);

/* Starts a message from the last error of @db: "@path: text", with ERR_NOSPACE, ERR_CORRUPT,
 * ERR_UNAVAILABLE (in use) or ERR_IO. */
int sqlite_file_err(struct err *err, sqlite3 *db, const char *path);
/* "@path is damaged: @what already says; restore ..."; ERR_CORRUPT. */
int sqlite_file_damaged(struct err *err, const char *path);
int sqlite_file_exec(sqlite3 *db, const char *path, const char *sql, struct err *err);

#endif
