"""CustomResourceDefinitions as objects, and what they bring."""

import json

import pytest

from behaviour import behaviour
from definitions import OPEN, defined, definition, kind_of, name_of, object_of
from kit import JSON_PATCH, condition, holds
from labsite import wait_for

GROUP = "crd.conformance.example.com"


@pytest.fixture
def definitions(kinds):
    return kinds("apiextensions.k8s.io/v1", "CustomResourceDefinition")


@behaviour("[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition creating/deleting "
           "custom resource definition objects works [Conformance]")
def test_create_and_delete(definitions, site):
    crd = definition("simple", GROUP)
    definitions.create(crd)
    made = definitions.wait("established", name_of(crd), lambda o: condition(o, "Established").get("status") == "True")
    assert condition(made, "NamesAccepted")["status"] == "True"
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"]["plural"] == "e2esimples"
    definitions.delete(name_of(crd))
    definitions.wait_gone(name_of(crd))
    assert GROUP not in site.kubectl("get", "--raw", "/apis")


@behaviour("[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition listing "
           "custom resource definition objects works [Conformance]")
def test_list_and_delete_collection(definitions, site):
    crds = [definition(f"listed{i}", GROUP) for i in range(3)]
    for crd in crds:
        crd["metadata"]["labels"] = {"e2e-list-test-uuid": "listed"}
    with defined(site, *crds):
        assert definitions.names("e2e-list-test-uuid=listed") == sorted(map(name_of, crds))
        definitions.delete_all("e2e-list-test-uuid=listed")
        wait_for("the collection to go", 30, lambda: definitions.names("e2e-list-test-uuid=listed") == [])


@behaviour("[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition "
           "getting/updating/patching custom resource definition status sub-resource works [Conformance]")
def test_status(definitions, site):
    with defined(site, definition("stated", GROUP)) as crd:
        name, status = name_of(crd), definitions.sub("status")
        assert status.get(name)["status"] == definitions.get(name)["status"]

        def update(obj):
            obj["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set by a test"})
        status.change(name, update)
        assert condition(definitions.get(name), "StatusUpdate")["message"] == "Set by a test"
        status.patch(name, [{"op": "add", "path": "/status/conditions/-", "value": {
            "type": "StatusPatched", "status": "True", "reason": "E2E", "message": "Patched by a test"}}], JSON_PATCH)
        got = definitions.get(name)
        assert condition(got, "StatusPatched")["status"] == "True"
        assert condition(got, "Established")["status"] == "True"


@behaviour("[sig-api-machinery] CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom "
           "resource definition objects [Conformance]")
def test_watch(site, kinds):
    with defined(site, definition("watched", GROUP, scope="Cluster")) as crd:
        objects = kind_of(kinds, crd)
        follower = objects.watch(objects.version())
        for name in ("a", "b"):
            objects.create(object_of(crd, "name-" + name, content={"key": "value"}))
            assert follower.next("ADDED")["metadata"]["name"] == "name-" + name
        for name in ("a", "b"):
            objects.patch("name-" + name, [{"op": "add", "path": "/metadata/annotations", "value": {"patched": name}}], JSON_PATCH)
            assert follower.next("MODIFIED")["metadata"]["annotations"] == {"patched": name}
        for name in ("a", "b"):
            objects.delete("name-" + name)
            assert follower.next("DELETED")["metadata"]["name"] == "name-" + name


@behaviour("[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource definition "
           "resources in discovery documents [Conformance]")
def test_in_discovery(site):
    groups = {g["name"]: g for g in json.loads(site.kubectl("get", "--raw", "/apis"))["groups"]}
    version = {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"}
    assert version in groups["apiextensions.k8s.io"]["versions"]
    holds({"kind": "APIGroup", "name": "apiextensions.k8s.io", "versions": [version]},
          json.loads(site.kubectl("get", "--raw", "/apis/apiextensions.k8s.io")))
    resources = json.loads(site.kubectl("get", "--raw", "/apis/apiextensions.k8s.io/v1"))["resources"]
    assert {"customresourcedefinitions", "customresourcedefinitions/status"} <= {r["name"] for r in resources}


@behaviour("[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] custom resource defaulting for requests and "
           "from storage works [Conformance]")
def test_defaults(site, kinds, definitions):
    with defined(site, definition("filled", GROUP, OPEN, scope="Cluster")) as crd:
        name, objects = name_of(crd), kind_of(kinds, crd)
        objects.create(object_of(crd, "early"))
        assert "a" not in objects.get("early")

        def defaults(**values):
            definitions.change(name, lambda o: o["spec"]["versions"][0]["schema"]["openAPIV3Schema"].update(
                properties={key: {"type": "string", "default": value} for key, value in values.items()}))
        defaults(a="A", b="B")
        # From storage: nobody wrote the object again.
        wait_for("the defaults on reading", 10, lambda: objects.get("early").get("a") == "A")
        # For requests.
        late = objects.create(object_of(crd, "late"))
        assert (late["a"], late["b"]) == ("A", "B")
        # What a request stored stays when the default goes; what was only read was never there.
        defaults(a="AA")
        wait_for("the other default", 10, lambda: objects.get("early").get("a") == "AA")
        assert "b" not in objects.get("early")
        late = objects.get("late")
        assert (late["a"], late["b"]) == ("A", "B")
