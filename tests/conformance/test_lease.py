"""Leases: what elections among controllers hold on to."""

from behaviour import behaviour


def lease(name, holder, seconds):
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "labels": {"deletecollection": "true"}},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "leaseTransitions": 0,
                     "acquireTime": "2026-01-02T03:04:05.123456Z", "renewTime": "2026-01-02T03:04:06.000000Z"}}


@behaviour("[sig-node] Lease lease API should be available [Conformance]")
def test_leases_are_served(kinds, namespace):
    leases = kinds("coordination.k8s.io/v1", "Lease")
    leases.create(lease("one", "holder", 30), namespace=namespace)
    got = leases.get("one", namespace).to_dict()
    assert got["spec"] == lease("one", "holder", 30)["spec"]

    got["spec"] |= {"holderIdentity": "other", "leaseDurationSeconds": 60, "leaseTransitions": 1}
    leases.replace(got)
    assert leases.get("one", namespace).to_dict()["spec"] == got["spec"]

    leases.patch(body={"spec": {"holderIdentity": "third"}}, name="one", namespace=namespace,
                 content_type="application/strategic-merge-patch+json")
    spec = leases.get("one", namespace).spec
    assert (spec.holderIdentity, spec.leaseTransitions) == ("third", 1)

    leases.create(lease("two", "holder", 30), namespace=namespace)
    assert len(leases.get(namespace=namespace, label_selector="deletecollection=true").items) == 2
    leases.delete(namespace=namespace, label_selector="deletecollection=true")
    assert leases.get(namespace=namespace, label_selector="deletecollection=true").items == []
