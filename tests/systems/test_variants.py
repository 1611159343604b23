"""What else people have in their folders (examples/systems/variants), and the words that they type every day."""

import os
import re
import shutil
import subprocess

import pytest

import kubectls
from labsite import REPO, WORKERS, is_ready, name_of, wait_for
from outside import Outside
from system import images_of, other_tag, stand_in

import yaml

FOLDER = os.path.join(REPO, "examples", "systems", "variants")
NS, ERP = "variants", "erp-plain"
PORTS = {"employee-service": 8081, "approval-request-service": 8082, "approval-processing-service": 8083,
         "notification-service": 8084}


@pytest.fixture(scope="module")
def world(whole_site, tmp_path_factory):
    """Both folders, applied as their owner does it: the ERP's a second time, for its namespace came late."""
    whole_site.up()
    documents = [d for folder in ("erp-plain", "common") for name in sorted(os.listdir(os.path.join(FOLDER, folder)))
                 for d in yaml.safe_load_all(open(os.path.join(FOLDER, folder, name), encoding="utf-8"))]
    web = stand_in("your-docker-registry/web:latest")
    whole_site.push(sorted({*images_of(documents), web, other_tag(web), "curlimages/curl:latest"}))
    world = World(whole_site, str(tmp_path_factory.mktemp("variants")))
    try:
        world.begin()
        yield world
    finally:
        if not os.environ.get("LAB_KEEP"):
            whole_site.up()
            whole_site.kubectl("delete", "namespace", NS, ERP, "--ignore-not-found", "--timeout=120s", timeout=150)
            whole_site.kubectl("delete", "priorityclass", "inference", "--ignore-not-found")
            wait_for("the volumes to go", 60, lambda: not [v for v in whole_site.items("pv")
                                                           if v["spec"]["claimRef"]["namespace"] in (NS, ERP)])


class World:
    def __init__(self, site, scratch):
        self.site, self.scratch, self.outside = site, scratch, Outside(site)

    def kubectl(self, *words, **options):
        return self.site.kubectl("-n", NS, *words, **options)

    def erp(self, *words, **options):
        return self.site.kubectl("-n", ERP, *words, **options)

    def path(self, name, text=None):
        path = os.path.join(self.scratch, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return path

    def begin(self):
        self.first = self.site.kubectl("apply", "-f", os.path.join(FOLDER, "erp-plain"), check=False)
        self.second = self.site.kubectl("apply", "-f", os.path.join(FOLDER, "erp-plain"))
        self.site.kubectl("create", "namespace", NS)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-keyout",
            self.path("tls.key"), "-out", self.path("tls.crt"), "-subj", "/CN=shop.example.com", "-addext",
            "subjectAltName=DNS:shop.example.com")
        self.kubectl("create", "secret", "tls", "shop-tls", "--cert", self.path("tls.crt"), "--key", self.path("tls.key"))
        password = run("openssl", "passwd", "-apr1", "open sesame").strip()
        self.path("auth", f"admin:{password}\n")
        self.kubectl("create", "secret", "generic", "basic-auth", "--from-file", self.path("auth"))
        self.kubectl("apply", "-f", os.path.join(FOLDER, "common"))

    def pods(self, app):
        return [p for p in self.site.items("-n", NS, "pods", "-l", f"app={app}") if "deletionTimestamp" not in p["metadata"]]

    def ready(self, app, n):
        return wait_for(f"{n} of {app} to be Ready", 90,
                        lambda: len(found := self.pods(app)) == n and all(is_ready(p) for p in found) and found)

    def get(self, *words):
        return self.site.get("-n", NS, *words)

    def waits(self, what, *words, seconds=60):
        """Until an event of @what says these words."""
        def said():
            events = self.site.items("-n", NS, "events", "--field-selector", f"involvedObject.name={what}")
            return [e["message"] for e in events if all(w in e["message"] for w in words)]
        return wait_for(f"{words} about {what}", seconds, said)

    def inside(self, pod, *command, container=None):
        return self.kubectl("exec", pod, *(["-c", container] if container else []), "--", *command)


