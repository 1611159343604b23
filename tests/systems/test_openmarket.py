"""Openmarket: a rendered chart.  A backend that migrates its database first, pages, an ALB with TLS, budgets, autoscalers."""

import copy
import json
import os

import pytest
import yaml

from acceptance import *  # noqa: F401,F403
from labsite import WORKERS, is_ready, name_of, wait_for
from system import Route, System, images_of, push

HERE = os.path.dirname(os.path.realpath(__file__))
DOMAIN = "dev.openmarket.example.com"
API = f"api.{DOMAIN}"
PAGES = (DOMAIN, f"admin.{DOMAIN}", f"seller.{DOMAIN}")
STORES = os.path.join(HERE, "openmarket-stores.yaml")
TLS = {"tls": True}


def without_the_secrets(owner):
    """Their chart expects two Secrets that nothing makes: the pages come up, each backend waits for its first container.
    The autoscaler raises the replicas to its least number at once, though no pod can tell how busy it is."""
    def waiting():
        pods = owner.site.items("-n", owner.ns, "pods", "-l", "app=backend-api")
        states = [s["state"].get("waiting", {}) for p in pods for s in p["status"].get("initContainerStatuses", [])]
        return len(states) == 3 and all(s.get("reason") == "CreateContainerConfigError" for s in states) and states
    assert {s["message"] for s in wait_for("three backends that wait", 60, waiting)} == {'secret "db-credentials" not found'}
    rows = owner.kubectl("get", "pods", "-l", "app=backend-api", "--no-headers").splitlines()
    assert [r.split()[1:3] for r in rows] == [["0/1", "Init:CreateContainerConfigError"]] * 3, rows
    wait_for("the event", 20, lambda: 'Error: secret "db-credentials" not found' in owner.kubectl(
        "describe", "pods", "-l", "app=backend-api"))
    assert owner.site.get("-n", owner.ns, "deployment", "backend-api")["spec"]["replicas"] == 3
    row = owner.kubectl("get", "hpa", "backend-api-hpa", "--no-headers")
    assert "cpu: <unknown>/70%" in row and "memory: <unknown>/80%" in row, row
    told = owner.kubectl("describe", "hpa", "backend-api-hpa")
    assert "New size: 3; reason: Current number of replicas below Spec.MinReplicas" in told, told


def with_the_secrets(owner):
    """Made by hand; the waiting pods go on by themselves."""
    waiting = {name_of(p) for p in owner.site.items("-n", owner.ns, "pods", "-l", "app=backend-api")}
    with open(STORES, encoding="utf-8") as f:
        push(owner.site, images_of(list(yaml.safe_load_all(f))))
    owner.kubectl("apply", "-f", STORES)
    owner.kubectl("rollout", "status", "deployment/openmarket-db", "--timeout=120s", timeout=130)
    owner.kubectl("create", "secret", "generic", "db-credentials", "--from-literal=host=openmarket-db",
                  "--from-literal=username=shop", "--from-literal=password=only-here")
    owner.kubectl("create", "secret", "generic", "redis-credentials", "--from-literal=REDIS_HOST=openmarket-redis")
    owner.all_ready()
    assert waiting == {name_of(p) for p in owner.site.items("-n", owner.ns, "pods", "-l", "app=backend-api")}


SYSTEM = System(
    name="openmarket", namespace="openmarket-dev", seed="004-openmarket-dev.yaml", comes_from=("seed",),
    before=[["create", "namespace", "openmarket-dev"]],
    files=[("pdb.yaml", ["PodDisruptionBudget/*"]), ("serviceaccounts.yaml", ["ServiceAccount/*"]),
           ("configmap.yaml", ["ConfigMap/*"]), ("services.yaml", ["Service/*"]), ("deployments.yaml", ["Deployment/*"]),
           ("hpa.yaml", ["HorizontalPodAutoscaler/*"]), ("ingress.yaml", ["Ingress/*"])],
    after=[without_the_secrets, with_the_secrets], mended=("deployments.yaml",),
    routes=[*(Route("/echo/a?b=c", host=h, by="frontend-web", seen="/echo/a?b=c", more=TLS) for h in PAGES),
            Route("/api/health", host=DOMAIN, by="frontend-web", more=TLS),
            Route("/health/ready", host=API, by="backend", seen="/health/ready", more=TLS),
            Route("/api/products", host=API, by="backend", more=TLS),
            Route("/no/such/page", host=API, status=404, by="backend", more=TLS),
            *(Route("/a/b?c=d", host=h, status=301, to=f"https://{h}:443/a/b?c=d") for h in (*PAGES, API)),
            Route("/", host="other.example.com", status=404, more=TLS),
            Route("/", host="other.example.com", status=404)],
    write={"path": "/api/products", "host": API, "tls": True, "body": {"name": "RECORD"}},
    read={"path": "/api/products", "host": API, "tls": True},
    apps={"backend-api": "backend", "frontend-web": "frontend"},
    load={"path": "/echo/load", "host": API, "tls": True},
    ready_seconds=300,
)


