"""Admission webhooks: who is asked, what they may change, and what it means when they do not answer."""

import json
import time

import pytest

import labfixtures
from behaviour import behaviour
from definitions import defined, definition, kind_of, object_of
from hookserver import HookServer, configuration, registered, rule
from kit import JSON_PATCH, MERGE, refused
from podkit import pod, sh

WHK = "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] "
GROUP = "whk.conformance.example.com"
MUTATING, VALIDATING = "Mutating", "Validating"
MARK = {"webhook-test": "disallow"}


@pytest.fixture(scope="module")
def hooks(whole_site, tmp_path_factory):
    """The server that is asked, one for all."""
    server = HookServer(whole_site, str(tmp_path_factory.mktemp("hooks")), "whk-server")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def mutating(kinds):
    return kinds("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")


@pytest.fixture
def validating(kinds):
    return kinds("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")


@pytest.fixture
def configmaps(kinds, namespace):
    return kinds("v1", "ConfigMap", namespace)


@pytest.fixture
def pods(kinds, namespace):
    return kinds("v1", "Pod", namespace)


def configmap(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {k.replace("_", "-"): v for k, v in data.items()}}


def disallowed(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(MARK)}


def denied(call, *args, by, why, **options):
    refusal = refused(call, *args, **options)
    assert f'admission webhook "{by}.conformance.example.com" denied the request: {why}' in refusal.message, refusal
    return refusal


@behaviour(WHK + "should include webhook resources in discovery documents [Conformance]")
def test_discovery(site):
    groups = {g["name"]: g for g in json.loads(site.kubectl("get", "--raw", "/apis"))["groups"]}
    at = {"groupVersion": "admissionregistration.k8s.io/v1", "version": "v1"}
    assert at in groups["admissionregistration.k8s.io"]["versions"]
    assert json.loads(site.kubectl("get", "--raw", "/apis/admissionregistration.k8s.io"))["name"] == "admissionregistration.k8s.io"
    names = {r["name"] for r in json.loads(site.kubectl("get", "--raw", "/apis/admissionregistration.k8s.io/v1"))["resources"]}
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= names


@behaviour(WHK + "should be able to deny pod and configmap creation [Conformance]")
def test_deny_pods_and_configmaps(hooks, validating, configmaps, pods, kinds, site, namespace):
    free = {"kubernetes.io/metadata.name": namespace}
    hook = {"namespaceSelector": {"matchExpressions": [{"key": "exempt", "operator": "DoesNotExist"}]} | {"matchLabels": free}}
    with registered(validating, configuration(
            VALIDATING, namespace,
            hooks.webhook("pods", "/pods", [rule("pods")], timeoutSeconds=2, **hook),
            hooks.webhook("configmaps", "/configmaps", [rule("configmaps", "CREATE", "UPDATE", "DELETE")], **hook))):
        bad = pod("bad", sh("sleep 60", name="webhook-disallow"))
        bad["metadata"]["labels"] |= MARK
        refusal = denied(pods.create, bad, by="pods", why="the pod contains unwanted label")
        assert "the pod contains unwanted container name" in refusal.message
        hanging = pod("hanging", sh("sleep 60"))
        hanging["metadata"]["labels"]["webhook-test"] = "wait-forever"
        refusal = refused(pods.create, hanging)
        assert refusal.code == 500 and "context deadline exceeded" in refusal.message, refusal
        assert pods.gone("hanging")
        denied(configmaps.create, disallowed("bad"), by="configmaps", why="the configmap contains unwanted key and value")
        configmaps.create(configmap("good", admitted="yes"))
        # By PUT and by PATCH.
        put = configmaps.get("good")
        put["data"] |= MARK
        denied(configmaps.replace, put, by="configmaps", why="the configmap contains unwanted key and value")
        denied(configmaps.patch, "good", {"data": MARK}, MERGE, by="configmaps", why="the configmap contains unwanted key and value")
        # A namespace with the label is free.
        with labfixtures.namespace(site, f"{namespace}-exempt"[:60]) as exempt:
            site.kubectl("label", "namespace", exempt, "exempt=true")
            kinds("v1", "ConfigMap", exempt).create(disallowed("bad"))


@behaviour(WHK + "should be able to deny attaching pod [Conformance]")
def test_deny_attach(hooks, validating, pods, k, namespace):
    with registered(validating, configuration(
            VALIDATING, namespace, hooks.webhook("attach", "/pods/attach", [rule("pods/attach", "CONNECT")], namespace))):
        pods.create(pod("to-be-attached", sh("sleep 300")))
        pods.wait("running", "to-be-attached", lambda o: o["status"]["phase"] == "Running", seconds=60)
        with pytest.raises(AssertionError) as failed:
            k("attach", "to-be-attached", "-i", "-c=c", timeout=30)
        assert "attaching to pod 'to-be-attached' is not allowed" in str(failed.value)


