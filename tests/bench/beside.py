"""Our server and Debian's etcd on loopback, each with TLS and a directory of its own on the same disk, asked by the same program."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SECONDS = 3
PODS = 10000
NAMES = 10000  # as LOAD_NAMES of load.c
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS_PATH = "/api/v1/namespaces/default/pods"
STREAMING = "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build(directory):
    program = os.path.join(directory, "bench-load")
    source = os.path.join(HERE, "load.c")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-Wall", "-o", program, source, "-lgnutls"], check=True)
    return program


class Server:
    """A process and how load.c reaches it."""

    cert = key = "-"

    def __init__(self, directory, load):
        self.directory, self.program, self.port = directory, load, free_port()
        os.makedirs(directory)
        self.log = open(os.path.join(directory, "log"), "w")
        self.process = None

    def start(self, argv):
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=subprocess.STDOUT, cwd=self.directory)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"bench: {argv[0]} does not come up, see {self.directory}/log")
                time.sleep(0.05)

    def load(self, clients, amount, mode, path="/"):
        said = subprocess.run([self.program, "127.0.0.1", str(self.port), self.cert, self.key, str(clients), str(amount), mode,
                               path], stdout=subprocess.PIPE, text=True, check=True).stdout
        return json.loads(said)

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            words = f.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self, what="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(rf"^{what}:\s+(\d+)", f.read(), re.M).group(1))

    def forget_peak(self):
        """So that VmHWM tells of what comes next."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as f:
            f.write("5")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Mkube(Server):
    def __init__(self, directory, load, mkube):
        super().__init__(directory, load)
        self.mkube, self.data = mkube, os.path.join(directory, "data")
        self.argv = [mkube, "server", "--data-dir", self.data, "--run-dir", os.path.join(directory, "run"),
                     "--advertise-address", "127.0.0.1", "--bind-address", "127.0.0.1", "--port", str(self.port), "--no-entry"]
        self.start(self.argv)
        self.kubeconfig = os.path.join(directory, "kubeconfig")
        text = subprocess.run([mkube, "kubeconfig", "--data-dir", self.data], stdout=subprocess.PIPE, text=True, check=True).stdout
        with open(self.kubeconfig, "w") as f:
            f.write(text)
        self.cert, self.key = (os.path.join(directory, name) for name in ("client.crt", "client.key"))
        for name, path in (("certificate", self.cert), ("key", self.key)):
            with open(path, "wb") as f:
                f.write(base64.b64decode(re.search(rf"client-{name}-data: (\S+)", text).group(1)))

    def state_bytes(self):
        """(the file, its log)"""
        return tuple(os.path.getsize(os.path.join(self.data, f)) for f in ("state.db", "state.db-wal"))


