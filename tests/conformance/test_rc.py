"""ReplicationControllers."""

import pytest

from behaviour import behaviour
from kit import STRATEGIC, condition
from labsite import wait_for
from workloads import ECHO, Pods, container, owner, wait_scale, workload


@pytest.fixture
def rcs(kinds, namespace):
    return kinds("v1", "ReplicationController", namespace)


def rc(name, *containers, replicas=1, **more):
    return workload("ReplicationController", name, *containers, replicas=replicas, **more)


@behaviour("[sig-apps] ReplicationController should adopt matching pods on creation [Conformance]")
def test_adopts(rcs, kinds, namespace):
    pods = kinds("v1", "Pod", namespace)
    pods.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod-adoption", "labels": {"app": "rc"}},
                 "spec": {"terminationGracePeriodSeconds": 0, "containers": [container()]}})
    rcs.create(rc("rc"))
    pods.wait("to be adopted", "pod-adoption", lambda p: owner(p) == ("ReplicationController", "rc"))
    assert pods.names() == ["pod-adoption"]


@behaviour("[sig-apps] ReplicationController should release no longer matching pods [Conformance]")
def test_releases(rcs, kinds, namespace):
    rcs.create(rc("rc"))
    pods = Pods(kinds, namespace, "app=rc")
    first, = wait_for("its pod", 20, pods.names)
    pods.kind.patch(first, {"metadata": {"labels": {"app": "not-matching"}}})
    pods.kind.wait("to be released", first, lambda p: owner(p) is None)
    wait_for("another in its place", 20, lambda: pods.names() and first not in pods.names())


@behaviour("[sig-apps] ReplicationController should get and update a ReplicationController scale [Conformance]")
def test_scale(rcs):
    rcs.create(rc("rc"))
    wait_scale(rcs, "rc", 1)
    scale = rcs.sub("scale")
    got = scale.get("rc")
    assert (got["kind"], got["spec"]["replicas"], got["status"]["replicas"]) == ("Scale", 1, 1)
    got["spec"]["replicas"] = 2
    scale.replace(got)
    assert rcs.get("rc")["spec"]["replicas"] == 2
    wait_scale(rcs, "rc", 2)


@behaviour("[sig-apps] ReplicationController should serve a basic image on each replica with a public image [Conformance]")
def test_serves(rcs, site, kinds, namespace):
    rcs.create(rc("echo", ECHO, replicas=2))
    for pod in Pods(kinds, namespace, "app=echo").wait_ready(2):
        answer = site.run("worker1", "curl", "-si", "--max-time", "5", f"http://{pod['status']['podIP']}:8080/")
        assert f"X-Pod: {pod['metadata']['name']}" in answer


@behaviour("[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded quota [Conformance]")
def test_quota(rcs, k):
    k("create", "quota", "condition-test", "--hard=pods=2")
    rcs.create(rc("rc", replicas=3))
    failed = rcs.wait("to tell of the quota", "rc", lambda o: condition(o, "ReplicaFailure").get("status") == "True")
    assert condition(failed, "ReplicaFailure")["reason"] == "FailedCreate"
    assert "exceeded quota: condition-test" in condition(failed, "ReplicaFailure")["message"]
    rcs.patch("rc", {"spec": {"replicas": 2}})
    rcs.wait("to be content", "rc", lambda o: not condition(o, "ReplicaFailure"))


@behaviour("[sig-apps] ReplicationController should test the lifecycle of a ReplicationController [Conformance]")
def test_lifecycle(rcs, kinds, namespace):
    label = "test-rc-static=true"
    follower = rcs.watch(rcs.version(), label, seconds=60)
    rcs.create(rc("rc", labels={"test-rc-static": "true"}))
    follower.next("ADDED")
    follower.next("MODIFIED", lambda o: o["status"].get("readyReplicas") == 1)

    assert rcs.patch("rc", {"metadata": {"labels": {"test-rc": "patched"}}}, STRATEGIC)["metadata"]["labels"]["test-rc"] == "patched"
    follower.next("MODIFIED", lambda o: o["metadata"]["labels"].get("test-rc") == "patched")
    status = rcs.sub("status")
    assert status.patch("rc", {"status": {"readyReplicas": 0, "availableReplicas": 0}})["status"].get("readyReplicas", 0) == 0
    assert status.get("rc")["metadata"]["name"] == "rc"
    follower.next("MODIFIED", lambda o: o["status"].get("readyReplicas") == 1)  # the controller knows better

    rcs.sub("scale").patch("rc", {"spec": {"replicas": 2}})
    follower.next("MODIFIED", lambda o: o["spec"]["replicas"] == 2)
    follower.next("MODIFIED", lambda o: o["status"].get("readyReplicas") == 2)
    assert rcs.names(label, everywhere=True) == ["rc"]

    def update(obj):
        obj["metadata"].setdefault("annotations", {})["test"] = "updated"
    rcs.change("rc", update)
    follower.next("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("test") == "updated")
    rcs.delete_all(label)
    follower.next("DELETED")
    assert rcs.names(label) == []
    Pods(kinds, namespace, label).wait_gone()
