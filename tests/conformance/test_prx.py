"""HTTP with pods, Services and nodes through the API server."""

import base64
import json
import os
import socket
import ssl
import subprocess
import urllib.parse

import pytest

from behaviour import behaviour
from hookserver import make_certificates, read
from labsite import wait_for
from workloads import ECHO, Pods, container

# What is asked for on each port comes from the environment, as in the suite's porter.
PORTER = """
import http.server, json, os, ssl, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        body = self.server.word
        if os.environ.get("JSON"):
            body = json.dumps({"Method": self.command, "Body": body, "Path": self.path, "Got":
                               self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()})
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/there")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "text/html" if body.startswith("<") else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Own", "kept")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer
    def log_message(self, *args):
        pass
def serve(port, word, tls):
    server = http.server.ThreadingHTTPServer(("", port), Handler)
    server.word = word
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
for name, word in os.environ.items():
    if name.startswith("SERVE_"):
        serve(int(name.split("_")[-1]), word, "_TLS_" in name)
"""
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


def porter(words, ports, **more):
    return container(None, "webhook:1", "porter", env=[{"name": n, "value": v} for n, v in words.items()],
                     ports=[{"name": n, "containerPort": p} for n, p in ports.items()],
                     readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}, **more) | {
                         "command": ["/usr/bin/python3", "-c", PORTER]}


