/* taint_change: what the words of `mkube taint` make of a node's taints.
 *
 * KEY=VALUE:EFFECT and KEY:EFFECT set one, KEY:EFFECT- and KEY- take away.  Words are kubectl's.
 * Facts: kubernetes/kubectl pkg/cmd/taint.  Pure.
 */
#ifndef CLIENT_TAINT_CHANGE_H
#define CLIENT_TAINT_CHANGE_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

struct taint_change {
    json_t *add, *take; /* owned lists of {key, value, effect}; those to take may have no effect */
};

bool taint_change_is_word(const char *word);
/* ERR_INVALID: a word means nothing, or they contradict each other. */
int taint_change_parse(struct taint_change *ret, int argc, char **argv, struct err *err);
void taint_change_fini(struct taint_change *c);

/* @ret: the taints of @node after it, the caller's; @ret_done what to say: "tainted", "untainted",
 * "modified".  ERR_INVALID: there already (without @overwrite), or not there to be taken away. */
int taint_change_apply(json_t **ret, const char **ret_done, const struct taint_change *c,
                       const json_t *node, bool overwrite, struct err *err);

#endif
