"""A cable is out for longer than the cluster has patience, then in again."""

from labsite import is_ready, name_of, wait_for

PODS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: far}
spec:
  replicas: 3
  selector: {matchLabels: {app: far}}
  template:
    metadata: {labels: {app: far}}
    spec:
      nodeName: worker2
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: "busybox:1", command: [sleep, "3600"]}]
"""


def ready_status(obj):
    return next((c["status"] for c in obj["status"].get("conditions", []) if c["type"] == "Ready"), None)


def test_node_and_pods_are_ready_again_with_the_cable(site, namespace):
    site.apply(PODS, "-n", namespace)
    site.kubectl("-n", namespace, "rollout", "status", "deployment/far", "--timeout=60s", timeout=70)
    before = {name_of(p): p["status"]["startTime"] for p in site.items("-n", namespace, "pods")}

    site.lab("cut", "worker2")
    wait_for("worker2 to be given up", 60, lambda: ready_status(site.get("node", "worker2")) == "Unknown")
    wait_for("its pods not to be ready", 10,
             lambda: not any(map(is_ready, site.items("-n", namespace, "pods"))))
    site.lab("heal", "worker2")

    wait_for("worker2 to be Ready", 3, lambda: is_ready(site.get("node", "worker2")))
    wait_for("its pods to be ready", 3, lambda: all(map(is_ready, site.items("-n", namespace, "pods"))))
    assert {name_of(p): p["status"]["startTime"] for p in site.items("-n", namespace, "pods")} == before
    wait_for("the taint to go", 10, lambda: not site.get("node", "worker2")["spec"].get("taints"))
