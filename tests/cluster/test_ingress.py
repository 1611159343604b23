"""Ingress as users of ingress-nginx and of AWS' load balancer controller write it, seen from outside the cluster."""

import json
import re
import socket
import ssl
import time

import pytest

import labfixtures
from labsite import wait_for

ECHO = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: APP}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: APP}}
  template:
    metadata: {labels: {app: APP}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: main
          image: echo:1
          env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: APP}
spec: {selector: {app: APP}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
"""
# alice:s3cret, as `htpasswd -nb -m` and `-B` print it; in the seeds' form: one key "auth".
OTHERS = """
apiVersion: v1
kind: Secret
metadata: {name: basic-auth}
stringData:
  auth: "alice:$apr1$V4uKuiCT$eFwCH27Bauhz3SMG.icnt.\\n"
---
apiVersion: v1
kind: Secret
metadata: {name: map-auth}
stringData:
  alice: "$2y$05$vcMn9QkGofHAit1Ctj48duAR4A0gVhk5f4eltMQUTtxm8KO04FqPG"
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: registry.lab}
---
apiVersion: v1
kind: Service
metadata: {name: inside}
spec: {type: ExternalName, externalName: echo.NAMESPACE.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
"""
NGINX, ALB = "nginx.ingress.kubernetes.io/", "alb.ingress.kubernetes.io/"


def ingress(name, annotations=None, paths=(("/", "Prefix", "echo"),), host=None, port=80, **spec):
    """An Ingress of host NAME.example; paths are (path, type, service)."""
    rule = {"host": host or f"{name}.example"}
    if paths:
        rule["http"] = {"paths": [{"path": p, "pathType": t, "backend": {"service": {"name": s, "port": {
            "number": port}}}} for p, t, s in paths]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "annotations": annotations}, "spec": {"rules": [rule], **spec}}


def nginx(**annotations):
    return {NGINX + name.replace("_", "-"): value for name, value in annotations.items()}


TLS = {"tls": [{"hosts": ["tls.example"]}]}
FREE = "ImplementationSpecific"
INGRESSES = [
    # classes
    ingress("classless"),
    ingress("by-nginx", ingressClassName="nginx"),
    ingress("by-mkube", ingressClassName="mkube"),
    ingress("legacy", {"kubernetes.io/ingress.class": "nginx"}),
    ingress("foreign", ingressClassName="traefik"),
    ingress("foreign-legacy", {"kubernetes.io/ingress.class": "traefik"}),
    # paths
    ingress("types", paths=[("/exact", "Exact", "echo"), ("/prefix", "Prefix", "echo"), ("/free", FREE, "echo")]),
    ingress("erp", nginx(rewrite_target="/$2", websocket_services="echo"), ingressClassName="nginx",
            paths=[("/api/employees(/|$)(.*)", FREE, "echo"), ("/ws", "Prefix", "echo"), ("/", "Prefix", "canary")]),
    ingress("regex", nginx(use_regex="true"), paths=[("/v[0-9]+/.*", FREE, "echo")]),
    ingress("wild", host="*.wild.example"),
    ingress("bare", paths=[]),
    ingress("empty", paths=[("/", "Prefix", "empty")]),
    ingress("fallback", paths=[("/x", "Prefix", "empty")],
            defaultBackend={"service": {"name": "echo", "port": {"number": 80}}}),
    # what is answered here
    ingress("tls", **TLS),
    ingress("tls-off", nginx(ssl_redirect="false"), tls=[{"hosts": ["tls-off.example"], "secretName": "missing"}]),
    ingress("forced", nginx(force_ssl_redirect="true")),
    ingress("approot", nginx(app_root="/app")),
    ingress("moved", nginx(permanent_redirect="https://new.example$request_uri")),
    ingress("both", nginx(from_to_www_redirect="true")),
    ingress("cors", nginx(enable_cors="true", cors_allow_origin="https://*.site.example", cors_allow_methods="GET")),
    ingress("no-cors", nginx(cors_allow_origin="*", cors_allow_methods="GET, POST")),
    ingress("small", nginx(proxy_body_size="1k", proxy_read_timeout="3600", proxy_send_timeout="3600")),
    ingress("listed", nginx(whitelist_source_range="192.0.2.0/24")),
    ingress("auth", nginx(auth_type="basic", auth_secret="basic-auth", auth_realm="Authentication Required")),
    ingress("auth-map", nginx(auth_type="basic", auth_secret="map-auth", auth_secret_type="auth-map")),
    ingress("auth-lost", nginx(auth_type="basic", auth_secret="nowhere")),
    # what the backend sees
    ingress("vhost", nginx(upstream_vhost="inner.example")),
    ingress("sticky", nginx(affinity="cookie", session_cookie_name="route")),
    ingress("canary-main", host="share.example"),
    ingress("canary-share", nginx(canary="true", canary_by_header="X-Canary", canary_weight="0"),
            paths=[("/", "Prefix", "canary")], host="share.example"),
    ingress("outside", paths=[("/", "Prefix", "outside")], port=5000),
    ingress("inside", paths=[("/", "Prefix", "inside")]),
    # ALB
    ingress("alb", {ALB + "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]', ALB + "ssl-redirect": "443",
                    ALB + "certificate-arn": "arn:aws:acm:x", ALB + "scheme": "internet-facing",
                    ALB + "target-group-attributes": "stickiness.enabled=true"},
            ingressClassName="alb", tls=[{"hosts": ["alb.example"]}]),
    # not done
    ingress("snippet", nginx(configuration_snippet="more_set_headers 'X: y';", proxy_buffering="on")),
]


@pytest.fixture(scope="module")
def site(whole_site):
    """Looked over once: no test here breaks anything."""
    whole_site.up()
    return whole_site


@pytest.fixture(scope="module")
def world(site):
    """Everything above in one namespace, served."""
    with labfixtures.namespace(site, "ingress") as ns:
        site.apply(OTHERS.replace("NAMESPACE", ns) + "".join(
            ECHO.replace("APP", name).replace("REPLICAS", n) for name, n in (("echo", "2"), ("canary", "1"))), "-n", ns)
        site.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": INGRESSES}), "-n", ns)
        for name in ("echo", "canary"):
            site.kubectl("-n", ns, "rollout", "status", f"deployment/{name}", "--timeout=60s", timeout=70)
        wait_for("the entry", 10, lambda: ask(site, "classless").status == 200)
        yield ns


class Answer:
    """What curl -i printed (lines as text mode reads them)."""

    def __init__(self, text):
        head, _, self.body = text.partition("\n\n")
        lines = head.split("\n")
        self.status = int(lines[0].split()[1]) if len(lines[0].split()) > 1 else 0
        self.fields = {}
        for name, _, value in (line.partition(": ") for line in lines[1:]):
            self.fields.setdefault(name.lower(), []).append(value)
        self.asked = self.body.partition("\n")[0]  # of the echo: "GET /path HTTP/1.1"

    def __getitem__(self, name):
        return self.fields.get(name.lower(), [None])[0]


def ask(site, host, path="/", *curl, tls=False):
    """HOST[.example] asked by curl on the host outside the cluster."""
    name = host if "." in host else host + ".example"
    url = f"{'https' if tls else 'http'}://{name}{path}"
    return Answer(site.run("client", "curl", "-sSik", "--max-time", "10", "--path-as-is", "-H", "Expect:",
                           "--resolve", f"{name}:80:{site.control}", "--resolve", f"{name}:443:{site.control}",
                           *curl, url))


def events(site, ns, name):
    return [(e["type"], e["reason"], e["message"]) for e in site.items("-n", ns, "events")
            if e["involvedObject"]["kind"] == "Ingress" and e["involvedObject"]["name"] == name]


@pytest.mark.parametrize("host, path, status, asked", [
    ("classless", "/a?b=c", 200, "/a?b=c"), ("by-nginx", "/", 200, "/"), ("by-mkube", "/", 200, "/"),
    ("legacy", "/", 200, "/"), ("x.wild.example", "/", 200, "/"),
    ("bare", "/", 404, None), ("empty", "/", 503, None), ("fallback", "/x", 503, None), ("fallback", "/y", 200, "/y"),
    ("types", "/exact", 200, "/exact"), ("types", "/exact/", 404, None),
    ("types", "/prefix/x", 200, "/prefix/x"), ("types", "/prefixx", 404, None), ("types", "/freely", 200, "/freely"),
    ("erp", "/api/employees/7?x=1", 200, "/7?x=1"), ("erp", "/api/employees", 200, "/"), ("erp", "/ws", 200, "/"),
    ("erp", "/Api/Employees/7", 200, "/7"), ("erp", "/logo.png", 200, "/"),
    ("regex", "/v12/x", 200, "/v12/x"), ("regex", "/vx/x", 404, None),
    ("inside", "/x", 200, "/x"), ("snippet", "/", 200, "/"),
])
def test_routes(site, world, host, path, status, asked):
    answer = ask(site, host, path)
    assert answer.status == status
    if asked:
        assert answer.asked == f"GET {asked} HTTP/1.1"


@pytest.mark.parametrize("host", ["foreign", "foreign-legacy", "nobody", "x.y.wild.example"])
def test_hosts_that_are_not_ours(site, world, host):
    """What another test may have for hosts that nobody claims is not ours either."""
    answer = ask(site, host, "/")
    assert answer.status == 404 or not answer.asked.endswith("HTTP/1.1")


@pytest.mark.parametrize("host, path, status, location", [
    ("tls", "/x?y", 308, "https://tls.example/x?y"), ("tls-off", "/", 200, None),
    ("forced", "/x", 308, "https://forced.example/x"), ("approot", "/", 302, "http://approot.example/app"),
    ("moved", "/x?y", 301, "https://new.example/x?y"), ("www.both.example", "/x", 308, "http://both.example/x"),
    ("alb", "/x?y", 301, "https://alb.example:443/x?y"),
])
def test_redirects(site, world, host, path, status, location):
    answer = ask(site, host, path)
    assert (answer.status, answer["location"]) == (status, location)


def test_cors(site, world):
    origin = ("-H", "Origin: https://a.site.example")
    answer = ask(site, "cors", "/", "-X", "OPTIONS", *origin)
    assert (answer.status, answer["access-control-allow-origin"]) == (204, "https://a.site.example")
    assert answer["access-control-allow-methods"] == "GET"
    answer = ask(site, "cors", "/", *origin)
    assert answer.fields["access-control-allow-origin"] == ["https://a.site.example"]
    assert ask(site, "cors", "/", "-H", "Origin: https://b.example")["access-control-allow-origin"] == "backend"
    # seed 003: without enable-cors the other annotations do nothing
    answer = ask(site, "no-cors", "/", "-X", "OPTIONS", *origin)
    assert (answer.status, answer["access-control-allow-origin"]) == (200, "backend")


def test_who_may_enter(site, world):
    assert ask(site, "listed").status == 403
    refused = ask(site, "auth")
    assert (refused.status, refused["www-authenticate"]) == (401, 'Basic realm="Authentication Required"')
    for host in ("auth", "auth-map"):
        assert ask(site, host, "/", "-u", "alice:wrong").status == 401
        answer = ask(site, host, "/", "-u", "alice:s3cret", "-d", "thebody")
        assert answer.status == 200 and "thebody" in answer.body and "uthorization" not in answer.body
    assert ask(site, "auth-lost", "/", "-u", "alice:s3cret").status == 503
    assert wait_for("an event", 10, lambda: [e for e in events(site, world, "auth-lost") if e[1] == "SecretNotFound"])
    # The Secret comes: so do its users.
    site.kubectl("-n", world, "create", "secret", "generic", "nowhere", "--from-literal=auth=bob:{PLAIN}x")
    wait_for("the new users", 10, lambda: ask(site, "auth-lost", "/", "-u", "bob:x").status == 200)


def test_bodies(site, world):
    assert ask(site, "small", "/", "-d", "x" * 1024).status == 200
    assert ask(site, "small", "/", "-d", "x" * 1025).status == 413
    assert ask(site, "small", "/", "-H", "Transfer-Encoding: chunked", "-d", "x" * 1025).status == 413
    answer = ask(site, "classless", "/", "-H", "Transfer-Encoding: chunked", "-d", "thebody")
    assert answer.status == 200 and answer.body.endswith("thebody")
    size = 20 * 1024 * 1024  # more than the backend keeps: it only counts them
    said = site.run("client", "sh", "-c", f"f=$(mktemp) && truncate -s {size} $f && curl -sSi --max-time 50 -H Expect: "
                    f"-H 'Host: classless.example' -T $f http://{site.control}/ | head -c 2000; rm $f")
    assert Answer(said)["x-body"] == str(size)


def test_what_the_backend_hears(site, world):
    answer = ask(site, "vhost", "/", "-H", "X-Forwarded-For: 1.2.3.4", "-H", "Connection: X-Hop", "-H", "X-Hop: 1")
    heard = dict(line.split(": ", 1) for line in answer.body.split("\n")[1:] if ": " in line)
    assert heard["Host"] == "inner.example" and heard["X-Forwarded-Host"] == "vhost.example"
    assert heard["X-Real-IP"] == heard["X-Forwarded-For"] != "1.2.3.4"
    assert (heard["X-Forwarded-Proto"], heard["X-Forwarded-Port"], heard["X-Scheme"]) == ("http", "80", "http")
    assert re.fullmatch("[0-9a-f]{32}", heard["X-Request-ID"]) and "X-Hop" not in heard
    assert heard["X-Original-Forwarded-For"] == "1.2.3.4"


def test_cookies_keep_a_client_at_its_pod(site, world):
    for host, cookie, tls in (("sticky", "route", False), ("alb", "AWSALB", True)):
        first = ask(site, host, tls=tls)
        name, _, value = first["set-cookie"].partition(";")[0].partition("=")
        assert name == cookie
        pods = {ask(site, host, "/", "-b", f"{cookie}={value}", tls=tls)["x-pod"] for _ in range(4)}
        assert pods == {first["x-pod"]}
    assert len({ask(site, "classless")["x-pod"] for _ in range(12)}) == 2


def test_canary(site, world):
    assert ask(site, "share")["x-pod"].startswith("echo-")
    assert ask(site, "share", "/", "-H", "X-Canary: always")["x-pod"].startswith("canary-")
    site.kubectl("-n", world, "annotate", "--overwrite", "ingress", "canary-share", NGINX + "canary-weight=100")
    wait_for("the canary", 10, lambda: ask(site, "share")["x-pod"].startswith("canary-"))
    assert ask(site, "share", "/", "-H", "X-Canary: never")["x-pod"].startswith("echo-")


def test_external_names(site, world):
    assert wait_for("the registry", 10, lambda: (a := ask(site, "outside", "/v2/")).status == 200 and a)
    site.kubectl("-n", world, "patch", "service", "outside", "-p", '{"spec":{"externalName":"nowhere.lab"}}')
    wait_for("503", 10, lambda: ask(site, "outside", "/v2/").status == 503)


def shown(site, name):
    """(subject and names, fingerprint) of the certificate for a name."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((site.control, 443), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname=name) as s:
            return s.getpeercert(binary_form=True)


def test_tls(site, world):
    assert ask(site, "tls", "/x", tls=True).asked == "GET /x HTTP/1.1"
    assert ask(site, "alb", "/x", tls=True).asked == "GET /x HTTP/1.1"
    own = {name: shown(site, name) for name in ("tls.example", "alb.example", "tls-off.example", "else.example")}
    for name in ("tls.example", "alb.example", "tls-off.example"):
        assert name.encode() in own[name]
    assert len(set(own.values())) == 4
    for pid in site.processes("control", "mkube"):
        if "entry" in site.run("control", "cat", f"/proc/{pid}/cmdline"):
            site.run("control", "kill", str(pid))
    wait_for("the next entry", 20, lambda: ask(site, "classless").status == 200, pause=0.3)
    assert {name: shown(site, name) for name in own} == own


def test_websocket(site, world):
    """Open for as long as proxy-read-timeout says: longer than the test waits."""
    with socket.create_connection((site.control, 80), timeout=5) as s:
        s.sendall(b"GET /ws HTTP/1.1\r\nHost: erp.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += s.recv(4096)
        assert said.startswith(b"HTTP/1.1 101 ") and b"Upgrade: websocket" in said
        for word in (b"one", b"two"):
            s.sendall(word)
            assert s.recv(10) == word


def test_streams_are_not_held_back(site, world):
    with socket.create_connection((site.control, 80), timeout=5) as s:
        s.sendall(b"GET /stream HTTP/1.1\r\nHost: classless.example\r\nConnection: close\r\n\r\n")
        said, times = b"", []
        while piece := s.recv(4096):
            said += piece
            times.append(time.monotonic())
    assert said.count(b"piece") == 5 and said.endswith(b"0\r\n\r\n")
    assert times[-1] - times[0] > 1


def test_status_and_events(site, world):
    def addresses(name):
        return site.get("-n", world, "ingress", name)["status"].get("loadBalancer", {}).get("ingress")

    assert wait_for("an address", 10, lambda: addresses("classless")) == [{"ip": site.control}]
    assert wait_for("an address", 10, lambda: addresses("alb")) == [
        {"hostname": "alb.ingress.elb.mkube.local", "ip": site.control}]
    assert addresses("foreign") is None
    assert site.control in site.kubectl("-n", world, "get", "ingress", "classless")
    wait_for("Sync", 10, lambda: ("Normal", "Sync", "Scheduled for sync") in events(site, world, "classless"))
    said = site.kubectl("-n", world, "describe", "ingress", "classless")
    assert re.search(r"Normal +Sync +\S+ .*nginx-ingress-controller +Scheduled for sync", said)
    wait_for("an event", 10, lambda: ("Warning", "UnsupportedAnnotation", f"annotation {NGINX}configuration-snippet is "
                                      "not supported and has no effect") in events(site, world, "snippet"))
    assert not [e for e in events(site, world, "erp") if e[0] == "Warning"]


def test_the_oldest_keeps_a_path_and_of_one_second_the_last_name(site, world):
    """Seed 003: two Ingresses of one apply claim the same host and path."""
    two = [ingress(name, host="twice.example", paths=[("/", "Prefix", service)])
           for name, service in (("frontend-ingress", "canary"), ("trip-ingress", "echo"))]
    site.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": two}), "-n", world)
    created = {n: site.get("-n", world, "ingress", n)["metadata"]["creationTimestamp"]
               for n in ("frontend-ingress", "trip-ingress")}
    first = min(created, key=lambda n: (created[n], n != "trip-ingress"))
    other = ({*created} - {first}).pop()
    pod = "echo-" if first == "trip-ingress" else "canary-"
    wait_for("an answer", 10, lambda: (ask(site, "twice")["x-pod"] or "").startswith(pod))
    message = f'host "twice.example" and path "/" is already defined in ingress {world}/{first}, which keeps it'
    wait_for("an event", 10, lambda: ("Warning", "DuplicatePath", message) in events(site, world, other))


def test_default_class(site, world):
    site.apply('{"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"edge","annotations":'
               '{"ingressclass.kubernetes.io/is-default-class":"true"}},"spec":{"controller":"ingress.k8s.aws/alb"}}')
    try:
        site.apply(json.dumps(ingress("defaulted")), "-n", world)
        made = site.get("-n", world, "ingress", "defaulted")
        assert made["spec"]["ingressClassName"] == "edge"
        wait_for("the class' kind of status", 10, lambda: "hostname" in site.get(
            "-n", world, "ingress", "defaulted")["status"]["loadBalancer"]["ingress"][0])
        assert ask(site, "defaulted").status == 200
    finally:
        site.kubectl("delete", "ingressclass", "edge")
