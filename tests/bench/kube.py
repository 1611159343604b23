"""A bare API client of the standard library: requests, and a watch whose events carry the moment they came."""

import base64
import http.client
import json
import os
import re
import ssl
import tempfile
import threading
import time
from urllib.parse import urlsplit


def read_kubeconfig(path):
    """(url, ssl context).  The file is `mkube kubeconfig`'s: one cluster, one user, data inline."""
    with open(path) as f:
        text = f.read()
    found = {key: value for key, value in re.findall(r"^ *([a-z-]+): (\S+)$", text, re.M)}
    pem = {key: base64.b64decode(found[key + "-data"])
           for key in ("certificate-authority", "client-certificate", "client-key")}
    context = ssl.create_default_context(cadata=pem["certificate-authority"].decode())
    with tempfile.TemporaryDirectory() as d:  # the ssl module reads certificates from files only
        for name in ("client-certificate", "client-key"):
            with open(os.path.join(d, name), "wb") as f:
                f.write(pem[name])
        context.load_cert_chain(os.path.join(d, "client-certificate"), os.path.join(d, "client-key"))
    return found["server"], context


class Refused(Exception):
    pass


class Kube:
    def __init__(self, kubeconfig):
        url, self.tls = read_kubeconfig(kubeconfig)
        self.where = urlsplit(url)
        self.connection = self.connect()

    def connect(self, timeout=30):
        connection = http.client.HTTPSConnection(self.where.hostname, self.where.port, timeout=timeout, context=self.tls)
        connection.connect()
        return connection

    def call(self, method, path, body=None, content_type="application/json"):
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": content_type} if data else {})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise Refused(f"{method} {path}: {answer.status} {text.decode()[:500]}")
        return json.loads(text)

    def watch(self, path, seen):
        """Calls seen(moment, type, object) in a thread for every change from now on; returns a way to stop."""
        version = self.call("GET", path)["metadata"]["resourceVersion"]
        connection = self.connect(timeout=None)
        connection.request("GET", f"{path}?watch=1&resourceVersion={version}")
        answer = connection.getresponse()
        sock = connection.sock

        def read():
            try:
                for line in answer:
                    moment = time.monotonic()
                    event = json.loads(line)
                    seen(moment, event["type"], event["object"])
            except (OSError, ValueError, http.client.HTTPException):
                pass  # stopped

        thread = threading.Thread(target=read, daemon=True)
        thread.start()

        def stop():
            try:
                sock.shutdown(2)
            except OSError:
                pass
            thread.join(5)

        return stop
