/* layer: controlplane */
#include "base/mem.h"
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#define DEPLOYMENT                                                           \
    "{'metadata': {'name': 'web', 'generation': 1}, 'spec': {'replicas': 4," \
    " 'progressDeadlineSeconds': 600, 'revisionHistoryLimit': 10,"           \
    " 'strategy': {'type': 'RollingUpdate', 'rollingUpdate':"                \
    "   {'maxSurge': '25%', 'maxUnavailable': '25%'}},"                      \
    " 'selector': {'matchLabels': {'app': 'web'}}, 'template': {"            \
    " 'metadata': {'labels': {'app': 'web'}},"                               \
    " 'spec': {'containers': [{'name': 'c', 'image': 'one'}]}}}}"
#define WEB   &deployment_controller, "default", "web"
#define SETS  "replicasets.apps"
#define IMAGE "spec.template.spec"

static void set_image(struct plan_fixture *f, const char *image)
{
    char json[128];
    const struct object *o = plan_fixture_get(f, "deployments.apps", "web");

    snprintf(json, sizeof(json), "{'containers': [{'name': 'c', 'image': '%s'}]}", image);
    plan_fixture_set(f, "deployments.apps", "web", IMAGE, json);
    snprintf(json, sizeof(json), "%lld", (long long)o->generation + 1);
    plan_fixture_set(f, "deployments.apps", "web", "metadata.generation", json);
}

/* The set whose template has this image; NULL when there is none. */
static const struct object *set_of(struct plan_fixture *f, const char *image)
{
    size_t n;
    const struct object *const *sets = view_list(f->view, SETS, NULL, &n);

    for (size_t i = 0; i < n; i++) {
        const json_t *containers = json_at(view_tree(f->view, sets[i]),
                                           "spec.template.spec.containers");

        if (str_eq(json_str(json_array_get(containers, 0), "image"), image))
            return sets[i];
    }
    return NULL;
}

static int64_t set_size(struct plan_fixture *f, const char *image)
{
    const struct object *o = set_of(f, image);

    return o ? json_int(view_tree(f->view, o), "spec.replicas", -1) : -1;
}

static const char *annotation(struct plan_fixture *f, const struct object *o, const char *key)
{
    return json_string_value(
        json_object_get(json_at(view_tree(f->view, o), "metadata.annotations"), key));
}

static const json_t *progressing(struct plan_fixture *f)
{
    const struct object *o = plan_fixture_get(f, "deployments.apps", "web");

    return json_find(json_at(view_tree(f->view, o), "status.conditions"), "type", "Progressing");
}

/* What the set's own controller and its pods would come to. */
static void set_report(struct plan_fixture *f, const char *image, int64_t replicas, int64_t ready)
{
    cleanup(freep) char *name = mem_str(set_of(f, image)->name);
    char json[160];

    snprintf(json, sizeof(json),
             "{'replicas': %lld, 'readyReplicas': %lld, 'availableReplicas': %lld,"
             " 'observedGeneration': 99}",
             (long long)replicas, (long long)ready, (long long)ready);
    plan_fixture_set(f, SETS, name, "status", json);
}

static void settle(struct plan_fixture *f)
{
    plan_fixture_settle(f, WEB, 20);
}

static void roll_to_end(struct plan_fixture *f)
{
    for (int i = 0; i < 20; i++) {
        size_t n;
        const struct object *const *sets = view_list(f->view, SETS, NULL, &n);
        cleanup(freep) char **names = MEM_NEW_ARRAY(char *, n + 1);

        for (size_t j = 0; j < n; j++)
            names[j] = mem_str(sets[j]->name);
        for (size_t j = 0; j < n; j++) {
            char json[160];
            int64_t size = json_int(view_tree(f->view, plan_fixture_get(f, SETS, names[j])),
                                    "spec.replicas", 0);

            snprintf(json, sizeof(json),
                     "{'replicas': %d, 'readyReplicas': %d, 'availableReplicas': %d,"
                     " 'observedGeneration': 99}",
                     (int)size, (int)size, (int)size);
            plan_fixture_set(f, SETS, names[j], "status", json);
            free(names[j]);
        }
        settle(f);
    }
}

static void up(struct plan_fixture *f)
{
    plan_fixture_up(f);
    plan_fixture_put(f, "deployments.apps", DEPLOYMENT);
}

