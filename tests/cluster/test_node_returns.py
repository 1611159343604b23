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


COUNTER = """
apiVersion: v1
kind: Pod
metadata: {name: counter}
spec:
  nodeName: worker2
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: busybox:1
      command: [sh, -c, "echo started >> /starts/NAMESPACE; exec sleep 3600"]
      volumeMounts: [{name: starts, mountPath: /starts}]
  volumes: [{name: starts, hostPath: {path: /var/lib/mkube/starts, type: DirectoryOrCreate}}]
"""


def starts(site, namespace):
    """How often the counter's container has begun, as the disk remembers."""
    return site.run("worker2", "cat", f"/var/lib/mkube/starts/{namespace}").count("started")


def counter_runs(site, namespace):
    site.apply(COUNTER.replace("NAMESPACE", namespace), "-n", namespace)
    wait_for("the counter to start", 30, lambda: starts(site, namespace) == 1)


def test_pod_that_went_while_the_node_was_off_is_not_started(site, namespace):
    counter_runs(site, namespace)
    record = "/var/lib/mkube/pods/" + site.get("-n", namespace, "pod", "counter")["metadata"]["uid"]
    site.run("worker2", "test", "-d", record)
    site.lab("kill", "worker2")
    site.kubectl("-n", namespace, "delete", "pod", "counter", "--force", "--grace-period=0", "--timeout=20s")
    site.lab("start", "worker2")
    wait_for("its record to go", 30, lambda: site.run("worker2", "sh", "-c", f"test -d {record} || echo gone"))
    assert starts(site, namespace) == 1


def test_node_starts_its_pods_without_a_server(site, namespace):
    counter_runs(site, namespace)
    site.lab("kill", "worker2")
    site.service("control", "kill", "server")
    site.lab("start", "worker2")
    wait_for("the counter to start again", 20, lambda: starts(site, namespace) == 2)
    site.service("control", "start", "server")
    wait_for("the server to see it", 30, lambda: is_ready(site.get("-n", namespace, "pod", "counter")))
    assert starts(site, namespace) == 2
