/* sqlite_load: what the tables of a store's file hold, told to who loads it. */
#ifndef STORAGE_SQLITE_LOAD_H
#define STORAGE_SQLITE_LOAD_H

#include "storage/backend.h"
#include "storage/seal.h"

#include <sqlite3.h>

struct sqlite_loaded {
    uint64_t last, ceiling, floor; /* as struct backend_load: on_revision tells them */
};
/* @seal NULL: sealed rows are refused.  ERR_CORRUPT names @path and what to do. */
int sqlite_load_tables(struct sqlite_loaded *ret, sqlite3 *db, const char *path, struct seal *seal,
                       const struct backend_load *load, struct err *err);

#endif
