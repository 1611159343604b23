"""helm 3 with a chart that has a definition, hooks and a test: its whole life."""

import json
import os

import pytest

import helm as helm_program

CHART = os.path.join(os.path.dirname(os.path.realpath(__file__)), "chart")


@pytest.fixture
def helm(site):
    path, why = helm_program.find()
    if not path:
        pytest.skip(f"helm: {why}")
    return helm_program.Helm(site, path)


@pytest.mark.packages
def test_the_life_of_a_release(site, helm, namespace):
    def release(verb, *args, **options):
        return helm(verb, "shop", *args, "-n", namespace, **options)

    def get(kind, name, path):
        return site.kubectl("-n", namespace, "get", kind, name, "-o", f"jsonpath={{{path}}}")

    try:
        assert "STATUS: deployed" in release("install", CHART, "--wait", "--timeout", "90s")
        assert get("deployment", "shop", ".status.readyReplicas") == "1"
        assert get("lamp", "shop", ".spec.color") == "green"
        assert get("job", "shop-pre-install", ".status.succeeded") == "1"
        assert "Phase:          Succeeded" in release("test", "--timeout", "60s")
        assert "hello" in site.kubectl("-n", namespace, "logs", "shop-test")

        release("upgrade", CHART, "--set", "replicas=2,greeting=bye", "--wait", "--timeout", "90s")
        assert get("deployment", "shop", ".status.updatedReplicas") == "2"
        assert get("job", "shop-post-upgrade", ".status.succeeded") == "1"
        assert get("configmap", "shop-page", ".data.index\\.html") == "bye"
        failed = release("upgrade", CHART, "--set", "replicas=-1", check=False)
        assert failed.returncode != 0 and "must be greater than or equal to 0" in failed.stderr

        release("rollback", "1", "--wait", "--timeout", "90s")
        assert get("configmap", "shop-page", ".data.index\\.html") == "hello"
        history = json.loads(release("history", "-o", "json"))
        assert [(r["revision"], r["status"]) for r in history] == [(1, "superseded"), (2, "superseded"), (3, "failed"), (4, "deployed")]
        assert "shop" in helm("list", "-n", namespace)
        assert "kind: Lamp" in helm("get", "manifest", "shop", "-n", namespace)

        assert 'release "shop" uninstalled' in release("uninstall", "--wait", "--timeout", "60s")
        assert site.kubectl("-n", namespace, "get", "deployment,service,lamp", "-o", "name") == ""
    finally:
        site.kubectl("delete", "crd", "lamps.helm.example.com", "--ignore-not-found")
