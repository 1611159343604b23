"""What runs on a host of the lab: `python3 - VERB ARGS` with this file on its standard input.

  processes                   memory, CPU time and disk writes of the mkube processes here
  restarts N PIDFILE ARGV...  kills the server and starts it again, N times: ms to its first answer
  creates N SECONDS PATH      durable creates of 1 KiB ConfigMaps by N clients
  commits SECONDS DIRECTORY   the floor of that: durable SQLite commits of 1 KiB, one behind the other

Each prints JSON.
"""

import base64
import json
import os
import re
import selectors
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time

KUBECONFIG = "/var/lib/mkube/admin.kubeconfig"


def read(path):
    with open(path) as f:
        return f.read()


# --- processes at rest ------------------------------------------------------------------------------------------


def process(pid):
    """CPU of children that have ended is told apart: ip, nft and what `runc exec` of exec probes costs."""
    words = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    own, children = (sum(map(int, words[i:i + 2])) / os.sysconf("SC_CLK_TCK") for i in (11, 13))
    memory = dict(re.findall(r"^(\w+): +(\d+) kB", read(f"/proc/{pid}/smaps_rollup"), re.M))
    written = int(re.search(r"^write_bytes: (\d+)", read(f"/proc/{pid}/io"), re.M).group(1))
    return {"pss_kb": int(memory["Pss"]), "rss_kb": int(memory["Rss"]), "own_s": own, "children_s": children,
            "written": written}


def processes():
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            argv = read(f"/proc/{pid}/cmdline").split("\0")
            if os.path.basename(argv[0]) == "mkube" and argv[1] in ("server", "agent", "entry"):
                found[argv[1]] = process(pid)
        except (OSError, IndexError):
            pass
    return found


# --- requests ---------------------------------------------------------------------------------------------------


def who():
    """(address, ssl context) of the admin."""
    found = dict(re.findall(r"^ *([a-z-]+): (\S+)$", read(KUBECONFIG), re.M))
    pem = {key: base64.b64decode(found[key + "-data"])
           for key in ("certificate-authority", "client-certificate", "client-key")}
    context = ssl.create_default_context(cadata=pem["certificate-authority"].decode())
    with tempfile.NamedTemporaryFile() as f:
        f.write(pem["client-certificate"] + pem["client-key"])
        f.flush()
        context.load_cert_chain(f.name)
    host, _, port = found["server"].rpartition("//")[2].partition(":")
    return (host, int(port)), context


def take_answer(data):
    """(status, length of the answer), or None when it is not whole."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", data[:head + 2])
    if length is None:
        raise RuntimeError(f"an answer without a length: {data[:300]}")
    end = head + 4 + int(length.group(1))
    return (int(data[9:12]), end) if len(data) >= end else None


# --- restarts ---------------------------------------------------------------------------------------------------


def until_answered(address, context, path):
    request = f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode()
    while True:
        try:
            with socket.create_connection(address, timeout=5) as plain, \
                    context.wrap_socket(plain, server_hostname=address[0]) as s:
                s.sendall(request)
                data = b""
                while (answer := take_answer(data)) is None:
                    more = s.recv(65536)
                    if not more:
                        break
                    data += more
                if answer and answer[0] == 200:
                    return
        except OSError:
            pass
        time.sleep(0.001)


def restarts(n, pidfile, *argv):
    address, context = who()
    shell = 'echo $$ >"$0" && exec "$@" >>/var/log/lab-server.log 2>&1 </dev/null'
    took = []
    for _ in range(int(n)):
        pid = int(read(pidfile))
        os.kill(pid, 9)
        while os.path.exists(f"/proc/{pid}") and " Z " not in read(f"/proc/{pid}/stat"):
            time.sleep(0.001)
        start = time.monotonic()
        child = subprocess.Popen(["sh", "-c", shell, pidfile, *argv], start_new_session=True)
        until_answered(address, context, "/api/v1/namespaces/kube-system")
        took.append((time.monotonic() - start) * 1e3)
        time.sleep(0.5)
        assert child.poll() is None, "the server ended"
    return took


# --- durable creates --------------------------------------------------------------------------------------------


def create_request(address, path, name):
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                       "data": {"x": "x" * 1024}})
    return (f"POST {path} HTTP/1.1\r\nHost: {address[0]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class Client:
    """One connection with one request under way."""

    def __init__(self, address, context, path, name):
        self.address, self.path, self.name, self.n, self.data = address, path, name, 0, b""
        plain = socket.create_connection(address, timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname=address[0])

    def ask(self):
        self.n += 1
        self.data = b""
        self.since = time.monotonic()
        self.socket.sendall(create_request(self.address, self.path, f"{self.name}-{self.n}"))

    def hear(self):
        """Milliseconds when the answer is whole, else None."""
        while True:
            more = self.socket.recv(65536)
            if not more:
                raise RuntimeError("the server hung up")
            self.data += more
            if not self.socket.pending():
                break
        answer = take_answer(self.data)
        if answer is None:
            return None
        if answer[0] != 201:
            raise RuntimeError(self.data.decode()[:500])
        return (time.monotonic() - self.since) * 1e3


def create_for(n, seconds, path, name):
    address, context = who()
    clients = [Client(address, context, path, f"{name}-{i}") for i in range(n)]
    selector = selectors.DefaultSelector()
    latencies = []
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.ask()
    start = time.monotonic()
    while (now := time.monotonic()) < start + seconds:
        for key, _ in selector.select(1):
            took = key.data.hear()
            if took is not None:
                latencies.append(took)
                key.data.ask()
    return latencies, now - start


def creates(n, seconds, path):
    """Two processes when there are many clients: one of Python's would be the bottleneck."""
    n, seconds = int(n), float(seconds)
    shares = [n // 2, n - n // 2] if n > 1 else [1]
    readers = []
    for i, share in enumerate(shares):
        reader, writer = os.pipe()
        if os.fork() == 0:
            latencies, took = create_for(share, seconds, path, f"c{n}-{i}")
            with os.fdopen(writer, "w") as f:
                json.dump([latencies, took], f)
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    latencies, rate = [], 0
    for reader in readers:
        with os.fdopen(reader) as f:
            share, took = json.load(f)
        latencies += share
        rate += len(share) / took
    latencies.sort()
    return {"per_s": rate, "p50_ms": latencies[len(latencies) // 2], "p99_ms": latencies[len(latencies) * 99 // 100]}


def commits(seconds, directory):
    path = os.path.join(directory, "floor.db")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)")
    n, row, start = 0, b"x" * 1024, time.monotonic()
    while time.monotonic() < start + float(seconds):
        db.execute("INSERT INTO t (data) VALUES (?)", (row,))
        n += 1
    took = time.monotonic() - start
    db.close()
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.unlink(path + end)
    return n / took


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
