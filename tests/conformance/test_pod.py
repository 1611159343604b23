"""Pods as objects: their verbs, status, deadline and removal."""

import pytest

from behaviour import behaviour
from kit import STRATEGIC, condition
from labsite import is_ready, wait_for
from podkit import pod, sh

STAYS = sh("sleep 10000")
EQUAL = {"cpu": "100m", "memory": "32Mi"}
NOW = {"terminationGracePeriodSeconds": 0}
OBJECTS = [pod("fails", {"name": "c", "image": "busybox:1", "command": ["/bin/false"]}, restartPolicy="Always", **NOW),
           pod("quality", STAYS | {"resources": {"requests": EQUAL, "limits": EQUAL}}, **NOW), pod("deadline", STAYS, **NOW),
           pod("updated", STAYS, **NOW), pod("host", STAYS, **NOW), pod("status", STAYS, **NOW)]


@pytest.fixture
def pods(batch, kinds):
    return kinds("v1", "Pod", batch.namespace)


@behaviour("[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should be possible to delete "
           "[NodeConformance] [Conformance]")
def test_what_fails_can_be_deleted(batch, pods):
    wait_for("a failure", 40, lambda: batch.get("fails")["status"].get("containerStatuses", [{}])[0].get("restartCount"))
    pods.delete("fails")
    pods.wait_gone("fails")


@behaviour("[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and "
           "cpu [Conformance]")
def test_quality(pods):
    assert pods.get("quality")["status"]["qosClass"] == "Guaranteed"


@behaviour("[sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance] [Conformance]")
def test_deadline(batch, pods):
    batch.running("deadline")
    pods.patch("deadline", {"spec": {"activeDeadlineSeconds": 5}})
    assert batch.ended("deadline", "Failed")["status"]["reason"] == "DeadlineExceeded"


@behaviour("[sig-node] Pods should be submitted and removed [NodeConformance] [Conformance]")
def test_submitted_and_removed(batch, pods):
    label = "time=now"
    assert pods.names(label) == []
    follower = pods.watch(pods.version(label), label, seconds=60)
    made = pod("submitted", sh("trap 'exit 0' TERM; while :; do sleep 0.1; done"), terminationGracePeriodSeconds=30)
    made["metadata"]["labels"] = {"time": "now"}
    pods.create(made)
    assert pods.names(label) == ["submitted"]
    follower.next("ADDED")
    batch.running("submitted")
    pods.delete("submitted", gracePeriodSeconds=30)
    last = follower.next("DELETED")
    assert last["metadata"]["deletionTimestamp"] and last["spec"]["terminationGracePeriodSeconds"] != 0
    assert pods.names(label) == []


@behaviour("[sig-node] Pods should be updated [NodeConformance] [Conformance]")
def test_updated(batch, pods):
    batch.running("updated")
    assert pods.names("app=updated") == ["updated"]
    pods.change("updated", lambda o: o["metadata"]["labels"].update(time="later"))
    batch.running("updated")
    assert pods.names("time=later") == ["updated"]


@behaviour("[sig-node] Pods should delete a collection of pods [Conformance]")
def test_collection(pods):
    names = [f"testing-{i}" for i in (1, 2, 3)]
    for name in names:
        made = pod(name, STAYS)
        made["metadata"]["labels"] = {"type": "Testing"}
        pods.create(made)
    assert pods.names("type=Testing") == names
    pods.delete_all("type=Testing")
    wait_for("all of them to be gone", 60, lambda: pods.names("type=Testing") == [])


@behaviour("[sig-node] Pods should get a host IP [NodeConformance] [Conformance]")
def test_host_ip(batch, site):
    got = batch.running("host")
    addresses = {a["type"]: a["address"] for a in site.get("node", got["spec"]["nodeName"])["status"]["addresses"]}
    assert got["status"]["hostIP"] == addresses["InternalIP"]


@behaviour("[sig-node] Pods should patch a pod status [Conformance]")
def test_status(batch, pods):
    batch.running("status")
    told = pods.sub("status").patch("status", {"metadata": {"annotations": {"by": "e2e"}},
                                               "status": {"message": "Patched by e2e test", "reason": "E2E"}}, STRATEGIC)
    assert (told["status"]["message"], told["status"]["reason"]) == ("Patched by e2e test", "E2E")
    assert told["metadata"]["annotations"]["by"] == "e2e"


@behaviour("[sig-node] Pods should run through the lifecycle of Pods and PodStatus [Conformance]")
def test_lifecycle(batch, pods):
    label = "static=yes"
    follower = pods.watch(pods.version(label), label, seconds=60)
    made = pod("lifecycle", STAYS | {"image": "busybox:1"}, **NOW)
    made["metadata"]["labels"] = {"static": "yes"}
    pods.create(made)
    follower.next("ADDED")
    follower.next("MODIFIED", is_ready)
    pods.patch("lifecycle", {"metadata": {"labels": {"static": "yes", "patched": "yes"}},
                             "spec": {"containers": [{"name": "c", "image": "grpc-health:1"}]}}, STRATEGIC)
    follower.next("MODIFIED", lambda o: o["metadata"]["labels"].get("patched") == "yes")
    got = pods.get("lifecycle")
    assert got["spec"]["containers"][0]["image"] == "grpc-health:1"

    def unready(obj):
        condition(obj, "Ready").update(status="False", message="by the test")
    status = pods.sub("status")
    assert condition(status.change("lifecycle", unready), "Ready")["status"] == "False"
    follower.next("MODIFIED", lambda o: condition(o, "Ready").get("message") == "by the test")
    pods.delete_all(label)
    follower.next("DELETED")
    assert pods.names(label) == []
