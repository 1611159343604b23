"""Deployments."""

import pytest

from behaviour import behaviour
from kit import STRATEGIC, condition
from labsite import wait_for
from workloads import Pods, check_conditions, check_scale, container, exists, owner, wait_scale, workload

NO_IMAGE = container("sleep 100002", image="nosuch/image:404")


@pytest.fixture
def deployments(kinds, namespace):
    return kinds("apps/v1", "Deployment", namespace)


@pytest.fixture
def sets(kinds, namespace):
    return kinds("apps/v1", "ReplicaSet", namespace)


def deployment(name, *containers, replicas=1, **more):
    return workload("Deployment", name, *containers, replicas=replicas, **more)


def rolled_out(k, name):
    k("rollout", "status", "deployment/" + name, "--timeout=60s", timeout=70)


def set_image(deployments, name, image):
    deployments.patch(name, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}, STRATEGIC)


@behaviour("[sig-apps] Deployment Deployment should have a working scale subresource [Conformance]")
def test_scale(deployments):
    deployments.create(deployment("d"))
    wait_scale(deployments, "d", 1)
    check_scale(deployments, "d", 1)


@behaviour("[sig-apps] Deployment should validate Deployment Status endpoints [Conformance]")
def test_status(deployments):
    deployments.create(deployment("d"))
    wait_scale(deployments, "d", 1)
    check_conditions(deployments, "d")
    assert condition(deployments.get("d"), "StatusPatched")


@behaviour("[sig-apps] Deployment RecreateDeployment should delete old pods and create new ones [Conformance]")
def test_recreate(deployments, kinds, namespace, k):
    deployments.create(deployment("d", strategy={"type": "Recreate"}))
    rolled_out(k, "d")
    old = Pods(kinds, namespace, "app=d").wait_ready(1)[0]
    pods = kinds("v1", "Pod", namespace)
    follower = pods.watch(pods.version(), "app=d", seconds=60)
    k("set", "env", "deployment/d", "A=B")
    seen = []
    for event in follower.stream:
        pod = event["raw_object"]
        seen.append((event["type"], pod["metadata"]["name"]))
        if event["type"] == "ADDED":
            break
        assert pod["metadata"]["name"] == old["metadata"]["name"]
    assert ("DELETED", old["metadata"]["name"]) in seen[:-1], "the new one came while the old was there"
    rolled_out(k, "d")
    assert len(Pods(kinds, namespace, "app=d").wait_ready(1)) == 1


