"""What definitions publish: OpenAPI of both versions, and what kubectl makes of it."""

import json

import pytest

from behaviour import behaviour
from definitions import defined, definition, name_of, object_of
from labsite import wait_for

GROUP = "crd-publish-openapi.example.com"
FOO = {"description": "Foo CRD for Testing", "type": "object", "properties": {
    "spec": {"type": "object", "description": "Specification of Foo", "properties": {"bars": {
        "description": "List of Bars and their specs.", "type": "array", "items": {"type": "object", "required": ["name"], "properties": {
            "name": {"description": "Name of Bar.", "type": "string"}, "age": {"description": "Age of Bar.", "type": "string"},
            "feeling": {"description": "Whether Bar is feeling great.", "type": "string", "enum": ["Great", "Down"]},
            "bazs": {"description": "List of Bazs.", "items": {"type": "string"}, "type": "array"}}}}}},
    "status": {"type": "object", "description": "Status of Foo"}}}
PRESERVING = {"description": "preserve-unknown-properties at root for Testing", "x-kubernetes-preserve-unknown-fields": True, "type": "object",
              "properties": {"spec": {"description": "Specification of Waldo", "type": "object", "properties": {"dummy": {
                  "description": "Dummy property.", "type": "object"}}}}}
NESTED = {"description": "preserve-unknown-properties in nested field for Testing", "type": "object", "properties": {"spec": {
    "description": "Specification of Waldo", "type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"dummy": {
        "description": "Dummy property.", "type": "object"}}}}}


class Published:
    def __init__(self, site):
        self.site = site

    def v2(self, name):
        """The definition of that name in /openapi/v2, or None."""
        return json.loads(self.site.kubectl("get", "--raw", "/openapi/v2"))["definitions"].get(name)

    def v3(self, crd, version):
        """Schemas of the kind's own document, by the address that the index has now; None when there is none."""
        index = json.loads(self.site.kubectl("get", "--raw", "/openapi/v3"))["paths"]
        found = index.get(f"apis/{crd['spec']['group']}/{version}")
        return found and json.loads(self.site.kubectl("get", "--raw", found["serverRelativeURL"]))["components"]["schemas"]

    def wait(self, crd, version, there=True):
        """The definition in both forms, or in none."""
        name = f"{'.'.join(reversed(crd['spec']['group'].split('.')))}.{version}.{crd['spec']['names']['kind']}"

        def agreed():
            v2, v3 = self.v2(name), (self.v3(crd, version) or {}).get(name)
            return (v2 and v3) if there else not (v2 or v3)
        wait_for(f"{name} to be {'there' if there else 'gone'}", 10, agreed)
        return self.v2(name) if there else None


@pytest.fixture
def published(site):
    return Published(site)


def explain(k, *what):
    return k("explain", *what)


def accepted(k, crd, **fields):
    """Created and applied by a kubectl that checks."""
    body = json.dumps(object_of(crd, "test", **fields))
    for how in ("create", "apply"):
        k(how, "--validate=strict", "-f", "-", stdin=body)
        k("delete", "-f", "-", stdin=body)


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD with validation schema [Conformance]")
def test_with_schema(site, k, published):
    with defined(site, definition("foo", GROUP, FOO)) as crd:
        told = published.wait(crd, "v1")
        assert told["properties"]["spec"] == FOO["properties"]["spec"]
        assert told["properties"]["metadata"]["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        assert told["x-kubernetes-group-version-kind"] == [{"group": GROUP, "kind": "E2eFoo", "version": "v1"}]
        accepted(k, crd, spec={"bars": [{"name": "test-bar", "feeling": "Great"}]})
        for spec, word in (({"bars": [{"name": "b", "unknown": "x"}]}, 'unknown field "spec.bars[0].unknown"'),
                           ({"bars": [{"age": "10"}]}, "spec.bars[0].name: Required value"),
                           ({"bars": [{"name": "b", "feeling": "NonExistentValue"}]}, "supported values: \"Great\", \"Down\"")):
            answer = k("create", "--validate=strict", "-f", "-", stdin=json.dumps(object_of(crd, "no", spec=spec)), check=False)
            assert answer.returncode != 0 and word in answer.stderr
        for what, words in ((("e2efoos",), ("Foo CRD for Testing", "apiVersion", "metadata", "Specification of Foo")),
                            (("e2efoos.metadata",), ("ownerReferences", "creationTimestamp")),
                            (("e2efoos.spec",), ("Specification of Foo", "bars", "List of Bars and their specs.")),
                            (("e2efoos.spec.bars",), ("name", "-required-", "Name of Bar.", "Age of Bar.", "bazs", "List of Bazs."))):
            said = explain(k, *what)
            assert all(word in said for word in words), said
        assert k("explain", "e2efoos.spec.bars2", check=False).returncode != 0


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD without validation schema [Conformance]")
def test_without_schema(site, k, published):
    with defined(site, definition("empty", GROUP)) as crd:
        told = published.wait(crd, "v1")
        assert "spec" not in told.get("properties", {})
        accepted(k, crd, a={"b": [{"c": "d"}]})
        assert "E2eEmpty" in explain(k, "e2eemptys")


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields at the schema root "
           "[Conformance]")
