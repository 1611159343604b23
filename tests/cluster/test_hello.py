"""The example as a visitor and its operator see it."""

import json

from labsite import WORKERS, Visitors, wait_for


def test_page_is_served_through_the_entry(site, hello):
    page = site.fetch("/")
    assert "Hello from mkube" in page
    facts = json.loads(site.fetch("/json"))
    assert facts["namespace"] == hello
    assert facts["node"] in WORKERS
    assert facts["pod"].startswith("hello-")


def test_visits_are_counted_by_the_database(site, hello):
    hits = [json.loads(site.fetch("/json"))["hits"] for _ in range(5)]
    assert all(later > earlier for earlier, later in zip(hits, hits[1:])), hits
    assert int(site.inside(hello, "db-0", "redis-cli", "get", "hits")) >= hits[-1]


def test_second_database_follows_the_first(site, hello):
    wait_for("db-1 to follow", 30, lambda: "master_link_status:up" in
             site.inside(hello, "db-1", "redis-cli", "info", "replication"))


def test_replicas_sit_on_three_nodes(site, hello):
    # Placed anew: a test before may have cut a worker's power, and what stands is not moved back.
    site.kubectl("-n", hello, "scale", "deployment/hello", "--replicas=0")
    wait_for("no replica", 60, lambda: not site.items("-n", hello, "pods", "-l", "app=hello"))
    site.kubectl("-n", hello, "scale", "deployment/hello", "--replicas=3")
    site.kubectl("-n", hello, "rollout", "status", "deployment/hello", "--timeout=60s", timeout=90)
    pods = site.items("-n", hello, "pods", "-l", "app=hello")
    assert {p["spec"]["nodeName"] for p in pods} == set(WORKERS)


def test_every_replica_gets_requests(site, hello):
    pods = {p["metadata"]["name"] for p in site.items("-n", hello, "pods", "-l", "app=hello")}
    served = set()
    wait_for("all replicas to have answered", 30,
             lambda: served.add(json.loads(site.fetch("/json"))["pod"]) or served >= pods, pause=0)


def test_ingress_status_shows_the_entry(site, hello):
    status = site.get("-n", hello, "ingress", "hello")["status"]
    assert [i.get("ip") for i in status["loadBalancer"]["ingress"]] == [site.control]
    assert site.control in site.kubectl("-n", hello, "get", "ingress", "hello")


def test_client_has_no_way_to_pods_but_the_entry(site, hello):
    pod = site.items("-n", hello, "pods", "-l", "app=hello")[0]["status"]["podIP"]
    code = "import socket, sys; socket.create_connection((sys.argv[1], 8080), timeout=2)"
    assert site.run("client", "/usr/bin/python3", "-c", code, pod, check=False).returncode != 0


def test_rolling_update_drops_no_request(site, hello):
    visitors = Visitors(site)
    try:
        site.kubectl("-n", hello, "rollout", "restart", "deployment/hello")
        site.kubectl("-n", hello, "rollout", "status", "deployment/hello", "--timeout=120s", timeout=130)
    finally:
        answered, failed = visitors.stop()
    assert answered > 50
    assert failed == []
