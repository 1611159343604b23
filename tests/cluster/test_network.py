"""Pods, Services and names as pods see them, and the ways in from outside."""

import http.client
import json

import pytest

import labfixtures
from labsite import WORKERS, name_of, wait_for

# One web pod on each node, so that every path across nodes is used.
WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web-NODE, labels: {app: web, at: NODE}}
spec:
  nodeName: NODE
  terminationGracePeriodSeconds: 1
  containers:
    - name: web
      image: hello:1
      env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      ports: [{name: http, containerPort: 8080}]
      readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
---
"""
VISITOR = """
apiVersion: v1
kind: Pod
metadata: {name: visitor}
spec:
  nodeName: worker1
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: "busybox:1", command: [sleep, "3600"]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: each}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 8080}]}
"""
PODS = {f"web-{worker}" for worker in WORKERS}


@pytest.fixture(scope="module")
def net(whole_site):
    """One namespace with these pods for all tests here: they change nothing in it but add Services of their own."""
    whole_site.up()
    with labfixtures.namespace(whole_site, "net") as ns:
        whole_site.apply("".join(WEB.replace("NODE", w) for w in WORKERS) + VISITOR, "-n", ns)
        whole_site.kubectl("-n", ns, "wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s", timeout=70)
        yield ns


def visit(site, url, pod="visitor"):
    """Which pod answered this URL, asked from within a pod."""
    return json.loads(site.inside("net", pod, "wget", "-q", "-O", "-", url + "/json"))["pod"]


def all_answer(ask):
    seen = set()
    wait_for(f"all of {sorted(PODS)} to answer", 20, lambda: seen.add(ask()) or seen == PODS, pause=0)


def lookup(site, name):
    """The addresses that a pod is told for a name.  (nslookup fails when any of its search domains does.)"""
    said = site.inside("net", "visitor", "nslookup", name, check=False).stdout
    return {line.split()[-1] for line in said.partition("\n\n")[2].splitlines() if line.startswith("Address")}


def outside(site, port, **headers):
    """Which pod answered the client host at a port of the control host."""
    return json.loads(fetch(site, site.control, port, headers))["pod"]


def fetch(site, host, port, headers):
    code = ("import sys, json, urllib.request as r;"
            "print(r.urlopen(r.Request(sys.argv[1], headers=json.loads(sys.argv[2])), timeout=3).read().decode())")
    return site.run("client", "/usr/bin/python3", "-c", code, f"http://{host}:{port}/json", json.dumps(headers))


def test_pods_reach_pods_on_every_node(site, net):
    for pod in site.items("-n", net, "pods", "-l", "app=web"):
        assert visit(site, f"http://{pod['status']['podIP']}:8080") == name_of(pod)


def test_nodes_reach_pods(site, net):
    for pod in site.items("-n", net, "pods", "-l", "app=web"):
        code = "import sys, socket; socket.create_connection((sys.argv[1], 8080), timeout=3)"
        for worker in WORKERS:
            site.run(worker, "/usr/bin/python3", "-c", code, pod["status"]["podIP"])


def test_service_spreads_over_its_pods(site, net):
    all_answer(lambda: visit(site, "http://web"))


def test_pod_reaches_itself_through_its_service(site, net):
    site.kubectl("-n", net, "create", "service", "clusterip", "self", "--tcp=80:8080")
    site.kubectl("-n", net, "set", "selector", "service/self", "at=worker2")
    wait_for("itself", 10, lambda: visit(site, "http://self", "web-worker2") == "web-worker2")
    site.kubectl("-n", net, "delete", "service", "self")


def test_service_without_pods_refuses_at_once(site, net):
    site.kubectl("-n", net, "create", "service", "clusterip", "nobody", "--tcp=80:8080")
    said = wait_for("a refusal", 10, lambda: (
        r := site.inside(net, "visitor", "wget", "-O", "-", "http://nobody", check=False)).returncode and r)
    assert "refused" in said.stderr


def test_names_of_services(site, net):
    address = site.get("-n", net, "service", "web")["spec"]["clusterIP"]
    for name in ("web", "web.net.svc.cluster.local", "web.net.svc.cluster.local."):
        assert lookup(site, name) == {address}, name
    for name in ("web", "web.net", "web.net.svc"):  # by way of the search list, as libc does
        assert visit(site, f"http://{name}") in PODS
    assert lookup(site, "kubernetes.default.svc.cluster.local") == {
        site.get("-n", "default", "service", "kubernetes")["spec"]["clusterIP"]}


def test_name_of_a_headless_service_is_its_pods(site, net):
    ips = {p["status"]["podIP"] for p in site.items("-n", net, "pods", "-l", "app=web")}
    assert lookup(site, "each") == ips


def test_names_outside_the_cluster_are_forwarded(site, net):
    assert lookup(site, "registry.lab") == {site.lab("address", "registry").strip()}
    done = site.inside(net, "visitor", "nslookup", "nothing.example", check=False)
    assert "NXDOMAIN" in done.stdout + done.stderr


def test_node_port_on_every_node(site, net):
    site.kubectl("-n", net, "expose", "pod", "web-worker1", "--name=ported", "--type=NodePort",
                 "--port=80", "--target-port=8080")
    port = site.get("-n", net, "service", "ported")["spec"]["ports"][0]["nodePort"]
    for worker in WORKERS:
        address = site.lab("address", worker).strip()
        wait_for("the port", 10, lambda: "web-worker1" in fetch(site, address, port, {}))


def test_load_balancer_port_at_the_entry(site, net):
    site.kubectl("-n", net, "expose", "pod", "web-worker2", "--name=balanced", "--type=LoadBalancer",
                 "--port=7070", "--target-port=8080")
    status = wait_for("an address", 15, lambda: site.get("-n", net, "service", "balanced")["status"]["loadBalancer"])
    assert [i["ip"] for i in status["ingress"]] == [site.control]
    wait_for("an answer", 10, lambda: outside(site, 7070) == "web-worker2")
    site.kubectl("-n", net, "delete", "service", "balanced")


TWO = """
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {selector: {at: worker1}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {selector: {at: worker2}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: two}
spec:
  rules:
    - host: one.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: one, port: {number: 80}}}}]}
    - host: two.example
      http:
        paths:
          - {path: /json, pathType: Exact, backend: {service: {name: two, port: {number: 80}}}}
          - {path: /, pathType: Prefix, backend: {service: {name: one, port: {number: 80}}}}
