"""A bare client of the API: one connection, one request at a time, every answer as it came.

kubectl and the official client retry and reconnect; these tests must see what the server really did.
"""

import base64
import http.client
import json
import os
import ssl
import tempfile
from urllib.parse import urlencode, urlsplit

import yaml


class Answer:
    """Status code and body of one request; the body as JSON when it is."""

    def __init__(self, code, text):
        self.code, self.text = code, text
        try:
            self.body = json.loads(text)
        except ValueError:
            self.body = None

    def __repr__(self):
        return f"{self.code} {self.text[:2000]}"

    def causes(self):
        """{(reason, field)} of a Status."""
        return {(c.get("reason"), c.get("field")) for c in (self.body or {}).get("details", {}).get("causes", [])}


class Api:
    def __init__(self, kubeconfig, timeout=10, anonymous=False):
        with open(kubeconfig) as f:
            config = yaml.safe_load(f)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        where = urlsplit(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=authority)
        self.headers = {}
        if not anonymous:
            self._identify(user)
        self.host, self.port, self.timeout = where.hostname, where.port, timeout
        self.connection = None

    def _identify(self, user):
        if "token" in user:
            self.headers["Authorization"] = "Bearer " + user["token"]
            return
        with tempfile.TemporaryDirectory() as d:  # the ssl module reads certificates from files only
            for name in ("client-certificate", "client-key"):
                with open(os.path.join(d, name), "wb") as f:
                    f.write(base64.b64decode(user[name + "-data"]))
            self.tls.load_cert_chain(os.path.join(d, "client-certificate"), os.path.join(d, "client-key"))

    def request(self, method, path, body=None, content_type="application/json", **query):
        """Raises OSError or HTTPException when no whole answer comes."""
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        try:
            headers = self.headers | ({"Content-Type": content_type} if data is not None else {})
            self.connection.request(method, path + ("?" + urlencode(query) if query else ""), data, headers)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def get(self, path, **query):
        return self.request("GET", path, **query)

    def post(self, path, body, **query):
        return self.request("POST", path, body, **query)

    def put(self, path, body, **query):
        return self.request("PUT", path, body, **query)

    def delete(self, path, **query):
        return self.request("DELETE", path, **query)
