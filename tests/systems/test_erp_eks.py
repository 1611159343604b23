"""ERP on EKS: four services behind TargetGroupBindings, one of them a LoadBalancer as well; Kafka and ZooKeeper as
Deployments; databases outside the cluster, whose names lead nowhere here."""

import json
import os
import threading

import yaml

from acceptance import *  # noqa: F401,F403
from labsite import WORKERS, name_of, restarts, wait_for
from system import Route, System

PORTS = {"employee-service": 8081, "approval-request-service": 8082, "approval-processing-service": 8083,
         "notification-service": 8084}
ZONE = "topology.kubernetes.io/zone"
ZONES = dict(zip(WORKERS, ("ap-northeast-2a", "ap-northeast-2c", "ap-northeast-2c")))
BASE = ("ConfigMap", "Secret", "TargetGroupBinding")
# What stands in for the MongoDB outside: a database of the owner's own, beside the services.
DATABASE = """
apiVersion: v1
kind: Service
metadata: {name: erp-mongo}
spec: {clusterIP: None, selector: {app: erp-mongo}, ports: [{port: 27017}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: erp-mongo}
spec:
  serviceName: erp-mongo
  selector: {matchLabels: {app: erp-mongo}}
  template:
    metadata: {labels: {app: erp-mongo}}
    spec:
      containers:
        - name: mongo
          image: "mongo:7.0"
          volumeMounts: [{name: data, mountPath: /data/db}]
          readinessProbe: {tcpSocket: {port: 27017}, periodSeconds: 2}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def zones_of_the_nodes(owner):
    """Which every node of EKS has."""
    for worker, zone in ZONES.items():
        owner.site.kubectl("label", "node", worker, f"{ZONE}={zone}", "--overwrite")


def forget_the_namespace(owner):
    """base/ has no namespace.yaml, whatever the owner's document says: each of the six objects is refused."""
    folder = os.path.join(owner.folder, "forgotten")
    os.makedirs(folder)
    base = [d for d in owner.documents if d["kind"] in BASE]
    for document in base:
        with open(os.path.join(folder, f"{document['kind']}-{name_of(document)}.yaml".lower()), "w", encoding="utf-8") as f:
            yaml.safe_dump(document, f)
    said = owner.site.kubectl("apply", "-f", folder + "/", check=False)
    assert said.returncode == 1 and not said.stdout, said
    assert len(base) == 6 and said.stderr.count(f'namespaces "{owner.ns}" not found') == 6, said.stderr


def create_the_namespace(owner):
    owner.site.kubectl("create", "namespace", owner.ns)


def replicas_keep_to_both_zones(owner):
    """Of each service one pod per zone, as its anti-affinity would like: there is room."""
    owner.all_ready()
    for app in PORTS:
        nodes = [p["spec"]["nodeName"] for p in owner.site.items("-n", owner.ns, "pods", "-l", f"app={app}")]
        assert len({ZONES[n] for n in nodes}) == 2, (app, nodes)


def bring_a_database(owner):
    """The names of the cloud's databases do not resolve: the services keep their records in memory, and say so.  Records
    that last need a database within reach, and its name in the ConfigMap."""
    answer = owner.outside.ask("/approvals", port=8082, body={"title": "kept in memory"})
    assert answer.status == 201 and answer.json["kept"] == "memory", answer
    owner.site.push(["library/mongo:7.0"])
    owner.site.apply(DATABASE, "-n", owner.ns)
    settings = next(name_of(d) for d in owner.documents if d["kind"] == "ConfigMap")
    owner.kubectl("patch", "configmap", settings, "-p", '{"data":{"MONGODB_URI":"mongodb://erp-mongo:27017/erp"}}')
    owner.kubectl("rollout", "restart", "deployment/approval-request-service")
    owner.kubectl("rollout", "status", "deployment/approval-request-service", "--timeout=240s", timeout=250)


def route(app, path, **more):
    return Route(path, more={"port": PORTS[app]}, by=app, seen=path, **more)


SYSTEM = System(
    name="erp-eks", namespace="erp-dev", seed="002-erp-dev.yaml",
    before=[zones_of_the_nodes, forget_the_namespace, create_the_namespace],
    files=[("base/configmap.yaml", ["ConfigMap/*"]), ("base/secret.yaml", ["Secret/*"]),
           ("base/targetgroupbinding.yaml", ["TargetGroupBinding/*"]),
           ("kafka/kafka-simple.yaml", [f"{kind}/{name}" for name in ("kafka", "zookeeper")
                                        for kind in ("Service", "Deployment")]),
           *((f"{app}/{part}.yaml", [f"{kind}/{app}*"]) for app in PORTS for part, kind in (
               ("deployment", "Deployment"), ("hpa", "HorizontalPodAutoscaler"), ("service", "Service")))],
    after=[replicas_keep_to_both_zones, bring_a_database], mended=("configmap.yaml", "10-settings.yaml"),
    routes=[route("employee-service", "/employees"),
            route("employee-service", "/employees/4711", status=404),
            route("employee-service", "/version"),
            route("approval-request-service", "/approvals?x=1"),
            route("approval-processing-service", "/process/1"),
            route("notification-service", "/notifications"),
            route("notification-service", "/"),
            Route("/employees", status=404)],
    write={"path": "/approvals", "port": 8082, "body": {"title": "RECORD", "approverId": 77}},
    read={"path": "/approvals", "port": 8082},
    apps={app: app for app in PORTS},
    load={"path": "/version", "port": 8081},
    clean_up=[["label", "nodes", "--all", ZONE + "-"]],
    ready_seconds=300,
)


