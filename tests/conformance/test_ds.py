"""DaemonSets, and the revisions that remember their templates."""

import pytest

from behaviour import behaviour
from kit import STRATEGIC
from labsite import is_ready, wait_for
from workloads import Pods, check_collection, check_conditions, exists, owner, workload

NODES = ["worker1", "worker2", "worker3"]


@pytest.fixture
def daemons(kinds, namespace):
    return kinds("apps/v1", "DaemonSet", namespace)


@pytest.fixture
def pods(kinds, namespace):
    return Pods(kinds, namespace, "app=ds")


def daemon_set(name, **more):
    return workload("DaemonSet", name, **more)


def nodes_of(pods):
    return sorted(p["spec"]["nodeName"] for p in pods if is_ready(p))


def everywhere(pods, nodes=NODES):
    return wait_for(f"a pod on {nodes}", 60, lambda: (all := pods.all()) and nodes_of(all) == nodes and len(all) == len(nodes) and all)


def set_image(daemons, image):
    daemons.patch("ds", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}, STRATEGIC)


@behaviour("[sig-apps] Daemon set [Serial] should run and stop simple daemon [Conformance]")
def test_simple(daemons, pods):
    daemons.create(daemon_set("ds"))
    first = everywhere(pods)[0]
    pods.kind.delete(first["metadata"]["name"])
    pods.kind.wait_gone(first["metadata"]["name"])
    everywhere(pods)
    assert daemons.wait("all ready", "ds", lambda o: o["status"].get("numberReady") == 3)["status"]["desiredNumberScheduled"] == 3


@behaviour("[sig-apps] Daemon set [Serial] should run and stop complex daemon [Conformance]")
def test_complex(daemons, pods, site, namespace):
    label = "conformance.example.com/" + namespace
    daemons.create(daemon_set("ds", pod={"nodeSelector": {label: "blue"}}))
    daemons.wait("to be seen", "ds", lambda o: o["status"].get("observedGeneration") == 1)
    assert pods.all() == []
    try:
        site.kubectl("label", "node", "worker1", label + "=blue")
        everywhere(pods, ["worker1"])
        site.kubectl("label", "--overwrite", "node", "worker1", label + "=green")
        pods.wait_gone()
        daemons.patch("ds", {"spec": {"template": {"spec": {"nodeSelector": {label: "green"}}},
                                      "updateStrategy": {"type": "RollingUpdate"}}})
        everywhere(pods, ["worker1"])
    finally:
        site.kubectl("label", "node", "worker1", label + "-")
    pods.wait_gone()


@behaviour("[sig-apps] Daemon set [Serial] should retry creating failed daemon pods [Conformance]")
def test_failed(daemons, pods):
    daemons.create(daemon_set("ds"))
    first = everywhere(pods)[0]

    def fail(obj):
        obj["status"]["phase"] = "Failed"
    pods.kind.sub("status").change(first["metadata"]["name"], fail)
    wait_for("the failed one to go", 30, lambda: (p := exists(pods.kind, first["metadata"]["name"])) is None
             or p["metadata"]["uid"] != first["metadata"]["uid"])
    everywhere(pods)


@behaviour("[sig-apps] Daemon set [Serial] should update pod when spec was updated and update strategy is RollingUpdate [Conformance]")
def test_rolling_update(daemons, pods, kinds, namespace):
    revisions = kinds("apps/v1", "ControllerRevision", namespace)
    daemons.create(daemon_set("ds", updateStrategy={"type": "RollingUpdate"}))
    before = {p["metadata"]["labels"]["controller-revision-hash"] for p in everywhere(pods)}
    assert len(before) == 1 and [r["revision"] for r in revisions.list("app=ds")["items"]] == [1]
    daemons.patch("ds", {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "B"}]}]}}}}, STRATEGIC)

    def updated():
        hashes = {p["metadata"]["labels"]["controller-revision-hash"] for p in everywhere(pods)}
        return len(hashes) == 1 and hashes != before
    wait_for("all to be new", 60, updated)
    assert sorted(r["revision"] for r in revisions.list("app=ds")["items"]) == [1, 2]
    assert all(owner(r) == ("DaemonSet", "ds") for r in revisions.list("app=ds")["items"])


@behaviour("[sig-apps] Daemon set [Serial] should rollback without unnecessary restarts [Conformance]")
def test_rollback(daemons, pods, k):
    daemons.create(daemon_set("ds"))
    before = {p["metadata"]["name"]: p for p in everywhere(pods)}
    set_image(daemons, "nosuch/image:404")

    def stuck():
        names = set(pods.names())
        return names - set(before) and set(before) - names
    wait_for("one to be replaced by what cannot start", 40, stuck)
    untouched = set(before) & set(pods.names())
    assert len(untouched) == 2
    k("rollout", "undo", "daemonset/ds")
    after = {p["metadata"]["name"]: p for p in everywhere(pods)}
    assert untouched <= set(after)
    for name in untouched:
        assert after[name]["metadata"]["uid"] == before[name]["metadata"]["uid"]
        assert after[name]["status"]["containerStatuses"][0]["restartCount"] == 0


@behaviour("[sig-apps] Daemon set [Serial] should list and delete a collection of DaemonSets [Conformance]")
def test_collection(daemons, kinds, namespace):
    check_collection(daemons, lambda name: daemon_set(name, labels={"e2e": "collection"}), "e2e=collection",
                     Pods(kinds, namespace, "e2e=collection"))


@behaviour("[sig-apps] Daemon set [Serial] should verify changes to a daemon set status [Conformance]")
def test_status(daemons, pods):
    daemons.create(daemon_set("ds"))
    everywhere(pods)
    check_conditions(daemons, "ds")


@behaviour("[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision [Conformance]")
def test_revisions(daemons, pods, kinds, namespace):
    revisions = kinds("apps/v1", "ControllerRevision", namespace)
    daemons.create(daemon_set("ds"))
    everywhere(pods)
    first, = revisions.list("app=ds")["items"]
    name = first["metadata"]["name"]
    assert first["revision"] == 1
    assert revisions.patch(name, {"metadata": {"labels": {name: "patched"}}})["metadata"]["labels"][name] == "patched"

    revisions.create({"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 2, "data": first["data"], "metadata": {
        "name": "second", "labels": first["metadata"]["labels"] | {"mine": "true"},
        "ownerReferences": [r | {"controller": False} for r in first["metadata"]["ownerReferences"]]}})
    assert revisions.names("mine=true", everywhere=True) == ["second"]
    revisions.delete("second")
    revisions.wait_gone("second")

    # A change of the template makes the next; the old one stays.
    daemons.patch("ds", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}})
    wait_for("another revision", 30, lambda: len(revisions.names("app=ds")) == 2)
    numbers = {r["revision"]: r["metadata"]["name"] for r in revisions.list("app=ds")["items"]}
    assert sorted(numbers)[0] == 1
    new = numbers[max(numbers)]

    def mark(obj):
        obj["metadata"]["labels"][new] = "updated"
    revisions.change(new, mark)
    assert revisions.names(f"{new}=updated") == [new]
    everywhere(pods)
    revisions.delete_all(f"{name}=patched")
    wait_for("the old one to go", 20, lambda: not exists(revisions, name))
    assert revisions.names(f"{new}=updated") == [new]
