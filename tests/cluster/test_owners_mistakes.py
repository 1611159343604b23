"""The mistakes that owners of real systems make, and the answers that Kubernetes gives them.

Each case is one that the documents of such systems led their readers into: manifests applied before
their namespace, placeholders left in, Secrets that were never made, overlays with half an Ingress.
"""

import re

import pytest

from labsite import wait_for

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: app-secrets, namespace: NS}
type: Opaque
data: {DATABASE_USER: VALUE}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: NS}
spec:
  replicas: 1
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - {name: main, image: "busybox:1", command: [sleep, "3600"], MORE}
---
"""


def deployment(ns, name, more="env: null"):
    return DEPLOYMENT.replace("NS", ns).replace("NAME", name).replace("MORE", more)


def refused(site, *args, stdin=None):
    """What kubectl says of something that does not work."""
    done = site.kubectl(*args, stdin=stdin, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr


def only_pod(site, ns, name):
    pods = site.items("-n", ns, "pods", "-l", f"app={name}")
    return pods[0] if pods else None


def waiting(pod):
    """reason, message of the first container that waits"""
    for status in (pod or {}).get("status", {}).get("containerStatuses", []):
        if w := status["state"].get("waiting"):
            return w.get("reason"), w.get("message", "")
    return None, ""


def events(site, ns, reason):
    return [e["message"] for e in site.items("-n", ns, "events") if e["reason"] == reason]


def test_a_secret_for_a_namespace_that_is_not_there(site):
    said = refused(site, "create", "secret", "generic", "app-secrets", "--from-literal=A=b", "-n", "forgotten")
    assert 'namespaces "forgotten" not found' in said
    said = refused(site, "apply", "-f", "-", stdin=SECRET.replace("NS", "forgotten").replace("VALUE", "YQ=="))
    assert 'Error from server (NotFound): error when creating "STDIN": namespaces "forgotten" not found' in said


def test_a_folder_applied_before_its_namespace_works_the_second_time(site, tmp_path):
    """Files go in the order of their names: what comes before namespace.yaml fails, kubectl goes on, rc is 1."""
    ns = "in-name-order"
    (tmp_path / "a-config.yml").write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: {ns}}}\n")
    (tmp_path / "namespace.yaml").write_text(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}}}\n")
    (tmp_path / "zz.yaml (old)").write_text("not: yaml: at: all")
    try:
        first = site.kubectl("apply", "-f", str(tmp_path), check=False)
        assert first.returncode == 1
        assert "namespace/in-name-order created" in first.stdout
        assert f'namespaces "{ns}" not found' in first.stderr
        second = site.kubectl("apply", "-f", str(tmp_path))
        assert "configmap/c created" in second and "namespace/in-name-order unchanged" in second
    finally:
        site.kubectl("delete", "namespace", ns, "--ignore-not-found")


def test_placeholders_in_a_secret_are_not_stored(site, namespace):
    said = refused(site, "apply", "-f", "-",
                   stdin=SECRET.replace("NS", namespace).replace("VALUE", '"<base64_encoded_db_user>"'))
    assert ('Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0') in said
    assert not site.items("-n", namespace, "secrets")


def test_a_secret_made_by_hand_and_applied_later_is_overwritten_with_a_warning(site, namespace):
    site.kubectl("-n", namespace, "create", "secret", "generic", "app-secrets",
                 "--from-literal=DATABASE_USER=mine", "--from-literal=redis=kept")
    done = site.kubectl("apply", "-f", "-", check=False,
                        stdin=SECRET.replace("NS", namespace).replace("VALUE", "ZGVtbw=="))
    assert done.returncode == 0
    assert "missing the kubectl.kubernetes.io/last-applied-configuration annotation" in done.stderr
    assert site.get("-n", namespace, "secret", "app-secrets")["data"] == {"DATABASE_USER": "ZGVtbw==",
                                                                         "redis": "a2VwdA=="}


def test_a_secret_renewed_through_a_dry_run(site, namespace):
    for value in ("one", "two"):
        made = site.kubectl("-n", namespace, "create", "secret", "generic", "mail", f"--from-literal=password={value}",
                            "--dry-run=client", "-o", "yaml")
        site.apply(made)
    assert site.get("-n", namespace, "secret", "mail")["data"] == {"password": "dHdv"}


def test_nulls_are_absent(site, namespace):
    site.apply(f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, namespace: {namespace}, annotations: null}}
spec:
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      containers: [{{name: main, image: "busybox:1", command: [sleep, "9"], env: null}}]
      volumes:
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: {namespace}
  annotations:
spec:
  rules: [{{host: null.example.com}}]
""")
    assert "volumes" not in site.get("-n", namespace, "statefulset", "db")["spec"]["template"]["spec"]


