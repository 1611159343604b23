"""mkube's own client verbs print what kubectl prints, and `mkube why` names the cause of real trouble."""

import os
import subprocess

import pytest

from labsite import REPO, wait_for

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
