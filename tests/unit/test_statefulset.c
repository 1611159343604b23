/* layer: controlplane */
#include "base/mem.h"
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include <stdio.h>

#define SET                                                                                 \
    "{'metadata': {'name': 'db', 'generation': 1}, 'spec': {'replicas': 3,"                 \
    " 'serviceName': 'dbs', 'podManagementPolicy': 'OrderedReady',"                         \
    " 'updateStrategy': {'type': 'RollingUpdate', 'rollingUpdate': {'partition': 0}},"      \
    " 'selector': {'matchLabels': {'app': 'db'}}, 'revisionHistoryLimit': 1, 'template': {" \
    " 'metadata': {'labels': {'app': 'db'}},"                                               \
    " 'spec': {'containers': [{'name': 'c', 'image': 'one'}]}},"                            \
    " 'volumeClaimTemplates': [{'metadata': {'name': 'data'}, 'spec': {}}]}}"
#define DB   &statefulset_controller, "default", "db"
#define SETS "statefulsets.apps"
#define PVCS "persistentvolumeclaims"
#define RUNNING                                                               \
    "{'phase': 'Running', 'conditions': [{'type': 'Ready', 'status': 'True'," \
    " 'lastTransitionTime': '2025-12-31T23:00:00Z'}]}"

static void up(struct plan_fixture *f)
{
    plan_fixture_up(f);
    plan_fixture_put(f, SETS, SET);
}

static void settle(struct plan_fixture *f)
{
    plan_fixture_settle(f, DB, 10);
}

static void make_ready(struct plan_fixture *f, const char *pod)
{
    plan_fixture_set(f, "pods", pod, "status", RUNNING);
    settle(f);
}

/* All pods up and ready. */
static void fill(struct plan_fixture *f, int n)
{
    settle(f);
    for (int i = 0; i < n; i++) {
        char name[16];

        snprintf(name, sizeof(name), "db-%d", i);
        if (plan_fixture_get(f, "pods", name))
            make_ready(f, name);
    }
}

static void set_image(struct plan_fixture *f, const char *image)
{
    char json[128];

    snprintf(json, sizeof(json), "{'containers': [{'name': 'c', 'image': '%s'}]}", image);
    plan_fixture_set(f, SETS, "db", "spec.template.spec", json);
}

static const char *image_of(struct plan_fixture *f, const char *pod)
{
    const struct object *o = plan_fixture_get(f, "pods", pod);

    if (!o)
        return NULL;
    return json_str(json_array_get(json_at(view_tree(f->view, o), "spec.containers"), 0), "image");
}

static const json_t *status(struct plan_fixture *f)
{
    return json_at(view_tree(f->view, plan_fixture_get(f, SETS, "db")), "status");
}

TEST(statefulset, starts_pods_one_after_the_other_with_their_claims)
{
    struct plan_fixture f;
    const struct plan_write *w;

    up(&f);
    plan_fixture_run(&f, DB);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 1);
    w = plan_fixture_write(&f, PLAN_CREATE, "pods", 0);
    CHECK_STR(w->name, "db-0");
    CHECK_STR(json_str(w->tree, "spec.hostname"), "db-0");
    CHECK_STR(json_str(w->tree, "spec.subdomain"), "dbs");
    CHECK_STR(json_str(json_array_get(json_at(w->tree, "spec.volumes"), 0),
                       "persistentVolumeClaim.claimName"),
              "data-db-0");
    CHECK_STR(json_string_value(json_object_get(json_at(w->tree, "metadata.labels"),
                                                "apps.kubernetes.io/pod-index")),
              "0");
    CHECK(w > plan_fixture_write(&f, PLAN_CREATE, PVCS, 0));
    CHECK_STR(plan_fixture_write(&f, PLAN_CREATE, PVCS, 0)->name, "data-db-0");
    CHECK(
        plan_fixture_event(&f, "SuccessfulCreate", "create Pod db-0 in StatefulSet db successful"));
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 1);
    make_ready(&f, "db-0");
    CHECK_INT(store_count(f.store, "pods"), 2);
    make_ready(&f, "db-1");
    make_ready(&f, "db-2");
    CHECK_INT(store_count(f.store, "pods"), 3);
    CHECK_INT(json_int(status(&f), "readyReplicas", 0), 3);
    CHECK_STR(json_str(status(&f), "currentRevision"), json_str(status(&f), "updateRevision"));
    plan_fixture_down(&f);
}

