"""Namespaces: changed like other objects, held by finalizers, and gone with all that is in them."""

import json

import pytest

from behaviour import behaviour
from kit import status_of
from labsite import wait_for


@pytest.fixture
def another(site, request):
    """A namespace that the test may end itself."""
    name = "other-" + request.node.name.replace("_", "-")
    site.kubectl("create", "namespace", name)
    yield name
    site.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=60s", timeout=90)


@behaviour("[sig-api-machinery] Namespaces [Serial] should patch a Namespace [Conformance]")
def test_patch(site, another):
    site.kubectl("patch", "namespace", another, "-p", '{"metadata":{"labels":{"testLabel":"testValue"}}}')
    assert site.get("namespace", another)["metadata"]["labels"] == {"kubernetes.io/metadata.name": another, "testLabel": "testValue"}


@behaviour("[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace [Conformance]")
def test_update(kinds, another):
    namespaces = kinds("v1", "Namespace")

    def edit(obj):
        obj["metadata"]["labels"][another] = "updated"
    namespaces.change(another, edit)
    assert namespaces.get(another)["metadata"]["labels"][another] == "updated"


@behaviour("[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status [Conformance]")
def test_status(kinds, another):
    namespaces = kinds("v1", "Namespace")
    assert namespaces.sub("status").get(another)["status"]["phase"] == "Active"
    patched = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}
    status_of(namespaces, another, {"status": {"conditions": [patched]}})

    def update(obj):
        obj["status"]["conditions"].append(patched | {"type": "StatusUpdate"})
    namespaces.sub("status").change(another, update)
    assert [c["type"] for c in namespaces.get(another)["status"]["conditions"]] == ["StatusPatch", "StatusUpdate"]
    assert namespaces.get(another)["status"]["phase"] == "Active"


@behaviour("[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace [Conformance]")
def test_finalizer(site, api, another):
    """Through /finalize the list in the spec grows and shrinks; with a stranger's word in it, nothing goes."""
    path = f"/api/v1/namespaces/{another}"

    def finalizers(words):
        body = api.get(path).body
        body["spec"]["finalizers"] = words
        return api.put(path + "/finalize", body)
    mine = "e2e.example.com/fakeFinalizer"
    assert finalizers(["kubernetes", mine]).code == 200
    assert api.get(path).body["spec"]["finalizers"] == ["kubernetes", mine]
    site.kubectl("delete", "namespace", another, "--wait=false")
    wait_for("only the stranger's word to be left", 20, lambda: api.get(path).body["spec"]["finalizers"] == [mine])
    assert api.get(path).body["status"]["phase"] == "Terminating"
    assert finalizers([]).code == 200
    wait_for("the namespace to go", 20, lambda: api.get(path).code == 404)


def test_finalizers_can_be_taken_back(api, another):
    path = f"/api/v1/namespaces/{another}"
    body = api.get(path).body
    body["spec"]["finalizers"] = ["kubernetes", "e2e.example.com/fakeFinalizer"]
    body = api.put(path + "/finalize", body).body
    body["spec"]["finalizers"] = ["kubernetes"]
    assert api.put(path + "/finalize", body).code == 200
    assert api.get(path).body["spec"]["finalizers"] == ["kubernetes"]


@behaviour("[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted [Conformance]")
def test_pods_go(site, another):
    wait_for("the default service account", 10, lambda: site.kubectl("-n", another, "get", "serviceaccount", "default"))
    site.kubectl("-n", another, "run", "nginx", "--image=busybox:1",
                 '--overrides={"spec":{"terminationGracePeriodSeconds":1}}', "--", "sleep", "1000")
    site.kubectl("-n", another, "wait", "--for=condition=Ready", "pod/nginx", "--timeout=40s", timeout=50)
    site.kubectl("delete", "namespace", another, "--timeout=80s", timeout=90)
    site.kubectl("create", "namespace", another)
    assert site.items("-n", another, "pods") == []


@behaviour("[sig-api-machinery] Namespaces [Serial] should ensure that all services are removed when a namespace is deleted [Conformance]")
def test_services_go(site, another):
    site.kubectl("-n", another, "create", "service", "clusterip", "test-service", "--tcp=80")
    site.kubectl("delete", "namespace", another, "--timeout=40s", timeout=50)
    site.kubectl("create", "namespace", another)
    assert json.loads(site.kubectl("-n", another, "get", "services", "-o", "json"))["items"] == []
