"""ERP on EKS as its owner has it by now: keys from a store outside, Kafka and ZooKeeper as StatefulSets of two on nodes of
their own, agents on every node; and what goes wrong there."""

import os

import pytest
import yaml

from labsite import REPO, WORKERS, is_ready, name_of, wait_for
from outside import Outside

NS = "erp-head"
ZONE = "topology.kubernetes.io/zone"
MKUBE = os.path.join(os.environ.get("BUILD", os.path.join(REPO, "build")), "mkube")
ECR = "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/"
IMAGES = ("erp/employee-service:latest", "confluentinc/cp-kafka:7.5.0", "confluentinc/cp-zookeeper:7.5.0",
          "amazon/aws-xray-daemon:latest", "amazon/aws-for-fluent-bit:2.31.12")


@pytest.fixture(scope="module")
def pushed(whole_site):
    whole_site.push(IMAGES)


class Namespace:
    def __init__(self, site, name):
        self.site, self.name = site, name

    def kubectl(self, *args, **options):
        return self.site.kubectl("-n", self.name, *args, **options)

    def apply(self, *documents):
        return self.kubectl("apply", "-f", "-", stdin="\n---\n".join(
            d if isinstance(d, str) else yaml.safe_dump(d) for d in documents))

    def get(self, *args):
        return self.site.get("-n", self.name, *args)

    def items(self, *args):
        return self.site.items("-n", self.name, *args)

    def pod(self, name):
        return self.get("pod", name)

    def reason(self, name):
        """Why the scheduler does not place this pod."""
        return next((c["message"] for c in self.pod(name)["status"].get("conditions", [])
                     if c["type"] == "PodScheduled" and c["status"] == "False" and c["reason"] == "Unschedulable"), "")

    def ready(self, *names, seconds=120):
        wait_for(f"{names} to be Ready", seconds, lambda: all(is_ready(self.pod(n)) for n in names), pause=0.5)


@pytest.fixture
def ns(site, pushed):
    site.kubectl("create", "namespace", NS)
    yield Namespace(site, NS)
    site.up()
    site.kubectl("delete", "namespace", NS, "--timeout=150s", timeout=160)


@pytest.fixture
def nodes(site):
    """Labels and taints of nodes as this test wants them; they are taken off at its end."""
    yield site
    site.up()
    site.kubectl("label", "nodes", "--all", "workload-", ZONE + "-")
    site.kubectl("taint", "nodes", "--all", "workload-", check=False)


# --- keys from outside ---------------------------------------------------------------------------------------------