def test_pods_that_can_not_be_made_or_started_say_why(site, namespace):
    """One namespace, one wait: an image's placeholder, Secrets and accounts never made, resources nobody has."""
    site.apply(
        deployment(namespace, "placeholder").replace("busybox:1", "<AWS_ACCOUNT_ID>.dkr.ecr.amazonaws.com/app:1")
        + deployment(namespace, "no-secret", "envFrom: [{secretRef: {name: db-credentials}}]")
        + deployment(namespace, "gpu", "resources: {limits: {nvidia.com/gpu: 1}}")
        + deployment(namespace, "huge", "resources: {requests: {memory: 900Gi}}")
        + deployment(namespace, "no-account").replace("containers:", "serviceAccountName: never-made\n      containers:")
        + deployment(namespace, "no-disk").replace("containers:", "nodeSelector: {disk: ssd}\n      containers:"))

    assert wait_for("the name to be refused", 20, lambda: (
        w := waiting(only_pod(site, namespace, "placeholder")))[0] == "InvalidImageName" and w)
    reason, message = wait_for("the missing secret", 20, lambda: (
        w := waiting(only_pod(site, namespace, "no-secret")))[0] == "CreateContainerConfigError" and w)
    assert message == 'secret "db-credentials" not found'
    wait_for("the missing account", 20, lambda: any(
        'error looking up service account' in m and 'serviceaccount "never-made" not found' in m
        for m in events(site, namespace, "FailedCreate")))
    for name, why in (("gpu", "3 Insufficient nvidia.com/gpu"), ("huge", "3 Insufficient memory"),
                      ("no-disk", "3 node(s) didn't match Pod's node affinity/selector")):
        wait_for(why, 20, lambda: any(m.startswith("0/3 nodes are available: ") and why in m
                                      for m in events(site, namespace, "FailedScheduling")))
        assert only_pod(site, namespace, name)["status"]["phase"] == "Pending"
    assert "InvalidImageName" in site.kubectl("-n", namespace, "get", "pods")

    # What was forgotten is made, and the pods go on by themselves.
    site.kubectl("-n", namespace, "create", "secret", "generic", "db-credentials", "--from-literal=host=db")
    site.kubectl("-n", namespace, "create", "serviceaccount", "never-made")
    for name in ("no-secret", "no-account"):
        site.kubectl("-n", namespace, "wait", "--for=condition=Available", f"deployment/{name}", "--timeout=60s",
                     timeout=70)


def test_a_changed_selector_is_refused_and_the_old_pods_stay(site, namespace):
    site.apply(deployment(namespace, "web"))
    said = refused(site, "apply", "-f", "-", stdin=re.sub(r"app: web\b", "app: other", deployment(namespace, "web")))
    assert "field is immutable" in said and "spec.selector" in said
    said = refused(site, "-n", namespace, "patch", "storageclass", "local", "-p", '{"provisioner":"other/one"}')
    assert "field is immutable" in said or "updates to provisioner are forbidden" in said


def test_kinds_that_are_not_there(site, namespace):
    said = refused(site, "-n", namespace, "apply", "-f", "-", stdin="""
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop}
spec: {project: default}
""")
    assert 'no matches for kind "Application" in version "argoproj.io/v1alpha1"' in said
    assert "ensure CRDs are installed first" in said


