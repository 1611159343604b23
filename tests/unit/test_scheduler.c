/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#include "base/mem.h"

#include <string.h>

#define POD(name) &scheduler_controller, "default", name

static void put_node(struct plan_fixture *f, const char *name, const char *cpu, const char *spec)
{
    plan_fixture_putf(f, "nodes",
                      "{'metadata': {'name': '%s', 'labels': {'kubernetes.io/hostname': '%s',"
                      " 'disk': '%s'}}, 'spec': %s,"
                      " 'status': {'allocatable': {'cpu': '%s', 'memory': '4Gi', 'pods': '110'}}}",
                      name, name, name, spec, cpu);
}

static void put_nodes(struct plan_fixture *f)
{
    put_node(f, "n1", "2", "{}");
    put_node(f, "n2", "2", "{}");
    put_node(f, "n3", "2", "{}");
}

static void put_pod(struct plan_fixture *f, const char *name, const char *cpu, const char *more)
{
    plan_fixture_putf(f, "pods",
                      "{'metadata': {'name': '%s', 'labels': {'app': 'web'}, 'ownerReferences':"
                      " [{'kind': 'ReplicaSet', 'name': 'web', 'uid': 'uid-rs', 'apiVersion':"
                      " 'apps/v1', 'controller': true}]}, 'spec': {'schedulerName':"
                      " 'default-scheduler', %s 'containers': [{'name': 'c', 'image': 'i',"
                      " 'resources': {'requests': {'cpu': '%s', 'memory': '64Mi'}}}]},"
                      " 'status': {'phase': 'Pending'}}",
                      name, more, cpu);
}

static const char *bound_to(const struct plan_fixture *f)
{
    const struct plan_write *w = plan_fixture_write(f, PLAN_BIND, "pods", 0);

    return w ? w->node : NULL;
}

static const char *why_not(const struct plan_fixture *f)
{
    const struct plan_write *w = plan_fixture_write(f, PLAN_STATUS, "pods", 0);

    return w ? json_str(json_array_get(json_at(w->tree, "status.conditions"), 0), "message") : NULL;
}

TEST(scheduler, replicas_spread_over_nodes)
{
    static const char *const names[] = { "a", "b", "c" };
    struct plan_fixture f;
    unsigned seen = 0;

    plan_fixture_up(&f);
    put_nodes(&f);
    for (size_t i = 0; i < 3; i++)
        put_pod(&f, names[i], "100m", "");
    for (size_t i = 0; i < 3; i++) {
        plan_fixture_run(&f, POD(names[i])); /* nothing is applied: they stand as assumed */
        CHECK(bound_to(&f) != NULL);
        seen |= 1u << (bound_to(&f)[1] - '0');
    }
    CHECK_INT(seen, 0xe);
    plan_fixture_run(&f, POD("c"));
    CHECK(plan_fixture_event(&f, "Scheduled", "Successfully assigned default/c to n3"));
    plan_fixture_down(&f);
}

TEST(scheduler, pods_of_one_step_do_not_overcommit)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "1", "{}");
    put_pod(&f, "a", "600m", "");
    put_pod(&f, "b", "600m", "");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_run(&f, POD("b"));
    CHECK_STR(bound_to(&f), NULL);
    CHECK_STR(why_not(&f), "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are "
                           "available: 1 No preemption victims found for incoming pod.");
    CHECK(plan_fixture_event(&f, "FailedScheduling", why_not(&f)));
    plan_fixture_down(&f);
}

TEST(scheduler, a_refused_binding_frees_the_room)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "1", "{}");
    put_pod(&f, "a", "600m", "");
    put_pod(&f, "b", "600m", "");
    plan_fixture_run(&f, POD("a"));
    scheduler_controller.settled(f.state, "default", "a", &f.plan.writes[0], "no");
    plan_fixture_run(&f, POD("b"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_apply(&f);
    scheduler_controller.settled(f.state, "default", "b", NULL, NULL);
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), NULL);
    plan_fixture_remove(&f, "pods", "b");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_down(&f);
}

