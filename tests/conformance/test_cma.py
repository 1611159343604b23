"""ConfigMaps and Secrets as objects: keys, lifecycle, immutability."""

import base64


from behaviour import behaviour
from kit import STRATEGIC, lifecycle, refused


def configmap(name, **more):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"test-configmap-static": "true"}},
            "data": {"valueName": "value"}} | more


def secret(name, **more):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {"testsecret-constant": "true"}},
            "type": "Opaque", "data": {"key": base64.b64encode(b"value").decode()}} | more


@behaviour("[sig-node] ConfigMap should fail to create ConfigMap with empty key [Conformance]")
def test_configmap_empty_key(kinds, namespace):
    no = refused(kinds("v1", "ConfigMap", namespace).create, configmap("empty", data={"": "value-1"}))
    assert (no.code, no.status["reason"]) == (422, "Invalid")
    assert no.status["details"]["causes"][0]["field"] == "data[]"


@behaviour("[sig-node] Secrets should fail to create secret due to empty secret key [Conformance]")
def test_secret_empty_key(kinds, namespace):
    no = refused(kinds("v1", "Secret", namespace).create, secret("empty", data={"": "dmFsdWUtMQ=="}))
    assert (no.code, no.status["reason"]) == (422, "Invalid")
    assert no.status["details"]["causes"][0]["field"] == "data[]"


@behaviour("[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance]")
def test_configmap_lifecycle(k, kinds, namespace):
    def edit(obj):
        obj["data"] = {"valueName": "value1"}
    lifecycle(kinds("v1", "ConfigMap", namespace), configmap, edit, "test-configmap-static=true")
    k("create", "configmap", "typed", "--from-literal=a=b")
    k("patch", "configmap", "typed", "-p", '{"data":{"a":"c"}}')
    assert k("get", "configmap", "typed", "-o", "jsonpath={.data}") == '{"a":"c"}'


@behaviour("[sig-node] Secrets should patch a secret [Conformance]")
def test_secret_lifecycle(kinds, namespace):
    secrets = kinds("v1", "Secret", namespace)

    def edit(obj):
        obj["stringData"] = {"other": "text"}
    lifecycle(secrets, secret, edit, "testsecret-constant=true")
    secrets.create(secret("patched"))
    patched = secrets.patch("patched", {"metadata": {"labels": {"testsecret": "true"}},
                                        "data": {"key": base64.b64encode(b"value1").decode()}}, STRATEGIC)
    assert base64.b64decode(patched["data"]["key"]) == b"value1"
    assert secrets.names("testsecret=true") == ["patched"]
    assert secrets.names("testsecret-constant=true", everywhere=True) == ["patched"]
    secrets.delete_all("testsecret=true")
    assert secrets.names("testsecret=true") == []


def check_immutable(objects, make, value, other):
    """Once said so, neither the data nor the word itself changes; metadata does, and the object may go."""
    obj = objects.create(make("held"))
    obj["data"] = other
    obj = objects.replace(obj)
    obj["immutable"] = True
    held = objects.replace(obj)
    for change in ({"data": value}, {"immutable": False}, {"immutable": None}):
        no = refused(objects.replace, held | change)
        assert (no.code, no.status["reason"]) == (422, "Invalid")
        assert "field is immutable when `immutable` is set" in no.message
    held["metadata"]["labels"]["label1"] = "value1"
    objects.replace(held)
    got = objects.get("held")
    assert got["metadata"]["labels"]["label1"] == "value1"
    assert (got["data"], got["immutable"]) == (other, True)
    objects.delete("held")
    objects.wait_gone("held")


@behaviour("[sig-storage] ConfigMap should be immutable if `immutable` field is set [Conformance]")
def test_configmap_immutable(kinds, namespace):
    check_immutable(kinds("v1", "ConfigMap", namespace), configmap, {"a": "1"}, {"a": "2"})


@behaviour("[sig-storage] Secrets should be immutable if `immutable` field is set [Conformance]")
def test_secret_immutable(kinds, namespace):
    check_immutable(kinds("v1", "Secret", namespace), secret, {"a": "MQ=="}, {"a": "Mg=="})
