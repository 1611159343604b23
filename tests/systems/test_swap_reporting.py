"""Swap reporting: seven services in a chain, a PostgreSQL StatefulSet, an Ingress without a class."""

import base64

from acceptance import *  # noqa: F401,F403
from labsite import wait_for
from system import Route, System

HOST = "admin.swap-reporting.example.com"


def mend_the_database_url(owner):
    """The owner's ConfigMap holds $(DATABASE_USER), which nobody expands there: as on Kubernetes the services get it
    literally and cannot reach the database.  What owners then do: write it out and restart."""
    url = owner.site.get("-n", owner.ns, "configmap", "swap-reporting-config")["data"]["DATABASE_URL"]
    if "$(" not in url:
        return
    owner.all_ready()
    answer = owner.outside.ask("/api/reports", host=HOST)
    assert answer.status == 500 and "$(DATABASE_USER)" in answer.text, answer
    literal = "postgresql://$DATABASE_USER:$DATABASE_PASSWORD@swap-reporting-db:5432/$DATABASE_NAME"
    secret = owner.site.get("-n", owner.ns, "secret", "swap-reporting-secrets")["data"]
    for key, value in secret.items():
        literal = literal.replace(f"${key}", base64.b64decode(value).decode())
    owner.kubectl("patch", "configmap", "swap-reporting-config", "-p", '{"data":{"DATABASE_URL":"%s"}}' % literal)
    owner.kubectl("rollout", "restart", "deployment")
    for app in owner.system.apps:
        owner.kubectl("rollout", "status", f"deployment/{app}", "--timeout=120s", timeout=130)


SYSTEM = System(
    name="swap-reporting", namespace="swap-reporting", seed="000-swap-reporting.yaml",
    files=[("namespace.yaml", ["Namespace/*"]), ("secrets.yaml", ["Secret/*"]), ("configmaps.yaml", ["ConfigMap/*"]),
           ("db-deployment.yaml", ["StatefulSet/*"]), ("db_service.yml", ["Service/swap-reporting-db"]),
           *((f"{app}-deployment.yaml", [f"Deployment/{app}-deployment"]) for app in (
               "data-ingestion", "data-processing", "validation", "report-generation", "report-submission",
               "error-monitoring", "web")),
           ("services.yaml", ["Service/*"]), ("ingress.yaml", ["Ingress/*"])],
    after=[mend_the_database_url], mended=("configmaps.yaml",),
    routes=[Route("/", host=HOST, by="web", seen="/"),
            Route("/echo/a/b?c=d", host=HOST, by="web", seen="/echo/a/b?c=d"),
            Route("/no/such/page", host=HOST, status=404, by="web"),
            Route("/", host="other.example.com", status=404),
            Route("/", status=404)],
    write={"path": "/api/process", "host": HOST, "body": {"trade": "RECORD"}},
    read={"path": "/api/reports", "host": HOST},
    apps={f"{app}-deployment": app for app in (
        "data-ingestion", "data-processing", "validation", "report-generation", "report-submission", "error-monitoring",
        "web")},
    load={"path": "/", "host": HOST},
)


def test_the_chain_keeps_a_record_at_every_stage(owner):
    stages = owner.write("chain-of-stages").json["stages"]
    assert [s["stage"] for s in stages] == ["processed", "validated", "generated", "submitted"]
    assert all(s["kept"] == "postgres" for s in stages), stages


def test_logs_of_an_application(owner):
    owner.outside.ask("/echo/seen-in-the-log", host=HOST)
    wait_for("the line", 10, lambda: "/echo/seen-in-the-log" in owner.kubectl(
        "logs", "-l", "app=web", "--tail=20"))
