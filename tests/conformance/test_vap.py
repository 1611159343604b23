"""ValidatingAdmissionPolicies: rules in CEL that a binding puts in force."""

import pytest

from behaviour import behaviour
from hookserver import registered
from kit import Refused, lifecycle, refused
from labsite import wait_for

VAP = "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] "
API = "admissionregistration.k8s.io/v1"


@pytest.fixture
def policies(kinds):
    return kinds(API, "ValidatingAdmissionPolicy")


@pytest.fixture
def bindings(kinds):
    return kinds(API, "ValidatingAdmissionPolicyBinding")


def only(namespace):
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


def policy(name, validations, namespace=None, **spec):
    rules = [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]
    match = {"resourceRules": rules} | (only(namespace) if namespace else {})
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {"matchConstraints": match, "validations": validations} | spec}


def binding(name, of, namespace=None):
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": of, "validationActions": ["Deny"]} | ({"matchResources": only(namespace)} if namespace else {})}


def workload(kind, name, replicas):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": labels},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": {"containers": [
                         {"name": "c", "image": "nobody-pulls-this:1"}]}}}}


def judged(kinds, namespace, policies, bindings, rules, expected, **spec):
    """The steps of both tests: a policy is bound, a marker is denied, more replicas pass, other kinds are free."""
    deployments = kinds("apps/v1", "Deployment", namespace)
    with registered(policies, policy(namespace, rules, namespace, **spec)), \
            registered(bindings, binding(namespace, namespace, namespace)):
        refusal = wait_for("the marker to be denied", 15, lambda: denied(deployments, workload("Deployment", "marker", 1)))
        assert (refusal.code, refusal.status["reason"]) == (422, "Invalid")
        assert f"ValidatingAdmissionPolicy '{namespace}' with binding '{namespace}' denied request: {expected}" in refusal.message
        deployments.create(workload("Deployment", "replicated", 2))
        kinds("apps/v1", "ReplicaSet", namespace).create(workload("ReplicaSet", "single", 1))
    deployments.create(workload("Deployment", "marker", 1))


def denied(kind, obj):
    try:
        kind.create(obj, dry_run="All")
    except Refused as e:
        return e
    return None


@behaviour(VAP + "should validate against a Deployment [Conformance]")
def test_against_a_deployment(kinds, namespace, policies, bindings):
    judged(kinds, namespace, policies, bindings,
           [{"expression": "object.spec.replicas > 1",
             "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)"}],
           "wants replicas > 1, got 1")


@behaviour(VAP + "should allow expressions to refer variables. [Conformance]")
def test_variables(kinds, namespace, policies, bindings):
    judged(kinds, namespace, policies, bindings,
           [{"expression": "variables.oddReplicas || variables.replicas > 1"}],
           "failed expression: variables.oddReplicas || variables.replicas > 1",
           variables=[{"name": "replicas", "expression": "object.spec.replicas"},
                      {"name": "oddReplicas", "expression": "variables.replicas % 2 == 0"}])


@behaviour(VAP + "should support ValidatingAdmissionPolicy API operations [Conformance]")
def test_policies(policies, namespace):
    def make(name):
        return policy(f"{namespace}-{name}", [{"expression": "object.spec.replicas <= 100"}]) | {
            "metadata": {"name": name, "labels": {"test": namespace}}}

    def edit(obj):
        obj["spec"]["validations"][0]["expression"] = "object.spec.replicas <= 90"
    lifecycle(policies, make, edit, f"test={namespace}",
              status={"status": {"conditions": [{"type": "Seen", "status": "True", "reason": "Test", "message": "seen",
                                                 "lastTransitionTime": "2024-01-01T00:00:00Z"}]}})
    refusal = refused(policies.create, policy(f"{namespace}-wrong", [{"expression": "object.spec.replicas >"}]))
    assert refusal.code == 422 and "compilation failed" in refusal.message


@behaviour(VAP + "should support ValidatingAdmissionPolicyBinding API operations [Conformance]")
def test_bindings(bindings, namespace):
    def make(name):
        return binding(name, f"{namespace}-none") | {"metadata": {"name": name, "labels": {"test": namespace}}}

    def edit(obj):
        obj["spec"]["validationActions"] = ["Warn", "Audit"]
    lifecycle(bindings, make, edit, f"test={namespace}")
