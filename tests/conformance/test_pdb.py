"""PodDisruptionBudgets and the evictions they hold up."""

import pytest

from behaviour import behaviour
from kit import condition, refused
from labsite import wait_for
from workloads import Pods, container


@pytest.fixture
def budgets(kinds, namespace):
    return kinds("policy/v1", "PodDisruptionBudget", namespace)


def budget(name, labels=None, **spec):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "labels": labels or {}},
            "spec": {"selector": {"matchLabels": {"foo": "bar"}}} | (spec or {"minAvailable": 1})}


def make_pods(kinds, namespace, n):
    pods = Pods(kinds, namespace, "foo=bar")
    for i in range(n):
        pods.kind.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{i}", "labels": {"foo": "bar"}}, "spec": {
            "terminationGracePeriodSeconds": 0, "containers": [container()]}})
    return pods


def seen(o):
    return o["status"].get("observedGeneration") == o["metadata"]["generation"]


@behaviour("[sig-apps] DisruptionController should create a PodDisruptionBudget [Conformance]")
def test_lifecycle(budgets):
    budgets.create(budget("foo", {"x": "y"}, minAvailable=1))
    budgets.wait("seen", "foo", seen)

    def update(obj):
        obj["spec"]["minAvailable"] = "2%"
    budgets.change("foo", update)
    assert budgets.wait("seen", "foo", seen)["spec"]["minAvailable"] == "2%"
    assert budgets.patch("foo", {"spec": {"minAvailable": "3%"}})["spec"]["minAvailable"] == "3%"
    budgets.delete("foo")
    budgets.wait_gone("foo")


@behaviour("[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of "
           "PodDisruptionBudgets [Conformance]")
def test_collection(budgets, kinds, site, namespace):
    other = namespace[:40] + "-other"
    site.kubectl("create", "namespace", other)
    try:
        theirs = kinds("policy/v1", "PodDisruptionBudget", other)
        for name in ("foo", "foo2"):
            budgets.create(budget(name, {"special": "pdb"}))
        theirs.create(budget("foo3", {"special": "pdb"}))
        assert budgets.names("special=pdb", everywhere=True) == ["foo", "foo2", "foo3"]
        budgets.delete_all("special=pdb")
        wait_for("ours to go", 20, lambda: budgets.names() == [])
        assert theirs.names() == ["foo3"]
    finally:
        site.kubectl("delete", "namespace", other, "--timeout=30s", timeout=40)


@behaviour("[sig-apps] DisruptionController should observe PodDisruptionBudget status updated [Conformance]")
def test_observed(budgets, kinds, namespace):
    budgets.create(budget("foo", minAvailable=1))
    make_pods(kinds, namespace, 3).wait_ready(3)
    got = budgets.wait("two to spare", "foo", lambda o: o["status"].get("disruptionsAllowed") == 2)["status"]
    assert (got["currentHealthy"], got["desiredHealthy"], got["expectedPods"]) == (3, 1, 3)


@behaviour("[sig-apps] DisruptionController should update/patch PodDisruptionBudget status [Conformance]")
def test_status(budgets, kinds, namespace):
    pods = make_pods(kinds, namespace, 1)
    budgets.create(budget("foo", minAvailable=1))
    pods.wait_ready(1)
    budgets.wait("seen", "foo", lambda o: seen(o) and o["status"]["currentHealthy"] == 1)
    status = budgets.sub("status")

    def update(obj):
        obj["status"].setdefault("disruptedPods", {})["p1"] = "2026-01-02T03:04:05Z"
        obj["status"].setdefault("conditions", []).append({
            "type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"})
    assert condition(status.change("foo", update), "StatusUpdate")["status"] == "True"
    patched = status.patch("foo", {"metadata": {"annotations": {"patched": "status"}}, "status": {"disruptedPods": {"p2": "2026-01-02T03:04:05Z"}}})
    assert "p2" in patched["status"]["disruptedPods"]
    assert patched["metadata"]["annotations"]["patched"] == "status"


@behaviour("[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow it [Conformance]")
def test_eviction(budgets, kinds, namespace, api):
    pods = make_pods(kinds, namespace, 3)
    budgets.create(budget("foo", minAvailable=3))
    pods.wait_ready(3)
    budgets.wait("none to spare", "foo", lambda o: seen(o) and o["status"]["currentHealthy"] == 3 and o["status"]["disruptionsAllowed"] == 0)

    def evict(name, version="policy/v1"):
        return api.post(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", {
            "apiVersion": version, "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}})
    no = evict("pod-0")
    assert (no.code, no.body["reason"]) == (429, "TooManyRequests")
    assert no.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    budgets.patch("foo", {"spec": {"minAvailable": 2}})
    budgets.wait("one to spare", "foo", lambda o: seen(o) and o["status"]["disruptionsAllowed"] == 1)
    assert evict("pod-0").code == 201
    pods.kind.wait_gone("pod-0")
    budgets.wait("none to spare", "foo", lambda o: o["status"]["disruptionsAllowed"] == 0)
    assert evict("pod-1").code == 429
    budgets.delete("foo")
    budgets.wait_gone("foo")
    wait_for("the eviction", 10, lambda: evict("pod-1", "policy/v1beta1").code == 201)
    pods.kind.wait_gone("pod-1")
    assert refused(pods.kind.get, "pod-1").code == 404
