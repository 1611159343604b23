"""mkube's own client verbs print what kubectl prints, and `mkube why` names the cause of real trouble."""

import base64
import json
import os
import subprocess

import pytest
import yaml

from labsite import REPO, is_ready, name_of, wait_for

MKUBE = os.environ.get("MKUBE", os.path.join(REPO, "build", "mkube"))

TROUBLES = """
apiVersion: v1
kind: Pod
metadata: {name: image}
spec: {containers: [{name: c, image: "not-there:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: settings}
spec: {containers: [{name: c, image: "busybox:1", command: [sleep, "1000"], env: [{name: A, valueFrom: {configMapKeyRef: {name: absent, key: a}}}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: large}
spec: {containers: [{name: c, image: "busybox:1", resources: {requests: {cpu: "4000"}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec: {containers: [{name: c, image: "busybox:1", command: [sh, -c, "echo cannot reach the database; exit 3"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: claim}
spec: {containers: [{name: c, image: "busybox:1"}], volumes: [{name: v, persistentVolumeClaim: {claimName: absent}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: account}
spec: {replicas: 1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: absent, containers: [{name: c, image: "busybox:1"}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
"""

# what is asked about, words of the answer
ANSWERS = [
    ("pod/image", "there is no image not-there:1 for container c"),
    ("pod/settings", "container c needs ConfigMap absent, which is not there"),
    ("pod/large", "cpu: asks for 4k, free"),
    ("pod/crash", "log: cannot reach the database"),
    ("pod/claim", "it needs the PersistentVolumeClaim absent, which is not there"),
    ("deploy/account", "there is no ServiceAccount absent in namespace"),
    ("svc/nobody", "its selector app=nobody picks no pod"),
]

SLEEPER = """
apiVersion: v1
kind: Pod
metadata: {name: sleeper, labels: {app: sleeper}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "busybox:1", command: [sh, -c, "echo up; exec sleep 1000"]}]
"""


@pytest.fixture
def m(site, namespace):
    """mkube in the test's namespace; gives the finished process."""

    def run(*args, stdin=None, timeout=60):
        return subprocess.run([MKUBE, *args, "-n", namespace] if "--" not in args else [MKUBE, args[0], "-n", namespace, *args[1:]],
                              input=stdin, env=site.env, capture_output=True, text=True, timeout=timeout)

    return run


@pytest.fixture
def sleeper(site, namespace):
    site.kubectl("-n", namespace, "apply", "-f", "-", stdin=SLEEPER)
    site.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/sleeper", "--timeout=30s", timeout=40)
    return "sleeper"


def test_why_names_the_cause(site, namespace, m):
    site.kubectl("-n", namespace, "apply", "-f", "-", stdin=TROUBLES)
    for what, words in ANSWERS:
        wait_for(f"why {what}", 40, lambda: words in m("why", what).stdout)
    everything = m("why").stdout
    assert all(words.split(":")[0] in everything for _, words in ANSWERS), everything


SAME = [
    ("get", "pods", "--no-headers", "-o", "custom-columns=N:.metadata.name,I:.spec.containers[*].image"),
    ("get", "pods", "-o", "name"),
    ("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}"),
    ("get", "pod", "sleeper", "-o", "json"),
    ("get", "pod", "sleeper", "-o", "yaml"),
    ("get", "pod", "absent"),
    ("get", "pods", "-l", "app=other"),
    ("get", "nonsense"),
    ("logs", "sleeper"),
    ("describe", "configmap", "kube-root-ca.crt"),
    ("wait", "--for=condition=Ready", "pod/sleeper"),
    ("delete", "pod", "absent"),
    ("rollout", "status", "deploy/absent"),
    ("api-resources", "--api-group=apps"),
    ("create", "configmap", "made", "--from-literal=a=b", "--dry-run=client", "-o", "yaml"),
]


def test_answers_are_those_of_kubectl(site, namespace, m, sleeper):
    for args in SAME:
        theirs = subprocess.run(["kubectl", "-n", namespace, *args], env=site.env, capture_output=True, text=True, timeout=60)
        ours = m(*args)
        assert (ours.stdout, ours.stderr, ours.returncode) == (theirs.stdout, theirs.stderr, theirs.returncode), args


def test_exec_has_input_and_exit_status(m, sleeper):
    done = m("exec", "-i", sleeper, "--", "sh", "-c", "cat; exit 7", stdin="hello\n")
    assert (done.stdout, done.returncode) == ("hello\n", 7)
    assert "command terminated with exit code 7" in done.stderr


