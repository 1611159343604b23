"""Secrets at rest: sealed in the file, under a key that changes while the server runs."""

import signal
import subprocess
import threading

import pytest

from bareserver import BareServer
from labsite import wait_for


@pytest.fixture
def bare():
    server = BareServer().start()
    yield server
    server.remove()


def key_ids(bare):
    with open(bare.path("pki", "secrets.key")) as keys:
        return [line.split()[0] for line in keys]


def test_no_secret_can_be_read_in_the_files(bare):
    bare.kubectl("create", "secret", "generic", "db", "--from-literal=password=correct-horse-battery")
    bare.kubectl("create", "configmap", "plain", "--from-literal=text=staple-in-plain-sight")
    bare.mkube("secretstore", "put", "erp/db", "password=store-side-password")
    for _ in range(2):
        assert bare.files_hold("staple-in-plain-sight")
        for secret in ("correct-horse-battery", "store-side-password"):
            assert not bare.files_hold(secret), secret
        bare.stop()
    bare.start()
    assert bare.mkube("secretstore", "get", "erp/db", "password").stdout.strip() == "store-side-password"


def test_a_rotation_under_writes_and_kills_loses_nothing(bare):
    for i in range(30):
        bare.get("/api/v1/namespaces/default/secrets", method="POST", headers={"Content-Type": "application/json"},
                 body=b'{"metadata":{"name":"s%d"},"stringData":{"n":"value-%d"}}' % (i, i))
    first = key_ids(bare)
    assert bare.mkube("encryption", "status").stdout.split()[1] == first[0]
    assert "key " in bare.mkube("encryption", "rotate").stdout
    second = key_ids(bare)
    assert len(second) == 1 and second != first
    for _ in range(3):
        rotation = threading.Thread(target=lambda: bare.mkube("encryption", "rotate", check=False))
        rotation.start()
        bare.stop(signal.SIGKILL)
        rotation.join()
        bare.start()
    answer = bare.kubectl("get", "secrets", "-o", "jsonpath={range .items[*]}{.metadata.name}={.data.n} {end}")
    assert len(answer.split()) == 30, answer
    wait_for("what a kill interrupted to be taken up again", 20, lambda: len(key_ids(bare)) == 1)


def test_only_administrators_ask_for_it(bare):
    token = bare.kubectl("create", "token", "default").strip()
    for method, path in (("GET", "/mkube/v1/encryption"), ("POST", "/mkube/v1/encryption/rotate")):
        code = bare.get(path, client=None, headers={"Authorization": f"Bearer {token}"}, method=method)[0]
        assert code == 403, path


def test_without_its_key_the_server_refuses_and_says_which_file(bare):
    bare.kubectl("create", "secret", "generic", "db", "--from-literal=password=correct-horse-battery")
    bare.stop()
    key = bare.path("pki", "secrets.key")
    with open(key) as f:
        kept = f.read()
    for wrong in (None, "0" * 16 + " " + "A" * 43 + "=\n"):
        subprocess.run(["rm", "-f", key], check=True)
        if wrong:
            with open(key, "w") as f:
                f.write(wrong)
        ended = bare.run(*bare.command(), check=False)
        assert ended.returncode == 3 and key in ended.stderr, ended.stderr
    with open(key, "w") as f:
        f.write(kept)
    bare.start()
    assert "password" in bare.kubectl("get", "secret", "db", "-o", "yaml")
