"""Nodes as objects."""

import json

from behaviour import behaviour
from kit import Refused


@behaviour("[sig-node] Node Lifecycle should run through the lifecycle of a node [Conformance]")
def test_lifecycle(kinds, site):
    nodes = kinds("v1", "Node")
    name = "e2e-fake-node"
    nodes.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {
        "capacity": {"cpu": "0", "memory": "0"}, "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "message": "Set from e2e test"}]}})
    try:
        assert nodes.get(name)["metadata"]["uid"]
        nodes.patch(name, {"metadata": {"labels": {name: "patched"}}})
        assert nodes.names(f"{name}=patched") == [name]
        assert nodes.get(name)["status"]["capacity"] == {"cpu": "0", "memory": "0"}

        def update(obj):
            obj["metadata"]["labels"][name] = "updated"
        nodes.change(name, update)
        assert nodes.names(f"{name}=updated") == [name]
        assert json.loads(site.kubectl("get", "node", name, "-o", "json"))["metadata"]["labels"][name] == "updated"
        nodes.delete_all(f"{name}=updated")
        assert nodes.names(f"{name}=updated") == []
    finally:
        try:
            nodes.delete(name)
        except Refused as e:
            assert e.code == 404
    assert {"worker1", "worker2", "worker3"} <= set(nodes.names())
