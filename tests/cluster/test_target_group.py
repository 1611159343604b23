"""TargetGroupBindings: a port of a Service, open on the entry, as seen by kubectl and by a client outside."""

import json

import pytest

from labsite import wait_for

APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: @NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: @NAME}}
  template:
    metadata: {labels: {app: @NAME}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: hello:1
          env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
          readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
---
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: @NAME}
spec: {type: @TYPE, selector: {app: @NAME}, ports: [{name: web, port: @PORT, targetPort: 8080}]}
---
"""
BINDING = """
apiVersion: elbv2.k8s.aws/v1beta1
kind: TargetGroupBinding
metadata: {name: @NAME-tgb}
spec:
  serviceRef: {name: @NAME, port: @PORT}
  targetGroupARN: arn:aws:elasticloadbalancing:ap-northeast-2:123456789012:targetgroup/@NAME/0
---
"""


def fill(text, name, port, kind="ClusterIP"):
    return text.replace("@NAME", name).replace("@PORT", str(port)).replace("@TYPE", kind)


def answer(site, port):
    """The pod that answers the client host at this port of the entry."""
    said = site.run("client", "curl", "-sS", "--max-time", "3", f"http://{site.control}:{port}/json")
    return json.loads(said)["pod"]


def refuses(site, port):
    return site.run("client", "sh", "-c", f"curl -s --max-time 3 http://{site.control}:{port}/ >/dev/null || echo $?") == "7\n"


def warnings(site, ns, kind, name):
    return [e["message"] for e in site.items("-n", ns, "events", "--field-selector",
                                             f"involvedObject.kind={kind},involvedObject.name={name},type=Warning")]


@pytest.fixture
def apps(site, namespace):
    site.apply(fill(APP, "one", 0) + fill(APP, "two", 0), "-n", namespace)
    site.kubectl("-n", namespace, "rollout", "status", "deployment/one", "--timeout=60s", timeout=70)
    site.kubectl("-n", namespace, "rollout", "status", "deployment/two", "--timeout=60s", timeout=70)
    return namespace


def test_a_binding_opens_the_port_of_its_service(site, apps):
    """It may be there before its Service, says so, and works as soon as that appears; deleted, it closes the port."""
    site.apply(fill(BINDING, "one", 8081), "-n", apps)
    wait_for("word of the missing Service", 10, lambda: warnings(site, apps, "TargetGroupBinding", "one-tgb") ==
             ['backend not found: Service "one" not found'])
    site.apply(fill(SERVICE, "one", 8081), "-n", apps)
    seen = set()
    wait_for("both pods behind the port", 20, lambda: seen.add(answer(site, 8081)[:3]) or seen == {"one"})
    wait_for("observedGeneration", 10, lambda: site.get("-n", apps, "targetgroupbinding", "one-tgb")["status"] ==
             {"observedGeneration": 1})
    table = site.kubectl("-n", apps, "get", "targetgroupbindings", "-o", "wide").splitlines()
    assert table[0].split() == ["NAME", "SERVICE-NAME", "SERVICE-PORT", "TARGET-TYPE", "ARN", "AGE"]
    assert table[1].split()[:3] == ["one-tgb", "one", "8081"]
    site.kubectl("-n", apps, "delete", "targetgroupbinding", "one-tgb")
    wait_for("the port to close", 10, lambda: refuses(site, 8081))


def test_its_own_balancer_may_share_the_port_and_nobody_else(site, apps):
    """Seed 002 has both for one Service; another Service's binding is told, and the first goes on unharmed."""
    site.apply(fill(SERVICE, "one", 8084, "LoadBalancer") + fill(BINDING, "one", 8084), "-n", apps)
    wait_for("the port", 20, lambda: answer(site, 8084).startswith("one"))
    wait_for("EXTERNAL-IP", 10, lambda: site.control in
             site.kubectl("-n", apps, "get", "service", "one", "--no-headers").split()[3])
    site.apply(fill(SERVICE, "two", 8084) + fill(BINDING, "two", 8084), "-n", apps)
    wait_for("the warning", 10, lambda: warnings(site, apps, "TargetGroupBinding", "two-tgb") ==
             [f"Error syncing load balancer: port 8084 is already used by Service {apps}/one"])
    assert warnings(site, apps, "TargetGroupBinding", "one-tgb") == []
    assert warnings(site, apps, "Service", "one") == []
    assert all(answer(site, 8084).startswith("one") for _ in range(6))
    site.kubectl("-n", apps, "delete", "targetgroupbinding/one-tgb", "service/one")
    wait_for("the port to pass on", 10, lambda: answer(site, 8084).startswith("two"))