def file(owner, name):
    return next(p for p in owner.files() if os.path.basename(p) == name)


def replicas(owner, name):
    return owner.site.get("-n", owner.ns, "deployment", name)["spec"]["replicas"]


def backends(owner):
    return [p for p in owner.site.items("-n", owner.ns, "pods", "-l", "app=backend-api") if is_ready(p)]


def test_each_apply_sets_one_replica_and_the_autoscaler_mends_it(owner):
    said = owner.kubectl("apply", "-f", file(owner, "deployments.yaml"))
    assert "deployment.apps/backend-api configured" in said, said
    wait_for("three again", 30, lambda: replicas(owner, "backend-api") >= 3 and replicas(owner, "frontend-web") >= 2)
    owner.all_ready()


def test_the_balancer_has_a_name_and_each_host_a_certificate(owner):
    shown = owner.site.get("-n", owner.ns, "ingress", "openmarket-dev-ingress")["status"]["loadBalancer"]["ingress"]
    assert any(i.get("hostname") for i in shown), shown
    row = owner.kubectl("get", "ingress", "openmarket-dev-ingress", "--no-headers").split()
    assert row[1] == "alb" and DOMAIN in row[2], row
    code = ("import ssl, sys, socket; c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE\n"
            "for h in sys.argv[2:]:\n"
            "  s = c.wrap_socket(socket.create_connection((sys.argv[1], 443), 10), server_hostname=h)\n"
            "  print(h, ssl.DER_cert_to_PEM_cert(s.getpeercert(True)).encode().hex())")
    said = owner.site.run("client", "/usr/bin/python3", "-c", code, owner.site.control, *PAGES, API)
    for line in said.splitlines():
        host, pem = line.split()
        names = owner.site._run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], True, 20,
                                input=bytes.fromhex(pem).decode())
        assert f"DNS:{host}" in names.replace(",", " ").split(), (host, names)


def test_an_overlay_that_lists_hosts_without_paths_answers_nothing(owner, tmp_path):
    """Their patch replaces the list of rules, as strategic merge does: four hosts, no path: 404 each."""
    (tmp_path / "ingress.yaml").write_text(open(file(owner, "ingress.yaml"), encoding="utf-8").read(), encoding="utf-8")
    hosts = [*PAGES, API]
    (tmp_path / "ingress-patch.yaml").write_text(yaml.safe_dump(
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "openmarket-dev-ingress"},
         "spec": {"rules": [{"host": h} for h in hosts]}}), encoding="utf-8")
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": owner.ns,
         "resources": ["ingress.yaml"], "patches": [{"path": "ingress-patch.yaml"}]}), encoding="utf-8")
    try:
        owner.kubectl("apply", "-k", str(tmp_path))
        wait_for("404 for all", 20, lambda: {getattr(a, "status", a) for a in owner.outside.ask_all(
            [{"path": "/", "host": h, "tls": True} for h in hosts])} == {404}, pause=0.5)
    finally:
        owner.kubectl("apply", "-f", file(owner, "ingress.yaml"))
    wait_for("the pages again", 20, lambda: owner.outside.ask("/", host=DOMAIN, tls=True).status == 200, pause=0.5)
    owner.check_routes()
    (tmp_path / "kustomization.yaml").write_text("resources: [ingress.yaml, secrets.yaml]\n", encoding="utf-8")
    refused = owner.kubectl("apply", "-k", str(tmp_path), check=False)  # their secrets.yaml is in .gitignore
    assert refused.returncode != 0 and "secrets.yaml" in refused.stderr, refused.stderr