TEST(scheduler, says_what_is_wrong_with_each_node)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "1", "{}");
    put_node(&f, "n2", "2", "{'taints': [{'key': 'k', 'value': 'v', 'effect': 'NoSchedule'}]}");
    put_node(&f, "n3", "2", "{'taints': [{'key': 'k', 'value': 'v', 'effect': 'NoExecute'}]}");
    put_node(&f, "n4", "2", "{'unschedulable': true}");
    put_node(&f, "n5", "8", "{}");
    plan_fixture_set(&f, "nodes", "n5", "status.allocatable.pods", "'0'");
    put_pod(&f, "a", "1500m", "");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(why_not(&f),
              "0/5 nodes are available: 1 Insufficient cpu, 1 Too many pods, 1 node(s) were "
              "unschedulable, 2 node(s) had untolerated taint {k: v}. preemption: 0/5 nodes are "
              "available: 1 No preemption victims found for incoming pod, 4 Preemption is not "
              "helpful for scheduling.");
    plan_fixture_apply(&f);
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(f.plan.n, 0); /* said once */
    CHECK(f.plan.again_ms > 0);
    plan_fixture_down(&f);
}

TEST(scheduler, without_nodes_it_says_so)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_pod(&f, "a", "1", "");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(why_not(&f), "no nodes available to schedule pods");
    plan_fixture_down(&f);
}

/* As a DaemonSet's pod is written: the other nodes are not its business. */
TEST(scheduler, nodes_besides_the_named_one_are_told_apart)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_nodes(&f);
    put_pod(&f, "a", "3",
            "'affinity': {'nodeAffinity': {'requiredDuringSchedulingIgnoredDuringExecution':"
            " {'nodeSelectorTerms': [{'matchFields': [{'key': 'metadata.name', 'operator': 'In',"
            " 'values': ['n2']}]}]}}},");
    plan_fixture_run(&f, POD("a"));
    CHECK(strstr(why_not(&f), "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't "
                              "satisfy plugin(s) [NodeAffinity].") != NULL);
    plan_fixture_down(&f);
}

TEST(scheduler, selector_affinity_and_tolerations_lead)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_nodes(&f);
    put_node(&f, "n4", "2", "{'taints': [{'key': 'k', 'effect': 'NoSchedule'}]}");
    put_pod(&f, "a", "1", "'nodeSelector': {'disk': 'n2'},");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n2");
    put_pod(&f, "b", "1",
            "'tolerations': [{'operator': 'Exists'}], 'affinity': {'nodeAffinity':"
            " {'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms':"
            " [{'matchFields': [{'key': 'metadata.name', 'operator': 'In', 'values': ['n4']}]}]}}"
            "},");
    plan_fixture_run(&f, POD("b"));
    CHECK_STR(bound_to(&f), "n4");
    put_pod(&f, "c", "1",
            "'affinity': {'nodeAffinity': {'preferredDuringSchedulingIgnoredDuringExecution':"
            " [{'weight': 50, 'preference': {'matchExpressions': [{'key': 'disk', 'operator':"
            " 'In', 'values': ['n3']}]}}]}},");
    plan_fixture_run(&f, POD("c"));
    CHECK_STR(bound_to(&f), "n3");
    put_pod(&f, "d", "1", "'nodeSelector': {'disk': 'none'},");
    plan_fixture_run(&f, POD("d"));
    CHECK(strstr(why_not(&f), "4 node(s) didn't match Pod's node affinity/selector.") == NULL);
    CHECK(strstr(why_not(&f), "3 node(s) didn't match Pod's node affinity/selector.") != NULL);
    plan_fixture_down(&f);
}

#define ANTI                                                                             \
    "'affinity': {'podAntiAffinity': {'requiredDuringSchedulingIgnoredDuringExecution':" \
    " [{'labelSelector': {'matchLabels': {'app': 'web'}}, 'topologyKey':"                \
    " 'kubernetes.io/hostname'}]}},"

TEST(scheduler, anti_affinity_keeps_apart_and_affinity_together)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "2", "{}");
    put_node(&f, "n2", "2", "{}");
    put_pod(&f, "a", "100m", ANTI);
    put_pod(&f, "b", "100m", ANTI);
    put_pod(&f, "c", "100m", ANTI);
    put_pod(&f, "d", "100m", "");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_run(&f, POD("b"));
    CHECK_STR(bound_to(&f), "n2");
    plan_fixture_run(&f, POD("c"));
    CHECK(strstr(why_not(&f), "2 node(s) didn't match pod anti-affinity rules.") != NULL);
    plan_fixture_run(&f, POD("d")); /* has no terms, but theirs speak of it */
    CHECK(strstr(why_not(&f), "2 node(s) didn't satisfy existing pods anti-affinity rules") !=
          NULL);
    plan_fixture_down(&f);
}

