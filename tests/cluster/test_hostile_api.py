"""Clients that mean no good, or are broken: limits answer, others are served meanwhile, memory stays what it was."""

import json
import re
import socket
import time

import pytest

SLOW = 200
BODY_MAX = 3 * 1024 * 1024


class Wire:
    """Connections to the API server, byte by byte."""

    def __init__(self, api):
        self.where, self.context = (api.host, api.port), api.tls
        self.held = []

    def connect(self, sent=b"", plain=False):
        sock = socket.create_connection(self.where, 10)
        if not plain:
            sock = self.context.wrap_socket(sock, server_hostname=self.where[0])
        sock.sendall(sent)
        self.held.append(sock)
        return sock

    def ask(self, method, path, headers="", body=b"", send=None):
        """(status, headers, body) of a request whose body may be sent in part only."""
        sock = self.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\r\n"
        try:
            sock.sendall(head.encode() + (body if send is None else send))
        except OSError:
            pass  # it was refused before all of it was sent
        return answer(sock)

    def close(self):
        for sock in self.held:
            sock.close()


def answer(sock):
    text = b""
    try:
        while piece := sock.recv(65536):
            text += piece
    except OSError:
        pass  # what was said before the end counts
    head, _, body = text.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    return int(lines[0].split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, body


@pytest.fixture
def wire(api):
    found = Wire(api)
    yield found
    found.close()


def server_kb(site):
    """What the server holds now."""
    pid = site.run("control", "cat", "/run/lab/server.pid").strip()
    return int(re.search(r"VmRSS:\s+(\d+)", site.run("control", "cat", f"/proc/{pid}/status")).group(1))


def slowest(api, namespace, times=30):
    """Seconds of the slowest of some requests of an honest client."""
    took = []
    for _ in range(times):
        start = time.monotonic()
        assert api.get(f"/api/v1/namespaces/{namespace}/configmaps").code == 200
        took.append(time.monotonic() - start)
    return max(took)


def test_slow_and_half_closed_clients_hold_nobody_up(site, api, wire, namespace):
    before = server_kb(site)
    head = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\n"
    for i in range(SLOW):
        wire.connect((b"", b"GET /api/v1/po", head, head + b"Content-Length: 1000000\r\n\r\n{")[i % 4])
    for _ in range(SLOW // 4):
        wire.connect(plain=True)  # no handshake at all
        half = wire.connect(b"GET /version HTTP/1.1\r\nHost: x\r\n")
        socket.socket.shutdown(half, socket.SHUT_WR)
    assert slowest(api, namespace) < 2
    assert server_kb(site) - before < 40_000


def test_limits_have_their_codes(wire):
    path = "/api/v1/namespaces/default/configmaps"
    status, _, body = wire.ask("POST", path, f"Content-Length: {BODY_MAX + 1}\r\n", send=b"{")
    assert (status, json.loads(body)["reason"]) == (413, "RequestEntityTooLarge")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    status, _, body = wire.ask("POST", path, "Transfer-Encoding: chunked\r\n", send=chunk * 4)
    assert (status, json.loads(body)["code"]) == (413, 413)
    assert wire.ask("GET", path, f"X-Long: {'x' * 100_000}\r\n")[0] == 431
    assert wire.ask("GET", path + "?" + "x" * 100_000)[0] in (414, 431)


def test_bodies_that_never_end_share_a_budget(site, api, wire, namespace):
    before = server_kb(site)
    head = f"POST /api/v1/namespaces/{namespace}/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_MAX}\r\n\r\n".encode()
    refused = []
    for _ in range(40):
        sock = wire.connect()
        sock.settimeout(0.05)
        try:
            sock.sendall(head + b" " * (BODY_MAX - 100))
        except OSError:
            pass
        sock.settimeout(5)
        refused.append(sock)
    # The first hold the budget and wait for their last bytes, the last were told to come back.
    status, headers, body = answer(refused[-1])
    assert (status, headers["retry-after"], json.loads(body)["reason"]) == (429, "1", "TooManyRequests")
    assert slowest(api, namespace) < 2
    assert api.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "small"}}).code == 201
    assert server_kb(site) - before < 250_000


def test_idle_watches_cost_little(site, api, wire, namespace):
    before, n = server_kb(site), 500
    path = f"/api/v1/namespaces/{namespace}/configmaps?watch=1&resourceVersion="
    version = api.get(f"/api/v1/namespaces/{namespace}/configmaps").body["metadata"]["resourceVersion"]
    watches = [wire.connect(f"GET {path}{version} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) for _ in range(n)]
    for sock in watches:
        assert b" 200 " in sock.recv(4096)
    assert (server_kb(site) - before) / n < 80  # each, with its TLS
    assert slowest(api, namespace) < 2
    api.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "told"}})
    for sock in watches:
        sock.settimeout(20)
        assert b'"name":"told"' in sock.recv(8192)


def test_a_watcher_that_does_not_read_is_not_buffered_for(site, api, wire, namespace):
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    api.post(maps, {"metadata": {"name": "big"}})
    before = server_kb(site)
    for _ in range(20):
        wire.connect(f"GET {maps}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    for i in range(60):
        api.put(f"{maps}/big", {"metadata": {"name": "big"}, "data": {"text": str(i % 10) * 500_000}})
    # 30 MB of events for each of them; the store's own ring holds one copy.
    assert server_kb(site) - before < 150_000
