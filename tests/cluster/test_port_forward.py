"""kubectl port-forward: to pods, Services and Deployments, by both of its protocols; and the Python client's."""

import re
import socket
import subprocess
import threading
import urllib.request

import pytest

import labfixtures

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - {name: web, image: "hello:1", ports: [{containerPort: 8080, name: http}]}
        - {name: echo, image: "busybox:1", command: [nc, -ll, -p, "7000", -e, cat]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
"""


@pytest.fixture(scope="module")
def web(whole_site):
    whole_site.up()
    with labfixtures.namespace(whole_site, "forward"):
        whole_site.kubectl("-n", "forward", "apply", "-f", "-", stdin=MANIFEST)
        whole_site.kubectl("-n", "forward", "rollout", "status", "deployment/web", "--timeout=60s", timeout=70)
        yield whole_site


@pytest.fixture
def pod(web):
    return web.kubectl("-n", "forward", "get", "pods", "-l", "app=web", "-o", "name").strip()


@pytest.fixture(params=["true", "false"], ids=["websocket", "spdy"])
def forward(web, request):
    """Starts a port-forward; its local port and its process."""
    running = []

    def start(target, port):
        process = subprocess.Popen(["kubectl", "-n", "forward", "port-forward", target, f":{port}"], text=True,
                                   env=web.env | {"KUBECTL_PORT_FORWARD_WEBSOCKETS": request.param},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.append(process)
        line = process.stdout.readline()
        return int(re.fullmatch(r"Forwarding from 127.0.0.1:(\d+) -> \d+\n", line)[1]), process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def fetch(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return answer.status, answer.read()


def test_pod_service_and_deployment(forward, pod):
    for target, port in ((pod, 8080), ("svc/web", 80), ("deployment/web", 8080)):
        local, _ = forward(target, port)
        assert [fetch(local)[0] for _ in range(3)] == [200] * 3, target


def echo(port, data):
    """What comes back of @data."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        threading.Thread(target=s.sendall, args=(data,)).start()
        back = b""
        while len(back) < len(data):
            more = s.recv(1 << 20)
            if not more:
                break
            back += more
        return back


def test_many_connections_and_megabytes_both_ways(forward, pod):
    local, _ = forward(pod, 7000)
    blocks = [bytes([i]) * 2_000_000 for i in range(6)]
    back = [None] * len(blocks)

    def one(i):
        back[i] = echo(local, blocks[i])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(blocks))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=60)
    assert back == blocks


def test_nobody_listens(forward, pod):
    local, process = forward(pod, 81)
    with pytest.raises(OSError):
        fetch(local)
    assert process.wait(timeout=20) == 1
    said = process.stderr.read()
    assert f"an error occurred forwarding {local} -> 81: error forwarding port 81 to pod" in said
    assert "failed to connect to localhost:81 inside namespace" in said and "connection refused" in said


def test_it_ends_with_the_pod(forward, web, pod):
    local, process = forward(pod, 7000)
    with socket.create_connection(("127.0.0.1", local), timeout=10) as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        web.kubectl("-n", "forward", "delete", pod)
        assert s.recv(1) == b""
    web.kubectl("-n", "forward", "rollout", "status", "deployment/web", "--timeout=60s", timeout=70)


def test_the_python_client(web, pod):
    from kubernetes import client, config
    from kubernetes.stream import portforward

    core = client.CoreV1Api(config.new_client_from_config(web.kubeconfig))
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, pod.removeprefix("pod/"), "forward",
                            ports="8080,7000")
    s = forwarded.socket(8080)
    s.setblocking(True)
    s.settimeout(10)
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert s.recv(15) == b"HTTP/1.1 200 OK"
    e = forwarded.socket(7000)
    e.setblocking(True)
    e.settimeout(10)
    e.sendall(b"echo")
    assert e.recv(4) == b"echo"
    assert forwarded.error(8080) is None
