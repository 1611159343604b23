"""Server-side apply and managedFields, as stock kubectl and the Python client use them."""

import json

import pytest

from bareserver import BareServer

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {team: shop}}
data: {colour: green, size: small}
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
      containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
"""
VERSION = {
    "served": True, "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.count",
                                                             "statusReplicasPath": ".status.count"}},
    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "count": {"type": "integer"},
            "paint": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            "doors": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                      "items": {"type": "object", "required": ["name"], "properties": {
                          "name": {"type": "string"}, "open": {"type": "boolean"}}}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}},
}
CRD = json.dumps({
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "gates.example.org"},
    "spec": {"group": "example.org", "scope": "Namespaced",
             "names": {"plural": "gates", "singular": "gate", "kind": "Gate"},
             "versions": [{"name": "v1", "storage": True, **VERSION}, {"name": "v2", "storage": False, **VERSION}]},
})
GATE = """
apiVersion: example.org/%s
kind: Gate
metadata: {name: north}
spec: {count: 1, paint: {colour: %s}, doors: [{name: %s, open: true}]}
"""


@pytest.fixture(scope="module")
def bare():
    server = BareServer().start()
    yield server
    server.remove()


@pytest.fixture
def space(bare, request):
    name = request.node.name.replace("_", "-")[:40].strip("-")
    bare.kubectl("create", "namespace", name)
    return name


@pytest.fixture
def k(bare, space):
    return lambda *args, **kw: bare.kubectl("-n", space, *args, **kw)


@pytest.fixture
def refused(bare, space):
    """kubectl's complaint."""

    def run(*args, **kw):
        result = bare.run("kubectl", "-n", space, *args, check=False, **kw)
        assert result.returncode != 0
        return result.stderr

    return run


def applied(*more):
    return ("apply", "--server-side", "-f", "-", *more)


def owners(k, *what):
    """{(manager, operation, subresource): fields}"""
    tree = json.loads(k("get", *what, "-o", "json", "--show-managed-fields"))
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
            for e in tree["metadata"].get("managedFields", [])}


def test_applied_fields_are_kubectls(k):
    assert k(*applied(), stdin=CONFIG).strip() == "configmap/settings serverside-applied"
    assert owners(k, "configmap", "settings") == {("kubectl", "Apply", ""): {
        "f:data": {"f:colour": {}, "f:size": {}}, "f:metadata": {"f:labels": {"f:team": {}}}}}
    before = k("get", "configmap", "settings", "-o", "yaml", "--show-managed-fields")
    k(*applied(), stdin=CONFIG)
    assert k("get", "configmap", "settings", "-o", "yaml", "--show-managed-fields") == before
    assert "managedFields" not in k("get", "configmap", "settings", "-o", "yaml")
    k(*applied(), stdin=CONFIG.replace("colour: green, ", ""))
    assert json.loads(k("get", "configmap", "settings", "-o", "json"))["data"] == {"size": "small"}


