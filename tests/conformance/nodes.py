"""Nodes that tests mark for a while: labels, taints, resources that nobody else has."""

import contextlib
import json

from labsite import wait_for
from podkit import pod, sh


@contextlib.contextmanager
def labelled(site, node, key, value):
    site.kubectl("label", "node", node, f"{key}={value}")
    try:
        yield {key: value}
    finally:
        site.kubectl("label", "node", node, f"{key}-")


@contextlib.contextmanager
def resource(site, nodes, name, amount):
    """@amount of a resource on each of the nodes; it goes when the test is over."""
    def patch(value):
        for node in nodes:
            site.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p",
                         json.dumps({"status": {"capacity": {name: value}, "allocatable": {name: value}}}))
    patch(str(amount))
    try:
        yield name
    finally:
        patch(None)


def needs(name, amount, of, **spec):
    """A pod that asks for so much of a resource."""
    much = {of: str(amount)}
    return pod(name, sh("sleep 100000", resources={"requests": much, "limits": much}), **{"terminationGracePeriodSeconds": 0} | spec)


def at(node):
    """The affinity of pods that may only be at @node."""
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}


def unschedulable(pods, name, seconds=20):
    """What the scheduler says of a pod that it finds no node for."""
    def why():
        return next((c["message"] for c in pods.get(name)["status"].get("conditions", [])
                     if c["type"] == "PodScheduled" and c["status"] == "False" and c["reason"] == "Unschedulable"), None)
    return wait_for(f"why {name} waits", seconds, why)
