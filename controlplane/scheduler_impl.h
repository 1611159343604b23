/* scheduler_impl: what the files of the scheduler share.  Private to scheduler*.c.
 *
 * A snapshot holds the nodes with the pods on them, kept between plans and brought up to date
 * from the view; pods that were given a node by a plan not yet carried out stand in it as
 * assumed.  A want is one pod to be placed, compiled; filters and scores ask it of each node.
 */
#ifndef CONTROLPLANE_SCHEDULER_IMPL_H
#define CONTROLPLANE_SCHEDULER_IMPL_H

#include "api/node_affinity.h"
#include "controlplane/plan.h"
#include "controlplane/view.h"
#include "controlplane/volume_class.h"

#include "api/pod_resources.h"
#include "api/selector.h"
#include "base/list.h"
#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a pod that asks for nothing is taken to use when nodes are compared. */
#define SCHED_GUESS_CPU_MILLI 100
#define SCHED_GUESS_MEMORY    (200ll << 20)

/* --- scheduler_terms.c: pod (anti)affinity terms --- */

struct sched_term {
    json_t *tree;                /* owned; a PodAffinityTerm */
    const char *topology_key;    /* in tree */
    const char *ns;              /* of the pod that has the term; borrowed from it */
    struct selector *selector;   /* owned */
    struct selector *namespaces; /* owned; by label; NULL = not asked for */
    int64_t weight;              /* of preferred ones */
};

struct sched_term_list {
    struct sched_term *items; /* owned */
    size_t n;
};

struct sched_terms {
    struct sched_term_list affinity, anti, preferred, preferred_anti;
};

void sched_terms_load(struct sched_terms *ret, const struct object *pod, const json_t *tree);
void sched_terms_fini(struct sched_terms *t);
bool sched_terms_any(const struct sched_terms *t);
bool sched_term_matches(const struct sched_term *t, struct view *v, const struct object *pod);
/* A LabelSelector narrowed by matchLabelKeys and mismatchLabelKeys of @holder, as @pod's own
 * labels say.  The caller's; NULL when malformed. */
struct selector *sched_selector(const json_t *holder, const struct object *pod);

/* --- scheduler_snapshot.c --- */

struct sched_pod {
    struct list link, termed; /* in node.pods; in snapshot.termed when it has terms */
    struct object *object;    /* owned ref */
    struct sched_node *node;
    struct pod_resources requests;
    json_t *ports; /* owned; host ports */
    struct sched_terms terms;
    int64_t priority, start_ms; /* wall clock; INT64_MAX = has not started */
    unsigned seen;
    bool assumed;
    bool nominated; /* others leave @promised for it; stands on it only for those it precedes */
    bool violates;  /* scheduler_preempt.c: its leaving would break a budget */
    char *promised; /* owned; name of a node */
};

struct sched_node {
    struct object *object; /* owned ref */
    json_t *tree;          /* owned */
    struct list pods;
    struct pod_resources allocatable, used;
    int64_t max_pods, n_pods;
    int64_t guess_cpu_milli, guess_memory; /* used, with a guess for pods that ask for nothing */
    bool stale;                            /* the sums are to be made anew */
    unsigned seen;
};

struct sched_snapshot {
    struct map *nodes;         /* owned; name to sched_node, owned */
    struct map *pods;          /* owned; uid to sched_pod, owned */
    struct map *assumed;       /* owned; uid of a pod to the name of its node, owned */
    struct map *nominated;     /* owned; uid to sched_pod, owned */
    struct list termed;        /* pods with (anti)affinity of their own */
    struct sched_node **order; /* owned; by name */
    size_t n_nodes;
    uint64_t revision;
    unsigned turn;
    bool dirty;
};

struct sched_snapshot *sched_snapshot_new(void);
struct sched_snapshot *sched_snapshot_free(struct sched_snapshot *s);
void sched_snapshot_sync(struct sched_snapshot *s, struct view *v);
/* @pod counts as being on @node until it is bound, or forgotten. */
void sched_snapshot_assume(struct sched_snapshot *s, const struct object *pod, const json_t *tree,
                           const char *node);
void sched_snapshot_forget(struct sched_snapshot *s, const char *uid);
/* @pod, which has no node yet, is promised room on @node; NULL takes it back. */
void sched_snapshot_nominate(struct sched_snapshot *s, const struct object *pod, const json_t *tree,
                             const char *node);
/* Takes a pod off its node for a trial, and puts it there again. */
void sched_snapshot_lift(struct sched_pod *p);
void sched_snapshot_return(struct sched_pod *p, struct sched_node *n);
/* Nominated pods that go before a pod of @priority stand on their nodes until they are told to
 * leave again. */
