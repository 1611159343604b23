/* layer: client */
#include "base/mem.h"
#include "client/describe.h"
#include "client/drain_plan.h"
#include "client/rollout_past.h"
#include "client/rollout_say.h"
#include "client/tabs.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

static void check_tabs(const char *in, const char *want)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    tabs_print(&t, in);
    CHECK_STR(text_str(&t), want);
}

TEST(tabs, columns_are_as_wide_as_their_block)
{
    check_tabs("a:\tx\nlong:\ty\n", "a:     x\nlong:  y\n");
    check_tabs("a:\tx\nno tabs\nlong:\ty\n", "a:  x\nno tabs\nlong:  y\n");
    check_tabs("a\tb\tc\naaa\tbbb\tc\n", "a    b    c\naaa  bbb  c\n");
    check_tabs("", "");
}

static void check_page(const char *group, const char *plural, const char *object, const char *want)
{
    cleanup(json_decrefpp) json_t *o = quoted(object);
    cleanup(json_decrefpp) json_t *events = quoted(
        "[{'type':'Warning','reason':'Failed','message':'no ','source':{'component':'kubelet'},"
        "'count':3,'firstTimestamp':'2026-01-01T11:58:00Z','lastTimestamp':'2026-01-01T11:59:00Z'}"
        "]");
    struct describe d = { .resource = schema_resource(group, "v1", plural),
                          .o = o,
                          .events = events,
                          .now_ms = 1767268800000 };
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    describe_object(&t, &d);
    CHECK_STR(text_str(&t), want);
}

TEST(describe, a_secret_keeps_its_values)
{
    check_page("", "secrets",
               "{'metadata':{'name':'s','namespace':'ns'},'type':'Opaque',"
               "'data':{'a':'aGVsbG8=','bc':'aGk='}}",
               "Name:         s\nNamespace:    ns\nLabels:       <none>\nAnnotations:  <none>\n"
               "\nType:  Opaque\n\nData\n====\na:   5 bytes\nbc:  2 bytes\n");
}

TEST(describe, kinds_without_a_table_are_shown_field_by_field)
{
    check_page("coordination.k8s.io", "leases",
               "{'apiVersion':'coordination.k8s.io/v1','kind':'Lease','metadata':{'name':'l',"
               "'uid':'u','labels':{'a':'b'}},'spec':{'holderIdentity':'me','list':[1,2]}}",
               "Name:         l\nLabels:       a=b\nAnnotations:  <none>\n"
               "API Version:  coordination.k8s.io/v1\nKind:         Lease\nMetadata:\n  UID:  u\n"
               "Spec:\n  Holder Identity:  me\n  List:\n    1\n    2\nEvents:\n"
               "  Type     Reason  Age               From     Message\n"
               "  ----     ------  ----              ----     -------\n"
               "  Warning  Failed  60s (x3 over 2m)  kubelet  no\n");
}

/* --- rollouts --- */

static void check_rollout(const char *plural, const char *object, int rc, const char *want)
{
    cleanup(json_decrefpp) json_t *o = quoted(object);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(rollout_say(&t, schema_resource("apps", "v1", plural), o, &err), rc);
    CHECK_STR(rc < 0 ? err.text : text_str(&t), want);
}

TEST(rollout, says_how_far_it_has_come)
{
    check_rollout("deployments", "{'metadata':{'name':'w','generation':2},'status':{}}", 0,
                  "Waiting for deployment spec update to be observed...");
    check_rollout("deployments",
                  "{'metadata':{'name':'w'},'spec':{'replicas':3},'status':{'updatedReplicas':1}}",
                  0,
                  "Waiting for deployment \"w\" rollout to finish: 1 out of 3 new replicas have "
                  "been updated...");
    check_rollout("deployments",
                  "{'metadata':{'name':'w'},'spec':{'replicas':1},'status':{'updatedReplicas':1,"
                  "'replicas':2}}",
                  0,
                  "Waiting for deployment \"w\" rollout to finish: 1 old replicas are pending "
                  "termination...");
    check_rollout("deployments",
                  "{'metadata':{'name':'w'},'spec':{'replicas':1},'status':{'updatedReplicas':1,"
                  "'replicas':1,'availableReplicas':1}}",
                  ROLLOUT_DONE, "deployment \"w\" successfully rolled out");
    check_rollout("deployments",
                  "{'metadata':{'name':'w'},'status':{'conditions':[{'type':'Progressing',"
                  "'reason':'ProgressDeadlineExceeded'}]}}",
                  ERR_INVALID, "deployment \"w\" exceeded its progress deadline");
    check_rollout("statefulsets",
                  "{'metadata':{'name':'d','generation':1},'spec':{'replicas':3},'status':"
                  "{'observedGeneration':1,'readyReplicas':1}}",
                  0, "Waiting for 2 pods to be ready...");
    check_rollout("daemonsets",
                  "{'metadata':{'name':'l'},'status':{'desiredNumberScheduled':2,"
                  "'updatedNumberScheduled':2,'numberAvailable':1}}",
                  0,
                  "Waiting for daemon set \"l\" rollout to finish: 1 of 2 updated pods are "
                  "available...");
    check_rollout("replicasets", "{'metadata':{'name':'r'}}", ERR_INVALID,
                  "no status viewer has been implemented for ReplicaSet");
}

