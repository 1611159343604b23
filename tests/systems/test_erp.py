"""ERP: four services, MySQL, MongoDB, Kafka behind ZooKeeper, an Ingress that rewrites, an autoscaler for each service."""

import json

from acceptance import *  # noqa: F401,F403
from labsite import wait_for
from system import Route, System

HOST = "erp.example.com"
APPS = ("employee-service", "approval-request-service", "approval-processing-service", "notification-service")


SYSTEM = System(
    name="erp", namespace="erp-system", seed="001-erp-system.yaml",
    files=[("base/namespace.yaml", ["Namespace/*"]), ("base/configmap.yaml", ["ConfigMap/*"]),
           ("base/secret.yaml", ["Secret/*"]),
           ("infra/zookeeper.yaml", ["Service/zookeeper-service", "StatefulSet/zookeeper"]), (None, None),
           ("infra/kafka.yaml", ["Service/kafka-service", "StatefulSet/kafka"]), (None, None),
           ("infra/mysql.yaml", ["PersistentVolumeClaim/mysql-pvc", "StatefulSet/mysql", "Service/mysql-service"]),
           ("infra/mongodb.yaml", ["PersistentVolumeClaim/mongodb-pvc", "StatefulSet/mongodb", "Service/mongodb-service"]),
           (None, None),
           *((f"apps/{app}.yaml", [f"Deployment/{app}", f"Service/{app}"]) for app in APPS),
           ("base/ingress.yaml", ["Ingress/*"]), ("base/hpa.yaml", ["HorizontalPodAutoscaler/*"])],
    # rewrite-target /$2 holds for every path of the Ingress: what has no second group becomes "/", also /ws.
    routes=[Route("/api/employees/employees", host=HOST, by="employee-service", seen="/employees"),
            Route("/api/employees/1", host=HOST, status=404, by="employee-service", seen="/1"),
            Route("/api/employees", host=HOST, by="employee-service", seen="/"),
            Route("/API/employees/version", host=HOST, by="employee-service", seen="/version"),
            Route("/api/approval-requests/approvals?x=1", host=HOST, by="approval-request-service", seen="/approvals?x=1"),
            Route("/api/approval-processing/process/1", host=HOST, by="approval-processing-service", seen="/process/1"),
            Route("/api/notifications/version", host=HOST, by="notification-service", seen="/version"),
            Route("/", host=HOST, by="notification-service", seen="/"),
            Route("/static/app.js", host=HOST, by="notification-service", seen="/"),
            Route("/ws?id=7", host=HOST, by="notification-service", seen="/?id=7"),
            Route("/", host="nobody.example.com", status=404)],
    write={"path": "/api/employees/employees", "host": HOST, "body": {"name": "RECORD"}},
    read={"path": "/api/employees/employees", "host": HOST},
    apps={app: app for app in APPS},
    load={"path": "/api/employees/version", "host": HOST},
    ready_seconds=300,
)


def test_an_approval_finds_its_way_through_kafka_and_back(owner):
    """Asked for at one service, decided at another, the decision comes back through the broker into MongoDB."""
    made = wait_for("a request", 60, lambda: (a := owner.outside.ask(
        "/api/approval-requests/approvals", host=HOST, body={"requesterId": 3, "approverId": 9, "title": "desk"})
    ).status == 201 and a.json, pause=1)
    wait_for("it to wait for its approver", 60, lambda: any(d["id"] == made["id"] for d in owner.outside.ask(
        "/api/approval-processing/process/9", host=HOST).json), pause=0.5)
    owner.outside.ask(f"/api/approval-processing/process/9/{made['id']}", host=HOST, body={"status": "APPROVED"})
    wait_for("the decision", 60, lambda: any(d["id"] == made["id"] and d["status"] == "APPROVED" for d in owner.outside.ask(
        "/api/approval-requests/approvals", host=HOST).json), pause=0.5)


def test_commands_of_the_databases_inside_their_pods(owner):
    said = owner.kubectl("exec", "mysql-0", "--", "mysql", "-uroot", "-proot", "-e", "SHOW DATABASES;")
    assert "erp" in said
    owner.kubectl("exec", "kafka-0", "--", "kafka-topics", "--bootstrap-server", "localhost:9092", "--list")
    owner.kubectl("exec", "mongodb-0", "--", "mongosh", "--eval", "db.adminCommand('ping')")


def test_autoscaler_follows_the_load(owner):
    """Up while the processor burns, and down again when it is idle.  For the test the window is shortened, and the target
    is what a machine that has other things to do can reach; both are put back."""
    name = "employee-service-hpa"
    scaler = owner.site.get("-n", owner.ns, "hpa", name)
    before = scaler["spec"]["metrics"]
    quick = {"metrics": json.loads(json.dumps(before).replace('"averageUtilization": 70', '"averageUtilization": 20')),
             "behavior": {"scaleDown": {"stabilizationWindowSeconds": 10}}}
    owner.kubectl("patch", "hpa", name, "--type=merge", "-p", json.dumps({"spec": quick}))
    least = scaler["spec"]["minReplicas"]
    load = owner.outside.load(n=6, path="/api/employees/burn?ms=150", host=HOST, pause=0)
    try:
        wait_for("more pods", 150, lambda: replicas(owner, "employee-service") > least, pause=1)
    finally:
        load.stop()
    assert "cpu resource utilization" in owner.kubectl("describe", "hpa", name)
    wait_for("as few as before", 240, lambda: replicas(owner, "employee-service") == least, pause=2)
    owner.kubectl("patch", "hpa", name, "--type=merge", "-p", json.dumps({"spec": {"metrics": before, "behavior": None}}))


def replicas(owner, app):
    return owner.site.get("-n", owner.ns, "deployment", app)["spec"]["replicas"]


def test_what_the_owner_looks_at(owner):
    for what in ("pods", "svc", "ingress", "hpa", "pvc", "events"):
        assert owner.kubectl("get", what), what
    assert "erp.example.com" in owner.kubectl("describe", "ingress", "erp-ingress")
    wait_for("numbers of use", 60, lambda: "employee-service" in owner.kubectl("top", "pods"), pause=1)
    assert owner.kubectl("get", "events", "--sort-by=.lastTimestamp")
    assert owner.kubectl("logs", "deployment/employee-service", "--tail=5")
