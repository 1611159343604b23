"""Custom resources in versions that only a webhook can translate."""

import json

import pytest

from behaviour import behaviour
from definitions import OPEN, defined, definition, kind_of, name_of, object_of
from hookserver import HookServer
from kit import JSON_PATCH, MERGE, refused

CRC = "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] "
GROUP = "crc.conformance.example.com"


@pytest.fixture(scope="module")
def hooks(whole_site, tmp_path_factory):
    server = HookServer(whole_site, str(tmp_path_factory.mktemp("hooks")), "crc-server")
    try:
        yield server.start()
    finally:
        server.stop()


def converting(hooks, name, stored="v1"):
    """v1 says hostPort, v2 says host and port."""
    crd = definition(name, GROUP, OPEN, versions=("v1", "v2"))
    for version in crd["spec"]["versions"]:
        version["storage"] = version["name"] == stored
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1", "v1beta1"],
                                                                    "clientConfig": hooks.client("/crdconvert")}}
    return crd


@behaviour(CRC + "should be able to convert from CR v1 to CR v2 [Conformance]")
def test_convert(hooks, kinds, site, namespace):
    with defined(site, converting(hooks, "converted")) as crd:
        v1, v2 = (kind_of(kinds, crd, namespace, v) for v in ("v1", "v2"))
        v1.create(object_of(crd, "c", "v1", hostPort="localhost:8080"))
        got = v2.get("c")
        assert (got["apiVersion"], got["host"], got["port"]) == (f"{GROUP}/v2", "localhost", "8080")
        assert "hostPort" not in got
        # The other way: written in v2, stored and read in v1; and a patch in v2 of what v2 shows.
        v2.create(object_of(crd, "d", "v2", host="there", port="9"))
        assert v1.get("d")["hostPort"] == "there:9"
        assert v2.patch("d", {"port": "10"}, MERGE)["port"] == "10"
        assert v1.get("d")["hostPort"] == "there:10"
        # A watch tells in the version that it was asked in.
        follower = v2.watch(v2.version())
        v1.patch("c", {"hostPort": "localhost:1"}, MERGE)
        seen = follower.next("MODIFIED")
        assert (seen["host"], seen["port"]) == ("localhost", "1")
        # What the webhook refuses, nobody can read in that version.
        v1.patch("c", {"metadata": {"annotations": {"convert": "fail"}}}, MERGE)
        refusal = refused(v2.get, "c")
        assert refusal.code == 500 and "conversion webhook for" in refusal.message and "it does not want to" in refusal.message
        v1.patch("c", {"metadata": {"annotations": {"convert": None}}}, MERGE)


@behaviour(CRC + "should be able to convert a non homogeneous list of CRs [Conformance]")
def test_convert_list(hooks, kinds, site, namespace):
    with defined(site, converting(hooks, "listed")) as crd:
        v1, v2 = (kind_of(kinds, crd, namespace, v) for v in ("v1", "v2"))
        v1.create(object_of(crd, "first", "v1", hostPort="localhost:8080"))
        # The storage moves to v2; what comes now is stored so.
        site.kubectl("patch", "crd", name_of(crd), "--type=json", "-p", json.dumps([
            {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
            {"op": "replace", "path": "/spec/versions/1/storage", "value": True}]))
        stored = json.loads(site.kubectl("get", "crd", name_of(crd), "-o", "json"))["status"]["storedVersions"]
        assert stored == ["v1", "v2"]
        v2.create(object_of(crd, "second", "v2", host="localhost", port="8080"))
        for item in v2.list()["items"]:
            assert (item["apiVersion"], item["host"], item["port"]) == (f"{GROUP}/v2", "localhost", "8080")
        items = v1.list()["items"]
        assert [(i["metadata"]["name"], i["hostPort"]) for i in items] == [("first", "localhost:8080"), ("second", "localhost:8080")]
        assert v1.patch("first", [{"op": "replace", "path": "/hostPort", "value": "moved:1"}], JSON_PATCH)["hostPort"] == "moved:1"
        assert v2.get("first")["host"] == "moved"