void sched_snapshot_stand(struct sched_snapshot *s, int64_t priority, const char *but_uid);
void sched_snapshot_unstand(struct sched_snapshot *s);
/* Host ports of a pod, [{hostIP, hostPort, protocol}]; the caller's, NULL when none. */
json_t *sched_host_ports(const json_t *pod_tree);

/* --- scheduler_topology.c: where like pods are --- */

struct sched_spread {
    const char *key;
    int64_t max_skew, min_domains;
    bool hard;
    bool all_nodes;            /* nodeAffinityPolicy Ignore */
    bool untainted;            /* nodeTaintsPolicy Honor */
    bool self;                 /* the pod counts itself */
    struct selector *selector; /* owned; NULL = pods with the same controller */
    struct map *counts;        /* owned; value of key to count + 1 (0 = not a domain) */
    int64_t min;
};

struct sched_topology {
    struct sched_spread *spreads; /* owned */
    size_t n_spreads;
    struct map *affinity, *anti, *existing_anti, *preferred; /* owned; "key=value" to count */
    bool first_of_kind; /* its own affinity matches nobody yet, but itself */
};

/* --- scheduler_volumes.c --- */

struct sched_claim {
    const struct object *object, *volume; /* volume NULL = not bound yet */
    struct volume_class class;
    const char *selected;           /* node, or NULL */
    struct node_affinity *affinity; /* owned; of the volume */
    bool lost;
};

struct sched_claims {
    struct sched_claim *items; /* owned */
    size_t n;
};

/* --- scheduler_want.c: one pod to be placed --- */

struct sched_want {
    struct view *view;
    struct sched_snapshot *snapshot;
    const struct object *object;
    const json_t *tree, *spec, *tolerations;
    struct pod_resources requests;
    int64_t priority;
    json_t *ports;                    /* owned */
    struct selector *node_labels;     /* owned; spec.nodeSelector */
    struct node_affinity *required;   /* owned */
    struct node_affinity **preferred; /* owned, and each */
    int64_t *preferred_weights;       /* owned */
    size_t n_preferred;
    struct sched_terms terms;
    struct sched_topology topology;
    struct sched_claims claims;
};

void sched_want_init(struct sched_want *ret, struct view *v, struct sched_snapshot *s,
                     const struct object *pod);
void sched_want_fini(struct sched_want *w);
bool sched_want_selects(const struct sched_want *w, const struct sched_node *n);
const char *sched_want_controller(const struct object *pod); /* uid, or NULL */

void sched_topology_load(struct sched_want *w);
void sched_topology_fini(struct sched_topology *t);
/* Counts under "key=value of @n's label key"; 0 when the node has no such label. */
int64_t sched_pairs_get(const struct map *pairs, const char *key, const struct sched_node *n);
/* Pods of the constraint in the node's domain; -1 when the node is in none. */
int64_t sched_spread_count(const struct sched_spread *s, const struct sched_node *n);

/* False: the pod cannot be placed anywhere, @problem says why. */
bool sched_claims_load(struct sched_want *w, struct text *problem);
void sched_claims_fini(struct sched_claims *c);

/* --- scheduler_filter.c --- */

enum sched_verdict { SCHED_FITS, SCHED_CROWDED, SCHED_NEVER }; /* NEVER: no matter who leaves */

/* What speaks against @n: reasons are counted in @reasons (an object, reason to number). */
enum sched_verdict sched_filter(const struct sched_want *w, const struct sched_node *n,
                                json_t *reasons);
enum sched_verdict sched_filter_volumes(const struct sched_want *w, const struct sched_node *n,
                                        json_t *reasons);
void sched_reason(json_t *reasons, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- scheduler_preempt.c --- */

struct sched_victims {
    struct sched_node *node; /* NULL = nobody's leaving helps */
    struct sched_pod **pods; /* owned; the most important first */
    size_t n;
    int64_t violations; /* of budgets */
};

/* Chooses a node and who is to leave it; @crowded tells of each node in order whether that may
 * help at all.  What speaks against the others is counted in @reasons. */
void sched_preempt(struct sched_want *w, const bool *crowded, struct sched_victims *ret,
                   json_t *reasons);
/* On the node that it was promised, somebody still is about to leave for it. */
bool sched_preempt_waits(const struct sched_want *w);
/* Why the pod may not preempt; NULL = it may. */
const char *sched_preempt_obstacle(const struct sched_want *w);
void sched_preempt_plan(struct plan *ret, const struct sched_want *w, const struct sched_victims *v,
                        const char *component, int64_t wall_ms);

/* --- scheduler_score.c --- */

/* The best of @nodes (n > 0), the same one each time. */
const struct sched_node *sched_best(const struct sched_want *w,
                                    const struct sched_node *const *nodes, size_t n);

#endif
