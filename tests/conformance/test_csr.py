"""CertificateSigningRequests: the verbs of the kind, with approval and status apart."""

import base64
import subprocess

from behaviour import behaviour
from kit import condition, refused

CERTIFICATES = "certificates.k8s.io/v1"


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, check=True, capture_output=True).stdout


def request(tmp_path):
    return openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                   str(tmp_path / "key"), "-subj", "/CN=e2e.example.com", "-addext", "subjectAltName=DNS:e2e.example.com")


@behaviour("[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations [Conformance]")
def test_certificate_signing_requests(kinds, site, namespace, tmp_path):
    text = site.kubectl("get", "--raw", f"/apis/{CERTIFICATES}")
    assert all(f'"certificatesigningrequests{sub}"' in text for sub in ("", "/approval", "/status"))
    assert "certificates.k8s.io" in site.kubectl("get", "--raw", "/apis")
    csrs, label = kinds(CERTIFICATES, "CertificateSigningRequest"), f"of={namespace}"
    pem = request(tmp_path)
    template = {"apiVersion": CERTIFICATES, "kind": "CertificateSigningRequest",
                "metadata": {"generateName": f"{namespace}-", "labels": {"of": namespace}},
                "spec": {"request": base64.b64encode(pem).decode(), "signerName": "example.com/conformance", "expirationSeconds": 3600,
                         "usages": ["digital signature", "key encipherment", "server auth"]}}
    watch = csrs.watch(csrs.version(label), label)
    try:
        names = [csrs.create(template)["metadata"]["name"] for _ in range(3)]
        name = names[0]
        got = csrs.get(name)
        assert got["spec"]["expirationSeconds"] == 3600 and got["spec"]["username"] and got["spec"]["groups"]
        assert csrs.names(label) == sorted(names)
        watch.next("ADDED", lambda o: o["metadata"]["name"] == name)

        assert csrs.patch(name, {"metadata": {"annotations": {"patched": "true"}}})["metadata"]["annotations"] == {"patched": "true"}
        csrs.change(name, lambda o: o["metadata"]["annotations"].update(updated="true"))
        watch.next("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("updated") == "true")

        approval = csrs.sub("approval")
        assert approval.get(name)["metadata"]["uid"] == got["metadata"]["uid"]
        said = {"status": "True", "reason": "Test", "message": "set from a test"}
        patched = approval.patch(name, {"metadata": {"annotations": {"patchedapproval": "true"}},
                                        "status": {"conditions": [{"type": "ApprovalPatch", **said}]}})
        assert condition(patched, "ApprovalPatch")["reason"] == "Test" and patched["metadata"]["annotations"]["patchedapproval"] == "true"
        patched["status"]["conditions"].append({"type": "ApprovalUpdate", **said})
        assert condition(approval.replace(patched), "ApprovalUpdate")["message"] == "set from a test"

        status = csrs.sub("status")
        assert status.get(name)["metadata"]["uid"] == got["metadata"]["uid"]
        certificate = base64.b64encode(openssl("req", "-x509", "-key", str(tmp_path / "key"), "-subj", "/CN=e2e.example.com")).decode()
        patched = status.patch(name, {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": certificate}})
        assert patched["status"]["certificate"] == certificate and patched["metadata"]["annotations"]["patchedstatus"] == "true"
        patched["status"]["conditions"].append({"type": "StatusUpdate", **said})
        assert condition(status.replace(patched), "StatusUpdate")["reason"] == "Test"
        assert refused(status.patch, name, {"status": {"certificate": None}}).code == 422  # what was issued stays

        csrs.delete(name)
        csrs.wait_gone(name)
        watch.next("DELETED", lambda o: o["metadata"]["name"] == name)
    finally:
        csrs.delete_all(label)
    assert csrs.names(label) == []
