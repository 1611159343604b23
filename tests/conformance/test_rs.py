"""ReplicaSets."""

import pytest

from behaviour import behaviour
from kit import STRATEGIC
from labsite import wait_for
from workloads import ECHO, Pods, check_collection, check_conditions, check_scale, container, owner, wait_scale, workload


@pytest.fixture
def sets(kinds, namespace):
    return kinds("apps/v1", "ReplicaSet", namespace)


def replica_set(name, replicas=1, **more):
    return workload("ReplicaSet", name, replicas=replicas, **more)


@behaviour("[sig-apps] ReplicaSet Replace and Patch tests [Conformance]")
def test_replace_and_patch(sets, kinds, namespace):
    sets.create(replica_set("rs"))
    pods = Pods(kinds, namespace, "app=rs")
    pods.wait_ready(1)

    def three(obj):
        obj["spec"]["replicas"] = 3
    sets.change("rs", three)
    pods.wait_ready(3)
    sets.patch("rs", {"metadata": {"labels": {"test-rs": "patched"}}, "spec": {"replicas": 2, "template": {"spec": {
        "containers": [{"name": "c", "image": "busybox:1.0"}]}}}}, STRATEGIC)
    got = sets.wait("two replicas", "rs", lambda o: o["status"].get("replicas") == 2)
    assert got["metadata"]["labels"]["test-rs"] == "patched"
    assert got["spec"]["template"]["spec"]["containers"][0]["image"] == "busybox:1.0"
    assert {p["spec"]["containers"][0]["image"] for p in pods.all()} == {"busybox:1"}


@behaviour("[sig-apps] ReplicaSet Replicaset should have a working scale subresource [Conformance]")
def test_scale(sets):
    sets.create(replica_set("rs"))
    wait_scale(sets, "rs", 1)
    check_scale(sets, "rs", 1)


@behaviour("[sig-apps] ReplicaSet should adopt matching pods on creation and release no longer matching pods [Conformance]")
def test_adopts_and_releases(sets, kinds, namespace):
    pods = kinds("v1", "Pod", namespace)
    pods.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orphan", "labels": {"app": "rs"}},
                 "spec": {"terminationGracePeriodSeconds": 0, "containers": [container()]}})
    sets.create(replica_set("rs"))
    pods.wait("to be adopted", "orphan", lambda p: owner(p) == ("ReplicaSet", "rs"))
    assert pods.names() == ["orphan"]
    pods.patch("orphan", {"metadata": {"labels": {"app": "other"}}})
    pods.wait("to be released", "orphan", lambda p: owner(p) is None)
    wait_for("another in its place", 20, lambda: len(pods.names("app=rs")) == 1)


@behaviour("[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets [Conformance]")
def test_collection(sets, kinds, namespace):
    check_collection(sets, lambda name: replica_set(name, labels={"e2e": "collection"}), "e2e=collection",
                     Pods(kinds, namespace, "e2e=collection"))


@behaviour("[sig-apps] ReplicaSet should serve a basic image on each replica with a public image [Conformance]")
def test_serves(sets, site, kinds, namespace):
    sets.create(workload("ReplicaSet", "echo", ECHO, replicas=2))
    for pod in Pods(kinds, namespace, "app=echo").wait_ready(2):
        answer = site.run("worker1", "curl", "-si", "--max-time", "5", f"http://{pod['status']['podIP']}:8080/")
        assert f"X-Pod: {pod['metadata']['name']}" in answer


@behaviour("[sig-apps] ReplicaSet should validate Replicaset Status endpoints [Conformance]")
def test_status(sets):
    sets.create(replica_set("rs"))
    wait_scale(sets, "rs", 1)
    check_conditions(sets, "rs")
