"""Stock kubectl works unchanged: what people type every day, and what they see."""

import re
import threading

import pytest

from labsite import wait_for

POD = """
apiVersion: v1
kind: Pod
metadata: {name: talker, labels: {app: talker}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: busybox:1
      command: [sh, -c, "trap 'exit 0' TERM; i=0; while true; do i=$((i+1)); echo line $i; sleep 0.1; done"]
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: hello:1
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
"""


@pytest.fixture
def k(site, namespace):
    """kubectl in the test's namespace."""
    return lambda *args, **options: site.kubectl("-n", namespace, *args, **options)


@pytest.fixture
def talker(k):
    k("apply", "-f", "-", stdin=POD)
    k("wait", "--for=condition=Ready", "pod/talker", "--timeout=30s")
    return "talker"


@pytest.fixture
def web(k):
    k("apply", "-f", "-", stdin=WEB)
    k("rollout", "status", "deployment/web", "--timeout=60s", timeout=70)
    return "web"


class Follower:
    """The lines that a kubectl which does not end has printed so far."""

    def __init__(self, process):
        self.process, self.lines = process, []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def text(self):
        return "\n".join(self.lines)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=10)


def test_get_prints_the_usual_columns(k, talker):
    head, row = k("get", "pods").splitlines()
    assert head.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert re.fullmatch(r"talker +1/1 +Running +0 +\d+s", row), row


def test_get_wide_shows_address_and_node(site, namespace, k, talker):
    head, row = k("get", "pods", "-o", "wide").splitlines()
    assert re.split("  +", head) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE",
                                     "NOMINATED NODE", "READINESS GATES"]
    pod = site.get("-n", namespace, "pod", talker)
    assert row.split()[5:] == [pod["status"]["podIP"], pod["spec"]["nodeName"], "<none>", "<none>"]


