"""What owners put beside their systems to watch them: it asks the cluster's API from inside, and lives on every node."""

import json
import socket

from acceptance import test_all_pods_are_ready_and_a_second_apply_changes_nothing, test_routes  # noqa: F401
from labsite import WORKERS, name_of, wait_for
from system import Route, System

GRAFANA, PROMETHEUS, ALERTS = (f"{name}.monitoring.example.com" for name in ("grafana", "prometheus", "alertmanager"))
URL = "https://chat.example.com/hook"


def secret_of_the_alerts(owner):
    """Made and made again, as their script does each time."""
    def piped(*make):
        made = owner.site.kubectl(*make, "--dry-run=client", "-o", "yaml")
        return owner.site.apply(made)
    for said in ("created", "configured"):  # kubectl's own creationTimestamp of null is news each time
        assert f"namespace/monitoring {said}" in piped("create", "namespace", "monitoring")
    for url, said in ((URL + "/old", "created"), (URL, "configured")):
        told = piped("create", "secret", "generic", "alertmanager-secrets", "-n", "monitoring", f"--from-literal=url={url}")
        assert f"secret/alertmanager-secrets {said}" in told, told


def until_available(owner):
    for name in ("prometheus", "alertmanager", "kube-state-metrics", "grafana"):
        owner.site.kubectl("wait", "--for=condition=available", "--timeout=180s", f"deployment/{name}", "-n", "monitoring",
                           timeout=190)
    for name in ("node-exporter", "fluent-bit"):
        owner.kubectl("rollout", "status", f"daemonset/{name}", "--timeout=120s", timeout=130)


def clean_up(owner):
    """Also what is in no namespace."""
    owner.site.kubectl("delete", *(word for path in owner.files() for word in ("-f", path)), timeout=240)


SYSTEM = System(
    name="monitoring", namespace="monitoring", seed="", comes_from=("own",), files=[],
    before=[secret_of_the_alerts], after=[until_available], clean_up=[clean_up],
    routes=[Route("/echo/x", host=GRAFANA, by="grafana", seen="/echo/x"),
            Route("/-/healthy", host=PROMETHEUS, holds="Healthy"),
            Route("/-/ready", host=ALERTS)],
)


def query(owner, words):
    answer = owner.outside.ask("/api/v1/query?query=" + words, host=PROMETHEUS).json
    return answer["data"]["result"]


def test_prometheus_finds_its_targets_through_the_api(owner):
    def targets():
        found = owner.outside.ask("/api/v1/targets?state=active", host=PROMETHEUS).json["data"]["activeTargets"]
        return [(t["labels"]["job"], t["health"], t.get("lastError", ""), t["labels"]) for t in found]

    def all_up():
        seen = [t for t in targets() if t[3].get("namespace", "monitoring") == "monitoring"]
        jobs = {j: sum(s[0] == j for s in seen) for j in ("prometheus", "state", "nodes", "pods")}
        return jobs == {"prometheus": 1, "state": 1, "nodes": 3, "pods": 1} and all(s[1] == "up" for s in seen) and seen
    try:
        seen = wait_for("all targets to be up", 60, all_up, pause=1)
    except AssertionError:
        raise AssertionError(f"targets: {targets()}") from None
    assert {labels["node"] for job, _, _, labels in seen if job == "nodes"} == set(WORKERS)
    pod = next(labels for job, _, _, labels in seen if job == "pods")
    assert pod["namespace"] == "monitoring" and pod["pod"].startswith("grafana-")
    running = next(int(r["value"][1]) for r in wait_for("the state of the cluster", 30, lambda: query(
        owner, 'kube_pod_status_phase{namespace="monitoring",phase="Running"}'), pause=1))
    assert running == len(owner.pods())


def test_a_new_pod_becomes_a_target_and_goes_again(owner):
    words = 'up{job="pods",namespace="monitoring"}'
    try:
        owner.kubectl("scale", "deployment/grafana", "--replicas=0")
        wait_for("none", 60, lambda: not query(owner, words), pause=1)
    finally:
        owner.kubectl("scale", "deployment/grafana", "--replicas=1")
    wait_for("one", 60, lambda: [r["value"][1] for r in query(owner, words)] == ["1"], pause=1)


