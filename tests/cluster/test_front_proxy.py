"""The authority by which aggregated APIs know the server: one, whatever starts anew."""

import json

import pytest

from bareserver import BareServer
from labsite import wait_for

MAP = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


@pytest.fixture
def bare():
    server = BareServer()
    yield server
    server.remove()


def told(bare):
    """What the APIs of others are told to believe; None: nothing yet."""
    status, body, _ = bare.get(MAP)
    return json.loads(body)["data"]["requestheader-client-ca-file"] if status == 200 else None


def test_it_outlives_the_server(bare):
    bare.start()
    first = wait_for("the ConfigMap", 10, lambda: told(bare))
    with open(bare.path("pki", "front-proxy-ca.crt")) as kept:
        assert kept.read() == first
    written = json.loads(bare.get(MAP)[1])["metadata"]["resourceVersion"]
    bare.stop()
    bare.start()
    assert wait_for("the ConfigMap", 10, lambda: told(bare)) == first
    assert json.loads(bare.get(MAP)[1])["metadata"]["resourceVersion"] == written