@behaviour(WHK + "should be able to deny custom resource creation, update and deletion [Conformance]")
def test_deny_custom_resources(hooks, validating, kinds, site, namespace):
    with defined(site, definition("denied", GROUP)) as crd, registered(validating, configuration(
            VALIDATING, namespace, hooks.webhook("custom", "/custom-resource", [
                rule("e2edenieds", "CREATE", "UPDATE", "DELETE", group=GROUP)], namespace))):
        kind, why = kind_of(kinds, crd, namespace), "the custom resource contains unwanted data"
        denied(kind.create, object_of(crd, "bad", data=MARK), by="custom", why=why)
        made = kind.create(object_of(crd, "made", data={"key": "value"}))
        denied(kind.replace, made | {"data": MARK}, by="custom", why=why)
        # What got in before is kept by the webhook until it is clean.
        with registered(validating, configuration(VALIDATING, namespace + "-0")):
            validating.delete(namespace)
            kind.patch("made", {"data": MARK}, MERGE)
        validating.create(configuration(VALIDATING, namespace, hooks.webhook("custom", "/custom-resource", [
            rule("e2edenieds", "DELETE", group=GROUP)], namespace)))
        denied(kind.delete, "made", by="custom", why=why)
        kind.patch("made", {"data": {"webhook-test": "allow"}}, MERGE)
        kind.delete("made")
        kind.wait_gone("made")


@behaviour(WHK + "should unconditionally reject operations on fail closed webhook [Conformance]")
def test_fail_closed(hooks, validating, configmaps, namespace):
    closed = hooks.webhook("closed", "/configmaps", [rule("configmaps")], namespace, failurePolicy="Fail")
    closed["clientConfig"] = {"service": closed["clientConfig"]["service"] | {"path": "/configmaps"}}  # nobody trusts it
    with registered(validating, configuration(VALIDATING, namespace, closed)):
        refusal = refused(configmaps.create, configmap("c"))
        assert refusal.code == 500 and refusal.status["reason"] == "InternalError", refusal
        assert 'failed calling webhook "closed.conformance.example.com": failed to call webhook: Post' in refusal.message


@behaviour(WHK + "should mutate configmap [Conformance]")
def test_mutate_in_order(hooks, mutating, configmaps, namespace):
    stages = [configuration(MUTATING, f"{namespace}-{i}", hooks.webhook(f"stage{i}", "/mutating-configmaps", [rule("configmaps")], namespace))
              for i in (1, 2)]
    with registered(mutating, *stages):
        made = configmaps.create(configmap("c", mutation_start="yes"))
        assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}


@behaviour(WHK + "should mutate pod and apply defaults after mutation [Conformance]")
def test_defaults_after_mutation(hooks, mutating, pods, namespace):
    with registered(mutating, configuration(
            MUTATING, namespace, hooks.webhook("pods", "/mutating-pods", [rule("pods")], namespace))):
        made = pods.create(pod("mutated", sh("true")))
        added = made["spec"]["initContainers"][0]
        assert added["name"] == "webhook-added-init-container"
        assert added["terminationMessagePolicy"] == "File"


@behaviour(WHK + "should not be able to mutate or prevent deletion of webhook configuration objects [Conformance]")
def test_configurations_are_exempt(hooks, mutating, validating, namespace):
    every = [rule(["mutatingwebhookconfigurations", "validatingwebhookconfigurations"], "CREATE", "UPDATE", "DELETE",
                  group="admissionregistration.k8s.io", version="*")]
    nowhere = [rule("nothing", group="example.com")]
    with registered(validating, configuration(VALIDATING, f"{namespace}-guard", hooks.webhook("guard", "/always-deny", every))), \
            registered(mutating, configuration(MUTATING, f"{namespace}-label", hooks.webhook("label", "/add-label", every))):
        for kind, name in ((validating, VALIDATING), (mutating, MUTATING)):
            made = kind.create(configuration(name, f"{namespace}-dummy", hooks.webhook("dummy", "/always-allow", nowhere)))
            assert "added-label" not in made["metadata"].get("labels", {})
            kind.delete(f"{namespace}-dummy")
            kind.wait_gone(f"{namespace}-dummy")


@behaviour(WHK + "should mutate custom resource [Conformance]")
def test_mutate_custom_resource(hooks, mutating, kinds, site, namespace):
    with defined(site, definition("mutated", GROUP)) as crd:
        stages = [configuration(MUTATING, f"{namespace}-{i}", hooks.webhook(
            f"stage{i}", "/mutating-custom-resource", [rule("e2emutateds", group=GROUP)], namespace)) for i in (1, 2)]
        with registered(mutating, *stages):
            made = kind_of(kinds, crd, namespace).create(object_of(crd, "c", data={"mutation-start": "yes"}))
            assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}