class Etcd(Server):
    def __init__(self, directory, load):
        super().__init__(directory, load)
        own, key = (os.path.join(directory, name) for name in ("own.crt", "own.key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                        key, "-out", own, "-days", "2", "-subj", "/CN=etcd", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url, peer = f"https://127.0.0.1:{self.port}", f"http://127.0.0.1:{free_port()}"
        self.start(["etcd", "--data-dir", os.path.join(directory, "data"), "--listen-client-urls", url, "--advertise-client-urls", url,
                    "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
                    "--cert-file", own, "--key-file", key, "--quota-backend-bytes", str(8 << 30), "--log-level", "error"])
        time.sleep(2)  # an election of one


class Beside:
    """The rows of `make bench` that need no lab."""

    def __init__(self, report, say, where, mkube):
        self.report, self.say = report, say
        self.directory = tempfile.mkdtemp(prefix="beside-", dir=where)
        self.load, self.mkube_program = build(where), mkube
        self.mkube = self.etcd = None

    def run(self):
        try:
            self.mkube = Mkube(os.path.join(self.directory, "mkube"), self.load, self.mkube_program)
            if shutil.which("etcd"):
                self.etcd = Etcd(os.path.join(self.directory, "etcd"), self.load)
            else:
                self.report.skip("etcd beside it", "etcd-server is not installed")
            for part in (self.pods, self.watchers, self.writes, self.reads, self.updates):
                part()
        finally:
            for server in (self.etcd, self.mkube):
                if server is not None:
                    server.stop()
            shutil.rmtree(self.directory)

    def ask(self, server, *args):
        before = server.cpu_s()
        got = server.load(*args)
        got["server_us"] = (server.cpu_s() - before) / got["n"] * 1e6
        if got["failed"]:
            raise SystemExit(f"bench: {args}: {got['failed']} of {got['n']} were refused: {got['failure']}")
        return got

    def tell(self, what, own, other, goal):
        self.report.add(what, own["per_s"], "/s", note="p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms, CPU {server_us:.0f} us each".format(**own))
        if other is None:
            return
        self.report.add("  etcd", other["per_s"], "/s", note="p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms, CPU {server_us:.0f} us each".format(**other))
        if goal:
            self.report.add("  time of etcd's that one of ours takes", other["per_s"] / own["per_s"], "x", 1.0)
            self.report.add("  the same of p99", own["p99_ms"] / other["p99_ms"], "x", 1.0)
        else:
            self.report.add("  time of etcd's that one of ours takes", other["per_s"] / own["per_s"], "x")

    def both(self, what, clients, own, other, goal):
        """In turns, the better of two each: disks and neighbours have their moods."""
        def best(server, args):
            return max((self.ask(server, clients, SECONDS, *args) for _ in range(2)), key=lambda got: got["per_s"])
        ours = best(self.mkube, own)
        theirs = best(self.etcd, other) if self.etcd else None
        self.report.raw[f"{what} {clients}"] = {"mkube": ours, "etcd": theirs}
        self.tell(f"{what}, {clients} client{'s' * (clients > 1)}", ours, theirs, goal)

    def writes(self):
        self.say("durable creates of 1 KiB ConfigMaps over TLS, etcd's /v3/kv/put of the same bytes")
        for clients in (1, 32, 256):
            self.both("creates", clients, ("create", CONFIG_MAPS), ("put",), True)

    def reads(self):
        self.say("GET of one of 1 KiB")
        one = json.dumps({"metadata": {"name": "one"}, "data": {"text": "x" * 900}})
        self.request(self.mkube, "POST", CONFIG_MAPS, one).read()
        if self.etcd:
            key, value = (base64.b64encode(text.encode()).decode() for text in ("/bench/one", one))
            self.request(self.etcd, "POST", "/v3/kv/put", json.dumps({"key": key, "value": value})).read()
        for clients in (1, 32):
            self.both("GET", clients, ("get", CONFIG_MAPS + "/one"), ("range",), False)

    def updates(self):
        n = int(os.environ.get("BENCH_UPDATES", "100000"))
        self.say(f"{n} updates of {NAMES} ConfigMaps: the file beside what lives (BENCH_UPDATES=1000000 for the million)")
        # What was made so far is deleted first, so that the file has had to shrink as well.
        for path in (CONFIG_MAPS, PODS_PATH + "?gracePeriodSeconds=0"):
            self.request(self.mkube, "DELETE", path).read()
        got = self.ask(self.mkube, 32, n + NAMES, "update", CONFIG_MAPS)
        live = sum(self.drain(f"/{path}")[0] for path in ("api/v1/configmaps", "api/v1/events", "apis/rbac.authorization.k8s.io/v1/clusterroles"))
        file, log = self.mkube.state_bytes()
        self.report.raw["updates"] = got | {"live": live, "file": file, "log": log}
        self.report.add("updates, 32 clients", got["per_s"], "/s", note="p99 {p99_ms:.2f} ms".format(**got))
        self.report.add("  the file beside what lives", (file + log) / live, "x", 4.0,
                        note=f"file {file / 1e6:.1f} MB, its log {log / 1e6:.1f} MB; live {live / 1e6:.1f} MB; the last 10,000 changes are kept")

    def pods(self):
        self.say(f"{PODS} pods of 4 KB: memory, LIST, the start of an informer")
        before = self.mkube.memory_kb()
        made = self.ask(self.mkube, 8, PODS, "pods", PODS_PATH)
        stored = self.mkube.memory_kb() - before
        size, _ = self.drain(PODS_PATH)
        self.report.raw["pods"] = made | {"stored_kb": stored, "json": size}
        self.report.add(f"creates of pods of {size // PODS} B, 8 clients", made["per_s"], "/s", note="p99 {p99_ms:.2f} ms".format(**made))
        self.report.add("  memory of a stored pod beside its JSON", stored * 1024 / size, "x", 2.0, note="with the changes kept for watchers")
        self.mkube.forget_peak()
        rest = self.mkube.memory_kb()
        took = sorted(self.drain(PODS_PATH)[1] for _ in range(5))[2]
        peak = self.mkube.memory_kb("VmHWM") - rest
        self.report.add(f"LIST of {PODS} pods", took * 1e3, "ms", note=f"{size / took / 1e6:.0f} MB/s, memory at its peak {peak / 1024:+.1f} MB")
        for name, path in (("informer's start, streaming list", PODS_PATH + STREAMING), ("  in pages of 500", PODS_PATH + "?limit=500")):
            took = sorted(self.start_informer(path) for _ in range(3))[1]
            self.report.add(name, took * 1e3, "ms")

    def watchers(self):
        for n in (100, 1000):
            self.say(f"one write to {n} watchers")
            before = self.mkube.memory_kb()
            got = self.ask(self.mkube, n, 100, "watch", CONFIG_MAPS)
            self.report.raw[f"watchers {n}"] = got
            self.report.add(f"a write until the last of {n} watchers has it, p99", got["p99_ms"], "ms",
                            note="p50 {:.2f} ms, memory {:+.1f} MB".format(got["p50_ms"], (self.mkube.memory_kb() - before) / 1024))

    # --- single requests

    @staticmethod
    def request(server, method, path, body=None):
        context = ssl._create_unverified_context()
        if server.cert != "-":
            context.load_cert_chain(server.cert, server.key)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=600, context=context)
        connection.request(method, path, body, headers={"Accept": "application/json", "Content-Type": "application/json"})
        return connection.getresponse()

    def drain(self, path):
        """(bytes, seconds)"""
        start, size = time.monotonic(), 0
        answer = self.request(self.mkube, "GET", path)
        while piece := answer.read(1 << 20):
            size += len(piece)
        return size, time.monotonic() - start

    def start_informer(self, path):
        """Seconds until it has heard of every pod there is; it need not understand them."""
        start = time.monotonic()
        if "watch=" in path:
            for line in self.request(self.mkube, "GET", path):
                if line.startswith(b'{"type":"BOOKMARK"') and b"k8s.io/initial-events-end" in line:
                    break
            return time.monotonic() - start
        token = ""
        while True:
            page = json.loads(self.request(self.mkube, "GET", path + token).read())
            if not page["metadata"].get("continue"):
                return time.monotonic() - start
            token = "&continue=" + page["metadata"]["continue"]
