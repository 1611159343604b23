/* env: a container's environment variables, and $(VAR) in them, in command and in args.
 *
 * Pure; configmaps and secrets come through lookups.  Lists keep the order of definition and
 * hold each name once.
 */
#ifndef NODEAGENT_ENV_H
#define NODEAGENT_ENV_H

#include "base/err.h"
#include "base/json.h"
#include "nodeagent/pod_fields.h"
#include "nodeagent/pod_view.h"

#include <stddef.h>

struct env_var {
    char *name, *value; /* owned */
};
struct env_list { /* init with ENV_LIST_EMPTY, end with env_list_fini */
    struct env_var *vars;
    size_t n;
};
#define ENV_LIST_EMPTY       \
    {                        \
        .vars = NULL, .n = 0 \
    }
void env_list_fini(struct env_list *l);
void env_list_set(struct env_list *l, const char *name, const char *value); /* replaces in place */
const char *env_list_get(const struct env_list *l, const char *name);       /* NULL if absent */

struct env_sources {
    /* The object of that kind ("configmaps", "secrets") in the pod's namespace; NULL: none. */
    const json_t *(*find)(void *arg, const char *kind, const char *name);
    void *arg;
    const struct pod_surroundings *around;
    const struct env_list *services; /* of the namespace, may be NULL */
};

/* envFrom, then env (later wins), then services that nothing else defines.  ERR_NOT_FOUND: a
 * configmap, secret or key that is not optional is missing; Kubernetes' sentence. */
int env_make(struct env_list *ret, const struct pod_view *pod, const struct container_view *c,
             const struct env_sources *sources, struct err *err);

/* $(NAME) is replaced when @find knows it, $$ is one $; all else stays. */
typedef const char *(*env_find_fn)(const void *arg, const char *name);
char *env_expand(const char *text, env_find_fn find, const void *arg);
/* With the variables of a list. */
char *env_expand_list(const char *text, const struct env_list *vars);

/* The decoded value of a key of a ConfigMap or Secret tree; false when it has none.  Appends. */
bool env_object_key(struct text *ret, const json_t *object, const char *key);

#endif
