"""hostPort: a port of the node leads to its pod, for as long as the pod is there."""

import json

from labsite import container_ids, is_ready, wait_for

POD = """
apiVersion: v1
kind: Pod
metadata: {name: door}
spec:
  nodeName: worker2
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: hello:1
      ports: [{containerPort: 8080, hostPort: 8088}]
      readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
"""

ASK = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=3).status)"


def answer(site, host):
    url = f"http://{site.lab('address', 'worker2').strip()}:8088/healthz"
    return site.run(host, "/usr/bin/python3", "-c", ASK, url, check=False).stdout.strip()


def test_node_port_leads_to_its_pod(site, namespace):
    site.apply(POD, "-n", namespace)
    wait_for("the pod to be ready", 30, lambda: is_ready(site.get("-n", namespace, "pod", "door")))
    wait_for("the node to answer", 5, lambda: answer(site, "client") == "200")
    assert answer(site, "worker1") == "200"
    assert answer(site, "worker2") == "200", "also from the node itself"

    site.service("worker2", "restart", "agent")
    wait_for("the next agent", 20, lambda: is_ready(site.get("node", "worker2")))
    assert answer(site, "client") == "200"

    site.kubectl("-n", namespace, "delete", "pod", "door", "--timeout=30s")
    wait_for("the port to close", 10, lambda: answer(site, "client") == "")


def test_pod_reaches_itself_by_the_node(site, namespace):
    site.apply(POD, "-n", namespace)
    wait_for("the pod to be ready", 30, lambda: is_ready(site.get("-n", namespace, "pod", "door")))
    node = site.lab("address", "worker2").strip()
    container = container_ids(site.get("-n", namespace, "pod", "door"))[0].partition("://")[2]
    pid = json.loads(site.run("worker2", "runc", "--root", "/run/mkube/runc", "state", container))["pid"]

    wait_for("the pod to hear itself", 10, lambda: site.run(
        "worker2", "nsenter", "-t", str(pid), "-n", "/usr/bin/python3", "-c", ASK,
        f"http://{node}:8088/healthz").strip() == "200")
