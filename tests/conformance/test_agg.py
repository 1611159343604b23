"""An API that somebody else serves, reached through ours."""

import json

import pytest

from behaviour import behaviour
from hookserver import PORT, HookServer
from labsite import wait_for

GROUP, VERSION = "flowers.example.com", "v1alpha1"
NAME = f"{VERSION}.{GROUP}"


@pytest.fixture(scope="module")
def hooks(whole_site, tmp_path_factory):
    server = HookServer(whole_site, str(tmp_path_factory.mktemp("hooks")), "agg-server")
    try:
        yield server.start()
    finally:
        whole_site.kubectl("delete", "apiservice", NAME, "--ignore-not-found")
        server.stop()


def refusal(done):
    assert done.returncode != 0, done.stdout
    return done.stderr


def available(site):
    status = site.get("apiservice", NAME).get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == "Available"), {})


@behaviour("[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator [Conformance]")
def test_sample_api(hooks, site, namespace, k):
    site.apply(json.dumps({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME},
        "spec": {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": hooks.ca,
                 "service": {"namespace": hooks.namespace, "name": "webhook", "port": PORT}}}))
    wait_for("the API to be available", 30, lambda: available(site).get("status") == "True")
    assert available(site)["reason"] == "Passed"
    line = site.kubectl("get", "apiservices", NAME, "--no-headers").split()
    assert line[:3] == [NAME, f"{hooks.namespace}/webhook", "True"]

    # In both forms of discovery.
    site.forget_kinds()
    groups = {g["name"]: g for g in json.loads(site.kubectl("get", "--raw", "/apis"))["groups"]}
    assert groups[GROUP]["preferredVersion"]["version"] == VERSION
    assert json.loads(site.kubectl("get", "--raw", f"/apis/{GROUP}"))["versions"] == groups[GROUP]["versions"]
    assert [r["name"] for r in json.loads(site.kubectl("get", "--raw", f"/apis/{GROUP}/{VERSION}"))["resources"]] == ["flowers"]
    assert f"flowers.{GROUP}" in site.kubectl("api-resources", "--api-group", GROUP, "-o", "name")

    # It knows who asks, and nobody can say so himself.
    who = json.loads(site.kubectl("get", "--raw", f"/apis/{GROUP}/{VERSION}/whoami"))
    assert who["users"] == ["system:admin"] and "system:masters" in who["groups"] and who["authorization"] is None

    # Its objects.
    rose = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Flower", "metadata": {"name": "rose"}, "spec": {"colour": "red"}}
    k("create", "--validate=false", "-f", "-", stdin=json.dumps(rose))
    assert json.loads(k("get", "flower", "rose", "-o", "json"))["spec"]["colour"] == "red"
    assert k("get", "flowers", "-o", "name").split() == [f"flower.{GROUP}/rose"]
    assert 'flowers.flowers.example.com "none" not found' in refusal(k("get", "flower", "none", check=False))
    # Roles hold for it as for any other.
    assert "forbidden" in refusal(k("get", "flower", "rose", "--as=nobody", check=False))
    k("delete", "flower", "rose")
    assert k("get", "flowers", "-o", "name").strip() == ""

    # Gone with its Service, and told so.
    site.kubectl("-n", hooks.namespace, "scale", "deployment/webhook", "--replicas=0")
    wait_for("the API to be unavailable", 30, lambda: available(site).get("status") == "False")
    assert available(site)["reason"] == "MissingEndpoints"
    unavailable = refusal(site.kubectl("get", "--raw", f"/apis/{GROUP}/{VERSION}", check=False))
    assert "unable to handle the request" in unavailable or "service unavailable" in unavailable
    site.kubectl("delete", "apiservice", NAME)
    wait_for("the group to go", 20, lambda: GROUP not in site.kubectl("get", "--raw", "/apis"))


def test_own_apis_are_listed(site):
    """Every group version that the server itself serves, with the reason Local."""
    apis = {a["metadata"]["name"]: a for a in site.items("apiservices")}
    for name in ("v1.", "v1.apps", "v1.batch", "v2.autoscaling", "v1.rbac.authorization.k8s.io", "v1beta1.metrics.k8s.io"):
        condition = apis[name]["status"]["conditions"][0]
        assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local"), name
        assert "service" not in apis[name]["spec"]
    assert "Local" in site.kubectl("get", "apiservices", "v1.apps", "--no-headers")
