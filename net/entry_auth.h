/* entry_auth: are a request's credentials those of a user?
 *
 * Comparing passwords is slow on purpose, so it is done on worker threads, a limited number at a
 * time, and remembered: by a hash of the stored hash and the credentials, so that a changed
 * Secret is a changed answer.  Nothing is kept in the clear.
 * Owner: one entry_worker.  Thread: its loop.
 */
#ifndef NET_ENTRY_AUTH_H
#define NET_ENTRY_AUTH_H

#include "base/json.h"
#include "base/list.h"
#include "net/entry_annotations.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct entry_auth;

struct entry_auth *entry_auth_new(uv_loop_t *loop);
/* Comparisons under way end by themselves; nobody may be waiting. */
struct entry_auth *entry_auth_close(struct entry_auth *a); /* NULL is fine; returns NULL */

/* The users in a Secret: "user:hash" lines of key "auth", or (@is_map) one key per user.
 * NULL @secret: it is not there. */
void entry_auth_put(struct entry_auth *a, const char *key, bool is_map, const json_t *secret);
/* Forgets the Secrets that were not put since the last call. */
void entry_auth_sweep(struct entry_auth *a);

enum entry_auth_answer {
    ENTRY_AUTH_YES,
    ENTRY_AUTH_NO,
    ENTRY_AUTH_BROKEN, /* no Secret, or too many comparisons at a time: 503 */
    ENTRY_AUTH_LATER   /* the ticket's on_answer will say */
};

struct entry_auth_ticket { /* embed; zeroes: waits for nothing */
    struct list link;
    bool is_waiting;
    /* Yes, no or broken; last: may do anything. */
    void (*on_answer)(struct entry_auth_ticket *t, enum entry_auth_answer answer);
};

/* @credentials: base64 of "user:password"; @len 0: none were said. */
enum entry_auth_answer entry_auth_ask(struct entry_auth *a, const struct entry_basic *basic,
                                      const char *credentials, size_t len,
                                      struct entry_auth_ticket *ticket);
void entry_auth_cancel(struct entry_auth_ticket *ticket); /* idempotent */

#endif
