/* list_options: what a client may ask of a LIST or a WATCH beside selectors, in Kubernetes' words.
 *
 * Rules of resourceVersion and resourceVersionMatch, which of them may stand together
 * (apimachinery internalversion/validation, apiserver storage/continue.go), and the token that
 * `continue` carries: the revision the first page showed, where to go on, how many are left then,
 * and when the list began.  A token is good for five minutes, as etcd's history is under
 * kube-apiserver, or until the store forgets the revision; then the client gets one to go on from
 * at the newest state.
 *
 * Pure.
 */
#ifndef API_LIST_OPTIONS_H
#define API_LIST_OPTIONS_H

#include "base/json.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct list_query { /* borrowed; NULL = absent */
    const char *version, *match, *token, *limit, *initial;
};

struct list_options {
    uint64_t limit;    /* 0 = all */
    uint64_t revision; /* what to show */
    int64_t began_ms;
    bool goes_on;                /* behind after_ns, after_name */
    int64_t left;                /* known from the page before: as many follow; -1 = unknown */
    char *after_ns, *after_name; /* owned */
};
void list_options_fini(struct list_options *o);

/* NULL, or why not: a Status.  @current: the newest revision there is. */
json_t *list_options_read(struct list_options *ret, const struct list_query *q, uint64_t current,
                          int64_t now_ms);
/* The token behind the object @ns/@name when @left more follow (-1: nobody counted). */
void list_options_token(struct text *ret, const struct list_options *o, const char *ns,
                        const char *name, int64_t left);
/* The revision can not be seen any more: 410, with a token that goes on at the newest state. */
json_t *list_options_expired(const struct list_options *o);

/* The same for a WATCH.  @ret_after: changes behind it are told; @ret_initial: all that is there
 * is told first, as it is at @ret_after. */
json_t *list_options_watch(const struct list_query *q, uint64_t current, uint64_t *ret_after,
                           bool *ret_initial);

#endif