TEST(deployment, makes_a_set_named_after_its_template)
{
    struct plan_fixture f;
    const struct plan_write *w;
    const struct object *o;
    const char *hash;
    char text[128];

    up(&f);
    plan_fixture_run(&f, WEB);
    w = plan_fixture_write(&f, PLAN_CREATE, SETS, 0);
    CHECK(w != NULL);
    hash = json_str(w->tree, "metadata.labels.pod-template-hash");
    snprintf(text, sizeof(text), "web-%s", hash);
    CHECK_STR(json_str(w->tree, "metadata.name"), text);
    CHECK_STR(json_str(w->tree, "spec.selector.matchLabels.pod-template-hash"), hash);
    CHECK_STR(json_str(w->tree, "spec.template.metadata.labels.pod-template-hash"), hash);
    CHECK_INT(json_int(w->tree, "spec.replicas", -1), 4);
    snprintf(text, sizeof(text), "Scaled up replica set web-%s from 0 to 4", hash);
    CHECK(plan_fixture_event(&f, "ScalingReplicaSet", text));
    plan_fixture_apply(&f);
    CHECK_STR(json_str(progressing(&f), "reason"), "NewReplicaSetCreated");
    settle(&f);
    o = plan_fixture_get(&f, "deployments.apps", "web");
    CHECK_STR(annotation(&f, o, "deployment.kubernetes.io/revision"), "1");
    CHECK_INT(store_count(f.store, SETS), 1);
    roll_to_end(&f);
    CHECK_STR(json_str(progressing(&f), "reason"), "NewReplicaSetAvailable");
    snprintf(text, sizeof(text), "ReplicaSet \"%s\" has successfully progressed.",
             set_of(&f, "one")->name);
    CHECK_STR(json_str(progressing(&f), "message"), text);
    plan_fixture_down(&f);
}

TEST(deployment, rolls_within_surge_and_unavailability)
{
    struct plan_fixture f;

    up(&f);
    settle(&f);
    roll_to_end(&f);
    set_image(&f, "two");
    settle(&f);
    /* 25% of 4 is one more and one less; what was taken counts until it is seen to be gone. */
    CHECK_INT(set_size(&f, "two"), 1);
    CHECK_INT(set_size(&f, "one"), 3);
    set_report(&f, "two", 1, 0);
    settle(&f);
    CHECK_INT(set_size(&f, "two"), 1);
    set_report(&f, "one", 3, 3);
    settle(&f);
    CHECK_INT(set_size(&f, "two"), 2);
    CHECK_INT(set_size(&f, "one"), 3);
    set_report(&f, "two", 2, 0);
    set_report(&f, "one", 3, 3);
    settle(&f);
    CHECK_INT(set_size(&f, "one"), 3); /* nothing new is available: no further */
    set_report(&f, "two", 2, 1);
    settle(&f);
    CHECK_INT(set_size(&f, "one"), 2);
    set_report(&f, "one", 2, 2);
    settle(&f);
    CHECK_INT(set_size(&f, "two"), 3);
    roll_to_end(&f);
    CHECK_INT(set_size(&f, "one"), 0);
    CHECK_INT(set_size(&f, "two"), 4);
    CHECK_STR(json_str(progressing(&f), "reason"), "NewReplicaSetAvailable");
    plan_fixture_down(&f);
}

TEST(deployment, takes_broken_pods_of_old_sets_first)
{
    struct plan_fixture f;

    up(&f);
    settle(&f);
    set_report(&f, "one", 4, 0); /* never came up */
    settle(&f);
    set_image(&f, "two");
    settle(&f);
    set_report(&f, "one", set_size(&f, "one"), 0);
    set_report(&f, "two", set_size(&f, "two"), 0);
    settle(&f);
    /* All old pods are unavailable anyway; only the sum of sizes bounds the step. */
    CHECK_INT(set_size(&f, "two") + set_size(&f, "one"), 5);
    CHECK(set_size(&f, "two") >= 2);
    plan_fixture_down(&f);
}

TEST(deployment, going_back_moves_the_old_revision_to_the_front)
{
    struct plan_fixture f;

    up(&f);
    settle(&f);
    roll_to_end(&f);
    set_image(&f, "two");
    roll_to_end(&f);
    set_image(&f, "one");
    roll_to_end(&f);
    CHECK_INT(store_count(f.store, SETS), 2);
    CHECK_INT(set_size(&f, "one"), 4);
    CHECK_STR(annotation(&f, set_of(&f, "one"), "deployment.kubernetes.io/revision"), "3");
    CHECK_STR(annotation(&f, set_of(&f, "one"), "deployment.kubernetes.io/revision-history"), "1");
    CHECK_STR(annotation(&f, plan_fixture_get(&f, "deployments.apps", "web"),
                         "deployment.kubernetes.io/revision"),
              "3");
    plan_fixture_down(&f);
}

TEST(deployment, scaling_amid_a_rollout_is_proportional)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_set(&f, "deployments.apps", "web", "spec.replicas", "10");
    plan_fixture_set(&f, "deployments.apps", "web", "spec.strategy.rollingUpdate",
                     "{'maxSurge': 3, 'maxUnavailable': 2}");
    settle(&f);
    roll_to_end(&f);
    set_image(&f, "two");
    settle(&f);
    set_report(&f, "two", 3, 0);
    set_report(&f, "one", 8, 8);
    settle(&f);
    CHECK_INT(set_size(&f, "one"), 8);
    CHECK_INT(set_size(&f, "two"), 5);
    set_report(&f, "one", 8, 8);
    set_report(&f, "two", 5, 0);
    settle(&f);
    plan_fixture_set(&f, "deployments.apps", "web", "spec.replicas", "30");
    settle(&f);
    /* As in Kubernetes' own conformance test: 33 pods, shared 8 to 5. */
    CHECK_INT(set_size(&f, "one"), 20);
    CHECK_INT(set_size(&f, "two"), 13);
    plan_fixture_down(&f);
}

