"""Certificates that are good for less than a minute: renewed while everything runs, and what a node is told that was off for too long."""

import os
import re

import pytest

import labfixtures
from bareserver import BareServer
from labsite import Site, wait_for

LIFE_S = 40


@pytest.fixture(scope="module")
def short():
    """A lab of one worker whose certificates live for LIFE_S."""
    with labfixtures.free_lab("certs") as name:
        site = Site(name)
        site.lab("down")
        try:
            site.lab("up", "--workers", "1", f"--server-flag=--certificate-lifetime={LIFE_S}s", timeout=180)
            yield site
        finally:
            site.lab("down")


def kubectl(site, *args):
    """By the kubeconfig that the server keeps: a copy of it would end with its certificate."""
    return site.run("control", "kubectl", "--kubeconfig=/var/lib/mkube/admin.kubeconfig", *args)


def expiries(site, host):
    """{name: when it ends} as `mkube certificates` tells it."""
    rows = site.run(host, "mkube", "certificates").splitlines()[1:]
    return {row[:20].strip(): re.search(r"\d{4}-\S+Z", row).group() for row in rows}


def is_ready(site):
    return "True" in kubectl(site, "get", "node", "worker1", "-o",
                             "jsonpath={.status.conditions[?(@.type=='Ready')].status}")


def test_nodes_and_server_renew_without_a_restart(short):
    def pids(host):
        return [short.processes(host, "mkube")]

    before, was = expiries(short, "worker1"), pids("worker1") + pids("control")
    server = expiries(short, "control")
    wait_for("both certificates of the node to be renewed", 3 * LIFE_S, lambda: all(
        now > before[name] for name, now in expiries(short, "worker1").items()))
    wait_for("the server's to be renewed", 3 * LIFE_S, lambda: all(
        now > server[name] for name, now in expiries(short, "control").items() if name != "ca"))
    ended = max(*before.values(), *(v for k, v in server.items() if k != "ca"))
    wait_for("the first ones to end", 3 * LIFE_S,
             lambda: short.run("control", "date", "-u", "+%Y-%m-%dT%H:%M:%SZ").strip() > ended)
    assert is_ready(short)
    kubectl(short, "create", "configmap", "after-the-first-ones-ended")
    assert pids("worker1") + pids("control") == was
    asked = kubectl(short, "get", "csr")
    assert asked.count("kube-apiserver-client-kubelet") and asked.count("kubelet-serving") \
        and "Approved,Issued" in asked
    pki = "/var/lib/mkube/pki/"
    health = short.run("control", "curl", "-s", "--cacert", pki + "ca.crt", "--cert", pki + "admin.crt", "--key",
                       pki + "admin.key", f"https://{short.lab('address', 'worker1').strip()}:10250/healthz")
    assert health == "ok"


def test_a_node_that_was_off_for_too_long_says_what_to_do(short):
    wait_for("the node to be ready", 60, lambda: is_ready(short))
    short.service("worker1", "stop", "agent")
    wait_for("its certificate to end", 3 * LIFE_S,
             lambda: "expired" in short.run("worker1", "mkube", "certificates"))
    short.service("worker1", "start", "agent")
    wait_for("the agent to say so", 30,
             lambda: "this node's certificate has ended" in short.lab("logs", "worker1"))
    short.service("worker1", "stop", "agent")
    disk = os.path.join("/var/lib/mkube-lab", short.name, "worker1", "join-command")
    os.unlink(disk)  # a new token is asked for
    short.service("worker1", "start", "agent")
    wait_for("it to join again", 30, lambda: "joined again" in short.lab("logs", "worker1"))
    wait_for("the node to be ready again", 60, lambda: is_ready(short))


def test_connections_outlive_the_certificates_they_began_with():
    server = BareServer("--certificate-lifetime", "10s")
    try:
        server.start()
        first = server.certificate_end()
        watch = server.open_watch("/api/v1/namespaces/default/configmaps?watch=1")
        wait_for("new connections to be shown another certificate", 30, lambda: server.certificate_end() > first)
        wait_for("the first one to end", 30, lambda: server.now() > first)
        server.kubectl("create", "configmap", "seen-by-an-old-connection")
        assert "seen-by-an-old-connection" in watch.readline() + watch.readline()
        watch.close()
        assert server.get("/readyz/certificates")[:2] == (200, "ok")
    finally:
        server.remove()


def test_a_lifetime_that_is_none_is_refused():
    server = BareServer("--certificate-lifetime", "1s")
    ended = server.run(*server.command(), check=False)
    server.remove()
    assert ended.returncode == 1 and "--certificate-lifetime" in ended.stderr
