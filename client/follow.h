/* follow: one object, or those of a list, until somebody has seen enough.
 *
 * Lists, then watches from there; again when a watch ends or is too old.  Thread: main.
 */
#ifndef CLIENT_FOLLOW_H
#define CLIENT_FOLLOW_H

#include "client/session.h"

#include <stdint.h>

/* @live NULL: it is gone (or is not there yet).  Non-zero: enough. */
typedef int (*follow_fn)(void *arg, const json_t *live);

#define FOLLOW_TIMEOUT 1

struct follow { /* borrowed */
    struct session *session;
    const char *list; /* the path of its kind in its namespace */
    const char *name;
    const char *uid;  /* another object of that name means: gone; NULL or "": any */
    int64_t until_ms; /* monotonic; -1: for ever */
    follow_fn fn;
    void *arg;
};

/* 0: enough was seen; FOLLOW_TIMEOUT; or the server refused, as session_call. */
int follow_object(const struct follow *f, struct session_answer *ret, struct err *err);

#endif
