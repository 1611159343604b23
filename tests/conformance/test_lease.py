"""Leases: what elections among controllers hold on to."""

from behaviour import behaviour
from kit import STRATEGIC


def lease(name, holder, seconds):
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "labels": {"deletecollection": "true"}},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "leaseTransitions": 0,
                     "acquireTime": "2026-01-02T03:04:05.123456Z", "renewTime": "2026-01-02T03:04:06.000000Z"}}


@behaviour("[sig-node] Lease lease API should be available [Conformance]")
def test_leases_are_served(kinds, namespace):
    leases = kinds("coordination.k8s.io/v1", "Lease", namespace)
    leases.create(lease("one", "holder", 30))
    got = leases.get("one")
    assert got["spec"] == lease("one", "holder", 30)["spec"]

    got["spec"] |= {"holderIdentity": "other", "leaseDurationSeconds": 60, "leaseTransitions": 1}
    leases.replace(got)
    assert leases.get("one")["spec"] == got["spec"]

    leases.patch("one", {"spec": {"holderIdentity": "third"}}, STRATEGIC)
    spec = leases.get("one")["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("third", 1)

    leases.create(lease("two", "holder", 30))
    assert leases.names("deletecollection=true") == ["one", "two"]
    leases.delete_all("deletecollection=true")
    assert leases.names("deletecollection=true") == []
