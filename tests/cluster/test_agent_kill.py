"""SIGKILL for the agents: containers outlive them and are taken over as they are."""

import random

from labsite import WORKERS, container_ids, is_ready, name_of, restarts, wait_for

KILLS = 20

SLEEPERS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: sleepers}
spec:
  replicas: 6
  selector: {matchLabels: {app: sleepers}}
  template:
    metadata: {labels: {app: sleepers}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: sleeper
          image: hello:1
          readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
          livenessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 2}
"""

ONE_MORE = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: one-more}}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "busybox:1", command: [sleep, "3600"]}]
"""


def processes(site):
    return {worker: site.processes(worker, "hello") for worker in WORKERS}


def test_containers_outlive_their_agent(site, namespace):
    rng = random.Random()
    site.apply(SLEEPERS, "-n", namespace)
    site.kubectl("-n", namespace, "rollout", "status", "deployment/sleepers", "--timeout=60s", timeout=70)
    pods = site.items("-n", namespace, "pods", "-l", "app=sleepers")
    ids = {name_of(p): container_ids(p) for p in pods}
    running = processes(site)
    for i in range(KILLS):
        worker = rng.choice(WORKERS)
        # A pod on its way, so that the agent dies in the middle of starting one.
        site.apply(ONE_MORE.replace("NAME", f"more-{i}").replace("NODE", worker), "-n", namespace)
        site.service(worker, "kill", "agent")
        site.service(worker, "start", "agent")
    wait_for("the started pods to run", 60, lambda: all(
        p["status"].get("phase") == "Running" for p in site.items("-n", namespace, "pods", "-l", "app=one-more")))
    wait_for("all nodes to be Ready", 60, lambda: all(map(is_ready, site.items("nodes"))))

    wait_for("all pods to be ready", 30, lambda: all(map(is_ready, site.items("-n", namespace, "pods"))))
    after = site.items("-n", namespace, "pods")
    assert {name_of(p): restarts(p) for p in after if restarts(p)} == {}
    assert {name_of(p): container_ids(p) for p in after if name_of(p) in ids} == ids
    now = processes(site)
    assert all(now[worker].items() >= running[worker].items() for worker in WORKERS), "same processes, same start"


def test_pod_deleted_while_its_agent_is_away_goes(site, namespace):
    worker = WORKERS[0]
    site.apply(ONE_MORE.replace("NAME", "goes").replace("NODE", worker), "-n", namespace)
    site.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/goes", "--timeout=30s")
    site.service(worker, "kill", "agent")
    site.kubectl("-n", namespace, "delete", "pod", "goes", "--wait=false")
    site.service(worker, "start", "agent")
    wait_for("the pod to go", 30, lambda: site.items("-n", namespace, "pods") == [])
    wait_for("its process to go", 10, lambda: not site.processes(worker, "sleep"))