@behaviour("[sig-apps] Deployment RollingUpdateDeployment should delete old pods and create new ones [Conformance]")
def test_rolling_update_of_an_adopted_set(deployments, sets, kinds, namespace, k):
    revision = 3546343826724305832
    sets.create(workload("ReplicaSet", "before", app="rolled", replicas=1))
    sets.patch("before", {"metadata": {"annotations": {"deployment.kubernetes.io/revision": str(revision)}}})
    before = Pods(kinds, namespace, "app=rolled").wait_ready(1)
    deployments.create(deployment("after", container("sleep 100001"), app="rolled"))
    rolled_out(k, "after")
    got = deployments.get("after")
    assert got["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == str(revision + 1)
    after = Pods(kinds, namespace, "app=rolled").wait_ready(1)
    assert before[0]["metadata"]["name"] != after[0]["metadata"]["name"]
    old = sets.get("before")
    assert owner(old) == ("Deployment", "after")
    assert old["spec"]["replicas"] == 0
    new, = (s for s in sets.list("app=rolled")["items"] if s["metadata"]["name"] != "before")
    assert new["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == str(revision + 1)
    assert new["spec"]["selector"]["matchLabels"]["pod-template-hash"] == new["metadata"]["labels"]["pod-template-hash"]


@behaviour("[sig-apps] Deployment deployment should delete old replica sets [Conformance]")
def test_history_limit(deployments, sets, kinds, namespace, k):
    sets.create(workload("ReplicaSet", "before", app="cleaned", replicas=1))
    Pods(kinds, namespace, "app=cleaned").wait_ready(1)
    deployments.create(deployment("after", container("sleep 100001"), app="cleaned", revisionHistoryLimit=0))
    wait_for("the old set to go", 60, lambda: not exists(sets, "before"))
    rolled_out(k, "after")
    assert len(sets.names("app=cleaned")) == 1


@behaviour("[sig-apps] Deployment deployment should support rollover [Conformance]")
def test_rollover(deployments, sets, kinds, namespace, k):
    sets.create(workload("ReplicaSet", "before", app="over", replicas=1))
    Pods(kinds, namespace, "app=over").wait_ready(1)
    deployments.create(deployment("d", NO_IMAGE, app="over", minReadySeconds=1, strategy={
        "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}))
    wait_for("the first new set", 20, lambda: len(sets.names("app=over")) == 2)
    deployments.wait("to have an updated pod", "d", lambda o: o["status"].get("updatedReplicas") == 1)
    assert sets.get("before")["spec"]["replicas"] == 1  # nothing may be missing before something else is there
    stuck, = set(sets.names("app=over")) - {"before"}

    set_image(deployments, "d", "busybox:1")
    rolled_out(k, "d")
    sets.wait("to be scaled down", "before", lambda o: o["status"].get("replicas", 0) == 0)
    sets.wait("to be scaled down", stuck, lambda o: o["status"].get("replicas", 0) == 0)
    assert deployments.get("d")["status"]["updatedReplicas"] == 1


@behaviour("[sig-apps] Deployment deployment should support proportional scaling [Conformance]")
def test_proportional_scaling(deployments, sets, k):
    deployments.create(deployment("d", replicas=10, strategy={
        "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}))
    rolled_out(k, "d")
    first, = sets.names("app=d")
    set_image(deployments, "d", "nosuch/image:404")

    def sizes():
        return {s["metadata"]["name"] == first: s["spec"]["replicas"] for s in sets.list("app=d")["items"]}
    # 10 + 3 at most, 10 - 2 available at least.
    wait_for("the rollout to stick at 8 and 5", 60, lambda: sizes() == {True: 8, False: 5})
    sets.wait("8 available", first, lambda o: o["status"].get("availableReplicas") == 8)
    deployments.patch("d", {"spec": {"replicas": 30}})
    # 33 in all: 20 more in proportion of 8 to 5.
    wait_for("the new ones to be spread", 30, lambda: sizes() == {True: 20, False: 13})


@behaviour("[sig-apps] Deployment should run the lifecycle of a Deployment [Conformance]")
def test_lifecycle(deployments, kinds, namespace):
    follower = deployments.watch(deployments.version(), "life=true", seconds=60)
    deployments.create(deployment("d", replicas=2, labels={"life": "true"}))
    assert follower.next("ADDED")["metadata"]["name"] == "d"
    follower.next("MODIFIED", lambda o: o["status"].get("readyReplicas") == 2)

    deployments.patch("d", {"metadata": {"labels": {"test-deployment": "patched"}}, "spec": {
        "replicas": 1, "template": {"spec": {"containers": [{"name": "c", "image": "busybox:1", "env": [{"name": "A", "value": "B"}]}]}}}}, STRATEGIC)
    follower.next("MODIFIED", lambda o: o["metadata"]["labels"].get("test-deployment") == "patched")
    assert deployments.names("test-deployment=patched", everywhere=True) == ["d"]
    follower.next("MODIFIED", lambda o: o["status"].get("observedGeneration") == o["metadata"]["generation"]
                  and o["status"].get("readyReplicas") == 1 and o["status"].get("replicas") == 1)

    def update(obj):
        obj["metadata"]["annotations"]["test"] = "updated"
    deployments.change("d", update)
    follower.next("MODIFIED", lambda o: o["metadata"]["annotations"].get("test") == "updated")

    status = deployments.sub("status")
    assert status.patch("d", {"metadata": {"labels": {"status-patched": "true"}}, "status": {"readyReplicas": 0}})[
        "status"].get("readyReplicas", 0) == 0
    follower.next("MODIFIED", lambda o: o["metadata"]["labels"].get("status-patched") == "true")
    follower.next("MODIFIED", lambda o: o["status"].get("readyReplicas") == 1)  # the controller knows better

    deployments.delete_all("life=true")
    follower.next("DELETED")
    deployments.wait_gone("d")
    Pods(kinds, namespace, "app=d").wait_gone()
