"""Two systems beside each other on the same three workers, and one that does not fit."""

import pytest

from labsite import wait_for
from owner import Owner
from test_erp import SYSTEM as ERP
from test_swap_reporting import SYSTEM as SWAP

GREEDY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: greedy, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: greedy}}
  template:
    metadata: {labels: {app: greedy}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: "busybox:1.36", command: [sleep, "3600"], resources: {requests: {memory: 2900Mi}}}]
"""


@pytest.fixture(scope="module")
def both(whole_site, tmp_path_factory):
    owners = [Owner(whole_site, system, "own", str(tmp_path_factory.mktemp(system.name))) for system in (SWAP, ERP)]
    whole_site.up()
    whole_site.push(sorted({"library/busybox:1.36", *(i for o in owners for i in o.images())}))
    try:
        for owner in owners:
            owner.deploy()
        yield owners
    finally:
        whole_site.up()
        for owner in owners:
            owner.clean_up()


def test_each_answers_at_its_own_name(both):
    for owner in both:
        owner.all_ready()
        owner.check_routes()


def test_what_does_not_fit_waits_and_the_others_are_unharmed(site, both):
    """Kubernetes' reason in the event; the pods that were there stay the very same."""
    before = {p["metadata"]["uid"] for owner in both for p in owner.all_ready()}
    site.apply(GREEDY)
    try:
        why = wait_for("the scheduler's word", 30, lambda: [
            e["message"] for e in site.items("events") if e["reason"] == "FailedScheduling"
            and e["involvedObject"]["name"].startswith("greedy-")])
        assert why[-1].startswith("0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: "
                                  "3 No preemption victims found for incoming pod."), why
        assert {p["status"]["phase"] for p in site.items("pods", "-l", "app=greedy")} == {"Pending"}
        assert {p["metadata"]["uid"] for owner in both for p in owner.all_ready()} == before
        for owner in both:
            owner.check_routes()
    finally:
        site.kubectl("delete", "deployment", "greedy")