def run(*argv):
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


# --- the ERP with plain Deployments -----------------------------------------------------------------------------


def test_a_folder_that_comes_before_its_namespace(world):
    assert world.first.returncode == 1 and 'namespaces "erp-plain" not found' in world.first.stderr
    assert "service/zookeeper created" in world.first.stdout  # what the alphabet puts after it is there at once
    assert "deployment.apps/mysql created" in world.second and "service/zookeeper unchanged" in world.second
    world.erp("wait", "--for=condition=available", "deployment", "--all", "--timeout=150s", timeout=160)
    services = world.erp("get", "services").splitlines()
    for i, (name, port) in enumerate(PORTS.items()):
        row = next(line.split() for line in services if line.startswith(name))
        assert row[1] == "LoadBalancer" and row[3] == world.site.control and row[4] == f"{port}:{30001 + i}/TCP", row
    assert "2               N/A               1" in world.erp("get", "pdb")


def test_databases_that_are_plain_deployments_keep_their_data(world):
    """Replaced as their strategies say, on the claim made beforehand; the first data came from a ConfigMap."""
    made = wait_for("a clerk", 60, lambda: (a := world.outside.ask("/employees", port=8081, body={"name": "kim"})).status == 201 and a)
    assert made.json["kept"] == "mysql"
    for database in ("mysql", "mongodb", "kafka"):
        world.erp("rollout", "restart", f"deployment/{database}")
    for database in ("mysql", "mongodb", "kafka"):
        world.erp("rollout", "status", f"deployment/{database}", "--timeout=120s", timeout=130)
    wait_for("the clerk", 30, lambda: "kim" in world.outside.ask("/employees", port=8081).text)
    said = world.erp("exec", "deploy/mysql", "--", "mysql", "-uroot", "-proot", "people", "-e",
                     "SELECT place FROM desks; SHOW VARIABLES LIKE 'character_set_server'")
    assert "창가 자리" in said and "utf8mb4" in said
    assert world.erp("exec", "deploy/kafka", "--", "sh", "-c", "echo $KAFKA_PORT").startswith("tcp://")


def test_a_nightly_dump_by_day(world):
    world.erp("create", "job", "--from=cronjob/backup", "by-day")
    world.erp("wait", "--for=condition=complete", "job/by-day", "--timeout=90s", timeout=100)
    assert int(world.erp("logs", "job/by-day")) >= 1


# --- claims, sets, jobs -----------------------------------------------------------------------------------------


def test_a_claim_shared_by_two(world):
    together = world.ready("together", 2)
    assert len({p["spec"]["nodeName"] for p in together}) == 1
    wait_for("both names", 20, lambda: set(world.inside(name_of(together[0]), "cat", "/up/who").split()) >= {name_of(p) for p in together})
    left = wait_for("one to run", 60, lambda: [p for p in world.pods("apart") if "nodeName" not in p["spec"]]
                    if sum(map(is_ready, world.pods("apart"))) == 1 else None)
    world.waits(name_of(left[0]), "0/3 nodes are available: 1 node(s) didn't match pod anti-affinity rules, "
                "2 node(s) had volume node affinity conflict.")


def test_a_parallel_set_finds_its_members_and_keeps_its_claims(world):
    world.ready("members", 3)
    world.kubectl("set", "env", "statefulset/members", "NEW=1")
    world.kubectl("rollout", "status", "statefulset/members", "--timeout=60s", timeout=70)
    new = {name_of(p) for p in world.ready("members", 3) if any(e["name"] == "NEW" for e in p["spec"]["containers"][0]["env"])}
    assert new == {"members-2"}  # the partition
    world.kubectl("scale", "statefulset/members", "--replicas=1")
    wait_for("one to be left", 60, lambda: len(world.pods("members")) == 1)
    assert len(world.site.items("-n", NS, "pvc", "-l", "app=members")) == 6
    world.kubectl("scale", "statefulset/members", "--replicas=3")
    world.ready("members", 3)
    assert world.inside("members-2", "sh", "-c", "wc -l < /data/who").strip() == "3"  # made, updated, back


