"""Who issues the tokens of ServiceAccounts, told so that anybody may check one (OpenID Connect Discovery)."""

import base64
import json
import ssl
import subprocess
import urllib.request

from behaviour import behaviour
from podkit import Pods, pod, sh


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def der_of_point(x, y):
    """SubjectPublicKeyInfo of a P-256 point (RFC 5480)."""
    return bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\x04" + x + y


def der_of_signature(raw):
    def number(n):
        n = n.lstrip(b"\0")
        n = b"\0" + n if not n or n[0] & 0x80 else n
        return bytes([2, len(n)]) + n
    body = number(raw[:32]) + number(raw[32:])
    return bytes([0x30, len(body)]) + body


def verifies(key, signed, raw, tmp_path):
    for name, data in (("key", der_of_point(unb64(key["x"]), unb64(key["y"]))), ("sig", der_of_signature(raw)), ("data", signed)):
        (tmp_path / name).write_bytes(data)
    return subprocess.run(["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", tmp_path / "key", "-signature", tmp_path / "sig",
                           tmp_path / "data"], capture_output=True).returncode == 0


@behaviour("[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer [Conformance]")
def test_a_pods_token_can_be_checked_by_what_the_issuer_tells(site, namespace, tmp_path):
    pods = Pods(site, namespace)
    volume = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 7200, "audience": "oidc-test"}}]}}
    pods.apply(pod("p", sh(f"cat /t/token; echo; cat /var/run/secrets/kubernetes.io/serviceaccount/token; echo; echo $KUBERNETES_SERVICE_HOST",
                           volumeMounts=[{"name": "t", "mountPath": "/t"}]), volumes=[volume]))
    pods.wait_phase("Succeeded", "p")
    token, own, _ = pods.log("p").split()
    config = json.loads(site.kubectl("config", "view", "--raw", "-o", "json"))["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cadata=base64.b64decode(config["certificate-authority-data"]).decode())

    def fetch(url):
        """As the pod, by what it was given."""
        request = urllib.request.Request(url, headers={"Authorization": "Bearer " + own})
        with urllib.request.urlopen(request, context=trust, timeout=10) as answer:
            return json.load(answer), answer.headers["Content-Type"]

    issuer, kind = fetch(config["server"] + "/.well-known/openid-configuration")
    assert kind == "application/json" and issuer["response_types_supported"] and issuer["subject_types_supported"]
    keys, kind = fetch(issuer["jwks_uri"])
    assert kind == "application/jwk-set+json"
    head, body, signature = token.split(".")
    header, claims = json.loads(unb64(head)), json.loads(unb64(body))
    assert claims["iss"] == issuer["issuer"] and claims["aud"] == ["oidc-test"] and header["alg"] in issuer["id_token_signing_alg_values_supported"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:default" and claims["kubernetes.io"]["pod"]["name"] == "p"
    key = next(k for k in keys["keys"] if k["kid"] == header["kid"])
    assert verifies(key, f"{head}.{body}".encode(), unb64(signature), tmp_path)
    assert not verifies(key, f"{head}.{body}x".encode(), unb64(signature), tmp_path)