def test_get_nodes(k):
    rows = [line.split() for line in k("get", "nodes").splitlines()]
    assert rows[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert {r[0]: r[1] for r in rows[1:] if r[0].startswith("worker")} == dict.fromkeys(
        ("worker1", "worker2", "worker3"), "Ready")


def test_output_formats(k, web):
    assert "kind: Deployment" in k("get", "deployment", "web", "-o", "yaml")
    assert k("get", "deploy/web", "-o", "jsonpath={.spec.replicas}") == "2"
    assert len(k("get", "pods", "-l", "app=web", "-o", "name").split()) == 2
    assert k("get", "pods", "-l", "app=other", "-o", "name") == ""
    everything = k("get", "all")
    for kind in ("pod/web-", "deployment.apps/web", "replicaset.apps/web-"):
        assert kind in everything


def test_watch_shows_a_life(site, namespace, k):
    with Follower(site.kubectl_process("-n", namespace, "get", "pods", "-w")) as seen:
        k("apply", "-f", "-", stdin=POD)
        for status in ("Pending|ContainerCreating", "Running"):
            wait_for(status, 30, lambda: re.search(f"^talker .*({status})", seen.text(), re.M))
        k("delete", "pod", "talker")
        wait_for("Terminating", 10, lambda: re.search("^talker .*Terminating", seen.text(), re.M))


def test_describe_pod_tells_its_story(k, talker):
    text = wait_for("the events", 10, lambda: described(k, talker))
    assert re.search(r"^Status: +Running", text, re.M)
    assert re.search(r"^Node: +worker\d/10\.", text, re.M)
    assert re.search(r"^IP: +\d", text, re.M)
    for reason in ("Scheduled", "Created", "Started"):
        assert re.search(rf"^  Normal +{reason} ", text, re.M), text
    assert "Successfully assigned" in text


def described(k, name):
    text = k("describe", "pod", name)
    return text if re.search("^  Normal +Started ", text, re.M) else None


def test_describe_other_kinds(k, web):
    k("expose", "deployment", "web", "--port=80", "--target-port=8080")
    deployment = k("describe", "deployment", "web")
    assert re.search(r"Replicas: +2 desired \| 2 updated \| 2 total \| 2 available", deployment)
    assert "ScalingReplicaSet" in deployment
    wait_for("the endpoints", 10, lambda: len(re.findall(r":8080", k("describe", "service", "web"))) >= 2)
    node = k("describe", "node", "worker1")
    for part in ("Conditions:", "Capacity:", "Allocatable:", "Non-terminated Pods:", "Allocated resources:"):
        assert part in node


def test_logs(site, namespace, k, talker):
    wait_for("lines", 10, lambda: "line 3" in k("logs", talker))
    assert k("logs", talker).startswith("line 1\nline 2\n")
    assert len(k("logs", talker, "--tail=2").splitlines()) == 2
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ line 1\n", k("logs", talker, "--timestamps"))


def test_logs_follow(site, namespace, k, talker):
    with Follower(site.kubectl_process("-n", namespace, "logs", "-f", talker)) as seen:
        wait_for("a line", 10, lambda: len(seen.lines) > 3)
        n = len(seen.lines)
        wait_for("more", 10, lambda: len(seen.lines) > n + 3)
        assert seen.lines == [f"line {i + 1}" for i in range(len(seen.lines))]


def test_logs_of_the_previous_container(k):
    k("run", "crasher", "--image=busybox:1", "--restart=Always", "--command", "--",
      "sh", "-c", "echo last words; exit 3")
    wait_for("a restart", 60, lambda: "last words" in k("logs", "crasher", "--previous"))
    state = wait_for("its end", 30, lambda: k(
        "get", "pod", "crasher", "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}"))
    assert state == "3"
    wait_for("back-off", 60, lambda: "CrashLoopBackOff" in k("get", "pods"))


def test_delete_waits_until_gone(k, talker):
    assert k("delete", "pod", talker) == 'pod "talker" deleted\n'
    assert k("get", "pods", "-o", "name") == ""


def test_delete_of_a_deployment_takes_its_pods(k, web):
    k("delete", "-f", "-", stdin=WEB)
    wait_for("all to go", 30, lambda: k("get", "deploy,rs,pods", "-o", "name") == "")


def test_delete_of_a_pod_of_a_deployment_brings_another(k, web):
    old = k("get", "pods", "-o", "name").split()
    k("delete", old[0])
    wait_for("another", 30, lambda: (now := set(k("get", "pods", "-o", "name").split())) and
             len(now) == 2 and old[0] not in now)
    k("rollout", "status", "deployment/web", "--timeout=30s")


def test_scale_and_set_image_and_undo(k, web):
    k("scale", "deployment/web", "--replicas=3")
    k("rollout", "status", "deployment/web", "--timeout=30s")
    assert len(k("get", "pods", "-l", "app=web", "-o", "name").split()) == 3
    k("set", "env", "deployment/web", "COLOUR=green")
    k("rollout", "status", "deployment/web", "--timeout=60s", timeout=70)
    assert len(k("rollout", "history", "deployment/web").strip().splitlines()) == 4
    k("rollout", "undo", "deployment/web")
    k("rollout", "status", "deployment/web", "--timeout=60s", timeout=70)
    assert k("get", "deploy/web", "-o", "jsonpath={.spec.template.spec.containers[0].env}") == ""


def test_apply_changes_only_what_changed(k, web):
    assert k("apply", "-f", "-", stdin=WEB) == "deployment.apps/web unchanged\n"
    assert k("apply", "-f", "-", stdin=WEB.replace("replicas: 2", "replicas: 1")) == "deployment.apps/web configured\n"
    wait_for("one pod", 30, lambda: len(k("get", "pods", "-o", "name").split()) == 1)


def test_label_annotate_patch(k, web):
    k("label", "deployment/web", "tier=front")
    k("annotate", "deployment/web", "note=hand made")
    env = '[{"name":"web","env":[{"name":"A","value":"b"}]}]'
    k("patch", "deployment/web", "-p", '{"spec":{"template":{"spec":{"containers":' + env + "}}}}")
    k("patch", "deployment/web", "--type=merge", "-p", '{"metadata":{"labels":{"tier":null}}}')
    k("patch", "deployment/web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":1}]')
    found = k("get", "deployment/web", "-o", "jsonpath={.metadata.labels.tier}|{.metadata.annotations.note}|"
              "{.spec.template.spec.containers[0].env[0].name}|{.spec.replicas}")
    assert found == "|hand made|A|1"
    assert k("get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "hello:1"


def test_generators(k):
    k("create", "configmap", "settings", "--from-literal=a=1")
    k("create", "secret", "generic", "keys", "--from-literal=b=2")
    k("create", "deployment", "made", "--image=hello:1", "--replicas=1")
    assert k("get", "configmap", "settings", "-o", "jsonpath={.data.a}") == "1"
    assert k("get", "secret", "keys", "-o", "jsonpath={.data.b}") == "Mg=="
    k("rollout", "status", "deployment/made", "--timeout=30s")


def test_explain(site, k):
    if site.kubectl_minor() < 27:
        pytest.skip("this kubectl explains from the whole OpenAPI v2, which mkube does not publish")
    assert "FIELDS" in k("explain", "deployment.spec.strategy")


def test_api_resources(k):
    resources = k("api-resources")
    for name in ("pods", "deployments", "statefulsets", "ingresses", "networkpolicies"):
        assert re.search(rf"^{name} ", resources, re.M)
