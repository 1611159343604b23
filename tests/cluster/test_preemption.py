"""Who matters more gets the room: lower priorities leave for higher ones, and only when that helps."""

import pytest
import yaml

from labsite import is_ready, wait_for

NODE = "worker1"


@pytest.fixture
def classes(site, namespace):
    names = {"high": f"{namespace}-high", "polite": f"{namespace}-polite"}
    site.apply(yaml.safe_dump_all([
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": names["high"]},
         "value": 1000},
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": names["polite"]},
         "value": 2000, "preemptionPolicy": "Never"}]))
    yield names
    site.kubectl("delete", "priorityclass", *names.values())


def pod(name, milli, priority=None):
    spec = {"nodeSelector": {"kubernetes.io/hostname": NODE}, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": "busybox:1", "command": ["sleep", "600"],
                            "resources": {"requests": {"cpu": f"{milli}m"}}}]}
    if priority:
        spec["priorityClassName"] = priority
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def room(site):
    """Milli cpus that no pod of the node has asked for."""
    def milli(text):
        return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)
    free = milli(site.get("node", NODE)["status"]["allocatable"]["cpu"])
    for p in site.items("pods", "-A", "--field-selector", f"spec.nodeName={NODE}"):
        if p["status"].get("phase") not in ("Succeeded", "Failed"):
            free -= sum(milli(c.get("resources", {}).get("requests", {}).get("cpu", "0"))
                        for c in p["spec"]["containers"])
    return free


def unschedulable(site, namespace, name):
    def why():
        found = site.get("-n", namespace, "pod", name)["status"].get("conditions", [])
        return next((c["message"] for c in found if c["type"] == "PodScheduled" and c["status"] == "False"), None)
    return wait_for(f"the reason why {name} waits", 10, why) or why()


def test_the_lower_leaves(site, namespace, classes):
    most = room(site) * 2 // 3
    site.apply(pod("low", most), "-n", namespace)
    wait_for("the first to run", 20, lambda: is_ready(site.get("-n", namespace, "pod", "low")))

    site.apply(pod("polite", most, classes["polite"]), "-n", namespace)
    assert unschedulable(site, namespace, "polite").endswith(
        "preemption: not eligible due to preemptionPolicy=Never.")
    site.kubectl("-n", namespace, "delete", "pod", "polite")
    site.apply(pod("peer", most), "-n", namespace)
    assert "1 No preemption victims found for incoming pod" in unschedulable(site, namespace, "peer")
    site.kubectl("-n", namespace, "delete", "pod", "peer")
    assert is_ready(site.get("-n", namespace, "pod", "low"))

    site.apply(pod("high", most, classes["high"]), "-n", namespace)
    wait_for("the higher to run", 30, lambda: is_ready(site.get("-n", namespace, "pod", "high")))
    assert [p["metadata"]["name"] for p in site.items("-n", namespace, "pods")] == ["high"]
    high = site.get("-n", namespace, "pod", "high")
    assert high["spec"]["priority"] == 1000 and high["status"]["nominatedNodeName"] == NODE
    told = [e["message"] for e in site.items("-n", namespace, "events") if e["reason"] == "Preempted"]
    assert told == [f"Preempted by pod {high['metadata']['uid']} on node {NODE}"]
