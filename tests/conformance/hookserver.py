"""The program of tests/lab/webhook.py as a Service of the lab, and configurations that point to it."""

import base64
import contextlib
import json
import os
import subprocess

from labsite import wait_for

PORT = 8443


def make_certificates(directory, *names):
    """A CA and a certificate for @names: paths of ca.crt, tls.crt, tls.key."""
    def path(name):
        return os.path.join(directory, name)

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", path("ca.key"), "-out", path("ca.crt"), "-days", "30", "-subj", "/CN=test-ca")
    with open(path("names"), "w") as f:
        f.write("subjectAltName=" + ",".join("DNS:" + n for n in names) + "\nextendedKeyUsage=serverAuth\n")
    openssl("req", *key, "-keyout", path("tls.key"), "-out", path("tls.csr"), "-subj", "/CN=" + names[0])
    openssl("x509", "-req", "-in", path("tls.csr"), "-CA", path("ca.crt"), "-CAkey", path("ca.key"), "-CAcreateserial",
            "-out", path("tls.crt"), "-days", "30", "-extfile", path("names"))
    return {name: path(name) for name in ("ca.crt", "tls.crt", "tls.key")}


def read(path):
    with open(path, "rb") as f:
        return f.read()


class HookServer:
    """It stands in a namespace of its own."""

    def __init__(self, site, directory, namespace):
        self.site, self.namespace, self.name = site, namespace, "webhook"
        self.files = make_certificates(directory, f"webhook.{namespace}.svc")
        self.ca = base64.b64encode(read(self.files["ca.crt"])).decode()

    def start(self):
        kubectl = self.site.kubectl
        kubectl("create", "namespace", self.namespace)
        kubectl("-n", self.namespace, "create", "secret", "tls", "tls", "--cert", self.files["tls.crt"], "--key", self.files["tls.key"])
        pod = {"containers": [{"name": "webhook", "image": "webhook:1", "ports": [{"name": "https", "containerPort": PORT}],
                               "readinessProbe": {"httpGet": {"path": "/readyz", "port": "https", "scheme": "HTTPS"}, "periodSeconds": 1},
                               "volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}],
               "terminationGracePeriodSeconds": 0,
               "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}]}
        labels = {"app": "webhook"}
        self.site.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "webhook"},
             "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "webhook"},
             "spec": {"selector": labels, "ports": [{"port": PORT, "targetPort": "https"}]}}]}), "-n", self.namespace)
        kubectl("-n", self.namespace, "rollout", "status", "deployment/webhook", "--timeout=60s", timeout=70)
        wait_for("the Service to have an endpoint", 20, self._has_endpoint)
        return self

    def _has_endpoint(self):
        slices = self.site.items("-n", self.namespace, "endpointslices")
        return any(e["conditions"].get("ready") for s in slices for e in s.get("endpoints") or [])

    def stop(self):
        self.site.kubectl("delete", "namespace", self.namespace, "--wait=false", check=False)

    def client(self, path, **service):
        return {"service": {"namespace": self.namespace, "name": "webhook", "port": PORT, "path": path} | service, "caBundle": self.ca}

    def webhook(self, name, path, rules, namespace=None, **more):
        """One member of webhooks; only for objects of @namespace, if given."""
        only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}} if namespace else {}
        return {"name": f"{name}.conformance.example.com", "clientConfig": self.client(path), "rules": rules,
                "sideEffects": "None", "admissionReviewVersions": ["v1", "v1beta1"]} | only | more


def rule(resources, *operations, group="", version="v1"):
    return {"operations": list(operations) or ["CREATE"], "apiGroups": [group], "apiVersions": [version],
            "resources": resources if isinstance(resources, list) else [resources]}


def configuration(kind, name, *webhooks, **metadata):
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": name} | metadata, "webhooks": list(webhooks)}


@contextlib.contextmanager
def registered(kind, *configurations):
    """@kind (a kit.Kind) holds @configurations for a while."""
    try:
        made = [kind.create(c) for c in configurations]
        yield made[0] if len(made) == 1 else made
    finally:
        for c in configurations:
            if not kind.gone(c["metadata"]["name"]):
                kind.delete(c["metadata"]["name"])
