"""Where pods are put, and where they are not."""

from kubernetes.utils.quantity import parse_quantity

from behaviour import behaviour
from labsite import WORKERS
from nodes import at, labelled, needs, unschedulable
from podkit import pod, sh

WHERE = "[sig-scheduling] SchedulerPredicates [Serial] validates"


def pause(name, **spec):
    return pod(name, sh("sleep 100000"), **{"terminationGracePeriodSeconds": 0} | spec)


def room(site, node):
    """Milli cpus that nobody asked for."""
    free = parse_quantity(site.get("node", node)["status"]["allocatable"]["cpu"])
    for p in site.items("pods", "-A", "--field-selector", f"spec.nodeName={node}"):
        if p["status"].get("phase") not in ("Succeeded", "Failed"):
            free -= sum(parse_quantity(c.get("resources", {}).get("requests", {}).get("cpu", "0")) for c in p["spec"]["containers"])
    return int(free * 1000)


@behaviour(f"{WHERE} resource limits of pods that are allowed to run [Conformance]")
def test_resources(batch, site):
    most = max(int(parse_quantity(site.get("node", n)["status"]["allocatable"]["cpu"]) * 1000) for n in WORKERS)
    batch.add(*(needs(f"filler-{n}", f"{room(site, n) * 7 // 10}m", "cpu", affinity=at(n)) for n in WORKERS))
    batch.running(*(f"filler-{n}" for n in WORKERS))
    batch.add(needs("additional", f"{most // 2}m", "cpu"))
    assert f"{len(WORKERS)} Insufficient cpu" in unschedulable(batch, "additional")
    batch.kubectl("delete", "pod", *(f"filler-{n}" for n in WORKERS), "additional")


@behaviour(f"{WHERE} that NodeSelector is respected if not matching [Conformance]")
def test_selector_of_no_node(batch):
    batch.add(pause("restricted", nodeSelector={"label": "nonempty"}))
    assert "didn't match Pod's node affinity/selector" in unschedulable(batch, "restricted")


@behaviour(f"{WHERE} that NodeSelector is respected if matching [Conformance]")
def test_selector(batch, site):
    with labelled(site, WORKERS[1], f"kubernetes.io/e2e-{batch.namespace}", "42") as label:
        batch.add(pause("with-labels", nodeSelector=label))
        assert batch.running("with-labels")["spec"]["nodeName"] == WORKERS[1]