TEST(scheduler, affinity_to_a_pod_follows_it_and_the_first_of_a_group_may_start)
{
    static const char near[] =
        "'affinity': {'podAffinity': {'requiredDuringSchedulingIgnoredDuringExecution':"
        " [{'labelSelector': {'matchLabels': {'app': 'web'}}, 'topologyKey':"
        " 'kubernetes.io/hostname'}]}},";
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_nodes(&f);
    put_pod(&f, "a", "100m", near);
    put_pod(&f, "b", "100m", near);
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_run(&f, POD("b"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_set(&f, "pods", "a", "metadata.labels.app", "'x'");
    plan_fixture_set(&f, "pods", "b", "metadata.labels.app", "'x'");
    put_pod(&f, "c", "100m", near);
    plan_fixture_set(&f, "pods", "c", "metadata.labels.app", "'y'");
    plan_fixture_run(&f, POD("c"));
    CHECK(strstr(why_not(&f), "3 node(s) didn't match pod affinity rules.") != NULL);
    plan_fixture_down(&f);
}

TEST(scheduler, hard_spread_holds_the_skew)
{
    static const char spread[] =
        "'topologySpreadConstraints': [{'maxSkew': 1, 'topologyKey': 'kubernetes.io/hostname',"
        " 'whenUnsatisfiable': 'DoNotSchedule', 'labelSelector': {'matchLabels':"
        " {'app': 'web'}}}],";
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "2", "{}");
    put_node(&f, "n2", "100m", "{}");
    put_pod(&f, "a", "200m", spread);
    put_pod(&f, "b", "200m", spread);
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_run(&f, POD("b"));
    CHECK(strstr(why_not(&f), "1 Insufficient cpu, 1 node(s) didn't match pod topology spread "
                              "constraints.") != NULL);
    plan_fixture_down(&f);
}

TEST(scheduler, host_ports_are_taken_once)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_node(&f, "n1", "2", "{}");
    put_pod(&f, "a", "0", "");
    put_pod(&f, "b", "0", "");
    put_pod(&f, "c", "0", "");
    plan_fixture_set(&f, "pods", "a", "spec.containers",
                     "[{'name': 'c', 'ports': [{'containerPort': 80, 'hostPort': 80,"
                     " 'hostIP': '127.0.0.1'}]}]");
    plan_fixture_set(&f, "pods", "b", "spec.containers",
                     "[{'name': 'c', 'ports': [{'containerPort': 80, 'hostPort': 80,"
                     " 'protocol': 'UDP'}]}]");
    plan_fixture_set(&f, "pods", "c", "spec.containers",
                     "[{'name': 'c', 'ports': [{'containerPort': 80, 'hostPort': 80}]}]");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_run(&f, POD("b"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_run(&f, POD("c"));
    CHECK(strstr(why_not(&f), "1 node(s) didn't have free ports for the requested pod ports.") !=
          NULL);
    plan_fixture_down(&f);
}

/* --- volumes --- */

#define CLAIM "'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': 'data'}}],"

static void put_claim(struct plan_fixture *f, const char *class, const char *spec,
                      const char *phase)
{
    plan_fixture_putf(f, "persistentvolumeclaims",
                      "{'metadata': {'name': 'data'}, 'spec': {'storageClassName': '%s', %s"
                      " 'accessModes': ['ReadWriteOnce'], 'resources': {'requests':"
                      " {'storage': '1Gi'}}}, 'status': {'phase': '%s'}}",
                      class, spec, phase);
}

static void put_class(struct plan_fixture *f, const char *mode)
{
    plan_fixture_putf(f, "storageclasses.storage.k8s.io",
                      "{'metadata': {'name': 'local'}, 'provisioner': 'mkube.io/local',"
                      " 'volumeBindingMode': '%s'}",
                      mode);
}

static void put_volume(struct plan_fixture *f, const char *node)
{
    plan_fixture_putf(f, "persistentvolumes",
                      "{'metadata': {'name': 'pv'}, 'spec': {'storageClassName': 'local',"
                      " 'capacity': {'storage': '1Gi'}, 'accessModes': ['ReadWriteOnce'],"
                      " 'claimRef': {'namespace': 'default', 'name': 'data', 'uid': 'uid-data'},"
                      " 'nodeAffinity': {'required': {'nodeSelectorTerms': [{'matchExpressions':"
                      " [{'key': 'kubernetes.io/hostname', 'operator': 'In',"
                      " 'values': ['%s']}]}]}}}, 'status': {'phase': 'Bound'}}",
                      node);
}

TEST(scheduler, selects_a_node_for_the_claim_before_it_binds_the_pod)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    put_nodes(&f);
    put_class(&f, "WaitForFirstConsumer");
    put_claim(&f, "local", "", "Pending");
    put_pod(&f, "a", "1500m", CLAIM);
    put_pod(&f, "b", "1500m", "'nodeSelector': {'disk': 'n1'},");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), NULL);
    w = plan_fixture_write(&f, PLAN_UPDATE, "persistentvolumeclaims", 0);
    CHECK_STR(json_string_value(json_object_get(json_at(w->tree, "metadata.annotations"),
                                                "volume.kubernetes.io/selected-node")),
              "n1");
    plan_fixture_apply(&f);
    scheduler_controller.settled(f.state, "default", "a", NULL, NULL);
    plan_fixture_run(&f, POD("b")); /* its room is kept while the volume is made */
    CHECK_STR(bound_to(&f), NULL);
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(f.plan.n, 0);
    put_volume(&f, "n1");
    put_claim(&f, "local", "'volumeName': 'pv',", "Bound");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(bound_to(&f), "n1");
    plan_fixture_down(&f);
}