def test_apply_get_delete(m):
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made}\ndata: {a: b}\n"
    assert m("apply", "-f", "-", stdin=manifest).stdout == "configmap/made created\n"
    assert m("apply", "-f", "-", stdin=manifest).stdout == "configmap/made unchanged\n"
    assert m("get", "cm/made", "-o", "jsonpath={.data.a}").stdout == "b"
    assert m("label", "cm", "made", "x=y").stdout == "configmap/made labeled\n"
    assert m("delete", "cm", "made").stdout == 'configmap "made" deleted\n'
    assert m("get", "cm", "made").returncode == 1


def test_server_side_apply_has_owners_and_conflicts(m):
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: owned}\ndata: {a: %s}\n"
    apply = ("apply", "--server-side", "-f", "-")
    assert m(*apply, stdin=manifest % "one").stdout == "configmap/owned serverside-applied\n"
    refused = m(*apply, "--field-manager=other", stdin=manifest % "two")
    assert refused.returncode == 1
    assert 'conflict with "kubectl": .data.a' in refused.stderr
    forced = m(*apply, "--field-manager=other", "--force-conflicts", stdin=manifest % "two")
    assert (forced.stdout, forced.returncode) == ("configmap/owned serverside-applied\n", 0)
    assert m("get", "cm/owned", "-o", "jsonpath={.data.a}").stdout == "two"
    owners = json.loads(m("get", "cm/owned", "-o", "json", "--show-managed-fields").stdout)["metadata"]["managedFields"]
    assert {o["manager"]: o["fieldsV1"].get("f:data") for o in owners} == {"other": {"f:a": {}}}


def deployment(name, replicas, command, **pod):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": "busybox:1", "command": command}], **pod}}}}


def test_rollout_undo(site, namespace, m):
    site.apply(yaml.safe_dump(deployment("web", 1, ["sleep", "600"])), "-n", namespace)
    assert m("rollout", "status", "deploy/web").returncode == 0
    site.apply(yaml.safe_dump(deployment("web", 1, ["sleep", "700"])), "-n", namespace)
    assert m("rollout", "status", "deploy/web").returncode == 0
    assert m("rollout", "undo", "deploy/web").stdout == "deployment.apps/web rolled back\n"
    assert m("rollout", "status", "deploy/web").returncode == 0
    assert site.get("-n", namespace, "deploy", "web")["spec"]["template"]["spec"]["containers"][0]["command"] == ["sleep", "600"]
    history = subprocess.run(["kubectl", "-n", namespace, "rollout", "history", "deploy/web"], env=site.env, capture_output=True, text=True, timeout=60)
    assert m("rollout", "history", "deploy/web").stdout == history.stdout


def test_logs_follow_several_pods(site, namespace, m):
    """Until each has ended: lines of both, whole, each with who said it."""
    for name in ("one", "two"):
        site.apply(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "talk"}}, "spec": {
            "restartPolicy": "Never", "containers": [
                {"name": "c", "image": "busybox:1", "command": ["sh", "-c", f"for i in 1 2 3; do echo {name} $i; sleep 0.2; done"]}]}}), "-n", namespace)
    wait_for("both to have begun", 40, lambda: all(
        p["status"]["phase"] in ("Running", "Succeeded") for p in site.items("-n", namespace, "pods", "-l", "app=talk")))
    said = m("logs", "-f", "-l", "app=talk", "--prefix")
    assert said.returncode == 0, said.stderr
    for name in ("one", "two"):
        assert [line for line in said.stdout.splitlines() if name in line] == [f"[pod/{name}/c] {name} {i}" for i in (1, 2, 3)]


@pytest.fixture
def held(site, namespace):
    """On one node: pods of which a budget lets one go at a time, and one that no budget holds."""
    node = "worker2"
    site.apply(yaml.safe_dump_all([
        deployment("held", 2, ["sleep", "600"], nodeSelector={"kubernetes.io/hostname": node}),
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "held"},
         "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "held"}}}},
        deployment("loose", 1, ["sleep", "600"], nodeSelector={"kubernetes.io/hostname": node})]), "-n", namespace)
    wait_for("pods and budget", 40, lambda: sum(is_ready(p) for p in site.items("-n", namespace, "pods")) == 3 and
             site.get("-n", namespace, "pdb", "held")["status"].get("currentHealthy") == 2)
    yield node
    site.kubectl("uncordon", node)


