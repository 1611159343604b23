/* why: what keeps an object from being well, and the smallest change that would help.
 *
 * Pure: a decision over objects that were fetched.  Rules are rows (why_rules_*.c): a condition, a
 * sentence, a suggestion.  From an object the way leads down to what it owns or needs: Deployment,
 * ReplicaSet, Pod, claim; Ingress, Service, Pod.  Only the first cause on each way is told.
 */
#ifndef CLIENT_WHY_H
#define CLIENT_WHY_H

#include "base/json.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

struct why_world {
    const json_t *lists; /* plural to array of objects; a kind that was not fetched is absent */
    int64_t now_ms;      /* wall clock */
};

enum why_level {              /* worst first */
                 WHY_BROKEN,  /* does not run, and will not by itself */
                 WHY_WAITING, /* may still come */
                 WHY_NOTE,    /* runs, but somebody should know */
};

struct why_finding {
    enum why_level level;
    const char *rule; /* its sentence's pattern: equal ones are alike */
    char *object;     /* owned: "pod/web-1" */
    char *ns;         /* owned; "" for cluster-wide */
    char *way;        /* owned: "deployment/web > replicaset/web-5b7 > pod/web-5b7-x" */
    char *says;       /* owned */
    char *tries;      /* owned; "" when there is nothing to try */
    /* Whose last lines would tell more; owned, NULL: nobody's. */
    char *log_pod, *log_container;
    bool log_previous;
    unsigned n_alike; /* other objects with the same trouble */
};

struct why {
    struct why_finding *findings; /* owned; worst first */
    size_t n;
};

/* What is wrong with @object of @plural, or with what it stands on. */
void why_find(struct why *ret, const struct why_world *w, const char *plural, const json_t *object);
/* What is wrong with everything that the world holds, told once, from its owner down. */
void why_find_all(struct why *ret, const struct why_world *w);
void why_fini(struct why *w);

/* The plurals that are looked at, with where to get them; NULL group ends it. */
struct why_source {
    const char *group, *version, *plural;
    bool names_only; /* only metadata is wanted (Secrets, ConfigMaps) */
};
extern const struct why_source why_sources[];

/* A finding on a few lines; @log may be NULL. */
void why_print(struct text *ret, const struct why_finding *f, const char *log);

#endif
