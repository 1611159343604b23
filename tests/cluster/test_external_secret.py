"""ExternalSecrets: Secrets made of the cluster's own store, and pods that wait for them."""

import base64
import json
import os

from labsite import REPO, wait_for

MKUBE = os.path.join(os.environ.get("BUILD", os.path.join(REPO, "build")), "mkube")

STORE = """
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata: {name: aws-secretsmanager}
spec:
  provider:
    aws: {service: SecretsManager, region: ap-northeast-2, auth: {jwt: {serviceAccountRef: {name: external-secrets}}}}
"""
SECRET = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: aws-secretsmanager, kind: SecretStore}
  target: {name: db-credentials, creationPolicy: Owner}
  data:
    - {secretKey: password, remoteRef: {key: KEY, property: password}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: "busybox:1"
      command: [sleep, "3600"]
      env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db-credentials, key: password}}}]
"""


def secretstore(site, *args, **options):
    return site._run([MKUBE, "secretstore", *args], True, timeout=20, **options)


def row(site, ns):
    return site.kubectl("-n", ns, "get", "externalsecret", "db", "--no-headers").split()


def test_a_pod_waits_for_a_key_and_recovers_by_itself(site, namespace):
    key = f"{namespace}/db"
    site.apply(SECRET.replace("KEY", key) + "---" + POD, "-n", namespace)
    wait_for("word of the missing store", 10, lambda: row(site, namespace)[-2:] == ["SecretSyncedError", "False"])
    site.apply(STORE, "-n", namespace)
    said = f"could not get secret data from provider: error processing spec.data[0] (key: {key}), err: Secret does not exist"
    wait_for("word of the missing key", 10, lambda: site.kubectl(
        "-n", namespace, "get", "es", "db", "-o", "jsonpath={.status.conditions[0].message}") == said)
    assert said in site.kubectl("-n", namespace, "describe", "externalsecret", "db")
    wait_for("the pod to wait", 20, lambda: "CreateContainerConfigError" in
             site.kubectl("-n", namespace, "get", "pod", "app", "--no-headers"))
    secretstore(site, "put", key, "password=s3cret", "user=erp")
    wait_for("the Secret", 10, lambda: row(site, namespace) == [
        "db", "SecretStore", "aws-secretsmanager", "1h", "SecretSynced", "True"])
    site.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/app", "--timeout=40s", timeout=50)
    assert site.inside(namespace, "app", "sh", "-c", "echo $PASSWORD") == "s3cret\n"
    store = site.kubectl("-n", namespace, "get", "ss", "--no-headers").split()
    assert store[0] == "aws-secretsmanager" and store[2:] == ["Valid", "ReadOnly", "True"]
    site.kubectl("-n", namespace, "delete", "externalsecret", "db")
    wait_for("its Secret to go with it", 15, lambda: not site.items("-n", namespace, "secrets"))
    secretstore(site, "delete", key)


def test_both_versions_are_one_and_a_sync_can_be_forced(site, namespace):
    key = f"{namespace}/file"
    secretstore(site, "put", key, "-f", "-", input=json.dumps({"password": "one", "n": {"m": 1}}))
    site.apply(STORE + "---" + SECRET.replace("KEY", key), "-n", namespace)

    def password():
        data = site.get("-n", namespace, "secret", "db-credentials")["data"]
        return base64.b64decode(data["password"]).decode()

    wait_for("the Secret", 10, lambda: password() == "one")
    old = site.get("-n", namespace, "externalsecrets.v1beta1.external-secrets.io", "db")
    assert old["apiVersion"] == "external-secrets.io/v1beta1"
    secretstore(site, "put", key, "password=two")
    assert secretstore(site, "get", key, "n.m") == "1"
    assert f"{key}" in secretstore(site, "list")
    assert password() == "one"
    site.kubectl("-n", namespace, "annotate", "es", "db", "force-sync=1")
    wait_for("the new value", 10, lambda: password() == "two")
    refused = site.kubectl("-n", namespace, "patch", "es", "db", "-p", "{}", check=False)
    assert "is not supported by external-secrets.io/v1" in refused.stderr
    site.kubectl("-n", namespace, "patch", "es", "db", "--type=merge", "-p",
                 '{"spec":{"data":[{"secretKey":"password","remoteRef":{"key":"nothing/here"}}]}}')
    wait_for("the error", 10, lambda: row(site, namespace)[-2:] == ["SecretSyncedError", "False"])
    assert password() == "two"
    secretstore(site, "delete", key)