@behaviour(WHK + "should deny crd creation [Conformance]")
def test_deny_definitions(hooks, validating, kinds, namespace):
    mine = {"objectSelector": {"matchLabels": MARK}}
    with registered(validating, configuration(VALIDATING, namespace, hooks.webhook(
            "crd", "/crd", [rule("customresourcedefinitions", group="apiextensions.k8s.io", version="*")], **mine))):
        crd = definition("refused", GROUP)
        crd["metadata"]["labels"] = dict(MARK)
        definitions = kinds("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        denied(definitions.create, crd, by="crd", why="the crd contains unwanted label")
        assert definitions.gone(crd["metadata"]["name"])


@behaviour(WHK + "should mutate custom resource with different stored version [Conformance]")
def test_mutate_other_stored_version(hooks, mutating, kinds, site, namespace):
    with defined(site, definition("moved", GROUP, versions=("v1", "v2"))) as crd, registered(mutating, configuration(
            MUTATING, namespace, hooks.webhook("moved", "/mutating-custom-resource", [
                rule("e2emoveds", "CREATE", "UPDATE", group=GROUP)], namespace))):
        kind = kind_of(kinds, crd, namespace)
        made = kind.create(object_of(crd, "c", data={"mutation-start": "yes"}))
        assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
        # The storage moves; what is there is written anew by a patch, still through the webhook.
        definitions = kinds("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        definitions.patch(crd["metadata"]["name"], [{"op": "replace", "path": "/spec/versions/0/storage", "value": False},
                                                    {"op": "replace", "path": "/spec/versions/1/storage", "value": True}], JSON_PATCH)
        told = kind.patch("c", {"metadata": {"annotations": {"dummy": "dummy"}}}, MERGE)
        assert told["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}


@behaviour(WHK + "should mutate custom resource with pruning [Conformance]")
def test_mutate_with_pruning(hooks, mutating, kinds, site, namespace):
    data = {"mutation-start": {"type": "string"}, "mutation-stage-1": {"type": "string"}}
    schema = {"type": "object", "properties": {"data": {"type": "object", "properties": data}}}
    with defined(site, definition("pruned", GROUP, schema)) as crd:
        stages = [configuration(MUTATING, f"{namespace}-{i}", hooks.webhook(
            f"stage{i}", "/mutating-custom-resource", [rule("e2epruneds", group=GROUP)], namespace)) for i in (1, 2)]
        with registered(mutating, *stages):
            made = kind_of(kinds, crd, namespace).create(object_of(crd, "c", data={"mutation-start": "yes"}))
            assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}


@behaviour(WHK + "should honor timeout [Conformance]")
def test_timeout(hooks, validating, configmaps, namespace):
    def slow(**more):
        return configuration(VALIDATING, namespace, hooks.webhook(
            "slow", "/always-allow-delay-5s", [rule("configmaps")], namespace, **more))

    with registered(validating, slow(timeoutSeconds=1, failurePolicy="Fail")):
        refusal = refused(configmaps.create, configmap("first"))
        assert "timeout=1s" in refusal.message and "context deadline exceeded" in refusal.message, refusal
    with registered(validating, slow(timeoutSeconds=1, failurePolicy="Ignore")):
        configmaps.create(configmap("second"))
    with registered(validating, slow(timeoutSeconds=10, failurePolicy="Fail")):
        began = time.monotonic()
        configmaps.create(configmap("third"))
        assert time.monotonic() - began >= 5
    without = slow(failurePolicy="Fail")
    with registered(validating, without) as made:
        assert made["webhooks"][0]["timeoutSeconds"] == 10
        configmaps.create(configmap("fourth"))


@behaviour(WHK + "patching/updating a validating webhook should work [Conformance]")
def test_update_validating(hooks, validating, configmaps, namespace):
    with registered(validating, configuration(VALIDATING, namespace, hooks.webhook(
            "configmaps", "/configmaps", [rule("configmaps")], namespace))):
        denied(configmaps.create, disallowed("a"), by="configmaps", why="the configmap contains unwanted key and value")

        def drop(obj):
            obj["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
        validating.change(namespace, drop)
        configmaps.create(disallowed("b"))
        validating.patch(namespace, [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}], JSON_PATCH)
        denied(configmaps.create, disallowed("c"), by="configmaps", why="the configmap contains unwanted key and value")


