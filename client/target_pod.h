/* target_pod: the pod that "web-1", "pod/web-1" or "deploy/web" stands for, and its container. */
#ifndef CLIENT_TARGET_POD_H
#define CLIENT_TARGET_POD_H

#include "client/session.h"

#define TARGET_POD_MAX_DEPTH 4 /* of owners */

/* A running one of several, told on stderr.  VERB_FAILED: told why not.  @ret is the caller's. */
int target_pod(json_t **ret, struct session *s, const char *word);
/* The selector of the pods that @object (a workload, a Service) stands for; false: it has none. */
bool target_pod_selector(struct text *ret, const json_t *object);
/* @wanted, or the one that the annotation names, or the first: told unless @quiet. */
void target_pod_container(struct text *ret, const json_t *pod, const char *wanted, bool quiet);

#endif
