"""What every system must show.  A module per system says `from acceptance import *` and gives its SYSTEM.

Each leaves the system as it found it: all Ready, the first images, its data.
"""

import os
import uuid

import pytest
import yaml

from labsite import WORKERS, name_of, wait_for
from system import other_tag


def test_all_pods_are_ready_and_a_second_apply_changes_nothing(owner):
    owner.all_ready()
    for path in owner.files():
        if path is None or os.path.basename(path) in owner.system.mended:
            continue
        expected = always_sent(owner, path) | set(scaled(owner))
        said = owner.apply(path)
        changed = [line for line in said.splitlines() if not line.endswith("unchanged")]
        assert not [line for line in changed if line.split()[0].split("/")[-1] not in expected], said
    print(f"{owner.system.name}: {owner.seconds:.1f} s from the first command to all Ready")


def test_routes(owner):
    owner.check_routes()


def test_data_outlives_every_pod(owner):
    record = new_record()
    owner.write(record)
    owner.holds(record)
    before = {p["metadata"]["uid"] for p in owner.all_ready()}
    owner.kubectl("delete", "pods", "--all", "--timeout=120s", timeout=150)
    after = {p["metadata"]["uid"] for p in owner.all_ready()}
    assert not before & after
    owner.holds(record)


@pytest.mark.slow
def test_data_outlives_power_cuts(owner):
    """Of each worker in turn."""
    for worker in WORKERS:
        record = new_record()
        owner.write(record)
        owner.site.lab("kill", worker)
        owner.site.lab("start", worker)
        wait_for(f"{worker} to be back", 60, lambda: worker in owner.site.kubectl("get", "nodes").split("NotReady")[0])
        owner.all_ready()
        owner.holds(record)
    owner.check_routes()


def test_rolling_update_drops_nothing_and_can_be_undone(owner):
    """Every application at once to the other tag, under steady load, and back."""
    if not owner.system.apps:
        pytest.skip("no application of its own")
    images = {name_of(d): d["spec"]["template"]["spec"]["containers"][0]["image"]
              for d in owner.documents if d["kind"] == "Deployment"}
    load = owner.outside.load(**owner.system.load)
    try:
        for app, container in owner.system.apps.items():
            owner.kubectl("set", "image", f"deployment/{app}", f"{container}={other_tag(images[app])}")
        follow_rollouts(owner)
        for app in owner.system.apps:
            assert other_tag(images[app]) == current_image(owner, app)
            owner.kubectl("rollout", "undo", f"deployment/{app}")
        follow_rollouts(owner)
    finally:
        told = load.stop()
    assert not told["failed"], (len(told["failed"]), told["failed"][:5])
    assert len(told["by"]) >= 2, told["by"]  # both versions answered
    print(f"{owner.system.name}: {told['answered']} requests, 0 failed, slowest {told['slowest']:.2f} s")
    for app in owner.system.apps:
        assert images[app] == current_image(owner, app)
    owner.all_ready()


def always_sent(owner, path):
    """Objects that kubectl sends again each time, and says so: with stringData, which is never read back, with the
    creationTimestamp of null that tools print, with a key left empty, or with volumeClaimTemplates, a list compared whole
    with its defaults."""
    if os.path.isdir(path):
        documents = owner.documents
    else:
        with open(path, encoding="utf-8") as f:
            documents = list(yaml.safe_load_all(f))
    return {name_of(d) for d in documents
            if d and ("stringData" in d or holds_null(d) or "volumeClaimTemplates" in d.get("spec", {}))}


def holds_null(node):
    if isinstance(node, dict):
        return any(map(holds_null, node.values()))
    return any(map(holds_null, node)) if isinstance(node, list) else node is None


def scaled(owner):
    """{Deployment: replicas} of those that an autoscaler has made more or fewer than the manifests say: an apply says so."""
    now = {name_of(d): d["spec"]["replicas"] for d in owner.site.items("-n", owner.ns, "deployments")}
    return {name_of(d): now[name_of(d)] for d in owner.documents if d["kind"] == "Deployment"
            and now.get(name_of(d)) not in (None, d["spec"].get("replicas"))}


def follow_rollouts(owner):
    for app in owner.system.apps:
        owner.kubectl("rollout", "status", f"deployment/{app}", f"--timeout={owner.system.ready_seconds}s",
                      timeout=owner.system.ready_seconds + 10)


def current_image(owner, app):
    return owner.site.get("-n", owner.ns, "deployment", app)["spec"]["template"]["spec"]["containers"][0]["image"]


def new_record():
    return "r" + uuid.uuid4().hex[:12]