def test_mounts_one_inside_the_other_and_a_volume_of_a_class_that_no_one_made(owner):
    said = owner.kubectl("exec", "deployment/prometheus", "--", "sh", "-c",
                         "ls /etc/prometheus /etc/prometheus/rules; id -u; id -G; touch /prometheus/x; ls -ld /prometheus")
    assert said.split()[:6] == ["/etc/prometheus:", "prometheus.yml", "rules", "/etc/prometheus/rules:", "shop.yml", "65534"], said
    assert "65534" in said.splitlines()[-2].split() and "drwxrws" in said, said
    row = owner.kubectl("get", "pvc", "prometheus", "--no-headers").split()
    assert row[1] == "Bound" and row[3:6] == ["100Gi", "RWO", "gp3"], row


def test_an_alert_reaches_those_who_care(owner):
    alerts = wait_for("the alert", 60, lambda: owner.outside.ask("/api/v2/alerts", host=ALERTS).json, pause=1)
    assert [a["labels"]["alertname"] for a in alerts] == ["Watchdog"]
    wait_for("it to be told", 60, lambda: "POST /echo/alerts 200" in owner.kubectl("logs", "deployment/grafana"), pause=1)
    assert owner.kubectl("exec", "deployment/alertmanager", "--", "cat", "/etc/alertmanager/secrets/url") == URL


def test_on_every_node(owner):
    """The exporter is in the node's network and sees its processes and disks; the collector reads what containers say."""
    exporters = owner.site.items("-n", owner.ns, "pods", "-l", "app=node-exporter")
    assert {p["spec"]["nodeName"] for p in exporters} == set(WORKERS)
    assert all(p["status"]["podIP"] == p["status"]["hostIP"] for p in exporters)
    args = exporters[0]["spec"]["containers"][0]["args"]
    running = owner.kubectl("exec", name_of(exporters[0]), "--", "sh", "-c", "tr '\\0' '\\n' < /host/root/proc/self/root/proc/1/cmdline;"
                            "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/cmdline | grep points-exclude; done 2>/dev/null; true")
    assert args[-1].replace("$$", "$") in running.splitlines(), running
    assert query(owner, 'node_filesystem_size_bytes{mountpoint="/"}') and query(owner, "node_memory_MemTotal_bytes")
    counted = [json.loads(owner.kubectl("exec", name_of(p), "--", "python3", "-c",
                                        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:2020/counts').read().decode())"))
               for p in owner.site.items("-n", owner.ns, "pods", "-l", "app=fluent-bit")]
    lines = {name.split("_")[0] for c in counted for name in c["lines"]}
    assert len(counted) == len(WORKERS) and any(n.startswith("prometheus-") for n in lines), counted


def test_through_a_forwarded_port(owner):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with owner.site.kubectl_process("port-forward", "-n", "monitoring", "svc/prometheus", f"{port}:9090") as forward:
        try:
            assert "Forwarding from 127.0.0.1" in forward.stdout.readline()
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(b"GET /-/healthy HTTP/1.0\r\nHost: localhost\r\n\r\n")
                s.settimeout(10)
                heard = b""
                while part := s.recv(4096):
                    heard += part
            assert b"200 OK" in heard and b"Healthy" in heard, heard
        finally:
            forward.terminate()


def test_data_outlives_the_pod(owner):
    query_at_first = 'count_over_time(up{job="prometheus"}[1h])'
    before = int(wait_for("samples", 30, lambda: query(owner, query_at_first), pause=1)[0]["value"][1])
    owner.kubectl("delete", "pod", "-l", "app=prometheus", "--timeout=60s", timeout=70)
    owner.all_ready()

    def more():
        found = query(owner, query_at_first)
        return found and int(found[0]["value"][1]) >= before
    wait_for("them again, and more", 40, more, pause=1)
