"""The audit log: who did what, in Kubernetes' form, as much as the policy says, and never in the way of the API."""

import json
import os

import pytest

from bareserver import BareServer
from labsite import wait_for

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  nonResourceURLs: ["/livez*", "/api*", "/version"]
- level: Metadata
  resources: [{group: "", resources: [secrets]}]
  omitStages: [RequestReceived]
- level: RequestResponse
  verbs: [create]
  omitStages: [RequestReceived]
- level: Request
  resources: [{group: "", resources: [configmaps]}]
"""


@pytest.fixture
def server():
    servers = []

    def start(*flags):
        servers.append(BareServer(*flags).start())
        return servers[-1]

    yield start
    for one in servers:
        one.remove()


def events(bare, path=None):
    with open(path or bare.path("audit", "audit.log")) as log:
        return [json.loads(line) for line in log]


def logged(bare, n=1, **want):
    """The events with these values (keys with __ for dots), as soon as there are @n of them."""
    def value(event, key):
        for part in key.split("__"):
            event = event.get(part, {})
        return event

    return wait_for(f"{n} of {want}", 10, lambda: [found for found in [
        [e for e in events(bare) if all(value(e, k) == v for k, v in want.items())]] if len(found) >= n])[0]


def test_by_default_writes_are_logged_without_bodies(server):
    bare = server()
    bare.kubectl("create", "secret", "generic", "db", "--from-literal=password=hunter2")
    bare.kubectl("get", "secrets")
    bare.kubectl("delete", "secret", "db")
    event = logged(bare, verb="create", objectRef__resource="secrets", objectRef__name="db")[0]
    assert event["kind"] == "Event" and event["apiVersion"] == "audit.k8s.io/v1"
    assert (event["level"], event["stage"]) == ("Metadata", "ResponseComplete")
    assert event["user"]["username"] == "system:admin" and "system:masters" in event["user"]["groups"]
    assert event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")
    assert event["requestURI"].startswith("/api/v1/namespaces/default/secrets?fieldManager=kubectl-create")
    assert event["objectRef"]["namespace"] == "default" and event["objectRef"]["apiVersion"] == "v1"
    assert event["responseStatus"] == {"metadata": {}, "code": 201} and event["sourceIPs"] == ["127.0.0.1"]
    assert event["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert event["requestReceivedTimestamp"] <= event["stageTimestamp"] and "kubectl" in event["userAgent"]
    logged(bare, verb="delete", objectRef__name="db")
    with open(bare.path("audit", "audit.log")) as log:
        text = log.read()
    assert "hunter2" not in text and "aHVudGVyMg" not in text and '"verb":"list"' not in text
    assert os.stat(bare.path("audit", "audit.log")).st_mode & 0o777 == 0o600


def test_levels_and_stages_of_a_policy(server, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    bare = server("--audit-policy-file", str(policy))
    bare.kubectl("create", "configmap", "a", "--from-literal=k=v")
    bare.kubectl("create", "secret", "generic", "b", "--from-literal=p=hunter2")
    bare.kubectl("get", "configmap", "a")
    bare.kubectl("get", "configmap", "nobody", check=False)
    created = logged(bare, verb="create", objectRef__name="a", level="RequestResponse")
    assert len(created) == 1 and created[0]["stage"] == "ResponseComplete"
    assert created[0]["requestObject"]["data"] == {"k": "v"} and created[0]["responseObject"]["metadata"]["uid"]
    secret = logged(bare, objectRef__resource="secrets", objectRef__name="b")[0]
    assert secret["level"] == "Metadata" and "requestObject" not in secret and "responseObject" not in secret
    got = logged(bare, 2, verb="get", objectRef__name="a")
    assert [e["stage"] for e in got] == ["RequestReceived", "ResponseComplete"]
    assert len({e["auditID"] for e in got}) == 1
    missing = logged(bare, stage="ResponseComplete", objectRef__name="nobody")[0]["responseStatus"]
    assert missing["code"] == 404 and missing["reason"] == "NotFound" and '"nobody" not found' in missing["message"]
    assert not [e for e in events(bare) if e["requestURI"].startswith(("/livez", "/version"))]


def test_who_asked_and_as_whom_and_who_was_refused(server):
    bare = server()
    bare.kubectl("create", "configmap", "x", "--as=bob", "--as-group=devs", check=False)
    event = logged(bare, verb="create", responseStatus__code=403)[0]
    assert event["user"]["username"] == "system:admin" and event["impersonatedUser"]["username"] == "bob"
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    path = "/api/v1/namespaces/default/configmaps"
    code, _, headers = bare.get(path, method="POST", body=b"{}", client=None,
                                headers={"Authorization": "Bearer forged", "Audit-ID": "followed-from-elsewhere"})
    assert code == 401 and headers["Audit-Id"] == "followed-from-elsewhere"
    event = logged(bare, auditID="followed-from-elsewhere")[0]
    assert event["user"] == {} and event["responseStatus"]["code"] == 401
    assert bare.get("/version")[2]["Audit-Id"] != bare.get("/version")[2]["Audit-Id"]


def test_a_watch_tells_when_it_starts_and_ends(server, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    bare = server("--audit-policy-file", str(policy))
    bare.get("/api/v1/configmaps?watch=1&timeoutSeconds=1")
    stages = [e["stage"] for e in logged(bare, 3, verb="watch")]
    assert stages == ["RequestReceived", "ResponseStarted", "ResponseComplete"]


def test_a_full_disk_drops_events_and_the_api_goes_on(server):
    bare = server("--audit-log-path", "/dev/full")
    for i in range(5):
        bare.kubectl("create", "configmap", f"c{i}")
    dropped = 'apiserver_audit_error_total{plugin="log"} '

    def count():
        return int(next(line for line in bare.get("/metrics")[1].splitlines() if line.startswith(dropped)).split()[-1])

    wait_for("dropped events to be counted", 10, lambda: count() >= 5)
    assert bare.said().count("audit log cannot be written") == 1


def test_a_wrong_policy_keeps_the_server_from_starting(server, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Loud}]\n")
    bare = BareServer("--audit-policy-file", str(policy))
    ended = bare.run(*bare.command(), check=False)
    bare.remove()
    assert ended.returncode == 1 and str(policy) in ended.stderr and 'unsupported level "Loud"' in ended.stderr