TEST(statefulset, parallel_starts_all_at_once)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_set(&f, SETS, "db", "spec.podManagementPolicy", "'Parallel'");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 3);
    plan_fixture_down(&f);
}

TEST(statefulset, never_doubles_a_pod_that_is_still_leaving)
{
    struct plan_fixture f;

    up(&f);
    fill(&f, 3);
    plan_fixture_set(&f, "pods", "db-1", "metadata.deletionTimestamp", "'2026-01-01T00:00:30Z'");
    plan_fixture_run(&f, DB);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, NULL), 0);
    plan_fixture_apply(&f);
    plan_fixture_remove(&f, "pods", "db-1");
    settle(&f);
    CHECK(plan_fixture_get(&f, "pods", "db-1") != NULL);
    plan_fixture_down(&f);
}

TEST(statefulset, scales_down_from_the_top_and_keeps_the_claims)
{
    struct plan_fixture f;

    up(&f);
    fill(&f, 3);
    plan_fixture_set(&f, SETS, "db", "spec.replicas", "1");
    plan_fixture_run(&f, DB);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "pods"), 1);
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->name, "db-2");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 1);
    CHECK_INT(store_count(f.store, PVCS), 3);
    plan_fixture_down(&f);
}

TEST(statefulset, pods_that_have_ended_do_not_hold_up_scaling_down)
{
    struct plan_fixture f;

    up(&f);
    fill(&f, 3);
    plan_fixture_set(&f, "pods", "db-1", "status", "{'phase': 'Failed'}");
    plan_fixture_set(&f, "pods", "db-2", "status", "{'phase': 'Failed'}");
    plan_fixture_set(&f, SETS, "db", "spec.replicas", "1");
    settle(&f);
    CHECK_INT(store_count(f.store, "pods"), 1);
    plan_fixture_down(&f);
}

TEST(statefulset, a_failed_pod_is_replaced)
{
    struct plan_fixture f;

    up(&f);
    fill(&f, 3);
    plan_fixture_set(&f, "pods", "db-0", "status", "{'phase': 'Failed'}");
    plan_fixture_run(&f, DB);
    CHECK_STR(plan_fixture_write(&f, PLAN_DELETE, "pods", 0)->name, "db-0");
    plan_fixture_apply(&f);
    settle(&f);
    CHECK_STR(plan_fixture_get(&f, "pods", "db-0")->phase, "");
    plan_fixture_down(&f);
}

TEST(statefulset, updates_from_the_top_each_ready_before_the_next)
{
    struct plan_fixture f;

    up(&f);
    fill(&f, 3);
    set_image(&f, "two");
    settle(&f); /* deletes db-2 and makes it anew */
    CHECK_STR(image_of(&f, "db-2"), "two");
    CHECK_STR(image_of(&f, "db-1"), "one");
    CHECK(!str_eq(json_str(status(&f), "currentRevision"), json_str(status(&f), "updateRevision")));
    make_ready(&f, "db-2");
    CHECK_STR(image_of(&f, "db-1"), "two");
    CHECK_STR(image_of(&f, "db-0"), "one");
    make_ready(&f, "db-1");
    make_ready(&f, "db-0");
    CHECK_STR(image_of(&f, "db-0"), "two");
    CHECK_STR(json_str(status(&f), "currentRevision"), json_str(status(&f), "updateRevision"));
    CHECK_INT(store_count(f.store, "controllerrevisions.apps"), 2);
    plan_fixture_down(&f);
}