STORES = """
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: erp-head-store}
spec:
  provider:
    aws: {service: SecretsManager, region: ap-northeast-2,
          auth: {jwt: {serviceAccountRef: {name: external-secrets-sa, namespace: external-secrets-system}}}}
---
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata: {name: aws-secrets-manager}
spec:
  provider:
    aws: {service: SecretsManager, region: ap-northeast-2, auth: {jwt: {serviceAccountRef: {name: external-secrets-sa}}}}
"""
EXTERNAL = """
apiVersion: external-secrets.io/@VERSION
kind: ExternalSecret
metadata: {name: @NAME}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: @STORE, kind: @KIND}
  target: {name: @NAME, creationPolicy: Owner}
  data:
    - {secretKey: MYSQL_USERNAME, remoteRef: {key: erp-head/mysql, property: username}}
    - {secretKey: MYSQL_PASSWORD, remoteRef: {key: erp-head/mysql, property: password}}
"""
EMPLOYEE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: employee-service}
spec:
  replicas: 2
  selector: {matchLabels: {app: employee-service}}
  template:
    metadata: {labels: {app: employee-service}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: employee-service
          image: @ECRerp/employee-service:latest
          securityContext: {runAsNonRoot: true, runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          env:
            - {name: SPRING_DATASOURCE_URL, value: "jdbc:mysql://erp.example.rds.amazonaws.com:3306/erp"}
            - {name: SPRING_DATASOURCE_USERNAME, valueFrom: {secretKeyRef: {name: erp-secret, key: MYSQL_USERNAME}}}
            - {name: SPRING_DATASOURCE_PASSWORD, valueFrom: {secretKeyRef: {name: erp-secret, key: MYSQL_PASSWORD}}}
          readinessProbe: {httpGet: {path: /employees, port: 8081}, periodSeconds: 1}
""".replace("@ECR", ECR)


TARGET_GROUP = """
apiVersion: v1
kind: Service
metadata: {name: employee-service}
spec: {selector: {app: employee-service, colour: blue}, ports: [{name: http, port: 8081}]}
---
apiVersion: elbv2.k8s.aws/v1beta1
kind: TargetGroupBinding
metadata: {name: employee-tgb}
spec:
  serviceRef: {name: employee-service, port: 8081}
  targetGroupARN: arn:aws:elasticloadbalancing:ap-northeast-2:123456789012:targetgroup/employee/0
  targetType: ip
"""


def external(version, name, kind, store):
    return (EXTERNAL.replace("@VERSION", version).replace("@NAME", name).replace("@STORE", store).replace("@KIND", kind))


def test_keys_come_from_outside_in_both_versions(ns):
    """Until the key is put into the cluster's own store, its ExternalSecrets say which one is missing and the pods wait."""
    def row(name):
        return ns.kubectl("get", "externalsecret", name, "--no-headers").split()

    ns.apply(STORES, external("v1", "erp-secret", "ClusterSecretStore", "erp-head-store"),
             external("v1beta1", "erp-old", "SecretStore", "aws-secrets-manager"), EMPLOYEE)
    try:
        for name in ("erp-secret", "erp-old"):
            wait_for("READY False", 20, lambda name=name: row(name)[-2:] == ["SecretSyncedError", "False"])
            assert "(key: erp-head/mysql)" in ns.kubectl("describe", "externalsecret", name)
        wait_for("the pods to wait", 60, lambda: ns.kubectl("get", "pods").count("CreateContainerConfigError") == 2)
        assert 'secret "erp-secret" not found' in ns.kubectl("describe", "pod", "-l", "app=employee-service")
        ns.site._run([MKUBE, "secretstore", "put", "erp-head/mysql", "username=admin", "password=pässwört"], True, timeout=20)
        for name in ("erp-secret", "erp-old"):
            wait_for("READY True", 20, lambda name=name: row(name)[-2:] == ["SecretSynced", "True"])
        assert row("erp-secret")[2] == "erp-head-store" and row("erp-old")[2] == "aws-secrets-manager"
        ns.kubectl("rollout", "status", "deployment/employee-service", "--timeout=90s", timeout=100)
        assert ns.kubectl("exec", "deployment/employee-service", "--", "sh", "-c",
                          "echo $SPRING_DATASOURCE_USERNAME $SPRING_DATASOURCE_PASSWORD") == "admin pässwört\n"
    finally:
        ns.site.kubectl("delete", "clustersecretstore", "erp-head-store")
        ns.site._run([MKUBE, "secretstore", "delete", "erp-head/mysql"], False, timeout=20)


def test_blue_and_green(ns):
    """Two Deployments, and a Service that is pointed at the other under load: nobody notices."""
    ns.site.push(["erp/employee-service:v2"])
    ns.kubectl("create", "secret", "generic", "erp-secret", "--from-literal=MYSQL_USERNAME=a", "--from-literal=MYSQL_PASSWORD=b")
    for colour, tag in (("blue", "latest"), ("green", "v2")):
        one = yaml.safe_load(EMPLOYEE.replace("employee-service:latest", f"employee-service:{tag}"))
        one["metadata"]["name"] = f"employee-{colour}"
        one["spec"]["selector"]["matchLabels"]["colour"] = one["spec"]["template"]["metadata"]["labels"]["colour"] = colour
        ns.apply(one)
    ns.apply(TARGET_GROUP)
    for colour in ("blue", "green"):
        ns.kubectl("rollout", "status", f"deployment/employee-{colour}", "--timeout=90s", timeout=100)
    outside = Outside(ns.site)
    load = outside.load(path="/version", port=8081, headers={"Connection": "close"})
    try:
        wait_for("blue to be asked", 20, lambda: "GET /version" in ns.kubectl("logs", "-l", "colour=blue", "--tail=30"))
        ns.kubectl("patch", "svc", "employee-service", "-p", '{"spec":{"selector":{"colour":"green"}}}')
        wait_for("green", 20, lambda: {a.json["version"] for a in outside.ask_all(
            [{"path": "/version", "port": 8081}] * 8)} == {"v2"})
        ns.kubectl("scale", "deployment/employee-blue", "--replicas=0")
        wait_for("blue to go", 30, lambda: not ns.items("pods", "-l", "colour=blue"))
    finally:
        told = load.stop()
    assert not told["failed"], told["failed"][:5]
    assert set(told["by"]) == {"employee-service latest", "employee-service v2"}, told["by"]


# --- brokers on nodes of their own -----------------------------------------------------------------------------------


def brokers(name, image, env, script, port, claims=()):
    """A StatefulSet of two: one per zone, only on nodes for it, which tolerate nothing else; its headless Service."""
    alike = {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": [name]}]}, "topologyKey": ZONE}
    container = {
        "name": name, "image": image, "command": ["bash", "-c", script],
        "ports": [{"containerPort": port}], "env": [{"name": k, "value": v} for k, v in env.items()],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}}
    template = {"metadata": {"labels": {"app": name}}, "spec": {
        "terminationGracePeriodSeconds": 5, "nodeSelector": {"workload": "kafka"},
        "tolerations": [{"key": "workload", "operator": "Equal", "value": "kafka", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [alike]}},
        "containers": [container]}}
    spec = {"serviceName": name, "replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template}
    if claims:
        container["volumeMounts"] = [{"name": n, "mountPath": path} for n, path in claims]
        spec["volumeClaimTemplates"] = [{"metadata": {"name": n}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "gp3", "resources": {"requests": {"storage": "1Gi"}}}}
            for n, _ in claims]
    return [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
                "clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": name},
                "ports": [{"name": "main", "port": port}]}},
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}]