def test_the_users_and_rights_that_the_pods_asked_for(owner):
    pod = name_of(backends(owner)[0])
    said = owner.kubectl("exec", pod, "-c", "backend", "--", "sh", "-c",
                         "id -u; id -G; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; touch /tmp/a /app/logs/b; "
                         "ls -ldn /app/logs; ls -ln /app/logs/b")
    lines = said.splitlines()
    assert lines[0] == "1001" and "1001" in lines[1].split(), said
    fields = dict(line.split(":\t") for line in lines[2:6])
    assert fields == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}, said
    assert lines[6].startswith("drwxrws") and lines[6].split()[3] == "1001" and lines[7].split()[3] == "1001", said
    assert "migrations" in owner.kubectl("logs", pod, "-c", "db-migration")
    for name, path in (("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace"), ("POD_IP", "status.podIP")):
        got = owner.kubectl("exec", pod, "--", "sh", "-c", f"echo ${name}").strip()
        assert got == owner.kubectl("get", "pod", pod, "-o", f"jsonpath={{.{path}}}"), name
    terms = owner.site.get("-n", owner.ns, "pod", pod)["spec"]["affinity"]["podAntiAffinity"]
    terms = [t["podAffinityTerm"] for t in terms["preferredDuringSchedulingIgnoredDuringExecution"]]
    assert terms == [{"topologyKey": "topology.kubernetes.io/zone"}, {"topologyKey": "kubernetes.io/hostname"}]  # no selector: no pod
    # What the cache is for: every backend counts the same visits.
    before = owner.outside.ask("/api/visits", host=API, tls=True).json["visits"]
    assert owner.outside.ask("/api/visits", host=API, tls=True).json["visits"] > before


def variant(owner, name, of, change):
    """A Deployment of theirs, beside it under another name, changed."""
    made = copy.deepcopy(next(d for d in owner.documents if d["kind"] == "Deployment" and name_of(d) == of))
    made["metadata"] = {"name": name}
    made["spec"]["selector"] = {"matchLabels": {"app": name}}
    made["spec"]["template"]["metadata"] = {"labels": {"app": name}}
    spec = made["spec"]["template"]["spec"]
    change(spec, spec["containers"][0])
    return made


def test_variants_of_its_deployments(owner):
    """A read-only root, too little memory, a placeholder for an image, a backend without /health/ready."""
    def readonly(spec, container):
        container["securityContext"]["readOnlyRootFilesystem"] = True
        container["readinessProbe"]["initialDelaySeconds"] = 1

    def tiny(spec, container):
        container["resources"] = {"limits": {"memory": "8Mi"}, "requests": {"memory": "4Mi"}}
        container["command"] = ["python3", "-c", "x = bytearray(64 << 20)"]

    def placeholder(spec, container):
        container["image"] = "<AWS_ACCOUNT_ID>.dkr.ecr.ap-northeast-2.amazonaws.com/openmarket/frontend-web:dev-latest"

    def never_ready(spec, container):
        container.setdefault("env", []).append({"name": "READY_STATUS", "value": "404"})
        container["readinessProbe"].update(initialDelaySeconds=1, periodSeconds=1)

    made = {"v-readonly": ("frontend-web", readonly), "v-tiny": ("frontend-web", tiny),
            "v-placeholder": ("frontend-web", placeholder), "v-never-ready": ("backend-api", never_ready)}
    owner.site.apply(yaml.safe_dump_all([variant(owner, n, *how) for n, how in made.items()]), "-n", owner.ns)
    try:
        def one(name):
            return owner.site.items("-n", owner.ns, "pods", "-l", f"app={name}")[0]

        def waiting(name):
            return next(iter(one(name)["status"].get("containerStatuses", [])), {"state": {}})["state"].get("waiting", {})
        said = wait_for("the placeholder to be told", 30, lambda: (
            w := waiting("v-placeholder")).get("reason") == "InvalidImageName" and w)
        assert "invalid reference format" in said["message"]
        assert "InvalidImageName" in owner.kubectl("get", "pods", "-l", "app=v-placeholder")
        ended = wait_for("the end by memory", 60, lambda: [
            t for c in one("v-tiny")["status"]["containerStatuses"] if (t := c["lastState"].get("terminated"))])[0]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
        told = owner.kubectl("describe", "pods", "-l", "app=v-tiny")
        assert "OOMKilled" in told and "137" in told
        with owner.site.kubectl_process("-n", owner.ns, "get", "pods", "-l", "app=v-tiny", "--no-headers", "-w") as watch:
            seen = []
            while not {"OOMKilled", "CrashLoopBackOff"} <= set(seen[seen.index("OOMKilled"):] if "OOMKilled" in seen else []):
                line = watch.stdout.readline()
                assert line and len(seen) < 50, seen
                seen.append(line.split()[2])
            watch.terminate()
        owner.kubectl("logs", name_of(one("v-tiny")), "--previous")
        owner.kubectl("wait", "--for=condition=available", "deployment/v-readonly", "--timeout=60s", timeout=70)
        tried = owner.kubectl("exec", "deployment/v-readonly", "--", "touch", "/x", check=False)
        assert tried.returncode != 0 and "Read-only file system" in tried.stderr, tried
        owner.kubectl("exec", "deployment/v-readonly", "--", "touch", "/tmp/x", "/app/.next/cache/x")
        wait_for("its probe to be told", 60, lambda: "Readiness probe failed: HTTP probe failed with statuscode: 404" in
                 owner.kubectl("describe", "pods", "-l", "app=v-never-ready"), pause=0.5)
        assert not is_ready(one("v-never-ready"))
        late = owner.kubectl("rollout", "status", "deployment/v-never-ready", "--timeout=2s", check=False)
        assert late.returncode != 0 and "timed out" in late.stderr, late
        assert "0/1" in owner.kubectl("get", "deployment", "v-never-ready")
    finally:
        owner.kubectl("delete", "deployment", *made, "--timeout=60s", timeout=70)