def test_drain_goes_on_past_a_budget(site, namespace, m, held):
    loose = name_of(site.items("-n", namespace, "pods", "-l", "app=loose")[0])
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--pod-selector=app in (held, loose)")
    refused = m("drain", held, *flags, "--timeout=1s")
    assert refused.returncode == 1
    assert "Cannot evict pod as it would violate the pod's disruption budget." in refused.stderr
    assert "global timeout reached: 1s" in refused.stderr
    wait_for("the one that no budget holds to go", 20, lambda: loose not in map(name_of, site.items("-n", namespace, "pods")))
    assert all(is_ready(p) for p in site.items("-n", namespace, "pods", "-l", "app=held"))
    site.kubectl("-n", namespace, "patch", "pdb", "held", "--type=merge", "-p", '{"spec": {"minAvailable": 0}}')
    wait_for("the budget to let go", 10, lambda: site.get("-n", namespace, "pdb", "held")["status"]["disruptionsAllowed"] == 2)
    done = m("drain", held, *flags, "--timeout=60s")
    assert done.returncode == 0, done.stderr
    assert f"node/{held} drained" in done.stdout
    assert done.stdout.count("evicted") == 2


def test_patch_taint_and_certificate(site, namespace, m, tmp_path):
    assert m("apply", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata: {a: b}\n").returncode == 0
    assert m("patch", "cm", "p", "--type=merge", "-p", '{"data":{"a":"c"}}').stdout == "configmap/p patched\n"
    assert m("patch", "cm/p", "--type=merge", "-p", "data: {a: c}").stdout == "configmap/p patched (no change)\n"
    assert m("patch", "cm/p", "--type=json", "-p", '[{"op":"remove","path":"/data/a"}]', "-o", "jsonpath={.data}").stdout in ("", "{}")
    for type_, patch in (("json", '[{"op":"test","path":"/data/x","value":"y"}]'), ("merge", '{"data":7}'), ("odd", "{}")):
        theirs = subprocess.run(["kubectl", "-n", namespace, "patch", "cm/p", f"--type={type_}", "-p", patch],
                                env=site.env, capture_output=True, text=True, timeout=60)
        ours = m("patch", "cm/p", f"--type={type_}", "-p", patch)
        assert (ours.stdout, ours.stderr, ours.returncode) == (theirs.stdout, theirs.stderr, theirs.returncode)
    try:
        assert m("taint", "nodes", "worker1", "front=x:PreferNoSchedule").stdout == "node/worker1 tainted\n"
        again = m("taint", "nodes", "worker1", "front=y:PreferNoSchedule")
        assert again.stderr == "error: node worker1 already has front taint(s) with same effect(s) and --overwrite is false\n"
        assert m("taint", "nodes", "worker1", "front=y:PreferNoSchedule", "--overwrite").stdout == "node/worker1 modified\n"
    finally:
        assert m("taint", "node", "worker1", "front-").stdout == "node/worker1 untainted\n"
    assert "front" not in {t["key"] for t in site.get("node", "worker1")["spec"].get("taints", [])}
    request = tmp_path / "request.pem"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "/dev/null",
                    "-subj", "/CN=front", "-out", request], check=True, capture_output=True, timeout=20)
    try:
        for name in ("front-yes", "front-no"):
            site.apply(yaml.safe_dump({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
                                       "spec": {"request": base64.b64encode(request.read_bytes()).decode(), "signerName": "kubernetes.io/kube-apiserver-client",
                                                "usages": ["client auth"]}}))
        assert m("certificate", "approve", "front-yes").stdout == "certificatesigningrequest.certificates.k8s.io/front-yes approved\n"
        assert m("certificate", "deny", "front-no").stdout == "certificatesigningrequest.certificates.k8s.io/front-no denied\n"
        assert m("certificate", "deny", "front-yes").stderr == 'error: certificate signing request "front-yes" is already Approved\n'
        wait_for("the certificate", 10, lambda: site.get("csr", "front-yes")["status"].get("certificate"))
        assert m("certificate", "approve", "absent").returncode == 1
    finally:
        site.kubectl("delete", "csr", "front-yes", "front-no", check=False)


COMPLETIONS = [
    ("dra", "drain"),
    ("get conf", "configmaps"),
    ("get cm kube", "kube-root-ca.crt"),
    ("describe cm/kube", "cm/kube-root-ca.crt"),
    ("drain work", "worker1 worker2 worker3"),
    ("rollout und", "undo"),
    ("get pods --sort", "--sort-by"),
    ("get pods -n NAMESPACE", "NAMESPACE"),
]


def test_bash_completes(site, namespace):
    for words, want in COMPLETIONS:
        line = ["mkube", *words.replace("NAMESPACE", namespace).split()]
        script = (f'source <("$1" completion bash); COMP_WORDS=({" ".join(line)}); COMP_CWORD={len(line) - 1}; '
                  f'_mkube "$1" {line[-1]} {line[-2]}; echo "${{COMPREPLY[*]}}"')
        done = subprocess.run(["bash", "-c", script, "bash", MKUBE], env=site.env, capture_output=True, text=True, timeout=30)
        assert (done.stdout.strip(), done.stderr) == (want.replace("NAMESPACE", namespace), ""), words
