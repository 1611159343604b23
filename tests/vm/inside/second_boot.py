"""After a power cut: the same disk, and nobody who does anything."""

import json
import time

from first_boot import QOS, STAYS
from kit import CGROUPS, is_ready, need, pod, read, run, say, sh, wait_for


def test_everything_returns_by_itself(site):
    site.services.after_boot()
    began = time.monotonic()
    wait_for("the API", lambda: site.get("/api/v1/namespaces/default"), 900)
    say(f"figure API answers {read('/proc/uptime').split()[0]} s after power on")
    wait_for("the node", lambda: is_ready(site.get("/api/v1/nodes/site")), 900)
    for name in STAYS:
        wait_for(f"{name} to run again", lambda name=name: is_ready(site.pod(name))
                 and site.status(name)["restartCount"] == 1, 900)
    say(f"figure all pods ready {read('/proc/uptime').split()[0]} s after power on, {time.monotonic() - began:.1f} s "
        "after the tests could ask")
    old = json.loads(site.of_kind("configmaps", "last")["data"]["pods"])
    now = {p["metadata"]["name"]: p["metadata"]["uid"] for p in site.of_kind("pods")["items"]}
    need(now == old, f"pods {now}, before {old}")


def test_volumes_kept_their_data(site):
    keeper = next(p["metadata"]["name"] for p in site.of_kind("pods")["items"]
                  if p["metadata"]["labels"]["app"] == "keeper")
    site.wait_ready(keeper)
    need(site.inside(keeper, "cat", "/d/word", "/d/starts").split() == ["precious", "started", "started"], "the volume")


def test_network_is_there_again(site):
    site.wait_ready("web", "stranger")
    wait_for("the Service by its name", lambda: site.inside(
        "stranger", "timeout", "10", "wget", "-q", "-O", "-", "http://web/", check=False).stdout.strip() == "web", pause=1)


def test_new_pods_have_their_limits(site):
    site.apply(pod("newcomer", sh("sleep 100000", **QOS["guaranteed"])))
    site.wait_ready("newcomer")
    need(read(f"{site.cgroup('newcomer')}/memory.max") == str(32 << 20), "memory.max")
    need("memory" in read(CGROUPS + "/mkube/cgroup.subtree_control"), "controllers")


def test_check_says_ready(site):
    for role in ("server", "agent"):
        run("mkube", "check", role)


FRESH = []
SETUP = [test_everything_returns_by_itself]
TESTS = [test_volumes_kept_their_data, test_network_is_there_again, test_new_pods_have_their_limits,
         test_check_says_ready]
