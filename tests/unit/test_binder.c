/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "base/mem.h"

#include <string.h>

#define CLAIMS       "persistentvolumeclaims"
#define VOLUMES      "persistentvolumes"
#define CLAIM        &binder_controller, "default", "data"
#define VOLUME(name) &binder_controller, "", name

static void put_class(struct plan_fixture *f, const char *name, const char *provisioner,
                      const char *mode)
{
    plan_fixture_putf(f, "storageclasses.storage.k8s.io",
                      "{'metadata': {'name': '%s'}, 'provisioner': '%s', 'volumeBindingMode':"
                      " '%s', 'reclaimPolicy': 'Retain'}",
                      name, provisioner, mode);
}

static void put_claim(struct plan_fixture *f, const char *meta, const char *class, const char *spec)
{
    plan_fixture_putf(f, CLAIMS,
                      "{'metadata': {'name': 'data', 'finalizers':"
                      " ['kubernetes.io/pvc-protection'] %s}, 'spec': {'storageClassName': '%s', %s"
                      " 'accessModes': ['ReadWriteOnce'], 'resources': {'requests': {'storage':"
                      " '2Gi'}}}, 'status': {'phase': 'Pending'}}",
                      meta, class, spec);
}

static void put_volume(struct plan_fixture *f, const char *name, const char *size, const char *more)
{
    plan_fixture_putf(f, VOLUMES,
                      "{'metadata': {'name': '%s', 'finalizers': ['kubernetes.io/pv-protection']},"
                      " 'spec': {'storageClassName': 'static', 'capacity': {'storage': '%s'}, %s"
                      " 'accessModes': ['ReadWriteOnce', 'ReadWriteMany']},"
                      " 'status': {'phase': 'Available'}}",
                      name, size, more);
}

static void put_node(struct plan_fixture *f, const char *name)
{
    plan_fixture_putf(f, "nodes",
                      "{'metadata': {'name': '%s', 'labels': {'kubernetes.io/hostname': 'h-%s'}},"
                      " 'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}",
                      name, name);
}

static const char *annotation(const struct plan_write *w, const char *key)
{
    return json_string_value(json_object_get(json_at(w->tree, "metadata.annotations"), key));
}

static void settle(struct plan_fixture *f, const char *volume)
{
    plan_fixture_settle(f, CLAIM, 6);
    plan_fixture_settle(f, VOLUME(volume), 6);
    plan_fixture_settle(f, CLAIM, 6);
}

TEST(binder, a_ready_made_volume_is_bound_smallest_first)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_class(&f, "static", "kubernetes.io/no-provisioner", "Immediate");
    put_claim(&f, "", "static", "");
    plan_fixture_run(&f, CLAIM);
    CHECK(plan_fixture_event(&f, "FailedBinding",
                             "no persistent volumes available for this claim and no storage class "
                             "is set"));
    put_volume(&f, "small", "1Gi", "");
    put_volume(&f, "big", "9Gi", "");
    put_volume(&f, "fits", "3Gi", "");
    put_volume(&f, "taken", "2Gi", "'claimRef': {'namespace': 'x', 'name': 'y', 'uid': 'z'},");
    settle(&f, "fits");
    CHECK_STR(plan_fixture_get(&f, CLAIMS, "data")->phase, "Bound");
    CHECK_STR(plan_fixture_get(&f, VOLUMES, "fits")->phase, "Bound");
    CHECK_STR(json_str(view_tree(f.view, plan_fixture_get(&f, CLAIMS, "data")),
                       "status.capacity.storage"),
              "3Gi");
    plan_fixture_down(&f);
}

TEST(binder, a_local_volume_is_made_on_the_selected_node)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    put_node(&f, "n1");
    put_node(&f, "n2");
    put_class(&f, "local", "mkube.io/local", "WaitForFirstConsumer");
    put_claim(&f, "", "local", "");
    plan_fixture_run(&f, CLAIM);
    CHECK_INT(f.plan.n, 1);
    CHECK(plan_fixture_event(&f, "WaitForFirstConsumer",
                             "waiting for first consumer to be created before binding"));
    put_claim(&f, ", 'annotations': {'volume.kubernetes.io/selected-node': 'n2'}", "local", "");
    plan_fixture_run(&f, CLAIM);
    w = plan_fixture_write(&f, PLAN_CREATE, VOLUMES, 0);
    CHECK_STR(w->name, "pvc-uid-data");
    CHECK_STR(json_str(w->tree, "spec.local.path"), "/var/lib/mkube/volumes/pvc-uid-data");
    CHECK_STR(json_str(w->tree, "spec.persistentVolumeReclaimPolicy"), "Retain");
    CHECK_STR(json_str(w->tree, "spec.claimRef.uid"), "uid-data");
    CHECK_STR(annotation(w, "mkube.io/node"), "n2");
    {
        cleanup(freep) char *affinity = json_print(json_at(w->tree, "spec.nodeAffinity"), NULL);

        CHECK(strstr(affinity, "\"h-n2\"") != NULL);
    }
    CHECK_STR(json_str(plan_fixture_write(&f, PLAN_UPDATE, CLAIMS, 0)->tree, "spec.volumeName"),
              "pvc-uid-data");
    CHECK(plan_fixture_event(&f, "ProvisioningSucceeded",
                             "Successfully provisioned volume pvc-uid-data"));
    plan_fixture_apply(&f);
    settle(&f, "pvc-uid-data");
    CHECK_STR(plan_fixture_get(&f, CLAIMS, "data")->phase, "Bound");
    plan_fixture_remove(&f, VOLUMES, "pvc-uid-data");
    plan_fixture_run(&f, CLAIM);
    CHECK(plan_fixture_event(
        &f, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"));
    plan_fixture_down(&f);
}

TEST(binder, unknown_classes_are_served_locally_and_said_so)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1");
    put_claim(&f, ", 'annotations': {'volume.kubernetes.io/selected-node': 'n1'}", "gp3", "");
    plan_fixture_run(&f, CLAIM);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, VOLUMES), 1);
    CHECK(plan_fixture_event(&f, "ProvisionedLocally",
                             "storageclass.storage.k8s.io \"gp3\" not found: the volume is a local "
                             "one on node n1"));
    plan_fixture_down(&f);
}

