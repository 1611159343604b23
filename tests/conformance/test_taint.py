"""Taints that drive pods away."""

import contextlib
import time

from behaviour import behaviour
from kit import Refused
from labsite import WORKERS, wait_for
from podkit import pod, sh

KEY, VALUE = "kubernetes.io/e2e-evict-taint-key", "evictTaintVal"


@contextlib.contextmanager
def tainted(site, node):
    site.kubectl("taint", "node", node, f"{KEY}={VALUE}:NoExecute")
    try:
        yield
    finally:
        site.kubectl("taint", "node", node, f"{KEY}:NoExecute-", check=False)


def bearing(name, seconds, node):
    return pod(name, sh("sleep 100000"), terminationGracePeriodSeconds=0, nodeSelector={"kubernetes.io/hostname": node}, tolerations=[
        {"key": KEY, "value": VALUE, "effect": "NoExecute", "tolerationSeconds": seconds}])


def gone(pods, name):
    try:
        return "deletionTimestamp" in pods.get(name)["metadata"]
    except Refused as e:
        assert e.code == 404, e
        return True


@behaviour("[sig-node] NoExecuteTaintManager Single Pod [Serial] removing taint cancels eviction [Disruptive] [Conformance]")
def test_a_taint_that_goes(batch, site, kinds):
    pods, node = kinds("v1", "Pod", batch.namespace), WORKERS[1]
    batch.add(bearing("stays", 6, node))
    uid = batch.running("stays")["metadata"]["uid"]
    with tainted(site, node):
        assert any(t["key"] == KEY for t in site.get("node", node)["spec"]["taints"])
        assert not gone(pods, "stays")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        assert not gone(pods, "stays") and pods.get("stays")["metadata"]["uid"] == uid
        time.sleep(0.5)


@behaviour("[sig-node] NoExecuteTaintManager Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive] [Conformance]")
def test_each_in_its_time(batch, site, kinds):
    pods, node, bears = kinds("v1", "Pod", batch.namespace), WORKERS[2], {"first": 2, "second": 8}
    batch.add(*(bearing(name, seconds, node) for name, seconds in bears.items()))
    batch.running(*bears)
    before = time.monotonic()
    with tainted(site, node):
        for name, seconds in bears.items():
            wait_for(f"{name} to be driven away", seconds + 20, lambda: gone(pods, name))
            assert time.monotonic() - before >= seconds - 0.5, name
            if name == "first" and time.monotonic() - before < bears["second"] - 1:
                assert not gone(pods, "second")