def budget(owner):
    status = owner.site.get("-n", owner.ns, "pdb", "backend-api-pdb")["status"]
    return status["currentHealthy"], status["desiredHealthy"], status["disruptionsAllowed"]


def test_a_drain_keeps_two_backends(owner):
    """While requests come in; with two left a drain waits and says why."""
    wait_for("the budget", 20, lambda: budget(owner) == (3, 2, 1))
    node = backends(owner)[0]["spec"]["nodeName"]
    fewest = []
    load = owner.outside.load(**owner.system.load)
    drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=app=backend-api")
    try:
        process = owner.site.kubectl_process(*drain, "--timeout=240s")
        while process.poll() is None:
            fewest.append(len(backends(owner)))
        assert process.returncode == 0, process.stdout.read()
    finally:
        told = load.stop()
        owner.site.kubectl("uncordon", node)
    assert min(fewest) >= 2 and not told["failed"], (fewest, told["failed"][:5])
    owner.all_ready()
    owner.kubectl("delete", "-f", file(owner, "hpa.yaml"))
    try:
        owner.kubectl("scale", "deployment/backend-api", "--replicas=2")
        wait_for("no disruption to be allowed", 60, lambda: budget(owner) == (2, 2, 0))
        node = backends(owner)[0]["spec"]["nodeName"]
        blocked = owner.site.kubectl("drain", node, *drain[2:], "--timeout=7s", check=False)
        assert blocked.returncode != 0, blocked.stdout
        assert "Cannot evict pod as it would violate the pod's disruption budget." in blocked.stderr, blocked.stderr
        owner.site.kubectl("uncordon", node)
    finally:
        for worker in WORKERS:
            owner.site.kubectl("uncordon", worker)
        owner.kubectl("apply", "-f", file(owner, "hpa.yaml"))
    wait_for("three again", 60, lambda: replicas(owner, "backend-api") == 3)


def policy(name, app, sources, egress):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": {
        "podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [s], "ports": [{"protocol": "TCP", "port": 3000}]} for s in sources], "egress": egress}}