def test_a_set_that_is_updated_by_hand(world):
    before = world.ready("by-hand", 1)[0]["metadata"]["uid"]
    world.kubectl("set", "env", "statefulset/by-hand", "NEW=1")
    wait_for("the set to see it", 20, lambda: (s := world.get("statefulset", "by-hand"))["status"]["observedGeneration"] == s["metadata"]["generation"])
    assert world.ready("by-hand", 1)[0]["metadata"]["uid"] == before
    world.kubectl("delete", "pod", "by-hand-0")
    assert "env" in world.ready("by-hand", 1)[0]["spec"]["containers"][0]
    world.kubectl("scale", "statefulset/by-hand", "--replicas=2")
    world.ready("by-hand", 2)
    world.kubectl("scale", "statefulset/by-hand", "--replicas=1")  # whenScaled: Delete
    wait_for("the claim to go", 60, lambda: [name_of(c) for c in world.site.items("-n", NS, "pvc", "-l", "app=by-hand")] == ["data-by-hand-0"])


def test_a_migration_waits_and_cleans_up(world):
    world.ready("redis", 1)
    wait_for("the migration", 60, lambda: world.inside("deploy/redis", "redis-cli", "-a", "much-secret", "get", "schema").strip() == "7", pause=0.5)
    wait_for("the Job to go", 30, lambda: "migrate" not in world.kubectl("get", "jobs,pods", "-o", "name"))
    assert "67108864" in world.inside("deploy/redis", "redis-cli", "-a", "much-secret", "config", "get", "maxmemory")


def test_sidecars_share_a_folder_and_a_configuration_is_reloaded(world):
    wait_for("all three", 60, lambda: "3/3" in world.kubectl("get", "pod", "sidecars"))
    wait_for("the first text", 20, lambda: "one" in world.kubectl("logs", "sidecars", "-c", "shipper", "--tail=1"))
    world.kubectl("patch", "configmap", "reload", "-p", '{"data":{"app.conf":"two\\n"}}')
    wait_for("the second", 90, lambda: "two" in world.kubectl("logs", "sidecars", "-c", "shipper", "--tail=1"))
    assert world.inside("sidecars", "cat", "/fixed.conf", container="app") == "one\n"  # a subPath stays


# --- doors ------------------------------------------------------------------------------------------------------