ZOOKEEPER = brokers(
    "zookeeper", "confluentinc/cp-zookeeper:7.5.0",
    {"ZOOKEEPER_CLIENT_PORT": "2181", "ZOOKEEPER_TICK_TIME": "2000", "ZOOKEEPER_SERVERS": ";".join(
        f"zookeeper-{i}.zookeeper.{NS}.svc.cluster.local:2888:3888" for i in (0, 1))},
    "export ZOOKEEPER_SERVER_ID=$((${HOSTNAME##*-} + 1))\n/etc/confluent/docker/run", 2181)
KAFKA = brokers(
    "kafka", "confluentinc/cp-kafka:7.5.0",
    {"KAFKA_ZOOKEEPER_CONNECT": "zookeeper:2181", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "2"},
    f"export KAFKA_BROKER_ID=${{HOSTNAME##*-}}\n"
    f"export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://${{HOSTNAME}}.kafka.{NS}.svc.cluster.local:9092\n"
    f"/etc/confluent/docker/run", 9092, claims=[("kafka-data", "/var/lib/kafka/data")])


def mode_of(ns, pod):
    """What this one is in its ensemble; None while there is none."""
    said = ns.kubectl("exec", pod, "--", "bash", "-c", "exec 3<>/dev/tcp/localhost/2181; echo srvr >&3; cat <&3")
    return next((line.split()[1] for line in said.splitlines() if line.startswith("Mode:")), None)


