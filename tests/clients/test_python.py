"""python3-kubernetes, Debian's: objects, patches, server-side apply, a watch that resumes."""

import json

import pytest

kubernetes = pytest.importorskip("kubernetes")
pytestmark = pytest.mark.xdist_group("python")

from kubernetes import client, config, dynamic, utils, watch  # noqa: E402
from kubernetes.client.exceptions import ApiException  # noqa: E402


@pytest.fixture
def core(server):
    with config.new_client_from_config(server.kubeconfig) as api:
        yield client.CoreV1Api(api)


@pytest.fixture
def ns(server, request):
    name = request.node.name.replace("_", "-")[:50]
    server.kubectl("create", "namespace", name)
    yield name
    server.kubectl("delete", "namespace", name, "--wait=false")


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"from": "python"}), data=data)


def code_of(call, *args, **options):
    with pytest.raises(ApiException) as e:
        call(*args, **options)
    return e.value.status


def test_objects(core, ns):
    core.create_namespaced_config_map(ns, config_map("a", x="1"))
    assert code_of(core.create_namespaced_config_map, ns, config_map("a")) == 409
    a = core.read_namespaced_config_map("a", ns)
    a.data["x"] = "2"
    assert core.replace_namespaced_config_map("a", ns, a).data == {"x": "2"}
    assert code_of(core.replace_namespaced_config_map, "a", ns, a) == 409
    assert [i.metadata.name for i in core.list_namespaced_config_map(ns, label_selector="from=python").items] == ["a"]
    assert core.patch_namespaced_config_map("a", ns, {"data": {"y": "1", "x": None}}).data == {"y": "1"}
    assert core.patch_namespaced_config_map("a", ns, [{"op": "add", "path": "/data/z", "value": "1"}]).data == {"y": "1", "z": "1"}
    assert core.delete_namespaced_config_map("a", ns).status == "Success"
    assert code_of(core.read_namespaced_config_map, "a", ns) == 404


def test_watch(core, ns):
    first = core.list_namespaced_config_map(ns)
    core.create_namespaced_config_map(ns, config_map("w"))
    w, seen = watch.Watch(), []
    for event in w.stream(core.list_namespaced_config_map, ns, resource_version=first.metadata.resource_version, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        w.stop()
    assert seen == [("ADDED", "w")]
    version = core.read_namespaced_config_map("w", ns).metadata.resource_version
    core.delete_namespaced_config_map("w", ns)
    seen, w = [], watch.Watch()
    for event in w.stream(core.list_namespaced_config_map, ns, resource_version=version, timeout_seconds=20):
        seen.append((event["type"], event["object"].metadata.name))
        w.stop()
    assert seen == [("DELETED", "w")]


def test_an_old_version_is_gone(core, ns):
    with pytest.raises(ApiException) as e:
        for _ in watch.Watch().stream(core.list_namespaced_config_map, ns, resource_version="99999999999", timeout_seconds=5):
            pass
    assert e.value.status in (410, 504), e.value


def test_server_side_apply(server, ns):
    """This version of the library wants the text of what is applied."""
    with config.new_client_from_config(server.kubeconfig) as api:
        maps = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
        wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"a": "1"}}
        maps.server_side_apply(json.dumps(wanted), name="s", namespace=ns, field_manager="one")
        wanted["data"] = {"a": "2"}
        with pytest.raises(ApiException) as e:
            maps.server_side_apply(json.dumps(wanted), name="s", namespace=ns, field_manager="two")
        assert e.value.status == 409 and b'conflict with \\"one\\"' in e.value.body
        now = maps.server_side_apply(json.dumps(wanted), name="s", namespace=ns, field_manager="two", force_conflicts=True)
        assert now.to_dict()["data"] == {"a": "2"}


def test_manifests_of_many_kinds(server, ns):
    """What scripts do: create_from_dict."""
    labels = {"app": "x"}
    with config.new_client_from_config(server.kubeconfig) as api:
        for obj in ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": ns},
                     "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
                         "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}},
                    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": ns},
                     "spec": {"selector": labels, "ports": [{"port": 80}]}},
                    {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x", "namespace": ns},
                     "spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}}):
            utils.create_from_dict(api, obj)
        scale = client.AppsV1Api(api).patch_namespaced_deployment_scale("x", ns, {"spec": {"replicas": 2}})
        assert scale.spec.replicas == 2
