"""Logs and commands over the wire."""

import re

import pytest

from behaviour import behaviour
from labsite import wait_for
from podkit import pod, sh

LINES = sh("for i in $(seq 1 100); do echo \"line $i of what is said\"; done; sleep 10000", "said")
OBJECTS = [pod("says", LINES, terminationGracePeriodSeconds=0), pod("hello", sh("echo 'Hello World'; sleep 10000"),
                                                                      terminationGracePeriodSeconds=0)]


@behaviour("[sig-node] Kubelet when scheduling a busybox command in a pod should print the output to logs [NodeConformance] [Conformance]")
def test_output(batch):
    assert batch.wait_log("hello", "Hello World\n") == "Hello World\n"


@behaviour("[sig-cli] Kubectl logs logs should be able to retrieve and filter logs [Conformance]")
def test_filters(batch):
    batch.wait_log("says", "line 100 ", "said")

    def logs(*flags):
        return batch.kubectl("logs", "says", "said", *flags)
    whole = logs()
    assert whole.splitlines() == [f"line {i} of what is said" for i in range(1, 101)]
    assert logs("--tail=1") == "line 100 of what is said\n"
    assert logs("--limit-bytes=1") == "l"
    stamped = logs("--tail=1", "--timestamps")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line 100 of what is said\n", stamped), stamped
    wait_for("the last second to hold none", 10, lambda: logs("--since=1s") == "")
    assert logs("--since=24h") == whole


class Socket:
    """A websocket of the official client to a path of the API."""

    def __init__(self, batch, path, protocol):
        websocket = pytest.importorskip("websocket")
        api = batch.api
        self.ws = websocket.create_connection(
            f"wss://{api.host}:{api.port}/api/v1/namespaces/{batch.namespace}/pods/{path}", subprotocols=[protocol], timeout=20,
            header=[f"{k}: {v}" for k, v in api.headers.items()], sslopt={"context": api.tls})

    def until(self, words, channel=None):
        """All that came (by this channel alone) once @words are in it."""
        said = b""
        while words not in said:
            opcode, data = self.ws.recv_data()
            assert opcode in (1, 2), (opcode, data, said)
            if channel is not None and data:
                assert data[0] == channel or len(data) == 1, data
                data = data[1:]
            said += data
        self.ws.close()
        return said


@behaviour("[sig-node] Pods should support remote command execution over websockets [NodeConformance] [Conformance]")
def test_exec(batch):
    batch.running("hello")
    socket = Socket(batch, "hello/exec?container=c&stdout=1&stderr=1&command=echo&command=remote&command=execution",
                    "v4.channel.k8s.io")
    assert socket.until(b"remote execution\n", channel=1) == b"remote execution\n"  # 1: its output