TEST(binder, an_immediate_claim_finds_its_own_node)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_class(&f, "fast", "mkube.io/local", "Immediate");
    put_claim(&f, "", "fast", "");
    plan_fixture_run(&f, CLAIM);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, VOLUMES), 0);
    CHECK(f.plan.again_ms > 0);
    put_node(&f, "n1");
    plan_fixture_run(&f, CLAIM);
    CHECK_STR(annotation(plan_fixture_write(&f, PLAN_CREATE, VOLUMES, 0), "mkube.io/node"), "n1");
    plan_fixture_down(&f);
}

TEST(binder, a_node_that_is_gone_is_no_longer_selected)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_class(&f, "local", "mkube.io/local", "WaitForFirstConsumer");
    put_claim(&f, ", 'annotations': {'volume.kubernetes.io/selected-node': 'n9'}", "local", "");
    plan_fixture_run(&f, CLAIM);
    CHECK_STR(annotation(plan_fixture_write(&f, PLAN_UPDATE, CLAIMS, 0),
                         "volume.kubernetes.io/selected-node"),
              NULL);
    plan_fixture_down(&f);
}

TEST(binder, a_claim_in_use_stays_until_its_pods_are_gone)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_claim(&f, ", 'deletionTimestamp': '2026-01-01T00:00:00Z'", "local", "");
    plan_fixture_put(&f, "pods",
                     "{'metadata': {'name': 'p'}, 'spec': {'nodeName': 'n1', 'volumes': [{'name':"
                     " 'v', 'persistentVolumeClaim': {'claimName': 'data'}}]}}");
    plan_fixture_run(&f, CLAIM);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_remove(&f, "pods", "p");
    plan_fixture_run(&f, CLAIM);
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, CLAIMS), 1);
    CHECK(json_at(f.plan.writes[0].tree, "metadata.finalizers") == NULL);
    plan_fixture_down(&f);
}

#define OURS                                                                            \
    "{'metadata': {'name': 'pv', 'finalizers': ['kubernetes.io/pv-protection',"         \
    " 'mkube.io/local-volume'], 'annotations': {'pv.kubernetes.io/provisioned-by':"     \
    " 'mkube.io/local', 'mkube.io/node': 'n1'} %s}, 'spec': {'claimRef': {'namespace':" \
    " 'default', 'name': 'data', 'uid': 'uid-data'}, 'persistentVolumeReclaimPolicy':"  \
    " '%s'}, 'status': {'phase': 'Released'}}"

TEST(binder, released_volumes_follow_their_policy)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    plan_fixture_putf(&f, VOLUMES, OURS, "", "Delete");
    plan_fixture_run(&f, VOLUME("pv"));
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, VOLUMES), 1);
    plan_fixture_putf(&f, VOLUMES, OURS, "", "Retain");
    plan_fixture_run(&f, VOLUME("pv"));
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(binder, a_dying_volume_waits_for_the_agent_to_remove_the_data)
{
    struct plan_fixture f;
    const json_t *left;

    plan_fixture_up(&f);
    put_node(&f, "n1");
    plan_fixture_putf(&f, VOLUMES, OURS, ", 'deletionTimestamp': '2026-01-01T00:00:00Z'", "Delete");
    plan_fixture_run(&f, VOLUME("pv"));
    left = json_at(plan_fixture_write(&f, PLAN_UPDATE, VOLUMES, 0)->tree, "metadata.finalizers");
    CHECK_INT(json_array_size(left), 1);
    CHECK_STR(json_string_value(json_array_get(left, 0)), "mkube.io/local-volume");
    plan_fixture_apply(&f);
    plan_fixture_run(&f, VOLUME("pv"));
    CHECK_INT(f.plan.n, 0);
    plan_fixture_remove(&f, "nodes", "n1"); /* and the data with it */
    plan_fixture_run(&f, VOLUME("pv"));
    CHECK_INT(plan_fixture_count(&f, PLAN_UPDATE, VOLUMES), 1);
    plan_fixture_down(&f);
}