def test_what_is_looked_at_after_deploying(owner):
    table = owner.kubectl("get", "targetgroupbinding").splitlines()
    assert table[0].split()[:3] == ["NAME", "SERVICE-NAME", "SERVICE-PORT"]
    assert [line.split()[1:3] for line in table[1:]] == sorted([app, str(port)] for app, port in PORTS.items())
    scalers = [line.split() for line in owner.kubectl("get", "hpa", "--no-headers").splitlines()]
    assert sorted(row[1] for row in scalers) == sorted(f"Deployment/{app}" for app in PORTS)
    pods = owner.kubectl("get", "pods", "-o", "wide")
    assert all(worker in pods for worker in WORKERS)
    wait_for("numbers of use", 60, lambda: "employee-service" in owner.kubectl("top", "pods"), pause=1)
    endpoints = {line.split()[0]: line.split()[1] for line in owner.kubectl("get", "endpoints", "--no-headers").splitlines()}
    assert all(endpoints[app].count(f":{port}") == 2 for app, port in PORTS.items()), endpoints
    described = owner.kubectl("describe", "svc", "employee-service")
    assert "TargetPort:" in described and all(a in described for a in endpoints["employee-service"].split(","))


def test_notification_is_a_load_balancer_and_a_target_group_on_one_port(owner):
    """What AWS reads is kept and does nothing here; both ways in lead to the same pods."""
    service = owner.site.get("-n", owner.ns, "service", "notification-service")
    assert service["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-type"] == "nlb"
    row = owner.kubectl("get", "svc", "notification-service", "--no-headers").split()
    node_port = service["spec"]["ports"][0]["nodePort"]
    assert row[1] == "LoadBalancer" and row[3] == owner.site.control and row[4] == f"8084:{node_port}/TCP"
    warnings = owner.kubectl("get", "events", "--field-selector", "type=Warning,involvedObject.name=notification-service")
    assert "already used" not in warnings
    for worker in WORKERS:
        answer = owner.outside.ask("/version", address=owner.site.lab("address", worker).strip(), port=node_port)
        assert answer.status == 200 and answer.json["service"] == "notification-service"
    seen = set()
    wait_for("both pods", 30, lambda: seen.add(owner.outside.ask("/version", port=8084).json["pod"]) or len(seen) == 2)


def test_the_load_balancer_is_given_up_for_the_target_group(owner):
    """What the document calls the right structure: ClusterIP for all.  The balancer goes, the port goes on, and back."""
    def row():
        return owner.kubectl("get", "svc", "notification-service", "--no-headers").split()

    load = owner.outside.load(n=2, path="/version", port=8084, pause=0.05)
    try:
        owner.kubectl("patch", "svc", "notification-service", "-p", '{"spec":{"type":"ClusterIP"}}')
        wait_for("the balancer to go", 20, lambda: row()[1] == "ClusterIP" and row()[3] == "<none>" and row()[4] == "8084/TCP")
        assert owner.outside.ask("/version", port=8084).status == 200
        owner.kubectl("patch", "svc", "notification-service", "-p", '{"spec":{"type":"LoadBalancer"}}')
        wait_for("the balancer", 20, lambda: row()[3] == owner.site.control)
    finally:
        told = load.stop()
    assert not told["failed"] and told["answered"], told


def test_a_websocket_through_the_target_group(owner):
    heard = owner.outside.websocket("/ws?id=7", port=8084, say=["one", "two"], idle=5)
    assert " 101 " in heard["status"] + " ", heard
    words = [json.loads(h) for h in heard["heard"]]
    assert words[0]["connected"] == "7" and [w["echo"] for w in words[1:]] == ["one", "two"]
    assert len({w["pod"] for w in words}) == 1


def test_an_approval_goes_round_through_the_second_ports(owner):
    """Asked for at one service, decided at another; the two talk to each other through ports 9090 and 9091."""
    made = owner.outside.ask("/approvals", port=8082, body={"requesterId": 3, "approverId": 9, "title": "desk"}).json
    wait_for("it to wait for its approver", 60, lambda: any(d["id"] == made["id"] for d in owner.outside.ask(
        "/process/9", port=8083).json))
    owner.outside.ask(f"/process/9/{made['id']}", port=8083, body={"status": "APPROVED"})
    wait_for("the decision", 60, lambda: any(d["id"] == made["id"] and d["status"] == "APPROVED" for d in owner.outside.ask(
        "/approvals", port=8082).json))


