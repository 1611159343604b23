/* plan_fixture: objects in a store, one controller's plan over them, and what it wants written.
 *
 *   struct plan_fixture f;
 *   plan_fixture_up(&f);
 *   plan_fixture_put(&f, "pods", "{'metadata': {'name': 'a', 'namespace': 'd'}}");
 *   plan_fixture_run(&f, &replicaset_controller, "d", "web");
 *   CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 3);
 *   plan_fixture_down(&f);
 *
 * JSON may be written with single quotes.  Objects get a uid ("uid-<name>"), a creation time
 * and a namespace ("default") when they bring none.  No registry takes part: what a plan
 * wants is only looked at; plan_fixture_apply plays the part of the registry in the simplest way.
 */
#ifndef TESTS_LIB_PLAN_FIXTURE_H
#define TESTS_LIB_PLAN_FIXTURE_H

#include "controlplane/controller.h"
#include "storage/backend.h"
#include "storage/store.h"

struct plan_fixture {
    struct backend_memory *memory;       /* owned */
    struct store *store;                 /* owned */
    struct view *view;                   /* owned */
    struct plan plan;                    /* owned; of the last run */
    const struct controller *controller; /* of the last run; its state is kept between runs */
    void *state;
    struct clock_now now; /* starts at 2026-01-01T00:00:00Z; tests may move it */
    unsigned names;       /* generated so far */
};

void plan_fixture_up(struct plan_fixture *f);
void plan_fixture_down(struct plan_fixture *f);

/* Creates or replaces. */
const struct object *plan_fixture_put(struct plan_fixture *f, const char *bucket, const char *json);
const struct object *plan_fixture_putf(struct plan_fixture *f, const char *bucket, const char *fmt,
                                       ...) __attribute__((format(printf, 3, 4)));
/* As putf, of a tree, which is consumed. */
const struct object *plan_fixture_put_tree(struct plan_fixture *f, const char *bucket,
                                           json_t *tree_steal);
void plan_fixture_remove(struct plan_fixture *f, const char *bucket, const char *name);
/* In namespace "default", or cluster-scoped; NULL when absent. */
const struct object *plan_fixture_get(struct plan_fixture *f, const char *bucket, const char *name);
/* Sets one dotted path of an object to a JSON value ("'x'", "3", "null" removes). */
void plan_fixture_set(struct plan_fixture *f, const char *bucket, const char *name,
                      const char *path, const char *json_value);

/* Plans for one key; f->plan holds the answer until the next run. */
const struct plan *plan_fixture_run(struct plan_fixture *f, const struct controller *c,
                                    const char *ns, const char *name);
/* Stores what the last plan wants: creates get names and uids, pods are deleted at once. */
void plan_fixture_apply(struct plan_fixture *f);
/* Runs and applies until the plan wants nothing but events; fails after @max rounds. */
void plan_fixture_settle(struct plan_fixture *f, const struct controller *c, const char *ns,
                         const char *name, unsigned max);

/* Writes of the last plan; @bucket NULL = any. */
size_t plan_fixture_count(const struct plan_fixture *f, enum plan_verb verb, const char *bucket);
/* The nth (from 0) of them; NULL when there are fewer. */
const struct plan_write *plan_fixture_write(const struct plan_fixture *f, enum plan_verb verb,
                                            const char *bucket, size_t nth);
/* Is there an event with this reason and message, own or attached to a write? */
bool plan_fixture_event(const struct plan_fixture *f, const char *reason, const char *message);

#endif
