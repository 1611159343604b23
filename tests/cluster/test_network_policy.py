"""NetworkPolicies as pods feel them: who gets through, from where, at which port."""

import pytest

import labfixtures
from labsite import wait_for

POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: "busybox:1"
      command: [sh, -c, "mkdir -p /w; echo NAME > /w/index.html; httpd -p 8080 -h /w; httpd -f -p 9090 -h /w"]
      ports: [{name: web, containerPort: 8080}, {name: admin, containerPort: 9090}]
      readinessProbe: {tcpSocket: {port: web}, periodSeconds: 1}
---
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec: SPEC
"""
# The database is on another node than one of its visitors, and on the same as the other.
PLACES = {"db": "worker1", "near": "worker1", "far": "worker2"}


@pytest.fixture(scope="module")
def town(whole_site):
    site = whole_site
    site.up()
    with labfixtures.namespace(site, "town"), labfixtures.namespace(site, "village"):
        site.kubectl("label", "namespace", "village", "team=b")
        pods = "".join(POD.replace("NAME", name).replace("NODE", node) for name, node in PLACES.items())
        site.apply(pods, "-n", "town")
        site.apply(POD.replace("NAME", "guest").replace("NODE", "worker3"), "-n", "village")
        for ns in ("town", "village"):
            site.kubectl("-n", ns, "wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s", timeout=70)
        yield {name: site.get("-n", ns, "pod", name)["status"]["podIP"]
               for ns, name in [("town", "db"), ("town", "near"), ("town", "far"), ("village", "guest")]}


def gets(site, town, visitor, target="db", port=8080):
    ns = "village" if visitor == "guest" else "town"
    said = site.inside(ns, visitor, "timeout", "1", "wget", "-q", "-O", "-", f"http://{town[target]}:{port}/", check=False)
    return said.stdout.strip() == target


def reach(site, town, port=8080):
    return {v for v in ("near", "far", "guest") if gets(site, town, v, port=port)}


def settle(site, town, spec, wanted, port=8080):
    """With this policy of the database, exactly these get through."""
    site.apply(POLICY.replace("SPEC", spec), "-n", "town")
    wait_for(f"exactly {sorted(wanted)} at port {port}", 15, lambda: reach(site, town, port) == wanted)


DB = "podSelector: {matchLabels: {app: db}}"


def test_ingress(site, town):
    everyone = {"near", "far", "guest"}
    assert reach(site, town) == everyone
    settle(site, town, "{%s}" % DB, set())
    # The node still reaches its pod: probes go on.
    assert site.get("-n", "town", "pod", "db")["status"]["containerStatuses"][0]["ready"]
    site.run("worker1", "/usr/bin/python3", "-c",
             "import sys, socket; socket.create_connection((sys.argv[1], 8080), timeout=3)", town["db"])
    settle(site, town, "{%s, ingress: [{from: [{podSelector: {matchLabels: {app: near}}}]}]}" % DB, {"near"})
    settle(site, town, "{%s, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}" % DB, {"guest"})
    settle(site, town, "{%s, ingress: [{from: [{ipBlock: {cidr: %s/32}}]}]}" % (DB, town["far"]), {"far"})
    settle(site, town, "{%s, ingress: [{ports: [{port: admin}]}]}" % DB, set())
    assert reach(site, town, 9090) == everyone
    site.kubectl("-n", "town", "delete", "networkpolicy", "db")
    wait_for("everyone again", 15, lambda: reach(site, town) == everyone)


def test_egress_and_policies_that_add_up(site, town):
    site.apply(POLICY.replace("name: db", "name: out").replace(
        "SPEC", "{podSelector: {matchLabels: {app: far}}, policyTypes: [Egress], egress: [{to: [{%s}]}]}" % DB),
        "-n", "town")
    wait_for("a way to db alone", 15, lambda: gets(site, town, "far", "db") and not gets(site, town, "far", "near"))
    # Names are asked of the node itself, which no policy keeps a pod from.
    said = site.inside("town", "far", "nslookup", "kubernetes.default.svc.cluster.local", check=False).stdout
    assert site.get("-n", "default", "service", "kubernetes")["spec"]["clusterIP"] in said
    site.apply(POLICY.replace("name: db", "name: more").replace(
        "SPEC", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 8080}]}]}"), "-n", "town")
    wait_for("both ways", 15, lambda: gets(site, town, "far", "near"))
    site.kubectl("-n", "town", "delete", "networkpolicy", "--all")


def test_a_policy_outlives_its_agent(site, town):
    settle(site, town, "{%s}" % DB, set())
    site.service("worker1", "restart", "agent")
    wait_for("the agent", 10, lambda: site.processes("worker1", "mkube"))
    assert reach(site, town) == set()
    site.kubectl("-n", "town", "delete", "networkpolicy", "db")
    wait_for("a way in", 15, lambda: gets(site, town, "near"))
