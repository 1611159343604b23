"""Wrong manifests are refused with Kubernetes' own reason, code and field path; the others of the file are applied."""

import pytest
import yaml

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "hello:1"}]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: one}
spec: {containers: [{name: main, image: "busybox:1"}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
PATHS = {"Deployment": "/apis/apps/v1/namespaces/{}/deployments", "Pod": "/api/v1/namespaces/{}/pods",
         "Service": "/api/v1/namespaces/{}/services"}


def edited(manifest, *changes):
    """@manifest as an object, with (path, value) changes; a value of None removes."""
    obj = yaml.safe_load(manifest)
    for path, value in changes:
        *way, last = path
        at = obj
        for step in way:
            at = at[step]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return obj


CONTAINER = ("spec", "template", "spec", "containers", 0)

# id: (object, code, reason, causes that must be among those given, words of the message)
REFUSED = {
    "unknown field": (
        edited(DEPLOYMENT, ((*CONTAINER, "imagee"), "x")), 400, "BadRequest", set(),
        ['Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ',
         'unknown field "spec.template.spec.containers[0].imagee"']),
    "two unknown fields": (
        edited(POD, (("spec", "nodeNam"), "x"), (("metadata", "lables"), {})), 400, "BadRequest", set(),
        ['unknown field "spec.nodeNam"', 'unknown field "metadata.lables"']),
    "missing selector": (
        edited(DEPLOYMENT, (("spec", "selector"), None)), 422, "Invalid",
        {("FieldValueRequired", "spec.selector")},
        ['Deployment.apps "web" is invalid: ', "spec.selector: Required value"]),
    "selector does not match": (
        edited(DEPLOYMENT, (("spec", "selector", "matchLabels"), {"app": "other"})), 422, "Invalid",
        {("FieldValueInvalid", "spec.template.metadata.labels")},
        ["`selector` does not match template `labels`"]),
    "bad quantity": (
        edited(POD, (("spec", "containers", 0, "resources"), {"requests": {"memory": "12Quark"}})), 400, "BadRequest",
        set(), ['Pod in version "v1" cannot be handled as a Pod: ',
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"]),
    "negative quantity": (
        edited(POD, (("spec", "containers", 0, "resources"), {"requests": {"memory": "-1Mi"}})), 422, "Invalid",
        {("FieldValueInvalid", "spec.containers[0].resources.requests[memory]")},
        ["must be greater than or equal to 0"]),
    "wrong type": (
        edited(DEPLOYMENT, (("spec", "replicas"), "three")), 400, "BadRequest", set(),
        ['Deployment in version "v1" cannot be handled as a Deployment: ',
         "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"]),
    "bad name": (
        edited(POD, (("metadata", "name"), "Not_A_Name")), 422, "Invalid",
        {("FieldValueInvalid", "metadata.name")},
        ['Pod "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain']),
    "no image": (
        edited(POD, (("spec", "containers", 0, "image"), None)), 422, "Invalid",
        {("FieldValueRequired", "spec.containers[0].image")}, ["spec.containers[0].image: Required value"]),
    "no containers": (
        edited(POD, (("spec", "containers"), [])), 422, "Invalid",
        {("FieldValueRequired", "spec.containers")}, ["spec.containers: Required value"]),
    "unknown word": (
        edited(POD, (("spec", "restartPolicy"), "Sometimes")), 422, "Invalid",
        {("FieldValueNotSupported", "spec.restartPolicy")},
        ['Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"']),
    "port out of range": (
        edited(SERVICE, (("spec", "ports", 0, "port"), 70000)), 422, "Invalid",
        {("FieldValueInvalid", "spec.ports[0].port")}, ["must be between 1 and 65535, inclusive"]),
}


def check_refusal(answer, code, reason, causes, words):
    assert (answer.code, answer.body["kind"], answer.body["reason"]) == (code, "Status", reason), answer
    assert answer.body["code"] == code
    assert causes <= answer.causes(), answer
    for word in words:
        assert word in answer.body["message"], answer


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(api, name):
    obj, *expected = REFUSED[name]
    path = PATHS[obj["kind"]].format("default")
    check_refusal(api.post(path, obj, fieldValidation="Strict", dryRun="All"), *expected)
    assert api.get(f"{path}/{obj['metadata']['name']}").code == 404, "nothing of it is stored"


def test_selector_of_a_deployment_is_immutable(api, namespace):
    path = PATHS["Deployment"].format(namespace)
    assert api.post(path, yaml.safe_load(DEPLOYMENT)).code == 201
    labels = {"app": "other"}
    changed = edited(DEPLOYMENT, (("spec", "selector", "matchLabels"), labels),
                     (("spec", "template", "metadata", "labels"), labels))
    check_refusal(api.put(f"{path}/web", changed), 422, "Invalid", {("FieldValueInvalid", "spec.selector")},
                  ['Deployment.apps "web" is invalid: spec.selector: Invalid value: ', "field is immutable"])


def test_missing_namespace_is_not_found(api):
    check_refusal(api.post(PATHS["Pod"].format("nowhere"), yaml.safe_load(POD)), 404, "NotFound", set(),
                  ['namespaces "nowhere" not found'])


def test_second_create_is_a_conflict(api, namespace):
    path = PATHS["Service"].format(namespace)
    assert api.post(path, yaml.safe_load(SERVICE)).code == 201
    check_refusal(api.post(path, yaml.safe_load(SERVICE)), 409, "AlreadyExists", set(),
                  ['services "web" already exists'])


def test_stale_write_is_a_conflict(api, namespace):
    path = PATHS["Service"].format(namespace)
    first = api.post(path, yaml.safe_load(SERVICE)).body
    first["metadata"]["labels"] = {"a": "b"}
    assert api.put(f"{path}/web", first).code == 200
    first["metadata"]["labels"] = {"a": "c"}
    check_refusal(api.put(f"{path}/web", first), 409, "Conflict", set(),
                  ['Operation cannot be fulfilled on services "web": the object has been modified; '
                   "please apply your changes to the latest version and try again"])


def test_unknown_fields_only_warn_unless_strict(api, namespace):
    obj = edited(SERVICE, (("spec", "porst"), []))
    answer = api.post(PATHS["Service"].format(namespace), obj)
    assert answer.code == 201
    assert "porst" not in answer.body["spec"]


def test_kubectl_applies_the_other_documents(site, namespace):
    """One file, three documents, the middle one wrong: kubectl says so, and the other two stand."""
    wrong = yaml.safe_dump(edited(DEPLOYMENT, (("spec", "selector"), None)))
    done = site.apply("---\n".join((SERVICE, wrong, POD)), "-n", namespace, check=False)
    assert done.returncode == 1
    assert "service/web created" in done.stdout and "pod/one created" in done.stdout
    assert "spec.selector: Required value" in done.stderr
    assert site.items("-n", namespace, "deployments") == []


@pytest.mark.parametrize("manifest, words", [
    (edited(DEPLOYMENT, ((*CONTAINER, "imagee"), "x")), 'unknown field "spec.template.spec.containers[0].imagee"'),
    (edited(DEPLOYMENT, (("spec", "replicas"), "three")), "cannot unmarshal string into Go struct field"),
], ids=["unknown field", "wrong type"])
def test_kubectl_shows_what_is_wrong(site, manifest, words):
    if site.kubectl_minor() < 25:
        pytest.skip("this kubectl validates by itself, in words of its own")
    done = site.apply(yaml.safe_dump(manifest), check=False)
    assert done.returncode == 1
    assert "Error from server (BadRequest)" in done.stderr and words in done.stderr
