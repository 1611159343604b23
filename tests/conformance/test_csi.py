"""Objects of the CSI machinery: stored for who uses them."""

import json

from behaviour import behaviour
from kit import JSON_PATCH, lifecycle, refused


def driver(name):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": name, "labels": {"conformance-csidriver": "true"}},
            "spec": {"attachRequired": False, "podInfoOnMount": False, "volumeLifecycleModes": ["Ephemeral"]}}


@behaviour("[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver [Conformance]")
def test_drivers(kinds):
    def edit(obj):
        obj["spec"]["podInfoOnMount"] = True
    lifecycle(kinds("storage.k8s.io/v1", "CSIDriver"), driver, edit, "conformance-csidriver=true")


def node(name):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name, "labels": {"conformance-csinode": "true"}},
            "spec": {"drivers": []}}


@behaviour("[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode [Conformance]")
def test_nodes(kinds):
    def edit(obj):
        obj["spec"]["drivers"] = [{"name": "driver.example.com", "nodeID": obj["metadata"]["name"], "topologyKeys": ["zone"]}]
    lifecycle(kinds("storage.k8s.io/v1", "CSINode"), node, edit, "conformance-csinode=true")


def capacity(name):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIStorageCapacity",
            "metadata": {"name": name, "labels": {"test": "capacity"}}, "storageClassName": "some-class",
            "nodeTopology": {"matchLabels": {"zone": "a"}}, "capacity": "1Gi"}


@behaviour("[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations [Conformance]")
def test_capacities(kinds, namespace):
    def edit(obj):
        obj["capacity"] = "2Gi"
    capacities = kinds("storage.k8s.io/v1", "CSIStorageCapacity", namespace)
    lifecycle(capacities, capacity, edit, "test=capacity")
    capacities.create(capacity("fixed"))
    assert refused(capacities.patch, "fixed", {"storageClassName": "other"}).code == 422


@behaviour("[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API [Conformance]")
def test_inline_volumes(k, kinds, namespace):
    """The driver is not there: such a pod waits, and can be read, changed and deleted."""
    pods = kinds("v1", "Pod", namespace)
    k("create", "-f", "-", stdin=json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "inline", "labels": {"inline": "true"}}, "spec": {
            "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "busybox:1"}],
            "volumes": [{"name": "csi", "csi": {"driver": "e2e.example.com"}}]}}))
    made = pods.get("inline")
    assert {"name": "csi", "csi": {"driver": "e2e.example.com"}} in made["spec"]["volumes"]
    assert pods.names("inline=true") == ["inline"]
    patched = pods.patch("inline", [{"op": "add", "path": "/metadata/annotations", "value": {"patched": "true"}}], JSON_PATCH)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    pods.delete("inline", gracePeriodSeconds=0)
    pods.wait_gone("inline")
