"""RuntimeClasses: what they bring to pods, and pods without theirs."""

import pytest

from behaviour import behaviour
from kit import condition, lifecycle, refused


@pytest.fixture
def classes(kinds, namespace):
    found = kinds("node.k8s.io/v1", "RuntimeClass")
    yield found
    found.delete_all(f"of={namespace}")


@pytest.fixture
def pods(kinds, namespace):
    return kinds("v1", "Pod", namespace)


def runtime_class(namespace, name="class", handler="runc", **more):
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": handler,
            "metadata": {"name": f"{namespace}-{name}", "labels": {"of": namespace}}} | more


def pod(class_name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "test-runtimeclass"}, "spec": {
        "runtimeClassName": class_name, "terminationGracePeriodSeconds": 0, "restartPolicy": "Never",
        "containers": [{"name": "test", "image": "busybox:1", "command": ["true"]}]}}


def rejected(pods, class_name):
    refusal = refused(pods.create, pod(class_name))
    assert (refusal.code, refusal.status["reason"]) == (403, "Forbidden")
    assert f'pod rejected: RuntimeClass "{class_name}" not found' in refusal.message


def scheduled(obj):
    return condition(obj, "PodScheduled").get("status") == "True"


@behaviour("[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass [NodeConformance] [Conformance]")
def test_unknown(pods, namespace):
    rejected(pods, f"{namespace}-nonexistent")


@behaviour("[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass [NodeConformance] [Conformance]")
def test_deleted(pods, classes, namespace):
    name = classes.create(runtime_class(namespace))["metadata"]["name"]
    classes.delete(name)
    classes.wait_gone(name)
    rejected(pods, name)


@behaviour("[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead [NodeConformance] [Conformance]")
def test_scheduled(pods, classes, namespace):
    name = classes.create(runtime_class(namespace))["metadata"]["name"]
    assert "overhead" not in pods.create(pod(name))["spec"]
    pods.wait("scheduled", "test-runtimeclass", scheduled)


@behaviour("[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its Overhead [NodeConformance] "
           "[Conformance]")
def test_overhead(pods, classes, namespace):
    overhead = {"cpu": "10m", "memory": "1Mi"}
    name = classes.create(runtime_class(namespace, overhead={"podFixed": overhead}))["metadata"]["name"]
    assert pods.create(pod(name))["spec"]["overhead"] == overhead
    pods.wait("scheduled", "test-runtimeclass", scheduled)


@behaviour("[sig-node] RuntimeClass should support RuntimeClasses API operations [Conformance]")
def test_verbs(classes, site, namespace):
    assert "runtimeclasses" in site.kubectl("get", "--raw", "/apis/node.k8s.io/v1")
    lifecycle(classes, lambda name: runtime_class(namespace, name) | {
        "metadata": {"name": name, "labels": {"of": namespace}}}, lambda obj: None, f"of={namespace}")