def test_brokers_on_nodes_of_their_own(ns, nodes):
    """Pending without such nodes; the second Pending while both nodes share a zone; then an ensemble with a leader, whose
    brokers keep their data.  Pods that do not tolerate the taint go elsewhere."""
    ns.apply(*ZOOKEEPER, *KAFKA)
    wait_for("nowhere to go", 30, lambda: ns.reason("kafka-0") ==
             "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. "
             "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.")
    for worker in WORKERS[:2]:
        nodes.kubectl("label", "node", worker, "workload=kafka", f"{ZONE}=ap-northeast-2a")
        nodes.kubectl("taint", "node", worker, "workload=kafka:NoSchedule")
    wait_for("the second to have no zone", 60, lambda:
             "2 node(s) didn't match pod anti-affinity rules" in ns.reason("zookeeper-1"))
    assert ns.pod("zookeeper-0")["spec"]["nodeName"] in WORKERS[:2]
    nodes.kubectl("label", "node", WORKERS[1], f"{ZONE}=ap-northeast-2c", "--overwrite")
    nodes.kubectl("label", "node", WORKERS[0], f"{ZONE}=ap-northeast-2a", "--overwrite")
    # A first pod that stands in what is now the other zone leaves the other one free: either way both find room.
    ns.ready("zookeeper-0", "zookeeper-1", "kafka-0", "kafka-1")
    for app in ("zookeeper", "kafka"):
        assert {p["spec"]["nodeName"] for p in ns.items("pods", "-l", f"app={app}")} == set(WORKERS[:2])
    wait_for("a leader and a follower", 120, lambda: {mode_of(ns, f"zookeeper-{i}") for i in (0, 1)} == {"leader", "follower"},
             pause=1)
    for i in (0, 1):
        wait_for("the broker", 120, lambda i=i: f"broker {i} started" in ns.kubectl("logs", f"kafka-{i}"), pause=1)
    ns.apply(EMPLOYEE.replace("erp-secret", "by-hand"))
    ns.kubectl("create", "secret", "generic", "by-hand", "--from-literal=MYSQL_USERNAME=a", "--from-literal=MYSQL_PASSWORD=b")
    ns.kubectl("rollout", "status", "deployment/employee-service", "--timeout=90s", timeout=100)
    assert {p["spec"]["nodeName"] for p in ns.items("pods", "-l", "app=employee-service")} == {WORKERS[2]}
    keeps_its_data(ns)
    goes_in_reverse(ns)


def keeps_its_data(ns):
    """A class that nobody made is provisioned all the same; a broker comes back to its node and its records."""
    claims = {name_of(c): c["status"]["phase"] for c in ns.items("pvc")}
    assert claims == {"kafka-data-kafka-0": "Bound", "kafka-data-kafka-1": "Bound"}
    where = "kafka-1.kafka:9092"
    ns.kubectl("exec", "-i", "kafka-0", "--", "kafka-console-producer", "--bootstrap-server", where, "--topic", "kept",
               stdin="one\ntwo\n")
    node = ns.pod("kafka-1")["spec"]["nodeName"]
    ns.kubectl("delete", "pod", "kafka-1", "--timeout=60s", timeout=70)
    ns.ready("kafka-1")
    assert ns.pod("kafka-1")["spec"]["nodeName"] == node
    wait_for("both records", 60, lambda: ns.kubectl(
        "exec", "kafka-0", "--", "kafka-console-consumer", "--bootstrap-server", where, "--topic", "kept", "--from-beginning",
        "--max-messages", "2", "--timeout-ms", "2000") == "one\ntwo\n", pause=1)


def goes_in_reverse(ns):
    """Scaled down, the last goes first; the claims stay."""
    ns.kubectl("scale", "statefulset/kafka", "--replicas=1")
    wait_for("the second to go", 60, lambda: [name_of(p) for p in ns.items("pods", "-l", "app=kafka")] == ["kafka-0"])
    ns.kubectl("delete", "statefulset", "kafka", "--timeout=60s", timeout=70)
    wait_for("the first to go", 60, lambda: not ns.items("pods", "-l", "app=kafka"))
    assert len(ns.items("pvc")) == 2


# --- on every node ---------------------------------------------------------------------------------------------------

