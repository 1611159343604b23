"""The shape of the cluster."""

from behaviour import behaviour
from labsite import is_ready


@behaviour("[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]")
def test_two_nodes(kinds):
    nodes = [n for n in kinds("v1", "Node").list()["items"] if is_ready(n) and not n["spec"].get("unschedulable")]
    free = [n for n in nodes if not [t for t in n["spec"].get("taints", []) if t["effect"] in ("NoSchedule", "NoExecute")]]
    assert len(free) >= 2