"""


@pytest.fixture
def two_hosts(site, net):
    site.apply(TWO, "-n", net)
    try:
        wait_for("both hosts", 15, lambda: outside(site, 80, Host="one.example") == "web-worker1"
                 and outside(site, 80, Host="two.example") == "web-worker2")
        yield
    finally:
        site.kubectl("-n", net, "delete", "-f", "-", "--ignore-not-found", stdin=TWO)


def test_entry_routes_by_host_and_path(site, two_hosts):
    assert outside(site, 80, Host="two.example:80") == "web-worker2"
    connection = http.client.HTTPConnection(site.control, 80, timeout=5)
    # On one connection: each request goes its own way.
    for host, path, pod in (("one.example", "/json", "web-worker1"), ("two.example", "/json", "web-worker2"),
                            ("two.example", "/healthz", "web-worker1"), ("one.example", "/", "web-worker1")):
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("X-Pod")) == (200, pod), (host, path)
    connection.close()


def test_entry_answers_503_for_a_lost_backend(site, two_hosts):
    connection = http.client.HTTPConnection(site.control, 80, timeout=5)
    site.kubectl("-n", "net", "delete", "service", "two")

    def status():
        connection.request("GET", "/json", headers={"Host": "two.example"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    wait_for("503", 10, lambda: status() == 503)
    connection.close()
