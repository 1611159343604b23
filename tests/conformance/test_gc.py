"""What goes with its owner, what stays, and in which order."""

import pytest

from behaviour import behaviour
from kit import MERGE
from labsite import wait_for
from workloads import Pods, exists, owner, wait_scale, workload


@pytest.fixture
def rcs(kinds, namespace):
    return kinds("v1", "ReplicationController", namespace)


@pytest.fixture
def pods(kinds, namespace):
    return kinds("v1", "Pod", namespace)


def rc(name, replicas=2, **more):
    return workload("ReplicationController", name, replicas=replicas, **more)


@behaviour("[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning [Conformance]")
def test_background(rcs, kinds, namespace):
    rcs.create(rc("rc"))
    wait_for("its pods", 20, lambda: len(Pods(kinds, namespace, "app=rc").names()) == 2)
    rcs.delete("rc", propagationPolicy="Background")
    rcs.wait_gone("rc")
    Pods(kinds, namespace, "app=rc").wait_gone()


@behaviour("[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Conformance]")
def test_orphan(rcs, pods, kinds, namespace):
    rcs.create(rc("rc"))
    wait_scale(rcs, "rc", 2)
    before = Pods(kinds, namespace, "app=rc").names()
    rcs.delete("rc", propagationPolicy="Orphan")
    rcs.wait_gone("rc")
    # They belong to nobody now, and whoever collects garbage has seen later changes and left them alone.
    for name in before:
        pods.wait("to belong to nobody", name, lambda p: owner(p) is None)
    rcs.create(rc("marker", replicas=1))
    wait_for("the marker's pod", 20, lambda: Pods(kinds, namespace, "app=marker").names())
    rcs.delete("marker", propagationPolicy="Background")
    Pods(kinds, namespace, "app=marker").wait_gone()
    assert Pods(kinds, namespace, "app=rc").names() == before


@behaviour("[sig-api-machinery] Garbage collector should delete RS created by deployment when not orphaning [Conformance]")
def test_deployment_background(kinds, namespace):
    deployments, sets = kinds("apps/v1", "Deployment", namespace), kinds("apps/v1", "ReplicaSet", namespace)
    deployments.create(workload("Deployment", "d", replicas=2))
    wait_for("its set", 20, lambda: sets.names("app=d"))
    deployments.delete("d", propagationPolicy="Background")
    wait_for("the set to go", 30, lambda: not sets.names("app=d"))
    Pods(kinds, namespace, "app=d").wait_gone()


@behaviour("[sig-api-machinery] Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan [Conformance]")
def test_deployment_orphan(kinds, namespace):
    deployments, sets = kinds("apps/v1", "Deployment", namespace), kinds("apps/v1", "ReplicaSet", namespace)
    deployments.create(workload("Deployment", "d", replicas=2))
    name, = wait_for("its set", 20, lambda: sets.names("app=d"))
    deployments.delete("d", propagationPolicy="Orphan")
    deployments.wait_gone("d")
    sets.wait("to belong to nobody", name, lambda s: owner(s) is None)
    assert all(owner(p) == ("ReplicaSet", name) for p in Pods(kinds, namespace, "app=d").wait_ready(2))
    assert sets.get(name)["metadata"].get("ownerReferences", []) == []


@behaviour("[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so [Conformance]")
def test_foreground(rcs, pods, kinds, namespace):
    rcs.create(rc("rc"))
    names = wait_for("its pods", 20, lambda: (n := Pods(kinds, namespace, "app=rc").names()) and len(n) == 2 and n)
    held = names[0]
    pods.patch(held, {"metadata": {"finalizers": ["e2e.example.com/hold"]}})
    rcs.delete("rc", propagationPolicy="Foreground")
    wait_for("the other pod to go", 30, lambda: not exists(pods, names[1]))
    kept = rcs.get("rc")
    assert kept["metadata"]["deletionTimestamp"]
    assert "foregroundDeletion" in kept["metadata"]["finalizers"]
    pods.patch(held, {"metadata": {"finalizers": None}})
    rcs.wait_gone("rc")
    assert not exists(pods, held)


@behaviour("[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents "
           "to be deleted [Conformance]")
def test_two_owners(rcs, pods, kinds, namespace):
    rcs.create(rc("goes", replicas=4))
    stays = rcs.create(rc("stays", replicas=0))
    names = wait_for("the pods", 20, lambda: (n := Pods(kinds, namespace, "app=goes").names()) and len(n) == 4 and n)
    for name in names[:2]:
        def second(obj):
            obj["metadata"]["ownerReferences"].append({"apiVersion": "v1", "kind": "ReplicationController", "name": "stays",
                                                       "uid": stays["metadata"]["uid"]})
        pods.change(name, second)
    rcs.delete("goes", propagationPolicy="Foreground")
    rcs.wait_gone("goes", seconds=60)
    wait_for("those of one owner to go", 30, lambda: [n for n in names if exists(pods, n)] == names[:2])
    for name in names[:2]:
        left = pods.get(name)["metadata"]
        assert "deletionTimestamp" not in left
        assert [r["name"] for r in left["ownerReferences"]] == ["stays"]


@behaviour("[sig-api-machinery] Garbage collector should not be blocked by dependency circle [Conformance]")
def test_circle(pods):
    made = [pods.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod{i}"}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "busybox:1", "command": ["sleep", "1000"]}]}})
        for i in range(3)]
    for i, pod in enumerate(made):  # pod0 belongs to pod2, pod1 to pod0, pod2 to pod1
        of = made[i - 1]["metadata"]
        pods.patch(f"pod{i}", {"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": of["name"], "uid": of["uid"], "controller": True, "blockOwnerDeletion": True}]}}, MERGE)
    pods.delete("pod0", propagationPolicy="Foreground")
    wait_for("all of them to go", 60, lambda: pods.names() == [])