def test_open_root(site, k, published):
    with defined(site, definition("open", GROUP, PRESERVING)) as crd:
        assert published.wait(crd, "v1")["x-kubernetes-preserve-unknown-fields"] is True
        accepted(k, crd, a={"b": [{"c": "d"}]}, spec={"dummy": {}})
        assert "preserve-unknown-properties at root for Testing" in explain(k, "e2eopens")


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields in an embedded object "
           "[Conformance]")
def test_open_inside(site, k, published):
    with defined(site, definition("nested", GROUP, NESTED)) as crd:
        assert published.wait(crd, "v1")["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] is True
        accepted(k, crd, spec={"a": None, "b": [{"c": "d"}]})
        answer = k("create", "--validate=strict", "-f", "-", stdin=json.dumps(object_of(crd, "no", other=1)), check=False)
        assert 'unknown field "other"' in answer.stderr
        assert "preserve-unknown-properties in nested field for Testing" in explain(k, "e2enesteds")


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of different groups [Conformance]")
def test_groups(site, published):
    with defined(site, definition("foo", "one." + GROUP, FOO), definition("waldo", "two." + GROUP, PRESERVING)) as crds:
        for crd in crds:
            published.wait(crd, "v1")


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group but different versions "
           "[Conformance]")
def test_versions(site, published):
    with defined(site, definition("multi", GROUP, FOO, versions=("v2", "v3"))) as crd:
        for version in ("v2", "v3"):
            published.wait(crd, version)
    with defined(site, definition("multi", GROUP, FOO, versions=("v4",)), definition("other", GROUP, FOO, versions=("v5",))) as crds:
        for crd, version in zip(crds, ("v4", "v5")):
            published.wait(crd, version)


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group and version but different "
           "kinds [Conformance]")
def test_kinds(site, published):
    with defined(site, definition("first", GROUP, FOO, versions=("v6",)), definition("second", GROUP, PRESERVING, versions=("v6",))) as crds:
        for crd in crds:
            published.wait(crd, "v6")


def change_versions(site, crd, edit):
    """Until nobody else wrote in between."""
    def once():
        now = site.get("crd", name_of(crd))
        edit(now["spec"]["versions"])
        return site.kubectl("replace", "-f", "-", stdin=json.dumps(now), check=False).returncode == 0
    wait_for("the definition to change", 10, once)


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] updates the published spec when one version gets renamed "
           "[Conformance]")
def test_rename(site, published):
    with defined(site, definition("renamed", GROUP, FOO, versions=("v2", "v3"))) as crd:
        published.wait(crd, "v3")

        def rename(versions):
            versions[1]["name"] = "v4"
        change_versions(site, crd, rename)
        published.wait(crd, "v4")
        published.wait(crd, "v3", there=False)
        published.wait(crd, "v2")


@behaviour("[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] removes definition from spec when one version gets changed to "
           "not be served [Conformance]")
def test_unserved(site, published):
    with defined(site, definition("unserved", GROUP, FOO, versions=("v5", "v6alpha1"))) as crd:
        published.wait(crd, "v6alpha1")

        def stop(versions):
            versions[1]["served"] = False
        change_versions(site, crd, stop)
        published.wait(crd, "v6alpha1", there=False)
        published.wait(crd, "v5")


def test_documents_are_fetched_once(api):
    """Who has a document is told so, and who asks for an old one where the new one is."""
    url = api.get("/openapi/v3").body["paths"]["apis/apps/v1"]["serverRelativeURL"]
    path, _, hash = url.partition("?hash=")
    assert api.get(path, hash=hash).code == 200
    moved = api.get(path, hash="old")
    assert moved.code == 301
    api.headers["If-None-Match"] = f'"{hash}"'
    assert api.get(path, hash=hash).code == 304
    api.headers.pop("If-None-Match")
    assert api.get("/openapi/v2").body["swagger"] == "2.0"
