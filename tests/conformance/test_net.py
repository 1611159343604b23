"""Pods reach pods, and nodes reach pods, over TCP and UDP."""

from behaviour import each
from labsite import WORKERS
from servers import answers, asking, serving

OBJECTS = [*(serving(f"at-{node}", nodeName=node) for node in WORKERS), asking(nodeName=WORKERS[0]),
           asking("visitor-of-node", nodeName=WORKERS[0], hostNetwork=True)]
WORDS = "[sig-network] Networking Granular Checks: Pods should function for {} communication: {} {}[NodeConformance] [Conformance]"


@each({WORDS.format(way, protocol, linux): (visitor, protocol) for way, linux, visitor in (
    ("intra-pod", "", "visitor"), ("node-pod", "[LinuxOnly] ", "visitor-of-node")) for protocol in ("http", "udp")})
def test_reaches_all(batch, look):
    visitor, protocol = look
    batch.running(visitor, *(f"at-{node}" for node in WORKERS))
    for node in WORKERS:
        ip = batch.get(f"at-{node}")["status"]["podIP"]
        assert answers(batch, ip, protocol=protocol, visitor=visitor) == f"at-{node}"