XRAY = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: xray-daemon}
spec:
  selector: {matchLabels: {app: xray-daemon}}
  updateStrategy: {type: RollingUpdate}
  template:
    metadata: {labels: {app: xray-daemon}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: xray-daemon
          image: amazon/aws-xray-daemon:latest
          ports: [{name: xray-ingest, containerPort: 2000, hostPort: 2000, protocol: UDP}]
          resources: {requests: {cpu: 20m, memory: 24Mi}, limits: {memory: 128Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: xray-service}
spec:
  selector: {app: xray-daemon}
  ports: [{name: xray-ingest, port: 2000, protocol: UDP}]
"""
ASK_UDP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(b"segment", (sys.argv[1], 2000))
print(s.recvfrom(100)[0].decode())
"""


def test_traces_go_to_a_daemon_over_udp(ns):
    ns.apply(XRAY, EMPLOYEE.replace("erp-secret", "by-hand"))
    ns.kubectl("create", "secret", "generic", "by-hand", "--from-literal=MYSQL_USERNAME=a", "--from-literal=MYSQL_PASSWORD=b")
    ns.kubectl("rollout", "status", "daemonset/xray-daemon", "--timeout=90s", timeout=100)
    ns.kubectl("rollout", "status", "deployment/employee-service", "--timeout=90s", timeout=100)
    assert sorted(p["spec"]["nodeName"] for p in ns.items("pods", "-l", "app=xray-daemon")) == sorted(WORKERS)
    assert "2000/UDP" in ns.kubectl("get", "svc", "xray-service")

    def asked(where):
        return ns.kubectl("exec", "deployment/employee-service", "--", "python3", "-c", ASK_UDP, where)

    wait_for("an answer", 30, lambda: asked("xray-service") == "segment\n")
    host = ns.site.lab("address", WORKERS[1]).strip()
    wait_for("an answer of a node's port", 30, lambda: asked(host) == "segment\n")
    wait_for("its line in a log", 30, lambda: "7 bytes from" in ns.kubectl("logs", "-l", "app=xray-daemon", "--tail=20"))


FLUENT_BIT = """
apiVersion: v1
kind: Namespace
metadata: {name: amazon-cloudwatch}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: fluent-bit, namespace: amazon-cloudwatch}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: fluent-bit-role}
rules:
  - {nonResourceURLs: [/metrics], verbs: [get]}
  - {apiGroups: [""], resources: [namespaces, pods, pods/logs], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: fluent-bit-role-binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: fluent-bit-role}
subjects: [{kind: ServiceAccount, name: fluent-bit, namespace: amazon-cloudwatch}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: fluent-bit-config, namespace: amazon-cloudwatch}
data:
  fluent-bit.conf: |
    [INPUT]
        Name  tail
        Path  /var/log/containers/*.log
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: fluent-bit, namespace: amazon-cloudwatch}
spec:
  selector: {matchLabels: {k8s-app: fluent-bit}}
  template:
    metadata: {labels: {k8s-app: fluent-bit}}
    spec:
      serviceAccountName: fluent-bit
      terminationGracePeriodSeconds: 2
      tolerations:
        - {operator: Exists, effect: NoExecute}
        - {operator: Exists, effect: NoSchedule}
      containers:
        - name: fluent-bit
          image: amazon/aws-for-fluent-bit:2.31.12
          env:
            - {name: HOST_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
          resources: {requests: {cpu: 50m, memory: 50Mi}, limits: {memory: 200Mi}}
          volumeMounts:
            - {name: varlog, mountPath: /var/log, readOnly: true}
            - {name: varlibdockercontainers, mountPath: /var/lib/docker/containers, readOnly: true}
            - {name: fluent-bit-config, mountPath: /fluent-bit/etc/}
      volumes:
        - {name: varlog, hostPath: {path: /var/log}}
        - {name: varlibdockercontainers, hostPath: {path: /var/lib/docker/containers}}
        - {name: fluent-bit-config, configMap: {name: fluent-bit-config}}
"""
ASK_API = """
import json, ssl, sys, urllib.request, urllib.error
home = "/var/run/secrets/kubernetes.io/serviceaccount/"
request = urllib.request.Request("https://kubernetes.default.svc" + sys.argv[1],
                                 headers={"Authorization": "Bearer " + open(home + "token").read()})
try:
    answer = urllib.request.urlopen(request, timeout=5, context=ssl.create_default_context(cafile=home + "ca.crt"))
    print(answer.status, len(json.load(answer)["items"]))
except urllib.error.HTTPError as e:
    print(e.code, json.load(e)["message"])
"""


def test_logs_are_gathered_on_every_node(ns):
    """The agent reads the node's /var/log/containers and asks the API what its role lets it: pods, not Secrets."""
    watch = Namespace(ns.site, "amazon-cloudwatch")
    ns.site.apply(FLUENT_BIT)
    try:
        watch.kubectl("rollout", "status", "daemonset/fluent-bit", "--timeout=90s", timeout=100)
        pods = watch.items("pods")
        assert sorted(p["spec"]["nodeName"] for p in pods) == sorted(WORKERS)
        ns.kubectl("run", "speaker", "--image=" + ECR + "erp/employee-service:latest", "--restart=Never", "--command", "--",
                   "sh", "-c", "trap 'exit 0' TERM; echo a line for the gatherer; while sleep 1; do :; done")
        ns.ready("speaker")
        there = next(name_of(p) for p in pods if p["spec"]["nodeName"] == ns.pod("speaker")["spec"]["nodeName"])

        def gathered():
            return watch.kubectl("exec", there, "--", "sh", "-c", f"cat /var/log/containers/speaker_{NS}_speaker-*.log")
        wait_for("the line on its node", 30, lambda: "a line for the gatherer" in gathered())
        assert " stdout F a line" in gathered()
        assert "tail" in watch.kubectl("exec", there, "--", "cat", "/fluent-bit/etc/fluent-bit.conf")
        read_only = watch.kubectl("exec", there, "--", "touch", "/var/log/mine", check=False)
        assert "Read-only file system" in read_only.stderr
        status, found = watch.kubectl("exec", there, "--", "python3", "-c", ASK_API, "/api/v1/pods").split()
        assert status == "200" and int(found) >= 4
        said = watch.kubectl("exec", there, "--", "python3", "-c", ASK_API, "/api/v1/secrets")
        assert said.startswith('403 secrets is forbidden: User "system:serviceaccount:amazon-cloudwatch:fluent-bit" cannot list')
    finally:
        ns.site.kubectl("delete", "clusterrolebinding/fluent-bit-role-binding", "clusterrole/fluent-bit-role",
                        "namespace/amazon-cloudwatch", "--timeout=90s", timeout=100)


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_more_than_the_nodes_hold_waits(ns):
    """Ten pods of which two fit on a node: the rest is Pending for want of memory, and fits when they are smaller."""
    ns.kubectl("create", "secret", "generic", "by-hand", "--from-literal=MYSQL_USERNAME=a", "--from-literal=MYSQL_PASSWORD=b")
    big = yaml.safe_load(EMPLOYEE.replace("erp-secret", "by-hand"))
    big["spec"]["replicas"] = 10
    container = big["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"memory": "1200Mi", "cpu": "10m"}}
    ns.apply(big)

    def count(phase):
        return len(ns.items("pods", "--field-selector", f"status.phase={phase}"))

    wait_for("six that run", 90, lambda: count("Running") == 6 and count("Pending") == 4)
    pending = name_of(ns.items("pods", "--field-selector", "status.phase=Pending")[0])
    assert ns.reason(pending) == ("0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: "
                                  "3 No preemption victims found for incoming pod.")
    assert "FailedScheduling" in ns.kubectl("describe", "pod", pending)
    ns.kubectl("set", "resources", "deployment/employee-service", "--requests=memory=64Mi,cpu=10m")
    ns.kubectl("rollout", "status", "deployment/employee-service", "--timeout=120s", timeout=130)


FRAGMENT = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: kafka}
spec:
  serviceName: kafka-headless
  replicas: 3
  volumeClaimTemplates:
    - metadata: {name: kafka-data}
      spec: {accessModes: ["ReadWriteOnce"], storageClassName: gp3, resources: {requests: {storage: 10Gi}}}
"""


def test_what_is_no_manifest_is_refused(ns, tmp_path):
    """The document's StatefulSet is a fragment; a file that was fetched from a wrong address holds an error page."""
    said = ns.kubectl("apply", "-f", "-", stdin=FRAGMENT, check=False)
    assert said.returncode == 1 and 'The StatefulSet "kafka" is invalid' in said.stderr, said
    assert "spec.selector: Required value" in said.stderr, said.stderr
    page = tmp_path / "external-secrets-install.yaml"
    page.write_text("404: Not Found")
    said = ns.kubectl("apply", "-f", str(page), check=False)
    assert said.returncode == 1 and "[apiVersion not set, kind not set]" in said.stderr, said
    unknown = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: erp-dev}\nspec: {project: default}\n"
    said = ns.kubectl("apply", "-f", "-", stdin=unknown, check=False)
    assert said.returncode == 1 and 'no matches for kind "Application" in version "argoproj.io/v1alpha1"' in said.stderr, said
