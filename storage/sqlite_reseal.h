/* sqlite_reseal: rewrites, a bounded step at a time, what is not under the key that seals now.
 *
 * Plain records of before there were keys, and those under older keys.  After the plain ones the
 * file is made anew once, so that its free pages and its log hold nothing of them.  At the end the older
 * keys are dropped.  Each step may be the last one before a power cut: begun again, it goes on.
 * The database commits durably (synchronous = FULL) meanwhile.
 * Thread: the backend's worker.
 */
#ifndef STORAGE_SQLITE_RESEAL_H
#define STORAGE_SQLITE_RESEAL_H

#include "base/text.h"
#include "storage/seal.h"

#include <sqlite3.h>

enum sqlite_reseal_phase {
    SQLITE_RESEAL_KEY,
    SQLITE_RESEAL_LOOK,
    SQLITE_RESEAL_OBJECTS,
    SQLITE_RESEAL_CHANGES,
    SQLITE_RESEAL_SWEEP,
    SQLITE_RESEAL_END,
    SQLITE_RESEAL_DONE,
};

struct sqlite_reseal { /* zero but for what is borrowed; end with sqlite_reseal_fini */
    sqlite3 *db;       /* borrowed, as the next two */
    const char *path;
    struct seal *seal;
    bool rotate; /* begin with a new key */
    enum sqlite_reseal_phase phase;
    bool swept;           /* no plain record was ever in this file, or nothing is left of it */
    struct text ns, name; /* the last object that was looked at */
    uint64_t revision;    /* the last change */
};
void sqlite_reseal_fini(struct sqlite_reseal *r);
/* Positive 1: there is more to do; 0: done. */
int sqlite_reseal_step(struct sqlite_reseal *r, struct err *err);

#endif