def test_services_run_as_a_user_nobody_named(owner):
    said = owner.kubectl("exec", "deployment/employee-service", "--", "id")
    assert said.startswith("uid=1000 gid=0(root)"), said
    state = owner.kubectl("exec", "deployment/employee-service", "--", "cat", "/proc/self/status")
    found = dict(line.split(":\t") for line in state.splitlines() if ":\t" in line)
    assert found["NoNewPrivs"] == "1" and int(found["CapBnd"], 16) == 0 and int(found["CapEff"], 16) == 0


def test_the_database_of_employees_is_out_of_reach_and_nobody_minds(owner):
    answer = owner.outside.ask("/employees", port=8081, body={"name": "nobody"})
    assert answer.status == 201 and answer.json["kept"] == "memory", answer
    assert "keeping records in memory" in owner.kubectl("logs", "-l", "app=employee-service", "--tail=-1")


def test_logs_of_a_label_are_followed(owner):
    """As the document says: logs -l app=employee-service -f."""
    follower = owner.site.kubectl_process("logs", "-n", owner.ns, "-l", "app=employee-service", "-f")
    lines = []
    reader = threading.Thread(target=lambda: [lines.append(line) for line in follower.stdout])
    reader.start()
    try:
        for _ in range(3):  # also what comes after the first lines
            pods = {owner.outside.ask("/echo/followed", port=8081).json["pod"] for _ in range(8)}
            assert len(pods) == 2, pods
        wait_for("both logs", 30, lambda: follower.poll() is None and sum("/echo/followed" in line for line in list(lines)) >= 24)
    finally:
        follower.kill()
        follower.wait()
        reader.join()


def test_kafka_is_told_of_a_service_of_its_name_and_starts_again_until_zookeeper_is_there(owner):
    """A Service named kafka gives every pod a KAFKA_PORT.  Without ZooKeeper the broker ends after a while; its last
    words are those of `logs --previous`, and it comes up by itself as soon as ZooKeeper does."""
    port = owner.kubectl("exec", "deployment/kafka", "--", "sh", "-c", "echo $KAFKA_PORT $KAFKA_SERVICE_PORT").split()
    assert port[0].startswith("tcp://") and port[0].endswith(":9092") and port[1] == "9092"
    owner.kubectl("scale", "deployment/zookeeper", "--replicas=0")
    owner.kubectl("delete", "pod", "-l", "app=kafka", "--timeout=60s", timeout=70)

    def broker():
        return next(iter(owner.site.items("-n", owner.ns, "pods", "-l", "app=kafka")), None)

    wait_for("a restart", 180, lambda: (p := broker()) and restarts(p) >= 1, pause=1)
    name = name_of(broker())
    assert "timed out waiting for connection to ZooKeeper" in owner.kubectl("logs", name, "--previous")
    described = owner.kubectl("describe", "pod", name)
    assert "Exit Code:    1" in described and "Last State:     Terminated" in described
    owner.kubectl("scale", "deployment/zookeeper", "--replicas=1")
    wait_for("the broker", 240, lambda: "registered as /brokers/ids/1" in owner.kubectl("logs", name), pause=1)
    owner.all_ready()
    owner.kubectl("exec", name, "--", "kafka-topics", "--bootstrap-server", "kafka:9092", "--create", "--topic", "t",
                  "--if-not-exists")
    said = owner.kubectl("exec", name, "--", "kafka-topics", "--bootstrap-server", f"kafka.{owner.ns}.svc.cluster.local:9092",
                         "--list")
    assert "t" in said.split()


def replicas(owner, app):
    return owner.site.get("-n", owner.ns, "deployment", app)["spec"]["replicas"]


def test_autoscaler_holds_the_least_and_follows_the_load(owner):
    """Two at least, whatever was asked; a third under load, and two again.  For the test the window is shortened, and the
    target is what a machine that has other things to do can reach; both are put back."""
    app = "notification-service"
    name = next(name_of(h) for h in owner.site.items("-n", owner.ns, "hpa") if h["spec"]["scaleTargetRef"]["name"] == app)
    before = owner.site.get("-n", owner.ns, "hpa", name)["spec"]["metrics"]
    quick = {"metrics": json.loads(json.dumps(before).replace('"averageUtilization": 70', '"averageUtilization": 20')),
             "behavior": {"scaleDown": {"stabilizationWindowSeconds": 10}}}
    owner.kubectl("patch", "hpa", name, "--type=merge", "-p", json.dumps({"spec": quick}))
    owner.kubectl("scale", f"deployment/{app}", "--replicas=1")
    wait_for("the least again", 60, lambda: replicas(owner, app) == 2, pause=0.5)
    owner.all_ready()
    load = owner.outside.load(n=6, path="/burn?ms=150", port=8084, pause=0)
    try:
        wait_for("a third pod", 150, lambda: replicas(owner, app) == 3, pause=1)
    finally:
        load.stop()
    wait_for("as few as before", 240, lambda: replicas(owner, app) == 2, pause=2)
    assert "SuccessfulRescale" in owner.kubectl("describe", "hpa", name)
    owner.kubectl("patch", "hpa", name, "--type=merge", "-p", json.dumps({"spec": {"metrics": before, "behavior": None}}))