def test_files_that_are_no_objects(site, namespace, tmp_path):
    rules = tmp_path / "alerting-rules.yml"
    rules.write_text("groups: [{name: node, rules: []}]\n")
    assert "kind not set" in refused(site, "-n", namespace, "apply", "-f", str(rules))
    assert "Object 'Kind' is missing" in refused(site, "-n", namespace, "create", "--validate=false", "-f", str(rules))


@pytest.mark.parametrize("what", ["missing", "optional"])
def test_a_config_that_is_not_there(site, namespace, what):
    site.apply(deployment(namespace, "init", "volumeMounts: [{name: sql, mountPath: /sql}]").replace(
        "      terminationGrace", f"      volumes: [{{name: sql, configMap: {{name: init-sql, "
        f"optional: {str(what == 'optional').lower()}}}}}]\n      terminationGrace"))
    if what == "missing":
        wait_for("the event", 20, lambda: any('configmap "init-sql" not found' in m
                                              for m in events(site, namespace, "FailedMount")))
        wait_for("its status", 20, lambda: "ContainerCreating" in site.kubectl("-n", namespace, "get", "pods"))
        site.kubectl("-n", namespace, "create", "configmap", "init-sql", "--from-literal=a.sql=SELECT")
    site.kubectl("-n", namespace, "wait", "--for=condition=Available", "deployment/init", "--timeout=60s", timeout=70)


def test_text_from_a_configmap_is_not_expanded(site, namespace):
    """$(VAR) means something in env[].value, command and args only."""
    site.kubectl("-n", namespace, "create", "configmap", "c", "--from-literal=URL=postgresql://$(USER)@db")
    site.apply(deployment(namespace, "app", "env: [{name: USER, value: me}, {name: URL, valueFrom: "
                          "{configMapKeyRef: {name: c, key: URL}}}, {name: OWN, value: $(USER)-$$(USER)}]"))
    site.kubectl("-n", namespace, "wait", "--for=condition=Available", "deployment/app", "--timeout=60s", timeout=70)
    seen = site.inside(namespace, only_pod(site, namespace, "app")["metadata"]["name"], "cat", "/proc/1/environ")
    assert "URL=postgresql://$(USER)@db" in seen and "OWN=me-$(USER)" in seen


def test_service_variables_of_a_service_called_kafka(site, namespace):
    """KAFKA_PORT=tcp://... is what such pods get on Kubernetes; headless Services inject nothing."""
    for name, ip in (("kafka", ""), ("zoo", "clusterIP: None,")):
        site.apply(f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
                   f"spec: {{{ip} selector: {{app: {name}}}, ports: [{{port: 9092}}]}}\n")
    site.apply(deployment(namespace, "kafka"))
    site.kubectl("-n", namespace, "wait", "--for=condition=Available", "deployment/kafka", "--timeout=60s", timeout=70)
    ip = site.get("-n", namespace, "service", "kafka")["spec"]["clusterIP"]
    seen = site.inside(namespace, only_pod(site, namespace, "kafka")["metadata"]["name"], "cat", "/proc/1/environ")
    assert f"KAFKA_PORT=tcp://{ip}:9092" in seen and f"KAFKA_SERVICE_HOST={ip}" in seen
    assert "ZOO_" not in seen


def test_claims_of_any_class_are_provisioned(site, namespace):
    """Classes of clouds do not exist here: the disk is local all the same, and an event says so."""
    site.apply(f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, namespace: {namespace}}}
spec: {{accessModes: [ReadWriteOnce], storageClassName: gp3-encrypted, resources: {{requests: {{storage: 1Gi}}}}}}
""" + "---" + deployment(namespace, "db", "volumeMounts: [{name: d, mountPath: /data}]").replace(
        "      terminationGrace", "      volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n"
        "      terminationGrace"))
    site.kubectl("-n", namespace, "wait", "--for=condition=Available", "deployment/db", "--timeout=60s", timeout=70)
    said = site.kubectl("-n", namespace, "get", "pvc")
    assert "Bound" in said and "gp3-encrypted" in said
    assert any("gp3-encrypted" in e["message"] for e in site.items("-n", namespace, "events") if e["type"] == "Warning")