BALANCER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "aws-load-balancer-controller"}}}
ANYWHERE = {"namespaceSelector": {}}
NAMES = {"to": [ANYWHERE], "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
POLICIES = [
    policy("backend-api-netpol", "backend-api", [{"podSelector": {"matchLabels": {"app": "frontend-web"}}}, BALANCER],
           [NAMES, *({"to": [ANYWHERE], "ports": [{"protocol": "TCP", "port": p}]} for p in (3306, 6379)),
            {"ports": [{"protocol": "TCP", "port": 443}]}]),
    policy("frontend-web-netpol", "frontend-web", [BALANCER],
           [NAMES, {"to": [{"podSelector": {"matchLabels": {"app": "backend-api"}}}], "ports": [{"protocol": "TCP", "port": 3000}]}])]


def test_network_policies_as_documented(owner):
    """Backend: from the pages and the balancer; pages: from the balancer only; out: names, database, cache, HTTPS."""
    ask = ("import sys, urllib.request as r\n"
           "try: print(r.urlopen(sys.argv[1], timeout=2).status)\n"
           "except Exception as e: print(type(e).__name__, getattr(e, 'reason', e))")

    def gets(app, url):
        return owner.kubectl("exec", f"deployment/{app}", "--", "python3", "-c", ask, url).strip()
    backend, pages = "http://backend-api:3000/health", "http://frontend-web:3000/api/health"
    assert gets("backend-api", pages) == "200"
    owner.site.apply(yaml.safe_dump_all(POLICIES), "-n", owner.ns)
    try:
        assert {r.split()[0] for r in owner.kubectl("get", "networkpolicies", "--no-headers").splitlines()} == {
            name_of(p) for p in POLICIES}
        wait_for("the backend to be kept from the pages", 20, lambda: "timed out" in gets("backend-api", pages))
        assert gets("frontend-web", backend) == "200"
        assert "timed out" in gets("frontend-web", "http://openmarket-redis:6379/")
        owner.check_routes()
        record = new_record()  # noqa: F405
        owner.write(record)
        owner.holds(record)
        stranger = owner.kubectl("run", "stranger", "--rm", "-i", "--restart=Never", "--image=busybox:1.36", "--command", "--",
                                 "sh", "-c", f"timeout 3 wget -q -O - {backend}; echo ended with $?", check=False)
        assert "ended with 143" in stranger.stdout and "healthy" not in stranger.stdout, stranger
        owner.kubectl("delete", "pods", "-l", "app=backend-api", "--wait=false")  # probes and migration pass as well
        owner.all_ready()
    finally:
        owner.kubectl("delete", "networkpolicy", "--all")
        owner.kubectl("delete", "pod", "stranger", "--ignore-not-found")


def test_autoscaler_follows_the_load(owner):
    """Up by its own rules; down again (their five minutes' window is shortened for the test, then put back)."""
    calm = {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 10, "policies": [
        {"type": "Percent", "value": 100, "periodSeconds": 15}]}}}}
    owner.kubectl("patch", "hpa", "backend-api-hpa", "--type=merge", "-p", json.dumps(calm))
    try:
        load = owner.outside.load(n=6, path="/burn?ms=50", host=API, tls=True, pause=0)
        try:
            wait_for("more pods", 150, lambda: replicas(owner, "backend-api") > 3, pause=1)
        finally:
            load.stop()
        assert "cpu resource utilization" in owner.kubectl("describe", "hpa", "backend-api-hpa")
        wait_for("as few as before", 240, lambda: replicas(owner, "backend-api") == 3, pause=2)
    finally:
        owner.kubectl("apply", "-f", file(owner, "hpa.yaml"))
    window = owner.site.get("-n", owner.ns, "hpa", "backend-api-hpa")["spec"]["behavior"]["scaleDown"]
    assert window["stabilizationWindowSeconds"] == 300 and len(window["policies"]) == 2


def test_what_the_owner_looks_at(owner):
    """The commands of the document, in its order."""
    for what in ("pods", "svc", "ingress", "hpa", "secret", "externalsecret", "pdb", "sa"):
        owner.kubectl("get", what)
    with owner.site.kubectl_process("-n", owner.ns, "logs", "-f", "deployment/backend-api", "-c", "backend") as follower:
        try:
            assert "backend" in follower.stdout.readline()
        finally:
            follower.terminate()
    pod = name_of(backends(owner)[0])
    told = owner.kubectl("describe", "pod", pod)
    for words in ("Init Containers:", "db-migration", "db-credentials", "/health/ready", "Tolerations:"):
        assert words in told, words
    assert owner.kubectl("get", "events", "--sort-by=.lastTimestamp")
    assert "TLS:" in owner.kubectl("describe", "ingress", "openmarket-dev-ingress")
    wait_for("numbers of use", 60, lambda: WORKERS[0] in owner.site.kubectl("top", "nodes") and pod in owner.kubectl(
        "top", "pods"), pause=1)
    assert "Min replicas:" in owner.kubectl("describe", "hpa", "backend-api-hpa")
    # There is no controller to ask: what it would do, the entry does.
    gone = owner.site.kubectl("-n", "kube-system", "logs", "deployment/aws-load-balancer-controller", check=False)
    assert "not found" in gone.stderr


@pytest.fixture(autouse=True, scope="module")
def _busybox(whole_site):
    whole_site.up()
    push(whole_site, ["library/busybox:1.36"])
