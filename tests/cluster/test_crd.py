"""Kinds that definitions bring: what charts and operators with CustomResourceDefinitions rely on."""

import json
import threading

import pytest
import yaml

from labsite import wait_for

GROUP = "crd-test.example.com"
DEFINITION = f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: crontabs.{GROUP}}}
spec:
  group: {GROUP}
  scope: Namespaced
  names: {{plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ctab], categories: [all]}}
  versions:
    - name: v1
      served: true
      storage: true
      subresources:
        status: {{}}
        scale:
          specReplicasPath: .spec.replicas
          statusReplicasPath: .status.replicas
          labelSelectorPath: .status.labelSelector
      additionalPrinterColumns:
        - {{name: Spec, type: string, jsonPath: .spec.cronSpec}}
        - {{name: Replicas, type: integer, jsonPath: .spec.replicas}}
        - {{name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}}
        - {{name: Age, type: date, jsonPath: .metadata.creationTimestamp}}
      selectableFields: [{{jsonPath: .spec.image}}]
      schema: &schema
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              description: What is wanted.
              required: [cronSpec]
              properties:
                cronSpec: {{type: string, pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){{4}}$', description: When it runs.}}
                image: {{type: string}}
                replicas: {{type: integer, minimum: 1, maximum: 10, default: 1}}
                mode: {{type: string, enum: [Fast, Slow], default: Fast}}
                extra: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
            status:
              type: object
              properties:
                replicas: {{type: integer}}
                labelSelector: {{type: string}}
                conditions:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [type]
                  items:
                    type: object
                    required: [type, status]
                    properties:
                      type: {{type: string}}
                      status: {{type: string}}
    - {{name: v1beta1, served: true, storage: false, deprecated: true, schema: *schema}}
"""
NAME = f"crontabs.{GROUP}"


def tab(name="mine", version="v1", **spec):
    return yaml.dump({"apiVersion": f"{GROUP}/{version}", "kind": "CronTab", "metadata": {"name": name},
                      "spec": {"cronSpec": "* * * * */5"} | spec})


@pytest.fixture
def k(site, namespace):
    return lambda *args, **options: site.kubectl("-n", namespace, *args, **options)


@pytest.fixture
def crontabs(site, k):
    """The definition, established; it goes with the test."""
    k("apply", "-f", "-", stdin=DEFINITION)
    k("wait", "--for=condition=established", "--timeout=10s", "crd/" + NAME)
    site.forget_kinds()  # kubectl looks again for a kind it does not know, but not for a short name
    yield NAME
    k("delete", "crd", NAME, "--ignore-not-found", "--timeout=30s", timeout=40)
    site.forget_kinds()


def refusal(k, *args, **options):
    answer = k(*args, check=False, **options)
    assert answer.returncode != 0, answer.stdout
    return answer.stderr


def test_apply_fills_and_shows(k, crontabs):
    k("apply", "-f", "-", stdin=tab(image="app:1", extra={"any": [1]}))
    assert k("apply", "-f", "-", stdin=tab(image="app:1", extra={"any": [1]})).endswith(" unchanged\n")
    assert k("apply", "-f", "-", stdin=tab(image="app:2")).endswith(" configured\n")
    mine = json.loads(k("get", "crontab", "mine", "-o", "json"))
    assert mine["spec"] == {"cronSpec": "* * * * */5", "image": "app:2", "mode": "Fast", "replicas": 1}
    assert mine["metadata"]["generation"] == 2
    head, row = k("get", "ctab").splitlines()
    assert head.split() == ["NAME", "SPEC", "REPLICAS", "READY", "AGE"]
    assert row.split()[:6] == ["mine", "*", "*", "*", "*", "*/5"]
    assert f"crontab.{GROUP}/mine" in k("get", "all")
    assert k("get", "ctab", "--field-selector", "spec.image=app:2", "-o", "name") == f"crontab.{GROUP}/mine\n"
    assert k("get", "ctab", "--field-selector", "spec.image=app:1", "-o", "name") == ""


def test_explain(k, crontabs):
    assert "When it runs." in k("explain", "ctab.spec.cronSpec")
    assert "-required-" in k("explain", "crontab.spec")


def test_refusals_name_the_field(k, crontabs):
    assert 'strict decoding error: unknown field "spec.colour"' in refusal(
        k, "create", "-f", "-", stdin=tab(colour="red"))
    wrong = refusal(k, "create", "-f", "-", stdin=tab(replicas=20, mode="Late", image=1))
    for line in ('spec.mode: Unsupported value: "Late": supported values: "Fast", "Slow"',
                 "spec.replicas: Invalid value: 20: spec.replicas in body should be less than or equal to 10",
                 'spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"'):
        assert line in wrong
    assert "spec.cronSpec in body should match" in refusal(k, "create", "-f", "-", stdin=tab(cronSpec="soon"))
    k("create", "--validate=warn", "-f", "-", stdin=tab(colour="red"))
    assert k("get", "ctab/mine", "-o", "jsonpath={.spec.colour}") == ""
    assert "strategic-merge-patch" in refusal(k, "patch", "ctab/mine", "--type=strategic", "-p", '{"spec":{}}')
    k("patch", "ctab/mine", "--type=json", "-p", '[{"op":"replace","path":"/spec/mode","value":"Slow"}]')


def test_scale_and_status(k, crontabs):
    k("create", "-f", "-", stdin=tab())
    k("scale", "--replicas=3", "ctab/mine")
    k("patch", "ctab/mine", "--subresource=status", "--type=merge", "-p",
      '{"spec":{"mode":"Slow"},"status":{"replicas":3,"conditions":[{"type":"Ready","status":"True"}]}}')
    k("wait", "--for=condition=Ready", "ctab/mine", "--timeout=10s")
    mine = json.loads(k("get", "ctab/mine", "-o", "json"))
    assert mine["spec"]["replicas"] == 3 and mine["spec"]["mode"] == "Fast"
    assert mine["status"]["replicas"] == 3 and mine["metadata"]["generation"] == 2
    assert k("get", "ctab").splitlines()[1].split()[6:8] == ["3", "True"]


def test_versions(k, namespace, api, crontabs):
    k("create", "-f", "-", stdin=tab())
    old = api.get(f"/apis/{GROUP}/v1beta1/namespaces/{namespace}/crontabs/mine")
    assert old.body["apiVersion"] == f"{GROUP}/v1beta1"
    warned = k("get", f"crontabs.v1beta1.{GROUP}", "mine", check=False)
    assert f"{GROUP}/v1beta1 CronTab is deprecated" in warned.stderr
    groups = {g["name"]: g for g in api.get("/apis").body["groups"]}
    assert [v["version"] for v in groups[GROUP]["versions"]] == ["v1", "v1beta1"]


def test_objects_live_and_die_like_others(site, namespace, k, crontabs):
    """Owners, finalizers and namespaces do not care who brought a kind."""
    k("create", "-f", "-", stdin=tab("owner"))
    uid = k("get", "ctab/owner", "-o", "jsonpath={.metadata.uid}")
    k("create", "-f", "-", stdin=yaml.dump({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "ownerReferences": [
            {"apiVersion": f"{GROUP}/v1", "kind": "CronTab", "name": "owner", "uid": uid}]}}))
    k("delete", "ctab/owner")
    wait_for("the owned one to go", 10, lambda: k("get", "configmap", "owned", check=False).returncode != 0)
    other = namespace[:40] + "-other"
    k("create", "namespace", other)
    site.kubectl("-n", other, "create", "-f", "-", stdin=tab("inside"))
    k("delete", "namespace", other, "--timeout=30s", timeout=40)
    assert "inside" not in k("get", "ctab", "-A", "-o", "name")


def test_deleting_the_definition_takes_its_objects(k, crontabs):
    for i in range(3):
        k("create", "-f", "-", stdin=tab(f"tab-{i}"))
    k("delete", "crd", NAME, "--timeout=20s", timeout=30)
    refusal(k, "get", "crontabs." + GROUP)
    assert NAME not in k("get", "crd", "-o", "name")
    k("apply", "-f", "-", stdin=DEFINITION)
    k("wait", "--for=condition=established", "--timeout=10s", "crd/" + NAME)
    assert k("get", "ctab", "-o", "name") == ""


def test_kinds_survive_a_restart_of_the_server(site, k, crontabs):
    k("create", "-f", "-", stdin=tab())
    site.lab("service", "control", "restart", "server")
    wait_for("the server", 20, lambda: k("get", "ctab", "-o", "name", check=False).stdout == f"crontab.{GROUP}/mine\n")
    k("patch", "ctab/mine", "--type=merge", "-p", '{"spec":{"mode":"Slow"}}')


def test_a_controller_in_python_follows(site, namespace, k, crontabs):
    """The official client: list, watch, status, as operators do."""
    client = pytest.importorskip("kubernetes.client")
    config = pytest.importorskip("kubernetes.config")
    watch = pytest.importorskip("kubernetes.watch")
    custom = client.CustomObjectsApi(config.new_client_from_config(site.kubeconfig))
    where = (GROUP, "v1", namespace, "crontabs")
    start = custom.list_namespaced_custom_object(*where)["metadata"]["resourceVersion"]
    seen = []

    def follow():
        for event in watch.Watch().stream(custom.list_namespaced_custom_object, *where, resource_version=start,
                                          timeout_seconds=20):
            seen.append((event["type"], event["object"]["metadata"]["name"]))
            if event["type"] == "ADDED":
                custom.patch_namespaced_custom_object_status(*where, event["object"]["metadata"]["name"],
                                                             {"status": {"replicas": 1}})
            if event["type"] == "DELETED":
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    k("create", "-f", "-", stdin=tab())
    wait_for("the status", 10, lambda: k("get", "ctab/mine", "-o", "jsonpath={.status.replicas}") == "1")
    k("delete", "ctab/mine")
    follower.join(timeout=10)
    assert seen == [("ADDED", "mine"), ("MODIFIED", "mine"), ("DELETED", "mine")]


def test_rights_are_given_by_group_and_plural(k, namespace, crontabs):
    k("create", "serviceaccount", "reader")
    k("create", "role", "tabs", "--verb=get,list", f"--resource=crontabs.{GROUP}")
    k("create", "rolebinding", "tabs", "--role=tabs", f"--serviceaccount={namespace}:reader")
    who = f"--as=system:serviceaccount:{namespace}:reader"
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": who[5:], "resourceAttributes": {"namespace": namespace, "group": GROUP, "resource": "crontabs"}}}
    for verb, allowed in (("list", "true"), ("delete", "false")):
        review["spec"]["resourceAttributes"]["verb"] = verb
        assert k("create", "-f", "-", "-o", "jsonpath={.status.allowed}", stdin=yaml.dump(review)) == allowed


def test_rules_of_kinds_hold(k, namespace, crontabs):
    group = f"rules.{GROUP}"
    definition = DEFINITION.replace(GROUP, group).replace("required: [cronSpec]", """required: [cronSpec]
              x-kubernetes-validations:
              - {rule: 'self.replicas < 9', messageExpression: "'%d is too many'.format([self.replicas])"}
              - {rule: 'self.cronSpec == oldSelf.cronSpec', message: cronSpec is immutable}""")
    wrong = definition.replace("self.replicas", "self.replica")
    assert "undefined field 'replica'" in refusal(k, "create", "-f", "-", stdin=wrong)
    k("create", "-f", "-", stdin=definition)
    try:
        k("wait", "--for=condition=Established", f"crd/crontabs.{group}", "--timeout=20s")
        tab = {"apiVersion": f"{group}/v1", "kind": "CronTab", "metadata": {"name": "tab"},
               "spec": {"cronSpec": "* * * * */5", "replicas": 3}}
        k("create", "-f", "-", stdin=yaml.dump(tab))
        change = ("patch", f"crontabs.{group}", "tab", "--type=merge", "-p")
        assert 'spec: Invalid value: "object": 10 is too many' in refusal(k, *change, '{"spec":{"replicas":10}}')
        assert 'spec: Invalid value: "object": cronSpec is immutable' in \
            refusal(k, *change, '{"spec":{"cronSpec":"* * * * *"}}')
        k(*change, '{"spec":{"replicas":4}}')
    finally:
        k("delete", "crd", f"crontabs.{group}")


def test_what_is_not_done_is_told(k):
    own = DEFINITION.replace(GROUP, "metallb.io").replace("crontabs", "ipaddresspools")
    answer = k("create", "--dry-run=server", "-f", "-", stdin=own, check=False)
    assert "mkube serves ipaddresspools.metallb.io itself" in answer.stderr
    broken = DEFINITION.replace("type: object\n              description", "description")
    assert "must not be empty for specified object fields" in refusal(k, "create", "-f", "-", stdin=broken)
