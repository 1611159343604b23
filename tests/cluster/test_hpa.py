"""Load is measured, and a HorizontalPodAutoscaler follows it."""

import pytest

from labsite import CommandFailed, is_ready, name_of, wait_for

# It is busy while /tmp/busy is there, with as much as its limit and the other tests let it.
WORK = "while true; do if [ -e /tmp/busy ]; then i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; else sleep 1; fi; done"
LOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: load}
spec:
  selector: {matchLabels: {app: load}}
  template:
    metadata: {labels: {app: load, version: "%s"}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: busybox:1
          command: [sh, -c, "%s"]
          resources: {requests: {cpu: 20m, memory: 16Mi}, limits: {cpu: 120m}}
"""
SCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: load}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: load}
  minReplicas: 2
  maxReplicas: 3
  metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 100}}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 0}
"""


@pytest.fixture
def k(site, namespace):
    return lambda *args, **options: site.kubectl("-n", namespace, *args, **options)


def ready_pods(site, namespace):
    return [p for p in site.items("-n", namespace, "pods", "-l", "app=load")
            if is_ready(p) and "deletionTimestamp" not in p["metadata"]]


def replicas(site, namespace):
    return site.get("-n", namespace, "deployment", "load")["spec"]["replicas"]


def top(k, *args):
    """{name: (millicores, MiB)} of `kubectl top pods`."""
    rows = [line.split() for line in k("top", "pods", "--no-headers", *args).splitlines()]
    return {r[0]: (int(r[1].removesuffix("m")), int(r[2].removesuffix("Mi"))) for r in rows}


def condition(site, namespace, kind):
    status = site.get("-n", namespace, "hpa", "load").get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {"status": None, "reason": None})


def test_size_follows_load(site, k, namespace):
    site.apply(LOAD % ("1", WORK) + "---" + SCALER, "-n", namespace)
    # The minimum needs no metrics.
    wait_for("two replicas at once", 5, lambda: replicas(site, namespace) == 2)
    wait_for("two pods", 30, lambda: len(ready_pods(site, namespace)) == 2)
    idle = wait_for("figures of both", 60, lambda: len(found := top(k, "-l", "app=load")) == 2 and found)
    assert all(milli < 20 for milli, _ in idle.values()), idle
    wait_for("a measured target", 60, lambda: condition(site, namespace, "ScalingActive")["status"] == "True")
    targets = k("get", "hpa", "load", "--no-headers").split()
    assert targets[1:3] == ["Deployment/load", "cpu:"] and targets[3].endswith("%/100%"), targets
    assert replicas(site, namespace) == 2

    for pod in ready_pods(site, namespace):
        site.inside(namespace, name_of(pod), "touch", "/tmp/busy")
    wait_for("a third replica", 90, lambda: replicas(site, namespace) == 3)
    wait_for("figures that moved", 30, lambda: any(milli > 20 for milli, _ in top(k).values()))
    events = k("get", "events", "--field-selector", "reason=SuccessfulRescale", "-o", "custom-columns=M:.message")
    assert "New size: 2; reason: Current number of replicas below Spec.MinReplicas" in events
    assert "New size: 3; reason: cpu resource utilization (percentage of request) above target" in events

    # A rollout by apply, which says nothing of replicas, keeps the number; its pods are idle.
    site.apply(LOAD % ("2", WORK), "-n", namespace)
    assert replicas(site, namespace) == 3
    k("rollout", "status", "deployment/load", "--timeout=60s", timeout=70)
    wait_for("two replicas again", 90, lambda: replicas(site, namespace) == 2)
    assert "New size: 2; reason: All metrics below target" in k("describe", "hpa", "load")


def test_metrics_api(site, k, namespace):
    assert "Local     True" in site.kubectl("get", "apiservice", "v1beta1.metrics.k8s.io")
    nodes = wait_for("figures of the nodes", 30, lambda: site.kubectl("top", "nodes", "--no-headers"))
    assert len(nodes.splitlines()) == len(site.items("nodes"))
    k("run", "late", "--image=busybox:1", "--overrides", '{"spec": {"nodeName": null, "nodeSelector": {"no": "such"}}}')
    with pytest.raises(CommandFailed) as refused:
        k("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/late")
    assert f'podmetrics.metrics.k8s.io "{namespace}/late" not found' in str(refused.value)
    with pytest.raises(CommandFailed) as refused:
        k("top", "pod", "nobody")
    assert 'pods "nobody" not found' in str(refused.value)


def test_autoscale_and_what_cannot_be_done(site, k, namespace):
    site.apply(LOAD % ("1", WORK), "-n", namespace)
    made = k("autoscale", "deployment", "load", "--min=1", "--max=3", "--cpu-percent=70")
    assert "Warning" not in made
    k("patch", "hpa", "load", "--type=merge", "-p",
      '{"spec": {"metrics": [{"type": "Pods", "pods": {"metric": {"name": "rps"},'
      ' "target": {"type": "AverageValue", "averageValue": "5"}}}]}}')
    said = wait_for("the refusal", 20, lambda: (c := condition(site, namespace, "ScalingActive"))["reason"]
                    == "FailedGetPodsMetric" and c["message"])
    assert said == ("the HPA was unable to compute the replica count: unable to get metric rps: unable to fetch metrics"
                    " from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered")
    k("scale", "deployment", "load", "--replicas=0")
    wait_for("it to stand aside", 30,
             lambda: condition(site, namespace, "ScalingActive")["reason"] == "ScalingDisabled")
    assert replicas(site, namespace) == 0