TEST(rollout, leads_back_to_the_revision_before)
{
    cleanup(json_decrefpp) json_t *owner = quoted(
        "{'metadata':{'name':'w','uid':'u','annotations':{'deployment.kubernetes.io/revision':'2'}}"
        ",'spec':{'template':{'spec':{'x':2}}}}");
    cleanup(json_decrefpp) json_t *sets = quoted(
        "[{'metadata':{'name':'b','annotations':{'deployment.kubernetes.io/revision':'2'},"
        "'ownerReferences':[{'uid':'u'}]},'spec':{'template':{'metadata':{'labels':"
        "{'pod-template-hash':'2'}},'spec':{'x':2}}}},"
        "{'metadata':{'name':'a','annotations':{'deployment.kubernetes.io/revision':'1'},"
        "'ownerReferences':[{'uid':'u'}]},'spec':{'template':{'metadata':{'labels':"
        "{'pod-template-hash':'1'}},'spec':{'x':1}}}},"
        "{'metadata':{'name':'c','annotations':{'deployment.kubernetes.io/revision':'7'}}}]");
    cleanup(json_decrefpp) json_t *past = rollout_past_read(owner, sets);
    cleanup(json_decrefpp) json_t *patch = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const char *type = NULL;

    CHECK_INT(rollout_past_before(past), 1);
    rollout_past_print(&t, past);
    CHECK_STR(text_str(&t), "REVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n");
    CHECK_INT(rollout_past_undo(&patch, &type, owner, past, 0, &err), 0);
    CHECK_STR(type, "application/json-patch+json");
    CHECK_INT(json_int(json_array_get(patch, 0), "value.spec.x", 0), 1);
    CHECK_INT(rollout_past_undo(&patch, &type, owner, past, 9, &err), ERR_NOT_FOUND);
    CHECK_STR(err.text, "unable to find specified revision 9 in history");
}

/* --- drains --- */

static void check_drain(const char *pod, bool all, enum drain_verdict want, const char *why)
{
    cleanup(json_decrefpp) json_t *o = quoted(pod);
    struct drain_opts opts = { .ignore_daemon_sets = all, .delete_local = all, .force = all };
    const char *have = NULL;

    CHECK_INT(drain_plan(o, &opts, &have), want);
    CHECK_STR(have != NULL ? have : "", why);
}

TEST(drain, pods_that_leave_stay_or_refuse)
{
    static const char of_set[] =
        "{'metadata':{'ownerReferences':[{'kind':'ReplicaSet','controller':true}]}}";
    static const char of_daemon[] =
        "{'metadata':{'ownerReferences':[{'kind':'DaemonSet','controller':true}]}}";
    static const char local[] =
        "{'metadata':{'ownerReferences':[{'kind':'ReplicaSet','controller':true}]},"
        "'spec':{'volumes':[{'name':'v','emptyDir':{}}]}}";

    check_drain(of_set, false, DRAIN_EVICT, "");
    check_drain(of_daemon, false, DRAIN_REFUSE,
                "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)");
    check_drain(of_daemon, true, DRAIN_SKIP, "ignoring DaemonSet-managed Pods");
    check_drain(local, false, DRAIN_REFUSE,
                "cannot delete Pods with local storage (use --delete-emptydir-data to override)");
    check_drain(local, true, DRAIN_EVICT, "");
    check_drain("{}", false, DRAIN_REFUSE,
                "cannot delete Pods that declare no controller (use --force to override)");
    check_drain("{}", true, DRAIN_EVICT, "deleting Pods that declare no controller");
    check_drain("{'status':{'phase':'Succeeded'}}", false, DRAIN_EVICT, "");
}
