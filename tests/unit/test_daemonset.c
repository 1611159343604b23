/* layer: controlplane */
#include "base/mem.h"
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define SET                                                         \
    "{'metadata': {'name': 'log', 'generation': 1}, 'spec': {"      \
    " 'updateStrategy': {'type': 'RollingUpdate', 'rollingUpdate':" \
    "   {'maxUnavailable': 1, 'maxSurge': 0}},"                     \
    " 'selector': {'matchLabels': {'app': 'log'}}, 'template': {"   \
    " 'metadata': {'labels': {'app': 'log'}},"                      \
    " 'spec': {'containers': [{'name': 'c', 'image': 'one'}]}}}}"
#define LOG  &daemonset_controller, "default", "log"
#define SETS "daemonsets.apps"
#define RUNNING                                                               \
    "{'phase': 'Running', 'conditions': [{'type': 'Ready', 'status': 'True'," \
    " 'lastTransitionTime': '2025-12-31T23:00:00Z'}]}"

static void up(struct plan_fixture *f, int nodes)
{
    plan_fixture_up(f);
    plan_fixture_put(f, SETS, SET);
    for (int i = 0; i < nodes; i++)
        plan_fixture_putf(f, "nodes", "{'metadata': {'name': 'n%d', 'labels': {'i': '%d'}}}", i, i);
}

static void settle(struct plan_fixture *f)
{
    plan_fixture_settle(f, LOG, 20);
}

/* What scheduler and agents come to: every pod runs where it is meant to. */
static void run_all(struct plan_fixture *f)
{
    size_t n;
    const struct object *const *pods = view_list(f->view, "pods", NULL, &n);
    cleanup(freep) char **names = MEM_NEW_ARRAY(char *, n + 1);

    for (size_t i = 0; i < n; i++)
        names[i] = mem_str(pods[i]->name);
    for (size_t i = 0; i < n; i++) {
        plan_fixture_set(f, "pods", names[i], "status", RUNNING);
        free(names[i]);
    }
    settle(f);
}

static int count_image(struct plan_fixture *f, const char *image)
{
    size_t n;
    const struct object *const *pods = view_list(f->view, "pods", NULL, &n);
    int hits = 0;

    for (size_t i = 0; i < n; i++)
        hits += strstr(pods[i]->json, image) != NULL;
    return hits;
}

static const json_t *status(struct plan_fixture *f)
{
    return json_at(view_tree(f->view, plan_fixture_get(f, SETS, "log")), "status");
}

static void set_image(struct plan_fixture *f, const char *image)
{
    char json[128];

    snprintf(json, sizeof(json), "{'containers': [{'name': 'c', 'image': '%s'}]}", image);
    plan_fixture_set(f, SETS, "log", "spec.template.spec", json);
}

TEST(daemonset, one_pod_bound_for_each_node)
{
    struct plan_fixture f;
    const struct plan_write *w;
    const json_t *affinity;

    up(&f, 3);
    plan_fixture_run(&f, LOG);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 3);
    w = plan_fixture_write(&f, PLAN_CREATE, "pods", 0);
    affinity = json_at(w->tree, "spec.affinity.nodeAffinity."
                                "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    CHECK(affinity != NULL);
    CHECK_INT(json_array_size(json_at(w->tree, "spec.tolerations")), 6);
    plan_fixture_apply(&f);
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 3);
    run_all(&f);
    CHECK_INT(json_int(status(&f), "numberReady", 0), 3);
    CHECK_INT(json_int(status(&f), "desiredNumberScheduled", 0), 3);
    plan_fixture_down(&f);
}

TEST(daemonset, selectors_and_taints_decide_where)
{
    struct plan_fixture f;

    up(&f, 3);
    plan_fixture_set(&f, "nodes", "n0", "spec.taints", "[{'key': 'a', 'effect': 'NoSchedule'}]");
    plan_fixture_set(
        &f, SETS, "log",
        "spec.template.spec.affinity.nodeAffinity"
        ".requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
        "[{'matchExpressions': [{'key': 'i', 'operator': 'NotIn', 'values': ['1']}]}]");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 1);
    CHECK_INT(json_int(status(&f), "desiredNumberScheduled", 0), 1);
    plan_fixture_down(&f);
}

TEST(daemonset, a_cordoned_node_keeps_its_pod_and_an_evicting_taint_takes_it)
{
    struct plan_fixture f;

    up(&f, 2);
    settle(&f);
    run_all(&f);
    plan_fixture_set(&f, "nodes", "n0", "spec.taints",
                     "[{'key': 'node.kubernetes.io/unschedulable', 'effect': 'NoSchedule'}]");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 2);
    plan_fixture_set(&f, "nodes", "n0", "spec.taints", "[{'key': 'a', 'effect': 'NoSchedule'}]");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 2);
    CHECK_INT(json_int(status(&f), "numberMisscheduled", 0), 1);
    plan_fixture_set(&f, "nodes", "n0", "spec.taints", "[{'key': 'a', 'effect': 'NoExecute'}]");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 1);
    plan_fixture_down(&f);
}

TEST(daemonset, rolls_one_node_at_a_time)
{
    struct plan_fixture f;

    up(&f, 3);
    settle(&f);
    run_all(&f);
    set_image(&f, "two");
    settle(&f);
    CHECK_INT(count_image(&f, "two"), 1);
    settle(&f);
    CHECK_INT(count_image(&f, "two"), 1); /* not ready yet: the next must wait */
    run_all(&f);
    CHECK_INT(count_image(&f, "two"), 2);
    run_all(&f);
    run_all(&f);
    CHECK_INT(count_image(&f, "two"), 3);
    CHECK_INT(json_int(status(&f), "updatedNumberScheduled", 0), 3);
    plan_fixture_down(&f);
}

TEST(daemonset, with_surge_the_old_pod_goes_when_the_new_one_is_ready)
{
    struct plan_fixture f;

    up(&f, 2);
    plan_fixture_set(&f, SETS, "log", "spec.updateStrategy.rollingUpdate",
                     "{'maxUnavailable': 0, 'maxSurge': 1}");
    settle(&f);
    run_all(&f);
    set_image(&f, "two");
    settle(&f);
    CHECK_INT(count_image(&f, "two"), 1);
    CHECK_INT(count_image(&f, "one"), 2);
    run_all(&f);
    run_all(&f);
    run_all(&f);
    CHECK_INT(count_image(&f, "two"), 2);
    CHECK_INT(count_image(&f, "one"), 0);
    plan_fixture_down(&f);
}

TEST(daemonset, a_failed_pod_is_replaced_ever_more_slowly)
{
    struct plan_fixture f;
    cleanup(freep) char *name = NULL;

    up(&f, 1);
    settle(&f);
    for (int i = 0; i < 2; i++) {
        name = (free(name), mem_str(view_list(f.view, "pods", NULL, NULL)[0]->name));
        plan_fixture_set(&f, "pods", name, "status", "{'phase': 'Failed'}");
        plan_fixture_run(&f, LOG);
        CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), i == 0);
        if (i == 0) {
            plan_fixture_apply(&f);
            settle(&f);
        }
    }
    CHECK_INT(f.plan.again_ms, 1000);
    plan_fixture_down(&f);
}