TEST(deployment, recreate_waits_until_old_pods_are_gone)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_set(&f, "deployments.apps", "web", "spec.strategy", "{'type': 'Recreate'}");
    settle(&f);
    roll_to_end(&f);
    plan_fixture_putf(&f, "pods",
                      "{'metadata': {'name': 'p', 'labels': {'app': 'web'}, 'ownerReferences':"
                      " [{'apiVersion': 'apps/v1', 'kind': 'ReplicaSet', 'name': 'x',"
                      " 'uid': '%s', 'controller': true}]}, 'status': {'phase': 'Running'}}",
                      set_of(&f, "one")->uid);
    set_image(&f, "two");
    settle(&f);
    CHECK_INT(set_size(&f, "one"), 0);
    CHECK(set_of(&f, "two") == NULL);
    plan_fixture_remove(&f, "pods", "p");
    settle(&f);
    CHECK_INT(set_size(&f, "two"), 4);
    plan_fixture_down(&f);
}

TEST(deployment, a_pause_keeps_the_template_but_not_the_size)
{
    struct plan_fixture f;

    up(&f);
    settle(&f);
    roll_to_end(&f);
    plan_fixture_set(&f, "deployments.apps", "web", "spec.paused", "true");
    set_image(&f, "two");
    plan_fixture_set(&f, "deployments.apps", "web", "spec.replicas", "6");
    settle(&f);
    CHECK(set_of(&f, "two") == NULL);
    CHECK_INT(set_size(&f, "one"), 6);
    CHECK_STR(json_str(progressing(&f), "reason"), "DeploymentPaused");
    plan_fixture_set(&f, "deployments.apps", "web", "spec.paused", "false");
    settle(&f);
    CHECK(set_of(&f, "two") != NULL);
    plan_fixture_down(&f);
}

TEST(deployment, old_sets_beyond_the_limit_go)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_set(&f, "deployments.apps", "web", "spec.revisionHistoryLimit", "1");
    for (int i = 0; i < 4; i++) {
        char image[16];

        snprintf(image, sizeof(image), "v%d", i);
        set_image(&f, image);
        settle(&f);
        roll_to_end(&f);
    }
    CHECK_INT(store_count(f.store, SETS), 2);
    CHECK(set_of(&f, "v3") != NULL);
    CHECK(set_of(&f, "v2") != NULL);
    plan_fixture_down(&f);
}

TEST(deployment, a_taken_name_counts_a_collision)
{
    struct plan_fixture f;
    cleanup(freep) char *name = NULL;

    up(&f);
    plan_fixture_run(&f, WEB);
    name = mem_str(plan_fixture_write(&f, PLAN_CREATE, SETS, 0)->name);
    plan_fixture_putf(&f, SETS, "{'metadata': {'name': '%s'}, 'spec': {}}", name);
    settle(&f);
    CHECK(set_of(&f, "one") != NULL);
    CHECK(strcmp(set_of(&f, "one")->name, name) != 0);
    plan_fixture_down(&f);
}

TEST(deployment, a_rollout_that_stalls_exceeds_its_deadline)
{
    struct plan_fixture f;

    up(&f);
    settle(&f);
    set_report(&f, "one", 4, 0);
    settle(&f);
    plan_fixture_run(&f, WEB);
    CHECK(f.plan.again_ms > 0 && f.plan.again_ms <= 601000);
    f.now.wall_ms += f.plan.again_ms;
    settle(&f);
    CHECK_STR(json_str(progressing(&f), "status"), "False");
    CHECK_STR(json_str(progressing(&f), "reason"), "ProgressDeadlineExceeded");
    set_report(&f, "one", 4, 4);
    settle(&f);
    CHECK_STR(json_str(progressing(&f), "reason"), "NewReplicaSetAvailable");
    plan_fixture_down(&f);
}

TEST(deployment, adopts_a_matching_set)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_put(&f, SETS,
                     "{'metadata': {'name': 'old', 'labels': {'app': 'web'}}, 'spec': {"
                     "'replicas': 1, 'selector': {'matchLabels': {'app': 'web'}}, 'template': {"
                     "'metadata': {'labels': {'app': 'web'}}, 'spec': {'containers':"
                     " [{'name': 'c', 'image': 'zero'}]}}}}");
    settle(&f);
    CHECK(object_owned_by(plan_fixture_get(&f, SETS, "old"), "uid-web"));
    roll_to_end(&f);
    CHECK_INT(set_size(&f, "zero"), 0);
    CHECK_INT(set_size(&f, "one"), 4);
    plan_fixture_down(&f);
}
