/* runc_seccomp: the node's system call filter (seccompProfile type RuntimeDefault).
 *
 * Pure.  A deny list: what lets a container reach past itself on today's kernels is refused with
 * EPERM unless the capability that guards it was granted; everything else is allowed.
 * This is narrower in what it forbids than the allow lists of other runtimes.
 */
#ifndef NODEAGENT_RUNC_SECCOMP_H
#define NODEAGENT_RUNC_SECCOMP_H

#include "base/json.h"

#include <stdint.h>

/* The tree of linux.seccomp for a container with these capabilities. */
json_t *runc_seccomp_make(uint64_t capabilities);

#endif