TEST(scheduler, a_shared_claim_and_a_bound_volume_hold_the_pod_to_their_node)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_nodes(&f);
    put_class(&f, "WaitForFirstConsumer");
    put_claim(&f, "local", "", "Pending");
    put_pod(&f, "a", "1", CLAIM);
    put_pod(&f, "b", "1", CLAIM "'nodeSelector': {'disk': 'n2'},");
    plan_fixture_run(&f, POD("a"));
    plan_fixture_apply(&f);
    plan_fixture_run(&f, POD("b"));
    CHECK(strstr(why_not(&f), "1 node(s) didn't find available persistent volumes to bind, "
                              "2 node(s) didn't match Pod's node affinity/selector.") != NULL);
    put_volume(&f, "n1");
    put_claim(&f, "local", "'volumeName': 'pv',", "Bound");
    plan_fixture_run(&f, POD("b"));
    CHECK(strstr(why_not(&f), "1 node(s) had volume node affinity conflict") != NULL);
    plan_fixture_down(&f);
}

TEST(scheduler, claims_that_are_missing_or_immediate_are_waited_for)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_nodes(&f);
    put_class(&f, "Immediate");
    put_pod(&f, "a", "1", CLAIM);
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(why_not(&f),
              "0/3 nodes are available: persistentvolumeclaim \"data\" not found. preemption: 0/3 "
              "nodes are available: 3 Preemption is not helpful for scheduling.");
    put_claim(&f, "local", "", "Pending");
    plan_fixture_run(&f, POD("a"));
    CHECK(strstr(why_not(&f), "0/3 nodes are available: pod has unbound immediate "
                              "PersistentVolumeClaims. preemption:") != NULL);
    plan_fixture_down(&f);
}

TEST(scheduler, leaves_alone_what_is_not_its_own)
{
    struct plan_fixture f;

    plan_fixture_up(&f);
    put_nodes(&f);
    put_pod(&f, "a", "1", "");
    plan_fixture_set(&f, "pods", "a", "spec.schedulerName", "'mine'");
    plan_fixture_run(&f, POD("a"));
    CHECK_INT(f.plan.n, 0);
    plan_fixture_set(&f, "pods", "a", "spec.schedulerName", "'default-scheduler'");
    plan_fixture_set(&f, "pods", "a", "spec.schedulingGates", "[{'name': 'x'}]");
    plan_fixture_run(&f, POD("a"));
    CHECK_STR(why_not(&f), "Scheduling is blocked due to non-empty scheduling gates");
    CHECK_STR(bound_to(&f), NULL);
    plan_fixture_down(&f);
}

TEST(scheduler, fills_many_nodes_evenly)
{
    struct plan_fixture f;
    char name[16];

    plan_fixture_up(&f);
    put_nodes(&f);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "p%02d", i);
        put_pod(&f, name, "100m", "");
    }
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "p%02d", i);
        plan_fixture_run(&f, POD(name));
        CHECK(bound_to(&f) != NULL);
        if (i % 3 == 0) {
            plan_fixture_apply(&f);
            scheduler_controller.settled(f.state, "default", name, NULL, NULL);
        }
    }
    put_pod(&f, "late", "100m", "");
    plan_fixture_run(&f, POD("late"));
    CHECK(strstr(why_not(&f), "3 Insufficient cpu.") != NULL);
    plan_fixture_down(&f);
}
