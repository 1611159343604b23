"""Webhooks as charts install them: a dead one stops what it watches over, and nothing else."""

import json

import pytest

from labsite import wait_for

KIND = "validatingwebhookconfigurations"


def configuration(name, rules, **more):
    """Nobody stands behind its Service."""
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": name},
            "webhooks": [{"name": f"{name}.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 5,
                          "clientConfig": {"service": {"namespace": "default", "name": name, "path": "/validate"}}, "rules": rules} | more]}


@pytest.fixture
def registered(site):
    names = []

    def register(*args, **more):
        made = configuration(*args, **more)
        names.append(made["metadata"]["name"])
        site.apply(json.dumps(made))
    yield register
    for name in names:
        site.kubectl("delete", KIND, name, "--ignore-not-found")


def test_a_dead_webhook_blocks_what_it_watches_only(site, namespace, registered):
    """As ingress-nginx's: Ingresses wait for it, everything else goes on, and its configuration can always be taken away."""
    registered("dead-ingress", [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"],
                                 "resources": ["ingresses"]}], failurePolicy="Fail")
    ingress = ["-n", namespace, "create", "ingress", "web", "--rule=example.com/*=web:80"]
    refused = site.kubectl(*ingress, check=False)
    assert refused.returncode != 0
    assert 'failed calling webhook "dead-ingress.example.com": failed to call webhook: Post ' \
           '"https://dead-ingress.default.svc:443/validate?timeout=5s": service "dead-ingress" not found' in refused.stderr
    site.kubectl("-n", namespace, "create", "configmap", "free", "--from-literal=a=b")
    site.kubectl("delete", KIND, "dead-ingress")
    site.kubectl(*ingress)


def test_a_label_of_the_namespace_exempts(site, namespace, registered):
    """As cert-manager's: whoever watches over everything must not watch over himself."""
    registered("dead-all", [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
               failurePolicy="Fail", namespaceSelector={"matchExpressions": [
                   {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]},
                   {"key": "example.com/disable-validation", "operator": "NotIn", "values": ["true"]}]})
    create = ["-n", namespace, "create", "configmap", "a"]
    assert "dead-all.example.com" in site.kubectl(*create, check=False).stderr
    site.kubectl("label", "namespace", namespace, "example.com/disable-validation=true")
    site.kubectl(*create)
    wait_for("the configmap", 5, lambda: site.get("-n", namespace, "configmap", "a"))


def test_one_that_may_fail_is_passed_over(site, namespace, registered):
    registered("dead-lenient", [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
               failurePolicy="Ignore", namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": namespace}})
    site.kubectl("-n", namespace, "create", "configmap", "a")
