"""StatefulSets."""

import pytest

from behaviour import behaviour
from kit import STRATEGIC
from labsite import is_ready, wait_for
from workloads import Pods, alive, check_collection, check_conditions, check_scale, container, wait_scale, workload

# Ready until somebody takes its file away.
HEALTHY = container("touch /tmp/ready; sleep 100000",
                    readinessProbe={"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1})


@pytest.fixture
def stateful(kinds, namespace, k):
    k("create", "service", "clusterip", "test", "--clusterip=None", "--tcp=80")
    return kinds("apps/v1", "StatefulSet", namespace)


def stateful_set(name, *containers, replicas=1, **more):
    return workload("StatefulSet", name, *containers, replicas=replicas, serviceName="test", **more)


def break_pod(site, k, namespace, name):
    site.inside(namespace, name, "rm", "/tmp/ready")
    k("wait", "--for=condition=Ready=false", "pod/" + name, "--timeout=20s", timeout=30)


def mend_pod(site, namespace, name):
    site.inside(namespace, name, "touch", "/tmp/ready")


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource [Conformance]")
def test_scale(stateful):
    stateful.create(stateful_set("ss"))
    wait_scale(stateful, "ss", 1)
    check_scale(stateful, "ss", 1)


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should validate Statefulset Status endpoints [Conformance]")
def test_status(stateful):
    stateful.create(stateful_set("ss"))
    wait_scale(stateful, "ss", 1)
    check_conditions(stateful, "ss")


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a collection of StatefulSets "
           "[Conformance]")
def test_collection(stateful, kinds, namespace):
    stateful.create(stateful_set("ss", labels={"e2e": "patched"}))
    stateful.patch("ss", {"metadata": {"labels": {"test-ss": "patched"}}, "spec": {"replicas": 2, "template": {
        "spec": {"containers": [{"name": "c", "image": "busybox:1.0"}]}}}}, STRATEGIC)
    got = stateful.get("ss")
    assert got["metadata"]["labels"]["test-ss"] == "patched"
    assert got["spec"]["replicas"] == 2
    assert got["spec"]["template"]["spec"]["containers"][0]["image"] == "busybox:1.0"
    stateful.delete("ss")
    stateful.wait_gone("ss")
    check_collection(stateful, lambda name: stateful_set(name, labels={"e2e": "collection"}), "e2e=collection",
                     Pods(kinds, namespace, "e2e=collection"))


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Scaling should happen in predictable order and halt if any "
           "stateful pod is unhealthy [Slow] [Conformance]")
def test_order(stateful, site, k, kinds, namespace):
    pods = kinds("v1", "Pod", namespace)
    stateful.create(stateful_set("ss", HEALTHY))
    pods.wait("ready", "ss-0", is_ready)
    break_pod(site, k, namespace, "ss-0")
    follower = pods.watch(pods.version(), "app=ss", seconds=60)
    stateful.patch("ss", {"spec": {"replicas": 3}})
    wait_scale_seen(stateful)
    assert pods.names("app=ss") == ["ss-0"]
    mend_pod(site, namespace, "ss-0")
    for name in ("ss-1", "ss-2"):
        assert follower.next("ADDED")["metadata"]["name"] == name
    Pods(kinds, namespace, "app=ss").wait_ready(3)

    for name in ("ss-0", "ss-1", "ss-2"):
        break_pod(site, k, namespace, name)
    follower = pods.watch(pods.version(), "app=ss", seconds=60)
    stateful.patch("ss", {"spec": {"replicas": 0}})
    wait_scale_seen(stateful)
    assert len(pods.names("app=ss")) == 3
    for name in ("ss-2", "ss-1", "ss-0"):
        if name != "ss-0":  # the first that is not well holds nobody up
            mend_pod(site, namespace, name)
        assert follower.next("DELETED")["metadata"]["name"] == name


def wait_scale_seen(stateful):
    stateful.wait("the change to be seen", "ss", lambda o: o["status"]["observedGeneration"] == o["metadata"]["generation"])


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Burst scaling should run to completion even with unhealthy "
           "pods [Slow] [Conformance]")