def test_doors(world):
    world.ready("web", 2)
    wait_for("the door", 30, lambda: world.outside.ask("/health", host="one.example.com").status == 200)
    asked = [({"host": "one.example.com"}, 200), ({"host": "a.two.example.com"}, 200), ({"host": "two.example.com"}, 200),
             ({"host": "shop.example.com"}, 308), ({"host": "shop.example.com", "tls": True}, 200),
             ({"host": "admin.example.com"}, 401),
             ({"host": "admin.example.com", "headers": {"Authorization": "Basic YWRtaW46b3BlbiBzZXNhbWU="}}, 200)]
    answers = world.outside.ask_all([{"path": "/health", **how} for how, _ in asked])
    assert [getattr(a, "status", a) for a in answers] == [status for _, status in asked]
    script = ("import ssl, socket, sys; c = ssl.create_default_context(cadata=sys.argv[2]);"
              "c.wrap_socket(socket.create_connection((sys.argv[1], 443), 10), server_hostname='shop.example.com'); print('trusted')")
    with open(world.path("tls.crt"), encoding="utf-8") as f:
        assert "trusted" in world.site.run("client", "/usr/bin/python3", "-c", script, world.site.control, f.read())
    for worker in WORKERS:  # nginx in the nodes' own network
        wait_for(f"nginx of {worker}", 30, lambda: world.site.run(
            "client", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", world.site.lab("address", worker).strip()).strip() in ("200", "403"))


def test_services_lead_outside(world):
    """A Service without selector, its addresses written by hand in either kind; a name that stands for another."""
    client = world.site.lab("address", "client").strip()
    world.site.apply(f"""
apiVersion: v1
kind: Service
metadata: {{name: elsewhere}}
spec: {{ports: [{{port: 5432, targetPort: 5433}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: elsewhere}}
subsets: [{{addresses: [{{ip: {client}}}], ports: [{{port: 5433}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: elsewhere-too}}
spec: {{clusterIP: None, ports: [{{name: pg, port: 5433}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: elsewhere-too-1, labels: {{kubernetes.io/service-name: elsewhere-too}}}}
addressType: IPv4
ports: [{{name: pg, port: 5433, protocol: TCP}}]
endpoints: [{{addresses: ["{client}"]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: far}}
spec: {{type: ExternalName, externalName: client.lab}}
""", "-n", NS)
    program = "import socket; s = socket.create_server(('0.0.0.0', 5433))\nwhile True: c, _ = s.accept(); c.sendall(b'from elsewhere'); c.close()"
    server = subprocess.Popen([os.path.join(REPO, "tests", "lab", "lab"), "run", "client", "--", "timeout", "60", "/usr/bin/python3", "-c", program],
                              env=world.site.env, stdin=subprocess.DEVNULL)
    try:
        for where in ("elsewhere 5432", "elsewhere-too 5433", "far 5433"):
            wait_for(where, 30, lambda: "from elsewhere" in world.inside("sidecars", "sh", "-c", f"nc -w 3 {where} </dev/null", container="app"))
        assert "healthy" in world.inside("sidecars", "wget", "-qO-", "http://same-web/health", container="app")
    finally:
        server.terminate()
        server.wait(10)


# --- who asks the API from within -------------------------------------------------------------------------------


def test_an_operator_leads_until_it_is_gone(world):
    world.ready("web", 2)
    seen = wait_for("the leader's words", 60, lambda: (d := world.get("configmap", "seen").get("data")) and d["web"] == "2" and d)
    assert world.get("lease", "operator")["spec"]["holderIdentity"] == seen["by"]
    world.kubectl("delete", "pod", seen["by"])
    after = wait_for("another leader", 60, lambda: (d := world.get("configmap", "seen")["data"])["by"] != seen["by"] and d)
    assert wait_for("its mark", 20, lambda: world.get("deployment", "web")["metadata"]["annotations"].get("seen-by") == after["by"])
    account = f"--as=system:serviceaccount:{NS}:operator"
    assert world.kubectl("auth", "can-i", "patch", "deployments", account).strip() == "yes"
    assert world.kubectl("auth", "can-i", "delete", "deployments", account, check=False).stdout.strip() == "no"
    refused = world.kubectl("get", "secrets", account, check=False).stderr
    assert f'User "system:serviceaccount:{NS}:operator" cannot list resource "secrets" in API group "" in the namespace "{NS}"' in refused


# --- nodes ------------------------------------------------------------------------------------------------------


def test_hardware_that_is_not_there(world):
    def pending(app):
        return wait_for(app, 30, lambda: [name_of(p) for p in world.pods(app)])[0]
    world.waits(pending("inference"), "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
    world.waits(pending("training"), "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.")
    assert world.get("pod", pending("inference"))["spec"]["priority"] == 1000000
    assert world.get("daemonset", "gpu-exporter")["status"]["desiredNumberScheduled"] == 0
    world.site.kubectl("label", "node", "worker1", "gpu.nvidia.com/present=true")
    try:
        world.waits(pending("gpu-exporter"), "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].")
        wait_for("training to run", 60, lambda: is_ready(world.pods("training")[0]))
    finally:
        world.site.kubectl("label", "node", "worker1", "gpu.nvidia.com/present-")
    wait_for("the exporter to go", 30, lambda: not world.pods("gpu-exporter"))


def test_what_an_image_says_of_itself(world):
    wait_for("the image's own program", 60, lambda: "listening on 8006" in world.kubectl("logs", "arguments"))
    wait_for("the number", 60, lambda: is_ready(world.get("pod", "user-number")))
    world.waits("user-name", "container has runAsNonRoot and image has non-numeric user (nobody), cannot verify user is non-root")


def test_placement(world):
    nodes = [p["spec"]["nodeName"] for p in world.ready("even", 6)]
    assert sorted(nodes.count(w) for w in WORKERS) == [2, 2, 2]
    assert world.ready("liked", 1)[0]["spec"]["nodeName"] == "worker2"
    world.site.kubectl("taint", "nodes", "worker2", "for=nobody:NoSchedule")
    try:
        world.kubectl("rollout", "restart", "deployment/liked")
        wait_for("it to go elsewhere", 60, lambda: [p["spec"].get("nodeName") for p in world.pods("liked")] == ["worker1"])
    finally:
        world.site.kubectl("taint", "nodes", "worker2", "for-")


# --- what people type -------------------------------------------------------------------------------------------


def test_typed(world):
    """Made without a file, changed without one, looked at in every order."""
    k = world.kubectl
    k("create", "deployment", "typed", "--image=your-docker-registry/web:latest", "--replicas=2", "--port=8006")
    k("expose", "deployment", "typed", "--port=80", "--target-port=8006")
    k("rollout", "pause", "deployment/typed")
    k("set", "env", "deployment/typed", "COLOUR=green")
    k("set", "resources", "deployment/typed", "--limits=cpu=200m,memory=128Mi", "--requests=cpu=10m,memory=32Mi")
    assert "typed" not in k("get", "rs", "-o", 'jsonpath={.items[?(@.metadata.annotations.deployment\\.kubernetes\\.io/revision=="2")].metadata.name}')
    k("rollout", "resume", "deployment/typed")
    k("rollout", "status", "deployment/typed", "--timeout=90s", timeout=100)
    told = k("rollout", "history", "deployment/typed", "--revision=2")
    assert re.search(r"COLOUR:\s+green", told) and re.search(r"memory:\s+128Mi", told)
    assert "COLOUR=green" in k("set", "env", "deployment/typed", "--list")
    k("rollout", "undo", "deployment/typed", "--to-revision=1")
    k("rollout", "status", "deployment/typed", "--timeout=90s", timeout=100)
    assert "unable to find specified revision 77" in k("rollout", "undo", "deployment/typed", "--to-revision=77", check=False).stderr
    k("run", "typed-pod", "--image=nginx:alpine", "--port=80", "--expose", "--labels=app=typed-pod")
    k("wait", "--for=condition=ready", "pod/typed-pod", "--timeout=60s", timeout=70)
    stamps = k("get", "pods", "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[*].metadata.creationTimestamp}").split()
    assert stamps == sorted(stamps) and len(stamps) > 10
    assert "Started container" in k("events", "--for", "pod/typed-pod")
    with open(world.path("there", "there\n"), encoding="utf-8"):
        k("cp", world.path("there"), "typed-pod:/tmp/there")
    assert world.inside("typed-pod", "cat", "/tmp/there") == "there\n"
    k("cp", "typed-pod:/etc/nginx", world.path("nginx"))
    assert "nginx.conf" in os.listdir(world.path("nginx"))
    k("delete", "deployment,service,pod", "typed", "typed-pod", "--ignore-not-found")


def test_changed_by_hand(world):
    """edit, diff, replace, prune."""
    k = world.kubectl
    both = world.path("both.yaml", """
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, labels: {set: one}}
data: {a: first}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: pruned, labels: {set: one}}
data: {a: first}
""")
    differs = k("diff", "-f", both, check=False)
    assert differs.returncode == 1 and "+  a: first" in differs.stdout
    k("apply", "-f", both)
    assert k("diff", "-f", both) == ""
    world.site.env["KUBE_EDITOR"] = "sed -i s/first/second/"
    try:
        assert "edited" in k("edit", "configmap", "kept")
        world.site.env["KUBE_EDITOR"] = "true"
        assert "Edit cancelled, no changes made." in k("edit", "configmap", "kept", check=False).stderr
    finally:
        del world.site.env["KUBE_EDITOR"]
    seen = k("get", "configmap", "kept", "-o", "yaml")
    assert "a: second" in seen
    k("replace", "-f", "-", stdin=seen.replace("a: second", "a: third"))
    stale = k("replace", "-f", "-", stdin=seen, check=False).stderr
    assert "the object has been modified; please apply your changes to the latest version and try again" in stale
    only = world.path("only.yaml", open(both, encoding="utf-8").read().split("---")[0])
    assert "configmap/pruned pruned" in k("apply", "--prune", "-l", "set=one", "--prune-allowlist=core/v1/ConfigMap", "-f", only)
    odd = world.path("only.yaml (다른 것)")
    shutil.copy(only, odd)
    assert "unchanged" in k("apply", "-f", odd)


def test_applied_by_the_server(world):
    """What kubectl applied before is taken over without a conflict, and what was applied is still so."""
    claims = os.path.join(FOLDER, "common", "10-claims.yaml")
    for _ in range(2):
        said = world.kubectl("apply", "--server-side", "-f", claims).splitlines()
        assert said and all(line.endswith(" serverside-applied") for line in said), said
    assert world.kubectl("diff", "--server-side", "-f", claims) == ""


# --- an old kubectl ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def old_kubectl():
    path, why = kubectls.debian()
    if path is None:
        pytest.skip(why)
    return path


def test_debians_kubectl(world, old_kubectl):
    """1.20: everyday verbs, and streams by SPDY."""
    def k(*words, check=True, timeout=90):
        done = subprocess.run([old_kubectl, "-n", NS, *words], env=world.site.env, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done
    assert 'GitVersion:"v1.20' in k("version")
    again = world.path("old.yaml", """
apiVersion: apps/v1
kind: Deployment
metadata: {name: old}
spec:
  replicas: 2
  selector: {matchLabels: {app: old}}
  template:
    metadata: {labels: {app: old}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: web, image: "your-docker-registry/web:latest", readinessProbe: {httpGet: {path: /health, port: 8006}, periodSeconds: 1}}
""")
    assert "created" in k("apply", "-f", again) and "unchanged" in k("apply", "-f", again)
    assert "successfully rolled out" in k("rollout", "status", "deployment/old", "--timeout=60s")
    assert "listening on 8006" in k("logs", "deployment/old")
    assert k("exec", "deployment/old", "--", "echo", "by SPDY") == "by SPDY\n"
    assert k("exec", "deployment/old", "--", "sh", "-c", "exit 7", check=False).returncode == 7
    with subprocess.Popen([old_kubectl, "-n", NS, "port-forward", "deployment/old", ":8006"], env=world.site.env, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as forward:
        try:
            port = re.search(r"127.0.0.1:(\d+)", forward.stdout.readline())[1]
            assert "healthy" in run("curl", "-s", f"http://127.0.0.1:{port}/health")
        finally:
            forward.terminate()
    k("set", "image", "deployment/old", "web=your-docker-registry/web:v2")
    k("rollout", "status", "deployment/old", "--timeout=60s")
    k("rollout", "undo", "deployment/old")
    assert re.search(r"Replicas:\s+2 desired", k("describe", "deployment", "old"))
    assert "Successfully assigned" in k("describe", "pods", "-l", "app=old")
    assert "worker1" in k("top", "nodes")
    assert "scaled" in k("scale", "deployment", "old", "--replicas=1")
    assert 'no matches for kind "Ingress" in version "networking.k8s.io/v1beta1"' in k("apply", "-f", world.path("beta.yaml", """
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: old}
spec: {backend: {serviceName: web, servicePort: 80}}
"""), check=False).stderr
    k("delete", "-f", again)
    assert "old" not in k("get", "deployments")
