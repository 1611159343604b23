"""FlowSchemas and PriorityLevelConfigurations: the verbs of the kinds."""

import pytest

from behaviour import behaviour
from kit import lifecycle

FLOW = "flowcontrol.apiserver.k8s.io/v1"


@pytest.fixture
def apf(kinds, site, namespace):
    """make(kind): the kind; whatever has the test's label goes at the end."""
    used = []

    def make(kind):
        used.append(kinds(FLOW, kind))
        return used[-1]
    text = site.kubectl("get", "--raw", f"/apis/{FLOW}")
    assert all(f'"{name}"' in text for name in ("flowschemas", "flowschemas/status", "prioritylevelconfigurations",
                                                "prioritylevelconfigurations/status"))
    yield make
    for kind in used:
        kind.delete_all(f"of={namespace}")


STATUS = {"status": {"conditions": [{"type": "e2e", "status": "True", "reason": "Test", "message": "set from a test",
                                     "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}


@behaviour("[sig-api-machinery] API priority and fairness should support FlowSchema API operations [Conformance]")
def test_flow_schema(apf, namespace):
    def make(name):
        return {"apiVersion": FLOW, "kind": "FlowSchema", "metadata": {"name": name, "labels": {"of": namespace}}, "spec": {
            "matchingPrecedence": 10000, "priorityLevelConfiguration": {"name": "global-default"},
            "distinguisherMethod": {"type": "ByUser"}, "rules": [{
                "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]}}

    def edit(obj):
        obj["spec"]["matchingPrecedence"] = 9999
    lifecycle(apf("FlowSchema"), make, edit, f"of={namespace}", STATUS)


@behaviour("[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations [Conformance]")
def test_priority_level(apf, namespace):
    def make(name):
        return {"apiVersion": FLOW, "kind": "PriorityLevelConfiguration", "metadata": {"name": name, "labels": {"of": namespace}},
                "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}}

    def edit(obj):
        obj["spec"]["limited"]["nominalConcurrencyShares"] = 4
    lifecycle(apf("PriorityLevelConfiguration"), make, edit, f"of={namespace}", STATUS)
