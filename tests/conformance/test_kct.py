"""kubectl from end to end."""

import contextlib
import http.client
import json
import re
import socket
import subprocess

import pytest

from behaviour import behaviour
from labsite import wait_for
from workloads import ECHO, Pods, container, owner, workload


# Sleepers do not listen to a TERM.
NO_GRACE = '--overrides={"spec":{"terminationGracePeriodSeconds":0}}'


def rc(name, *containers, **more):
    return json.dumps(workload("ReplicationController", name, *containers, **more))


def pod(name, image="busybox:1"):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"name": name}}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [container(image=image)]}}


def running(k, name):
    k("wait", "--for=condition=Ready", "pod/" + name, "--timeout=60s", timeout=70)


# --- what needs no pod -------------------------------------------------------------------------


@behaviour("[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api versions [Conformance]")
def test_api_versions(site):
    assert "v1" in site.kubectl("api-versions").split()


@behaviour("[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info [Conformance]")
def test_cluster_info(site):
    said = re.sub(r"\x1b\[[0-9;]*m", "", site.kubectl("cluster-info"))
    assert re.search(rf"^Kubernetes (control plane|master) is running at https://{re.escape(site.control)}:\d+$", said, re.M)


@behaviour("[sig-cli] Kubectl client Kubectl version should check is all data is printed [Conformance]")
def test_version(site):
    version = json.loads(site.kubectl("version", "-o", "json"))
    for which in ("clientVersion", "serverVersion"):
        assert {"major", "minor", "gitVersion", "gitCommit", "buildDate"} <= set(version[which])
        assert all(version[which][key] for key in ("gitVersion", "gitCommit", "buildDate", "goVersion", "platform"))
    assert "Server Version: v1.32" in site.kubectl("version")


@contextlib.contextmanager
def proxy(site, *flags):
    """What `kubectl proxy` says when it is up."""
    process = subprocess.Popen(["kubectl", "proxy", *flags], env=site.env, text=True, stdout=subprocess.PIPE)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