@behaviour(WHK + "patching/updating a mutating webhook should work [Conformance]")
def test_update_mutating(hooks, mutating, configmaps, namespace):
    with registered(mutating, configuration(MUTATING, namespace, hooks.webhook(
            "configmaps", "/mutating-configmaps", [rule("configmaps")], namespace))):
        def drop(obj):
            obj["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
        mutating.change(namespace, drop)
        assert "mutation-stage-1" not in configmaps.create(configmap("a", mutation_start="yes"))["data"]
        mutating.patch(namespace, [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}], JSON_PATCH)
        assert configmaps.create(configmap("b", mutation_start="yes"))["data"]["mutation-stage-1"] == "yes"


def ten(kind, hooks, namespace, path):
    return [configuration(kind, f"{namespace}-{i}", hooks.webhook(f"ten{i}", path, [rule("configmaps")], namespace),
                          labels={"e2e-list-test-uuid": namespace}) for i in range(10)]


@behaviour(WHK + "listing validating webhooks should work [Conformance]")
def test_list_validating(hooks, validating, configmaps, namespace):
    label = f"e2e-list-test-uuid={namespace}"
    with registered(validating, *ten(VALIDATING, hooks, namespace, "/configmaps")):
        assert len(validating.names(label)) == 10
        refusal = refused(configmaps.create, disallowed("a"))
        assert "denied the request: the configmap contains unwanted key and value" in refusal.message
        validating.delete_all(label)
        assert validating.names(label) == []
        configmaps.create(disallowed("a"))


@behaviour(WHK + "listing mutating webhooks should work [Conformance]")
def test_list_mutating(hooks, mutating, configmaps, namespace):
    label = f"e2e-list-test-uuid={namespace}"
    with registered(mutating, *ten(MUTATING, hooks, namespace, "/mutating-configmaps")):
        assert len(mutating.names(label)) == 10
        assert configmaps.create(configmap("a", mutation_start="yes"))["data"]["mutation-stage-1"] == "yes"
        mutating.delete_all(label)
        assert mutating.names(label) == []
        assert configmaps.create(configmap("b", mutation_start="yes"))["data"] == {"mutation-start": "yes"}


CONDITIONS = [{"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}]
SKIP_ME = [{"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}]


def keeps_conditions(kind, word, hooks, namespace):
    """What both kinds of configurations must show: conditions come back, and so does a change of them."""
    with registered(kind, configuration(word, namespace, hooks.webhook(
            "conditions", "/always-deny", [rule("configmaps")], namespace, matchConditions=CONDITIONS))):
        assert kind.get(namespace)["webhooks"][0]["matchConditions"] == CONDITIONS
        more = CONDITIONS + [{"name": "expression-2", "expression": "object.metadata.namespace == 'staging'"}]

        def add(obj):
            obj["webhooks"][0]["matchConditions"] = more
        kind.change(namespace, add)
        assert kind.get(namespace)["webhooks"][0]["matchConditions"] == more


def refuses_wrong_conditions(kind, word, hooks, namespace):
    wrong = hooks.webhook("conditions", "/always-allow", [rule("configmaps")], namespace,
                          matchConditions=[{"name": "wrong", "expression": "... [] bad expression"}])
    refusal = refused(kind.create, configuration(word, namespace, wrong))
    assert refusal.code == 422 and "compilation failed" in refusal.message, refusal


@behaviour(WHK + "should be able to create and update validating webhook configurations with match conditions [Conformance]")
def test_conditions_of_validating(hooks, validating, namespace):
    keeps_conditions(validating, VALIDATING, hooks, namespace)


@behaviour(WHK + "should be able to create and update mutating webhook configurations with match conditions [Conformance]")
def test_conditions_of_mutating(hooks, mutating, namespace):
    keeps_conditions(mutating, MUTATING, hooks, namespace)


@behaviour(WHK + "should reject validating webhook configurations with invalid match conditions [Conformance]")
def test_wrong_conditions_of_validating(hooks, validating, namespace):
    refuses_wrong_conditions(validating, VALIDATING, hooks, namespace)


@behaviour(WHK + "should reject mutating webhook configurations with invalid match conditions [Conformance]")
def test_wrong_conditions_of_mutating(hooks, mutating, namespace):
    refuses_wrong_conditions(mutating, MUTATING, hooks, namespace)


@behaviour(WHK + "should mutate everything except 'skip-me' configmaps [Conformance]")
def test_mutate_all_but_one(hooks, mutating, configmaps, namespace):
    with registered(mutating, configuration(MUTATING, namespace, hooks.webhook(
            "skip", "/mutating-configmaps", [rule("configmaps")], namespace, matchConditions=SKIP_ME))):
        assert configmaps.create(configmap("skip-me", mutation_start="yes"))["data"] == {"mutation-start": "yes"}
        assert configmaps.create(configmap("other", mutation_start="yes"))["data"]["mutation-stage-1"] == "yes"