def test_a_conflict_is_told_and_can_be_forced(k, refused):
    k(*applied(), stdin=WEB)
    k("scale", "deployment/web", "--replicas=5")
    said = refused(*applied(), stdin=WEB)
    assert 'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in said
    assert ("kubectl", "Update", "scale") in owners(k, "deployment", "web")
    k(*applied("--force-conflicts"), stdin=WEB)
    assert k("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    assert ("kubectl", "Update", "scale") not in owners(k, "deployment", "web")


def test_two_appliers_share_an_object(k):
    k(*applied("--field-manager=one"), stdin=CONFIG)
    k(*applied("--field-manager=two"), stdin=CONFIG.replace("size: small", "shape: round"))
    k(*applied("--field-manager=one"), stdin=CONFIG.replace("colour: green, size: small", "size: large"))
    tree = json.loads(k("get", "configmap", "settings", "-o", "json"))
    assert tree["data"] == {"colour": "green", "shape": "round", "size": "large"}


def test_what_kubectl_applied_itself_becomes_the_servers(k):
    k("apply", "-f", "-", stdin=WEB)
    assert ("kubectl-client-side-apply", "Update", "") in owners(k, "deployment", "web")
    k(*applied(), stdin=WEB.replace("replicas: 2", "replicas: 3"))
    mine = owners(k, "deployment", "web")
    assert ("kubectl", "Apply", "") in mine and ("kubectl-client-side-apply", "Update", "") not in mine
    k("apply", "-f", "-", stdin=WEB.replace("  replicas: 2\n", ""))  # back: the annotation was kept true
    assert k("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "1"


def test_a_manager_has_a_name(k, refused):
    k("create", "configmap", "named", "--field-manager=someone", "--from-literal=a=b")
    assert list(owners(k, "configmap", "named")) == [("someone", "Update", "")]
    said = refused("create", "configmap", "long", "--field-manager=" + "x" * 129)
    assert 'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes' in said
    k("patch", "configmap", "named", "--type=json", "-p",
      '[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]')
    assert owners(k, "configmap", "named") == {}


def test_what_does_not_fit_is_refused(refused):
    said = refused(*applied("--validate=false"), stdin=CONFIG + "nonsense: 1\n")
    assert ".nonsense: field not declared in schema" in said
    said = refused(*applied("--validate=false"), stdin=WEB.replace(
        "image: nginx,", "image: nginx, env: [{name: A}, {name: A}],"))
    assert 'env: duplicate entries for key [name="A"]' in said


def test_a_dry_run_changes_nothing(k, refused):
    assert "serverside-applied (server dry run)" in k(*applied("--dry-run=server"), stdin=CONFIG)
    assert "NotFound" in refused("get", "configmap", "settings")


def test_custom_kinds_merge_by_their_schemas(bare, space, k, refused):
    bare.kubectl("apply", "-f", "-", stdin=CRD)
    bare.kubectl("wait", "--for=condition=Established", "crd/gates.example.org", "--timeout=20s")
    k(*applied("--field-manager=one"), stdin=GATE % ("v1", "red", "left"))
    said = refused(*applied("--field-manager=two"), stdin=GATE % ("v2", "blue", "right"))
    assert 'conflict with "one": .spec.paint' in said
    k(*applied("--field-manager=two"), stdin=GATE % ("v2", "red", "right"))
    status = b"{apiVersion: example.org/v1, kind: Gate, metadata: {name: north}, status: {count: 7}}"
    answer = bare.get(f"/apis/example.org/v1/namespaces/{space}/gates/north/status?fieldManager=two", method="PATCH",
                      headers={"Content-Type": "application/apply-patch+yaml"}, body=status)
    assert answer[0] == 200, answer[1]
    k("scale", "gate/north", "--replicas=4")
    gate = json.loads(k("get", "gate", "north", "-o", "json"))
    assert [d["name"] for d in gate["spec"]["doors"]] == ["left", "right"]
    assert gate["spec"]["count"] == 4 and gate["status"] == {"count": 7}
    mine = owners(k, "gate", "north")
    assert mine["two", "Apply", "status"] == {"f:status": {"f:count": {}}}
    assert mine["kubectl", "Update", "scale"] == {"f:spec": {"f:count": {}}}
    assert "f:count" not in mine["one", "Apply", ""]["f:spec"]


def test_the_python_client_applies(bare, space):
    from kubernetes import client, config

    core = client.CoreV1Api(config.new_client_from_config(bare.kubeconfig))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "py"}, "data": {"a": "1"}}

    def apply(body, **options):
        return core.api_client.call_api(
            f"/api/v1/namespaces/{space}/configmaps/py", "PATCH", body=json.dumps(body), query_params=list(options.items()),
            header_params={"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"},
            auth_settings=["BearerToken"], response_type="V1ConfigMap", _return_http_data_only=True)

    with pytest.raises(client.ApiException) as refused:
        apply(body)
    assert refused.value.status == 422 and "is required for apply patch" in refused.value.body
    made = apply(body, fieldManager="py")
    assert [e.manager for e in made.metadata.managed_fields] == ["py"]
    core.patch_namespaced_config_map("py", space, {"data": {"a": "2"}}, field_manager="other")
    with pytest.raises(client.ApiException) as refused:
        apply(body, fieldManager="py")
    causes = json.loads(refused.value.body)["details"]["causes"]
    assert refused.value.status == 409 and causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "other" using v1', "field": ".data.a"}]
    body["metadata"]["resourceVersion"] = made.metadata.resource_version
    with pytest.raises(client.ApiException) as refused:
        apply(body, fieldManager="py", force="true")
    assert refused.value.status == 409 and "the object has been modified" in refused.value.body
    del body["metadata"]["resourceVersion"]
    assert apply(body, fieldManager="py", force="true").data == {"a": "1"}