TEST(statefulset, below_the_partition_pods_stay_and_come_back_at_the_old_revision)
{
    struct plan_fixture f;

    up(&f);
    fill(&f, 3);
    plan_fixture_set(&f, SETS, "db", "spec.updateStrategy.rollingUpdate.partition", "2");
    set_image(&f, "two");
    settle(&f);
    make_ready(&f, "db-2");
    CHECK_STR(image_of(&f, "db-2"), "two");
    CHECK_STR(image_of(&f, "db-1"), "one");
    plan_fixture_remove(&f, "pods", "db-0");
    settle(&f);
    CHECK_STR(image_of(&f, "db-0"), "one");
    plan_fixture_down(&f);
}

TEST(statefulset, on_delete_waits_for_a_person)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_set(&f, SETS, "db", "spec.updateStrategy", "{'type': 'OnDelete'}");
    fill(&f, 3);
    set_image(&f, "two");
    settle(&f);
    CHECK_STR(image_of(&f, "db-2"), "one");
    plan_fixture_remove(&f, "pods", "db-1");
    settle(&f);
    CHECK_STR(image_of(&f, "db-1"), "two");
    plan_fixture_down(&f);
}

TEST(statefulset, going_back_finds_the_old_revision_and_old_ones_are_trimmed)
{
    struct plan_fixture f;
    cleanup(freep) char *first = NULL;

    up(&f);
    fill(&f, 3);
    first = mem_str(json_str(status(&f), "updateRevision"));
    for (int i = 0; i < 4; i++) {
        char image[16];

        snprintf(image, sizeof(image), "v%d", i);
        set_image(&f, image);
        settle(&f);
        for (int j = 2; j >= 0; j--) {
            char name[16];

            snprintf(name, sizeof(name), "db-%d", j);
            make_ready(&f, name);
        }
    }
    CHECK_INT(store_count(f.store, "controllerrevisions.apps"), 2);
    set_image(&f, "v2");
    settle(&f);
    CHECK_INT(store_count(f.store, "controllerrevisions.apps"), 2);
    CHECK(!str_eq(json_str(status(&f), "updateRevision"), first));
    plan_fixture_down(&f);
}

TEST(statefulset, claims_follow_the_retention_policy)
{
    struct plan_fixture f;
    const struct object *claim;

    up(&f);
    plan_fixture_set(&f, SETS, "db", "spec.persistentVolumeClaimRetentionPolicy",
                     "{'whenDeleted': 'Delete', 'whenScaled': 'Delete'}");
    fill(&f, 3);
    CHECK(object_owned_by(plan_fixture_get(&f, PVCS, "data-db-2"), "uid-db"));
    plan_fixture_set(&f, SETS, "db", "spec.replicas", "2");
    settle(&f);
    claim = plan_fixture_get(&f, PVCS, "data-db-2");
    CHECK(object_owned_by(claim, "uid-db-2"));
    CHECK(!object_owned_by(claim, "uid-db"));
    plan_fixture_down(&f);
}

TEST(statefulset, ordinals_may_start_elsewhere)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_set(&f, SETS, "db", "spec.ordinals", "{'start': 5}");
    settle(&f);
    CHECK(plan_fixture_get(&f, "pods", "db-5") != NULL);
    make_ready(&f, "db-5");
    CHECK(plan_fixture_get(&f, "pods", "db-6") != NULL);
    plan_fixture_down(&f);
}

TEST(statefulset, a_claim_on_its_way_out_holds_the_pod_back)
{
    struct plan_fixture f;

    up(&f);
    plan_fixture_put(&f, PVCS,
                     "{'metadata': {'name': 'data-db-0', 'deletionTimestamp':"
                     " '2026-01-01T00:00:00Z'}}");
    plan_fixture_run(&f, DB);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, "pods"), 0);
    CHECK(f.plan.again_ms > 0);
    plan_fixture_down(&f);
}