def pod(name, labels, *containers, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": list(containers), **spec}}


def service(name, labels, *ports):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": labels, "ports": list(ports)}}


class Proxy:
    """The API as its administrator, with every method: curl with the kubeconfig's certificate."""

    def __init__(self, site, directory, namespace):
        self.files = {}
        config = json.loads(site.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        user, self.cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        self.base = f"/api/v1/namespaces/{namespace}"
        for name, tree, key in (("ca", self.cluster, "certificate-authority-data"), ("cert", user, "client-certificate-data"),
                                ("key", user, "client-key-data")):
            self.files[name] = os.path.join(directory, name)
            with open(os.open(self.files[name], os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
                f.write(base64.b64decode(tree[key]))

    def ask(self, path, method="GET", body=None):
        """(status, headers in lower case, body)"""
        args = ["curl", "-sS", "-i", "--max-time", "20", "--cacert", self.files["ca"], "--cert", self.files["cert"],
                "--key", self.files["key"], self.cluster["server"] + path]
        args += ["--head"] if method == "HEAD" else ["-X", method]
        args += [] if body is None else ["--data-binary", body]
        done = subprocess.run(args, capture_output=True, timeout=30, check=True)
        head, _, rest = done.stdout.decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        return int(lines[0].split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}, rest

    def upgrade(self, path, protocol):
        """A connection that has left HTTP, and what the answer said."""
        where = urllib.parse.urlsplit(self.cluster["server"])
        context = ssl.create_default_context(cafile=self.files["ca"])
        context.load_cert_chain(self.files["cert"], self.files["key"])
        s = context.wrap_socket(socket.create_connection((where.hostname, where.port), 20), server_hostname=where.hostname)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += s.recv(1) or pytest.fail(f"no answer but {head}")
        return s, head.decode()


@pytest.fixture
def proxy(site, namespace, tmp_path):
    return Proxy(site, str(tmp_path), namespace)


@behaviour("[sig-network] Proxy version v1 should proxy through a service and a pod [Conformance]")
def test_service_and_pod(proxy, kinds, k, namespace, tmp_path):
    labels = {"proxy-service-target": "true"}
    files = make_certificates(str(tmp_path), "porter")
    kinds("v1", "Secret", namespace).create({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "type": "kubernetes.io/tls",
        "stringData": {name: read(files[name]).decode() for name in ("tls.crt", "tls.key")}})
    kinds("v1", "Service", namespace).create(service(
        "porter", labels, {"name": "portname1", "port": 80, "targetPort": "dest1"}, {"name": "portname2", "port": 81, "targetPort": 1162},
        {"name": "tlsportname1", "port": 443, "targetPort": "tlsdest1"}, {"name": "tlsportname2", "port": 444, "targetPort": 1462}))
    assert proxy.ask(f"{proxy.base}/services/porter:portname1/proxy/")[0] == 503
    kinds("v1", "Pod", namespace).create(pod("porter", labels, porter(
        {"SERVE_PORT_8080": '<a href="/rewriteme">test</a>', "SERVE_PORT_1160": "foo", "SERVE_PORT_1162": "bar",
         "SERVE_TLS_PORT_1443": '<a href="/tlsrewriteme">test</a>', "SERVE_TLS_PORT_1460": "tls baz", "SERVE_TLS_PORT_1462": "tls qux"},
        {"first": 8080, "dest1": 1160, "dest2": 1162, "tlsdest1": 1460, "tlsdest2": 1462},
        volumeMounts=[{"name": "tls", "mountPath": "/tls"}]), volumes=[{"name": "tls", "secret": {"secretName": "tls"}}]))
    Pods(kinds, namespace, "proxy-service-target=true").wait_ready(1)
    wait_for("the Service to have its endpoint", 20,
             lambda: proxy.ask(f"{proxy.base}/services/porter:portname1/proxy/")[0] == 200)

    def of_service(scheme, port):
        return f"{proxy.base}/services/{scheme + ':' if scheme else ''}porter:{port}/proxy"

    def of_pod(scheme, port):
        return f"{proxy.base}/pods/" + (f"{scheme}:porter:{port}" if scheme else f"porter:{port}" if port else "porter") + "/proxy"

    expected = {of_service("", "portname1"): "foo", of_service("http", "portname1"): "foo", of_service("", "portname2"): "bar",
                of_service("http", "portname2"): "bar", of_service("", "80"): "foo",
                of_service("https", "tlsportname1"): "tls baz", of_service("https", "tlsportname2"): "tls qux",
                of_pod("", "1160"): "foo", of_pod("http", "1160"): "foo", of_pod("", "1162"): "bar", of_pod("http", "1162"): "bar",
                of_pod("https", "1460"): "tls baz", of_pod("https", "1462"): "tls qux"}
    for place in (of_pod("", ""), of_pod("", "8080"), of_pod("http", "8080")):
        expected[place] = f'<a href="{place}/rewriteme">test</a>'
    expected[of_pod("https", "1443")] = f'<a href="{of_pod("https", "1443")}/tlsrewriteme">test</a>'
    for path, body in expected.items():
        assert (path, *proxy.ask(path + "/")[::2]) == (path, 200, body)
    status, headers, _ = proxy.ask(of_pod("", "1160") + "/redirect")
    assert (status, headers["location"], headers["x-own"]) == (302, of_pod("", "1160") + "/there", "kept")
    assert k("get", "--raw", of_pod("", "1162") + "/") == "bar"

    refused = json.loads(proxy.ask(of_service("", "nowhere") + "/")[2])
    assert (refused["code"], refused["reason"], refused["message"]) == (
        503, "ServiceUnavailable", 'no endpoints available for service "porter"')
    refused = json.loads(proxy.ask(of_pod("", "1") + "/")[2])
    assert refused["code"] == 503 and refused["message"].startswith("error trying to reach service: dial tcp ")


def one_that_tells(proxy, kinds, namespace, labels):
    kinds("v1", "Pod", namespace).create(pod("agnhost", labels, porter({"SERVE_PORT_8080": "foo", "JSON": "1"}, {"web": 8080})))
    kinds("v1", "Service", namespace).create(service("test-service", labels, {"port": 80, "targetPort": 8080}))
    wait_for("the Service to answer", 60, lambda: proxy.ask(f"{proxy.base}/services/test-service/proxy/")[0] == 200)
    return [f"{proxy.base}/pods/agnhost/proxy", f"{proxy.base}/services/test-service/proxy"]


@behaviour("[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath [Conformance]")
def test_methods_with_path(proxy, kinds, namespace):
    for place in one_that_tells(proxy, kinds, namespace, {"test": "response"}):
        for method in METHODS:
            status, _, body = proxy.ask(f"{place}/some/path/with/{method}?q=%2F&r", method, "told" if method == "POST" else None)
            assert (place, method, status) == (place, method, 200)
            if method != "HEAD":
                assert json.loads(body) == {"Method": method, "Body": "foo", "Path": f"/some/path/with/{method}?q=%2F&r",
                                            "Got": "told" if method == "POST" else ""}


@behaviour("[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service Proxy [Conformance]")
def test_methods_without_path(proxy, kinds, namespace):
    for place in one_that_tells(proxy, kinds, namespace, {"e2e-test": "proxy-endpoints"}):
        for method in METHODS:
            status, headers, body = proxy.ask(f"{place}?method={method}", method)
            if method in ("GET", "HEAD"):
                assert (status, headers["location"]) == (301, f"{place}/?method={method}")
            else:
                assert (status, json.loads(body)["Method"], json.loads(body)["Body"]) == (200, method, "foo")


def test_node(site, proxy):
    node = site.get("nodes")["items"][0]["metadata"]["name"]
    assert proxy.ask(f"/api/v1/nodes/{node}/proxy/healthz")[0] == 200
    assert proxy.ask(f"/api/v1/nodes/{node}:10250/proxy/healthz")[0] == 200
    assert json.loads(proxy.ask(f"/api/v1/nodes/{node}/proxy/stats/summary")[2])["node"]["nodeName"] == node
    assert proxy.ask("/api/v1/nodes/none/proxy/healthz")[0] == 404


def test_streams_and_upgrades(proxy, kinds, k, namespace):
    kinds("v1", "Pod", namespace).create(pod("echo", {"app": "echo"}, ECHO))
    k("wait", "--for=condition=Ready", "pod/echo", "--timeout=60s")
    place = f"{proxy.base}/pods/echo/proxy"
    # Who asks is not told, where the question came from is.
    asked = k("get", "--raw", f"{place}/x?y=z")
    assert asked.startswith("GET /x?y=z HTTP/1.1") and "Authorization" not in asked
    assert f"X-Forwarded-Uri: {place}/x" in asked and "X-Forwarded-For: " in asked
    assert len(proxy.ask(f"{place}/stream")[2]) > 5
    s, head = proxy.upgrade(f"{place}/talk", "x")
    with s:
        assert head.startswith("HTTP/1.1 101 ")
        for word in (b"hello", b"x" * 100000):
            s.sendall(word)
            back = b""
            while len(back) < len(word):
                back += s.recv(65536) or pytest.fail("the connection ended")
            assert back == word


def test_policies_see_the_path(proxy, kinds, k, namespace):
    admission = "admissionregistration.k8s.io/v1"
    policies = kinds(admission, "ValidatingAdmissionPolicy")
    bindings = kinds(admission, "ValidatingAdmissionPolicyBinding")
    kinds("v1", "Pod", namespace).create(pod("echo", {"app": "echo"}, ECHO))
    k("wait", "--for=condition=Ready", "pod/echo", "--timeout=60s")
    name = f"proxies-{namespace}"
    try:
        policies.create({"apiVersion": admission, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"],
                                                    "resources": ["pods/proxy"]}]},
            "validations": [{"expression": "object.path != '/secret'", "message": "not there"}]}})
        bindings.create({"apiVersion": admission, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": {
            "policyName": name, "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}}})
        wait_for("the policy to hold", 20, lambda: proxy.ask(f"{proxy.base}/pods/echo/proxy/secret")[0] == 422)
        assert "denied request: not there" in proxy.ask(f"{proxy.base}/pods/echo/proxy/secret")[2]
        assert proxy.ask(f"{proxy.base}/pods/echo/proxy/other")[0] == 200
    finally:
        k("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name, "--ignore-not-found")
