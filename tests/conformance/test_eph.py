"""Ephemeral containers: another container in a pod that runs."""

import json

from behaviour import behaviour
from labsite import wait_for
from workloads import container

NAME = "ephemeral-containers-target-pod"
PATH = "/spec/ephemeralContainers"


def target(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [container("sleep 10000", name="test-container-1")]} | spec}


def debugger(name="debugger", **more):
    return {"name": name, "image": "busybox:1", "command": ["sh", "-c", "while true; do echo polo; sleep 1; done"],
            "stdin": True, "tty": True} | more


def states(pods):
    return {s["name"]: s["state"] for s in pods.get(NAME).get("status", {}).get("ephemeralContainerStatuses", [])}


def wait_state(pods, name, state):
    return wait_for(f"{name} to be {state}", 60, lambda: states(pods).get(name, {}).get(state))


def start(pods, k):
    pods.create(target())
    k("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
    k("patch", "pod", NAME, "--subresource=ephemeralcontainers", "--type=strategic",
      "-p", json.dumps({"spec": {"ephemeralContainers": [debugger()]}}))
    wait_state(pods, "debugger", "running")


@behaviour("[sig-node] Ephemeral Containers [NodeConformance] will start an ephemeral container in an existing pod [Conformance]")
def test_starts(kinds, k, namespace):
    pods = kinds("v1", "Pod", namespace)
    start(pods, k)
    assert k("exec", NAME, "-c", "debugger", "--", "/bin/echo", "marco") == "marco\n"
    wait_for("its log", 20, lambda: "polo" in k("logs", NAME, "-c", "debugger"))
    pod = pods.get(NAME)
    assert pod["metadata"].get("generation", 0) in (0, 2)
    # It is nobody's business but its owner's: the pod is as ready as before.
    assert [s["name"] for s in pod["status"]["containerStatuses"]] == ["test-container-1"]
    assert k("get", "pod", NAME, "--no-headers").split()[1:3] == ["1/1", "Running"]


@behaviour("[sig-node] Ephemeral Containers [NodeConformance] should update the ephemeral containers in an existing pod [Conformance]")
def test_second_by_update(kinds, k, site, namespace):
    pods = kinds("v1", "Pod", namespace)
    start(pods, k)
    path = f"/api/v1/namespaces/{namespace}/pods/{NAME}/ephemeralcontainers"

    def names():
        return [c["name"] for c in json.loads(k("get", "--raw", path))["spec"]["ephemeralContainers"]]
    assert names() == ["debugger"]
    wait_for("nobody else to write meanwhile", 30, lambda: add_second(pods, k, path))
    assert names() == ["debugger", "debugger2"]
    wait_state(pods, "debugger2", "running")


def add_second(pods, k, path):
    pod = pods.get(NAME)
    pod["spec"]["ephemeralContainers"].append(debugger("debugger2", imagePullPolicy="IfNotPresent", terminationMessagePolicy="File"))
    done = k("replace", "--raw", path, "-f", "-", stdin=json.dumps(pod), check=False)
    assert done.returncode == 0 or "Conflict" in done.stderr, done.stderr
    return done.returncode == 0


def test_debug_sees_its_target(kinds, k, namespace):
    pods = kinds("v1", "Pod", namespace)
    pods.create(target())
    k("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
    k("debug", NAME, "--image=busybox:1", "--target=test-container-1", "-c", "look", "--profile=general", "--",
      "sh", "-c", "ps; hostname; exit 3")
    assert wait_state(pods, "look", "terminated")["exitCode"] == 3
    said = k("logs", NAME, "-c", "look")
    assert "sleep 10000" in said and said.split()[-1] == NAME
    # It has ended for good; the pod goes on.
    k("debug", NAME, "--image=nowhere:1", "-c", "lost", "--profile=general")
    wait_for("the image to be missed", 30, lambda: states(pods).get("lost", {}).get("waiting", {}).get("reason") in (
        "ErrImagePull", "ImagePullBackOff"))
    looked = next(s for s in pods.get(NAME)["status"]["ephemeralContainerStatuses"] if s["name"] == "look")
    assert looked["restartCount"] == 0 and "terminated" in looked["state"]
    assert k("get", "pod", NAME, "--no-headers").split()[1:4] == ["1/1", "Running", "0"]


def test_what_may_not_be(kinds, k, namespace):
    pods = kinds("v1", "Pod", namespace)

    def refused(*args, **options):
        done = k(*args, check=False, **options)
        assert done.returncode != 0
        return done.stderr
    with_one = target(ephemeralContainers=[debugger()])
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in refused("create", "-f", "-", stdin=json.dumps(with_one))
    pods.create(target(nodeName="nowhere"))

    def patch(kind, tree):
        return ["patch", "pod", NAME, "--subresource=ephemeralcontainers", f"--type={kind}", "-p", json.dumps(tree)]
    said = refused(*patch("merge", {"spec": {"ephemeralContainers": [debugger(
        "test-container-1", ports=[{"containerPort": 80}], targetContainerName="nope", lifecycle={"preStop": {"sleep": {"seconds": 1}}},
        resources={"limits": {"cpu": "1"}}, livenessProbe={"tcpSocket": {"port": 80}})]}}))
    for line in ('name: Duplicate value: "test-container-1"', 'targetContainerName: Not found: "nope"',
                 *(f"{field}: Forbidden: cannot be set for an Ephemeral Container" for field in ("ports", "resources", "livenessProbe", "lifecycle"))):
        assert f"spec.ephemeralContainers[0].{line}" in said
    # Only that list changes; what is in it stays.
    k(*patch("strategic", {"metadata": {"labels": {"a": "b"}}, "spec": {"ephemeralContainers": [debugger()], "nodeName": "x"}}))
    pod = pods.get(NAME)
    assert "a" not in pod["metadata"].get("labels", {}) and pod["spec"]["nodeName"] == "nowhere"
    assert [c["name"] for c in pod["spec"]["ephemeralContainers"]] == ["debugger"]
    assert 'existing ephemeral containers "debugger" may not be removed' in refused(*patch("json", [{"op": "remove", "path": PATH + "/0"}]))
    assert 'existing ephemeral containers "debugger" may not be changed' in refused(
        *patch("json", [{"op": "replace", "path": PATH + "/0/image", "value": "other:1"}]))
    k(*patch("json", [{"op": "add", "path": PATH + "/0", "value": debugger("second")}]))
    assert [c["name"] for c in pods.get(NAME)["spec"]["ephemeralContainers"]] == ["debugger", "second"]
    assert "pod updates may not change fields" in refused("patch", "pod", NAME, "--type=json",
                                                          "-p", json.dumps([{"op": "remove", "path": PATH}]))