def test_burst(stateful, site, k, kinds, namespace):
    pods = kinds("v1", "Pod", namespace)
    stateful.create(stateful_set("ss", HEALTHY, podManagementPolicy="Parallel"))
    pods.wait("ready", "ss-0", is_ready)
    break_pod(site, k, namespace, "ss-0")
    stateful.patch("ss", {"spec": {"replicas": 3}})
    for name in ("ss-1", "ss-2"):
        wait_for(name, 30, lambda: name in pods.names("app=ss"))
        pods.wait("ready", name, is_ready)
    assert not is_ready(pods.get("ss-0"))
    stateful.patch("ss", {"spec": {"replicas": 0}})
    wait_for("all to go", 30, lambda: not alive(pods.list("app=ss")["items"]))


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] Should recreate evicted statefulset [Conformance]")
def test_recreates_failed(stateful, kinds, namespace):
    """A pod of its own holds the port of the node: what the set puts there fails, is made again, and runs once the port is free."""
    pods = kinds("v1", "Pod", namespace)
    port = container(name="c", ports=[{"containerPort": 21017, "hostPort": 21017, "name": "conflict"}])
    pods.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "holder"}, "spec": {
        "nodeName": "worker2", "terminationGracePeriodSeconds": 0, "containers": [port]}})
    pods.wait("running", "holder", lambda p: p["status"]["phase"] == "Running")
    follower = pods.watch(pods.version(), "app=ss", seconds=60)
    stateful.create(stateful_set("ss", port, pod={"nodeName": "worker2"}))
    first = follower.next("ADDED")
    follower.next("MODIFIED", lambda p: p["status"]["phase"] == "Failed")
    follower.next("DELETED", lambda p: p["metadata"]["uid"] == first["metadata"]["uid"])
    pods.delete("holder")
    pods.wait_gone("holder")

    def runs():
        found = pods.list("app=ss")["items"]
        return found and found[0]["status"]["phase"] == "Running" and found[0]
    again = wait_for("ss-0 to run", 60, runs)
    assert again["metadata"]["name"] == "ss-0" and again["metadata"]["uid"] != first["metadata"]["uid"]


def revision(pod):
    return pod["metadata"]["labels"]["controller-revision-hash"]


def image(pod):
    return pod["spec"]["containers"][0]["image"]


def env(value):
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": value}]}]}}}}


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform rolling updates and roll backs of template "
           "modifications [Conformance]")
def test_rolling_update(stateful, kinds, namespace):
    own, pods = kinds("v1", "Pod", namespace), Pods(kinds, namespace, "app=ss")
    stateful.create(stateful_set("ss", replicas=3))
    before = pods.wait_ready(3)
    status = stateful.wait("one revision", "ss", lambda o: o["status"].get("currentReplicas") == 3)["status"]
    first = status["currentRevision"]
    assert status["updateRevision"] == first
    assert {revision(p) for p in before} == {first}

    def roll(change, is_back):
        follower = own.watch(own.version(), "app=ss", seconds=60)
        stateful.patch("ss", change, STRATEGIC)
        target = stateful.wait("another revision", "ss", lambda o: o["status"]["observedGeneration"] == o["metadata"]["generation"]
                               and o["status"]["updateRevision"] != o["status"]["currentRevision"])["status"]["updateRevision"]
        assert (target == first) == is_back
        for name in ("ss-2", "ss-1", "ss-0"):
            assert follower.next("ADDED")["metadata"]["name"] == name
        end = stateful.wait("the end of it", "ss", lambda o: o["status"]["currentRevision"] == target
                            and o["status"].get("updatedReplicas", 3) == 3 and o["status"].get("readyReplicas") == 3)
        assert {revision(p) for p in pods.wait_ready(3)} == {target}
        return end
    roll(env("B"), False)
    back = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": None}]}}}}
    roll(back, True)


@behaviour("[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should perform canary updates and phased rolling updates of "
           "template modifications [Conformance]")
def test_partition(stateful, kinds, namespace):
    own, pods = kinds("v1", "Pod", namespace), Pods(kinds, namespace, "app=ss")

    def partition(n):
        stateful.patch("ss", {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": n}}}})

    def revisions():
        return {p["metadata"]["name"]: revision(p) for p in pods.wait_ready(3)}
    stateful.create(stateful_set("ss", replicas=3))
    old = set(revisions().values()).pop()
    partition(3)
    stateful.patch("ss", env("B"), STRATEGIC)
    new = stateful.wait("another revision", "ss", lambda o: o["status"]["updateRevision"] != old)["status"]["updateRevision"]
    assert set(revisions().values()) == {old}  # a partition above all: nothing moves
    partition(2)
    wait_for("the canary", 40, lambda: revisions() == {"ss-0": old, "ss-1": old, "ss-2": new})
    # Those that are deleted come back as what they were.
    for name in ("ss-0", "ss-2"):
        uid = own.get(name)["metadata"]["uid"]
        own.delete(name)
        wait_for(f"{name} to be back", 40, lambda: name in pods.names() and own.get(name)["metadata"]["uid"] != uid)
    wait_for("the same revisions", 40, lambda: revisions() == {"ss-0": old, "ss-1": old, "ss-2": new})
    partition(1)
    wait_for("the next phase", 40, lambda: revisions() == {"ss-0": old, "ss-1": new, "ss-2": new})
    partition(0)
    wait_for("all of it", 40, lambda: set(revisions().values()) == {new})
    stateful.wait("one revision again", "ss", lambda o: o["status"]["currentRevision"] == new)
