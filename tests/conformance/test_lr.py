"""LimitRanges: defaults, bounds, and the verbs of the kind."""

import pytest

from behaviour import behaviour
from kit import refused
from labsite import wait_for


@pytest.fixture
def ranges(kinds, namespace):
    return kinds("v1", "LimitRange", namespace)


@pytest.fixture
def pods(kinds, namespace):
    return kinds("v1", "Pod", namespace)


def limit_range(name, labels=None, **bounds):
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name, "labels": labels or {}},
            "spec": {"limits": [{"type": "Container"} | bounds]}}


BOUNDS = {"min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
          "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
          "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
          "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"}}


def pod(name, requests=None, limits=None):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [
        {"name": "pause", "image": "busybox:1", "resources": {"requests": requests or {}, "limits": limits or {}}}]}}


def resources(obj):
    return obj["spec"]["containers"][0]["resources"]


@behaviour("[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied. "
           "[Conformance]")
def test_defaults(ranges, pods):
    follower = ranges.watch(ranges.version(), "time=now")
    made = ranges.create(limit_range("limit-range", {"time": "now"}, **BOUNDS))
    assert follower.next("ADDED")["metadata"]["name"] == "limit-range"
    assert ranges.get("limit-range")["spec"] == made["spec"]

    assert resources(pods.create(pod("pod-no-resources"))) == {"requests": BOUNDS["defaultRequest"], "limits": BOUNDS["default"]}
    partial = resources(pods.create(pod("pod-partial-resources", {"cpu": "300m", "memory": "150Mi", "ephemeral-storage": "150Gi"},
                                        {"cpu": "300m", "ephemeral-storage": "500Gi"})))
    assert partial == {"requests": {"cpu": "300m", "memory": "150Mi", "ephemeral-storage": "150Gi"},
                       "limits": {"cpu": "300m", "memory": "500Mi", "ephemeral-storage": "500Gi"}}
    small = refused(pods.create, pod("pfail", {"cpu": "10m", "memory": "50Mi", "ephemeral-storage": "50Gi"}))
    assert small.code == 403 and "minimum cpu usage per Container is 50m, but request is 10m" in small.message
    large = refused(pods.create, pod("pfail", {}, {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"}))
    assert large.code == 403 and "maximum cpu usage per Container is 500m, but limit is 600m" in large.message

    def widen(obj):
        obj["spec"]["limits"][0]["min"] = {"cpu": "9m", "memory": "49Mi", "ephemeral-storage": "49Gi"}
    ranges.change("limit-range", widen)
    assert ranges.get("limit-range")["spec"]["limits"][0]["min"]["cpu"] == "9m"
    pods.create(pod("pfit", {"cpu": "10m", "memory": "50Mi", "ephemeral-storage": "50Gi"}))
    assert refused(pods.create, pod("pfail", {}, {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"})).code == 403

    ranges.delete("limit-range")
    ranges.wait_gone("limit-range")
    pods.create(pod("pod-now-fits", {}, {"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Gi"}))


@behaviour("[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection [Conformance]")
def test_collection(ranges, kinds, site, namespace):
    other = namespace[:40] + "-other"
    site.kubectl("create", "namespace", other)
    try:
        theirs = kinds("v1", "LimitRange", other)
        for kind in (ranges, theirs):
            kind.create(limit_range("e2e-limitrange", {"e2e-limitrange": "lr"}, **BOUNDS))
        assert len(ranges.list("e2e-limitrange=lr", everywhere=True)["items"]) == 2
        patched = ranges.patch("e2e-limitrange", {"metadata": {"labels": {"lr": "patched"}}, "spec": {"limits": [
            {"type": "Container", "min": {"cpu": "9m", "memory": "49Mi"}}]}})
        assert patched["metadata"]["labels"]["lr"] == "patched" and patched["spec"]["limits"][0]["min"]["cpu"] == "9m"
        ranges.delete_all("lr=patched")
        wait_for("ours to go", 20, lambda: ranges.names() == [])
        assert len(ranges.list("e2e-limitrange=lr", everywhere=True)["items"]) == 1
    finally:
        site.kubectl("delete", "namespace", other, "--timeout=30s", timeout=40)
