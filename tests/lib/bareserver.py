"""A `mkube server` alone on loopback, with a data directory of its own: for what needs no nodes and no lab."""

import base64
import io
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from hosts import MKUBE
from labsite import wait_for


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class BareServer:
    def __init__(self, *flags):
        self.data, self.port, self.process = tempfile.mkdtemp(prefix="mkube-bare-"), free_port(), None
        self.flags, self.log = list(flags), os.path.join(self.data, "log")
        self.kubeconfig = self.path("admin.kubeconfig")

    def path(self, *parts):
        return os.path.join(self.data, *parts)

    def command(self):
        return [MKUBE, "server", "--data-dir", self.data, "--run-dir", self.path("run"), "--bind-address", "127.0.0.1",
                "--advertise-address", "127.0.0.1", "--port", str(self.port), "--no-entry", *self.flags]

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        wait_for("the server to serve", 20, self.serves)
        return self

    def serves(self):
        if self.process.poll() is not None:
            raise AssertionError("the server ended:\n" + self.said())
        return os.path.exists(self.kubeconfig) and self.get("/livez")[0] == 200

    def said(self):
        with open(self.log) as log:
            return log.read()

    def stop(self, signum=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(signum)
            self.process.wait(20)
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.data)

    def run(self, *args, check=True, stdin=None):
        env = dict(os.environ, KUBECONFIG=self.kubeconfig)
        return subprocess.run(args, env=env, input=stdin, text=True, capture_output=True, timeout=60, check=check)

    def kubectl(self, *args, **kw):
        return self.run("kubectl", *args, **kw).stdout

    def mkube(self, *args, **kw):
        return self.run(MKUBE, *args, **kw)

    def context(self, client=("admin.crt", "admin.key")):
        context = ssl.create_default_context(cafile=self.path("pki", "ca.crt"))
        if client:
            context.load_cert_chain(*(self.path("pki", name) for name in client))
        return context

    def get(self, path, client=("admin.crt", "admin.key"), headers=None, method="GET", body=None):
        """Status, body and headers of one request."""
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", headers=headers or {},
                                         method=method, data=body)
        try:
            with urllib.request.urlopen(request, context=self.context(client), timeout=10) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers
        except OSError:
            return 0, "", {}

    def certificate_end(self):
        """When the certificate ends that a new connection is shown, in seconds since 1970."""
        context = self.context()
        with socket.create_connection(("127.0.0.1", self.port), 10) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                return ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"])

    @staticmethod
    def now():
        return time.time()

    def open_watch(self, path):
        """The lines of a stream, as they come."""
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}")
        return io.TextIOWrapper(urllib.request.urlopen(request, context=self.context(), timeout=60))

    def files_hold(self, text):
        """Whether the store's files hold @text, as it is or in base64."""
        wanted = (text.encode(), base64.b64encode(text.encode()).rstrip(b"=")[:-1])
        names = [n for n in os.listdir(self.data) if n.startswith("state.db")]
        return any(w in open(self.path(n), "rb").read() for n in names for w in wanted)
