"""Priorities: the verbs of their classes, and who leaves for whom."""

import pytest

from behaviour import behaviour
from kit import condition, labelled, refused
from labsite import WORKERS, wait_for
from nodes import at, needs, resource
from podkit import Pods


@pytest.fixture
def classes(kinds, namespace):
    found = kinds("scheduling.k8s.io/v1", "PriorityClass")
    yield found
    found.delete_all(f"of={namespace}")


@behaviour("[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with "
           "different HTTP methods [Conformance]")
def test_endpoints(classes, namespace):
    values = {f"{namespace}-p{i}": i for i in (1, 2)}
    for name, value in values.items():
        classes.create({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value,
                        "metadata": {"name": name, "labels": {"of": namespace}}})
    assert {o["metadata"]["name"]: o["value"] for o in classes.list(f"of={namespace}")["items"]} == values
    assert set(values) <= set(classes.names())
    for name, value in values.items():
        fixed = refused(classes.patch, name, {"value": value * 10})
        assert (fixed.code, fixed.status["reason"]) == (422, "Invalid"), fixed
        assert refused(classes.replace, classes.get(name) | {"value": value * 10}).code == 422
        assert classes.get(name)["value"] == value
        assert classes.patch(name, {"description": "patched"})["description"] == "patched"

        def describe(obj):
            obj["description"] = "updated"
        assert classes.change(name, describe)["description"] == "updated"
        assert classes.get(name)["value"] == value


def make_classes(classes, namespace, **values):
    """{word: name of its class}"""
    for word, value in values.items():
        classes.create({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value,
                        "metadata": {"name": f"{namespace}-{word}", "labels": {"of": namespace}}})
    return {word: f"{namespace}-{word}" for word in values}


@pytest.fixture
def levels(classes, namespace):
    return make_classes(classes, namespace, low=1, medium=100, high=1000)


@pytest.fixture
def pods(site, namespace):
    return Pods(site, namespace)


@pytest.fixture
def scarce(site, namespace):
    """Five of a resource that only these tests know, on every node."""
    with resource(site, WORKERS, f"example.com/{namespace[:40]}", 5) as name:
        yield name


@pytest.fixture
def crowd(pods, levels, scarce):
    """Two pods on each node, which leave room for none like them; all but the first matter more than it."""
    names = [f"{node}-{i}" for node in WORKERS for i in (1, 2)]
    pods.apply(*(needs(name, 2, scarce, affinity=at(name.rpartition("-")[0]), priorityClassName=levels["medium" if i else "low"])
                 for i, name in enumerate(names)))
    pods.wait_phase("Running", *names)
    return names


def only_the_first_left(pods, crowd):
    alive = {p["metadata"]["name"] for p in pods.site.items("-n", pods.namespace, "pods") if "deletionTimestamp" not in p["metadata"]}
    assert crowd[0] not in alive and set(crowd[1:]) <= alive


@behaviour("[sig-scheduling] SchedulerPreemption [Serial] validates basic preemption works [Conformance]")
def test_the_lowest_leaves(pods, levels, scarce, crowd):
    pods.apply(needs("preemptor", 2, scarce, priorityClassName=levels["high"]))
    pods.wait_phase("Running", "preemptor")
    assert pods.get("preemptor")["spec"]["nodeName"] == WORKERS[0]
    only_the_first_left(pods, crowd)


@behaviour("[sig-scheduling] SchedulerPreemption [Serial] validates lower priority pod preemption by critical pod [Conformance]")
def test_critical(pods, site, scarce, crowd):
    system = Pods(site, "kube-system")
    system.apply(needs("critical-of-a-test", 2, scarce, priorityClassName="system-cluster-critical"))
    try:
        system.wait_phase("Running", "critical-of-a-test")
        only_the_first_left(pods, crowd)
    finally:
        system.kubectl("delete", "pod", "critical-of-a-test", "--wait=false")


@behaviour("[sig-scheduling] SchedulerPreemption [Serial] validates pod disruption condition is added to the preempted pod [Conformance]")
def test_why_it_left(pods, levels, scarce):
    victim = needs("victim", 4, scarce, affinity=at(WORKERS[0]), priorityClassName=levels["low"])
    victim["metadata"]["finalizers"] = ["example.com/test-finalizer"]
    pods.apply(victim)
    try:
        pods.wait_phase("Running", "victim")
        pods.apply(needs("preemptor", 4, scarce, affinity=at(WORKERS[0]), priorityClassName=levels["high"]))
        got = wait_for("the victim to leave", 40, lambda: "deletionTimestamp" in (p := pods.get("victim"))["metadata"] and p)
        said = condition(got, "DisruptionTarget")
        assert (said["status"], said["reason"]) == ("True", "PreemptionByScheduler")
    finally:
        pods.kubectl("patch", "pod", "victim", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


@behaviour("[sig-scheduling] SchedulerPreemption [Serial] PreemptionExecutionPath runs ReplicaSets to verify preemption running path "
           "[Conformance]")
def test_as_few_as_help(pods, site, kinds, classes, namespace):
    names = make_classes(classes, namespace, **{f"l{i}": i for i in (1, 2, 3, 4)})
    seen = kinds("v1", "Pod", namespace)
    follower = seen.watch(seen.version(), seconds=60)
    with resource(site, WORKERS[:1], f"example.com/{namespace[:40]}", 1000) as scarce:
        for i, much in ((1, 200), (2, 300), (3, 450)):
            made = needs("unused", much, scarce, affinity=at(WORKERS[0]), priorityClassName=names[f"l{i}"], restartPolicy="Always")
            label = {"name": f"pod{i}"}
            pods.apply({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": f"rs{i}"}, "spec": {
                "replicas": 1, "selector": {"matchLabels": label}, "template": labelled({"spec": made["spec"], "metadata": {}}, **label)}})
        wait_for("three to be ready", 60, lambda: pods.kubectl(
            "get", "rs", "-o", "jsonpath={.items[*].status.availableReplicas}") == "1 1 1")
        pods.apply(needs("pod4", 500, scarce, affinity=at(WORKERS[0]), priorityClassName=names["l4"]))
        pods.wait_phase("Running", "pod4")

        def unlucky():
            """How many pods each set has made: those that left are made anew, and wait."""
            return pods.kubectl("get", "rs", "-o", "jsonpath={.items[*].status.readyReplicas}")
        wait_for("the third alone to be ready", 30, lambda: unlucky() == "1")
        wait_for("new ones to wait", 30, lambda: len(pods.site.items("-n", namespace, "pods")) == 4)
        made = []
        for event in follower.stream:
            if event["type"] == "ADDED":
                made.append(event["raw_object"]["metadata"]["name"][:3])
            if len(made) == 6:
                break
        assert sorted(made) == ["pod", "rs1", "rs1", "rs2", "rs2", "rs3"]
        pods.kubectl("delete", "rs", "--all")