@behaviour("[sig-cli] Kubectl client Proxy server should support proxy with --port 0 [Conformance]")
def test_proxy_port(site):
    with proxy(site, "--port=0", "--disable-filter") as said:
        port = int(re.fullmatch(r"Starting to serve on 127\.0\.0\.1:(\d+)", said)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/api/")
        answer = json.loads(connection.getresponse().read())
        connection.close()
    assert answer["kind"] == "APIVersions" and answer["versions"] == ["v1"]


@behaviour("[sig-cli] Kubectl client Proxy server should support --unix-socket=/path [Conformance]")
def test_proxy_socket(site, tmp_path):
    path = str(tmp_path / "test")
    with proxy(site, "--unix-socket=" + path) as said:
        assert said == "Starting to serve on " + path
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path)
            s.sendall(b"GET /api/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
            answer = b""
            while piece := s.recv(65536):
                answer += piece
    assert b" 200 OK" in answer and b"APIVersions" in answer


# --- one pod -----------------------------------------------------------------------------------


@behaviour("[sig-cli] Kubectl client Kubectl run pod should create a pod from an image when restart is Never [Conformance]")
def test_run(k):
    k("run", "e2e-test-httpd-pod", "--restart=Never", "--image=busybox:1", NO_GRACE, "--", "sleep", "1000")
    made = json.loads(k("get", "pod", "e2e-test-httpd-pod", "-o", "json"))
    assert made["spec"]["containers"][0]["image"] == "busybox:1"
    assert made["spec"]["restartPolicy"] == "Never"


@behaviour("[sig-cli] Kubectl client Kubectl replace should update a single-container pod's image [Conformance]")
def test_replace(k):
    k("run", "replaced", "--image=busybox:1", "--labels=run=replaced", NO_GRACE, "--", "sleep", "1000")
    running(k, "replaced")
    assert "replaced" in k("get", "pods", "-l", "run=replaced", "-o", "name")
    first = json.loads(k("get", "pod", "replaced", "-o", "json"))
    changed = json.loads(json.dumps(first))
    changed["spec"]["containers"][0]["image"] = "busybox:1.0"
    k("replace", "-f", "-", stdin=json.dumps(changed))
    assert k("get", "pod", "replaced", "-o", "jsonpath={.spec.containers[0].image} {.metadata.uid}") == f"busybox:1.0 {first['metadata']['uid']}"
    k("replace", "--force", "--grace-period=0", "-f", "-", stdin=json.dumps(changed), timeout=60)
    assert k("get", "pod", "replaced", "-o", "jsonpath={.metadata.uid}") != first["metadata"]["uid"]


@behaviour("[sig-cli] Kubectl client Kubectl server-side dry-run should check if kubectl can dry-run update Pods [Conformance]")
def test_dry_run(k):
    k("run", "dry", "--image=busybox:1", "--labels=run=dry", NO_GRACE, "--", "sleep", "1000")
    said = k("patch", "pod", "dry", "-p", '{"spec":{"containers":[{"name":"dry","image":"busybox:2"}]}}', "--dry-run=server", "-o", "json")
    assert json.loads(said)["spec"]["containers"][0]["image"] == "busybox:2"
    assert k("get", "pod", "dry", "-o", "jsonpath={.spec.containers[0].image}") == "busybox:1"


@behaviour("[sig-cli] Kubectl client Kubectl label should update the label on a resource [Conformance]")
def test_label(k):
    k("create", "-f", "-", stdin=json.dumps(pod("pause")))
    k("label", "pods", "pause", "testing-label=testing-label-value")
    assert k("get", "pod", "pause", "-L", "testing-label", "--no-headers").split()[-1] == "testing-label-value"
    assert k("get", "pods", "-l", "testing-label=testing-label-value", "-o", "name") == "pod/pause\n"
    k("label", "pods", "pause", "testing-label-")
    assert "testing-label-value" not in k("get", "pod", "pause", "-L", "testing-label", "--no-headers")


@behaviour("[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments [Conformance]")
def test_diff(k):
    made = workload("Deployment", "httpd", replicas=0)
    k("create", "-f", "-", stdin=json.dumps(made))
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "busybox:1.28"
    told = k("diff", "-f", "-", stdin=json.dumps(made), check=False)
    assert told.returncode == 1
    assert re.search(r"^-\s+(- )?image: busybox:1$", told.stdout, re.M), told.stdout + told.stderr
    assert re.search(r"^\+\s+(- )?image: busybox:1\.28$", told.stdout, re.M)


# --- several -----------------------------------------------------------------------------------


@behaviour("[sig-cli] Kubectl client Kubectl patch should add annotations for pods in rc [Conformance]")
def test_patch(k, kinds, namespace):
    k("create", "-f", "-", stdin=rc("agnhost", replicas=1))
    pods = Pods(kinds, namespace, "app=agnhost")
    for made in pods.wait_ready(1):
        k("patch", "pod", made["metadata"]["name"], "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    assert all(p["metadata"]["annotations"]["x"] == "y" for p in pods.all())


@behaviour("[sig-cli] Kubectl client Kubectl expose should create services for rc [Conformance]")
def test_expose(k, kinds, namespace):
    k("create", "-f", "-", stdin=rc("agnhost-primary", ECHO, replicas=1))
    Pods(kinds, namespace, "app=agnhost-primary").wait_ready(1)
    endpoints = kinds("v1", "Endpoints", namespace)

    def check(name, port):
        spec = json.loads(k("get", "service", name, "-o", "json"))["spec"]
        assert [(p["port"], p["targetPort"]) for p in spec["ports"]] == [(port, 8080)]
        endpoints.wait("an address", name, lambda e: [p["port"] for s in e.get("subsets") or [] for p in s["ports"]] == [8080])
    k("expose", "rc", "agnhost-primary", "--name=rm2", "--port=1234", "--target-port=8080")
    check("rm2", 1234)
    k("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=8080")
    check("rm3", 2345)


@behaviour("[sig-cli] Kubectl client Kubectl describe should check if kubectl describe prints relevant information for rc and pods [Conformance]")
def test_describe(k, kinds, namespace, site):
    k("create", "-f", "-", stdin=rc("agnhost", ECHO, replicas=1))
    k("create", "service", "clusterip", "agnhost", "--tcp=6379:8080")
    made, = Pods(kinds, namespace, "app=agnhost").wait_ready(1)

    def told(*what, lines):
        said = k("describe", *what)
        for line in lines:
            assert re.search(r"\s+".join(map(re.escape, line.split())), said), f"{line!r} is not in\n{said}"
    told("pod", made["metadata"]["name"], lines=[
        f"Name: {made['metadata']['name']}", f"Namespace: {namespace}", "Node: " + made["spec"]["nodeName"], "Labels: app=agnhost",
        "Status: Running", "IP: " + made["status"]["podIP"], "Controlled By: ReplicationController/agnhost", "Image: echo:1",
        "State: Running", "QoS Class: Burstable"])
    told("rc", "agnhost", lines=[
        "Name: agnhost", f"Namespace: {namespace}", "Selector: app=agnhost", "Labels: app=agnhost", "Replicas: 1 current / 1 desired",
        "Pods Status: 1 Running / 0 Waiting / 0 Succeeded / 0 Failed", "Pod Template:", "Image: echo:1", "Events:"])
    told("service", "agnhost", lines=["Name: agnhost", f"Namespace: {namespace}", "Selector: app=agnhost", "Type: ClusterIP", "IP:",
                                      "Port: 6379-8080 6379/TCP", "Endpoints:", "Session Affinity: None"])
    told("node", made["spec"]["nodeName"], lines=[
        "Name: " + made["spec"]["nodeName"], "Labels:", "Annotations:", "CreationTimestamp:", "Conditions:", "Type Status LastHeartbeatTime "
        "LastTransitionTime Reason Message", "Addresses:", "Capacity:", "Version:", "Kernel Version:", "Kubelet Version:"])
    told("namespace", namespace, lines=["Name: " + namespace, "Labels:", "Annotations:", "Status: Active"])
    site.kubectl("create", "-n", namespace, "cronjob", "told", "--image=busybox:1", "--schedule=0 0 1 1 *")
    told("cronjob", "told", lines=["Name: told", "Schedule: 0 0 1 1 *", "Concurrency Policy: Allow", "Suspend: False", "Last Schedule Time:"])


@behaviour("[sig-cli] Kubectl client Update Demo should create and stop a replication controller [Conformance]")
def test_create_and_stop(k, kinds, namespace):
    k("create", "-f", "-", stdin=rc("update-demo-nautilus", replicas=2))
    pods = Pods(kinds, namespace, "app=update-demo-nautilus")
    assert all(owner(p) == ("ReplicationController", "update-demo-nautilus") for p in pods.wait_ready(2))
    k("delete", "--grace-period=0", "--force", "-f", "-", stdin=rc("update-demo-nautilus", replicas=2))
    pods.wait_gone()
    assert k("get", "rc,pods", "-l", "app=update-demo-nautilus", "-o", "name") == ""


@behaviour("[sig-cli] Kubectl client Update Demo should scale a replication controller [Conformance]")
def test_scale(k, kinds, namespace):
    k("create", "-f", "-", stdin=rc("update-demo-nautilus", replicas=2))
    pods = Pods(kinds, namespace, "app=update-demo-nautilus")
    pods.wait_ready(2)
    for n in (1, 2):
        k("scale", "rc", "update-demo-nautilus", f"--replicas={n}", "--timeout=2m", timeout=130)
        pods.wait_ready(n)


@pytest.fixture
def client_of(site):
    """An HTTP client on a node, where Services are reached."""
    return lambda ip, port=80: site.run("worker1", "curl", "-s", "--max-time", "5", f"http://{ip}:{port}/guestbook", check=False).stdout


@behaviour("[sig-cli] Kubectl client Guestbook application should create and stop a working application [Conformance]")
def test_guestbook(k, kinds, namespace, client_of):
    """A primary and a replica of a store, and a front end that is reached through its Service; written by one, read by the other."""
    store = container(None, "redis:7", name="c", ports=[{"containerPort": 6379}])
    replica = store | {"args": ["--replicaof", "agnhost-primary 6379"]}
    tiers = [workload("Deployment", "agnhost-primary", store, replicas=1), workload("Deployment", "agnhost-replica", replica, replicas=2),
             workload("Deployment", "frontend", ECHO, replicas=3)]
    services = [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]}}
        for name, port, target in (("agnhost-primary", 6379, 6379), ("agnhost-replica", 6379, 6379), ("frontend", 80, 8080))]
    everything = json.dumps({"apiVersion": "v1", "kind": "List", "items": services + tiers})
    k("create", "-f", "-", stdin=everything)
    for tier in tiers:
        k("rollout", "status", "deployment/" + tier["metadata"]["name"], "--timeout=60s", timeout=70)
    ip = k("get", "service", "frontend", "-o", "jsonpath={.spec.clusterIP}")
    wait_for("the front end", 20, lambda: "GET /guestbook" in client_of(ip))
    k("exec", "deployment/agnhost-primary", "--", "redis-cli", "-h", "agnhost-primary", "set", "messages", "TestEntry")
    wait_for("the entry on the replicas", 30, lambda: "TestEntry" in k(
        "exec", "deployment/agnhost-primary", "--", "redis-cli", "-h", "agnhost-replica", "get", "messages"))
    k("delete", "--grace-period=0", "--force", "-f", "-", stdin=everything, timeout=60)
    for tier in tiers:
        Pods(kinds, namespace, "app=" + tier["metadata"]["name"]).wait_gone()
