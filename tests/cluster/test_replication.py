"""ReplicationControllers, the older ReplicaSets: as many pods as asked for, adopted and let go by their labels."""

from labsite import is_ready, name_of, wait_for

CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: old}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: "busybox:1", command: [sleep, "600"], resources: {requests: {cpu: 5m}}}]
"""


def mine(site, namespace):
    return [p for p in site.items("-n", namespace, "pods", "-l", "app=old") if is_ready(p)]


def test_scales_and_lets_go(site, namespace):
    site.apply(CONTROLLER, "-n", namespace)
    wait_for("two pods", 30, lambda: len(mine(site, namespace)) == 2)
    site.kubectl("-n", namespace, "scale", "rc", "old", "--replicas=3")
    wait_for("three pods", 30, lambda: len(mine(site, namespace)) == 3)
    wait_for("the columns", 10, lambda: site.kubectl("-n", namespace, "get", "rc", "old").splitlines()[1].split()[:4]
             == ["old", "3", "3", "3"])

    gone = name_of(mine(site, namespace)[0])
    site.kubectl("-n", namespace, "label", "pod", gone, "app=free", "--overwrite")
    wait_for("another in its place", 30, lambda: len(mine(site, namespace)) == 3)
    assert "ownerReferences" not in site.get("-n", namespace, "pod", gone)["metadata"]
    site.kubectl("-n", namespace, "delete", "rc", "old")
    wait_for("its pods to go", 30, lambda: [name_of(p) for p in site.items("-n", namespace, "pods")] == [gone])
