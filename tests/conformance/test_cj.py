"""CronJobs.  A minute has to pass: one test watches all that needs one."""

import pytest

from behaviour import behaviour
from kit import lifecycle
from labsite import wait_for
from workloads import container, owner


@pytest.fixture
def crons(kinds, namespace):
    return kinds("batch/v1", "CronJob", namespace)


def cronjob(name, schedule="* * * * *", command="sleep 1000", **spec):
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name, "labels": {"special-label": "cron"}},
            "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 0, "containers": [container(command)]}}}}} | spec}


@behaviour("[sig-apps] CronJob should support CronJob API operations [Conformance]")
def test_api(crons):
    def edit(obj):
        obj["spec"]["schedule"] = "0 0 1 1 *"
    lifecycle(crons, lambda name: cronjob(name, "0 0 2 1 *"), edit, "special-label=cron",
              {"status": {"lastScheduleTime": "2026-01-02T03:04:00Z"}})


@behaviour("[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]",
           "[sig-apps] CronJob should not schedule new jobs when ForbidConcurrent [Slow] [Conformance]",
           "[sig-apps] CronJob should replace jobs when ReplaceConcurrent [Conformance]",
           "[sig-apps] CronJob should schedule multiple jobs concurrently [Conformance]")
def test_policies(crons, kinds, namespace, k):
    """The first jobs are those of the minute that was missed, the second ones those of the next."""
    jobs = kinds("batch/v1", "Job", namespace)
    for name, more in (("allow", {}), ("forbid", {"concurrencyPolicy": "Forbid"}), ("replace", {"concurrencyPolicy": "Replace"}),
                       ("rest", {"suspend": True})):
        crons.create(cronjob(name, **more))

    def of(name):
        return {j["metadata"]["name"]: j for j in jobs.list()["items"] if owner(j) == ("CronJob", name)}

    def active(name):
        return [r["name"] for r in crons.get(name)["status"].get("active", [])]
    first = {name: wait_for(f"the first job of {name}", 75, lambda: of(name)) for name in ("allow", "forbid", "replace")}
    assert all(len(found) == 1 for found in first.values())
    wait_for("two jobs at once", 75, lambda: len(of("allow")) == 2)
    wait_for("both to be active", 10, lambda: len(active("allow")) == 2)

    def replaced():
        return (now := of("replace")) and not set(now) & set(first["replace"])
    wait_for("the other job", 20, replaced)
    wait_for("one to be active", 10, lambda: active("replace") == list(of("replace")))
    wait_for("the word that one is active already", 10, lambda: "JobAlreadyActive" in k(
        "get", "events", "--field-selector=involvedObject.name=forbid"))
    assert list(of("forbid")) == list(first["forbid"])
    assert of("rest") == {}
    assert crons.get("rest")["spec"]["suspend"] is True
