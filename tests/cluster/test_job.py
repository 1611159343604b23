"""Jobs come to the end they are told to: by number, by time, by index, by policy."""

import yaml

from labsite import CommandFailed, wait_for


def job(name, command, restart="Never", **spec):
    return yaml.safe_dump({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": spec | {"template": {"spec": {
            "restartPolicy": restart, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": "busybox:1", "command": ["sh", "-c", command],
                            "resources": {"requests": {"cpu": "5m"}}}]}}}}) + "---\n"


def conditions(site, namespace, name):
    found = site.get("-n", namespace, "job", name)["status"].get("conditions", [])
    return {c["type"]: c.get("reason") for c in found if c["status"] == "True"}


def ended(site, namespace, name, end, reason):
    first = "SuccessCriteriaMet" if end == "Complete" else "FailureTarget"
    wait_for(f"{name} to be {end}", 30, lambda: end in conditions(site, namespace, name))
    assert conditions(site, namespace, name) == {end: reason, first: reason}
    return site.get("-n", namespace, "job", name)["status"]


def test_ends(site, namespace):
    site.apply(
        job("never", "exit 3", backoffLimit=0) +
        job("late", "sleep 600", activeDeadlineSeconds=2) +
        job("again", "exit 4", restart="OnFailure", backoffLimit=1) +
        job("gone", "true", ttlSecondsAfterFinished=1) +
        job("policy", "test $(hostname) = policy-0 && sleep 1 && exit 42 || sleep 600",
            completionMode="Indexed", completions=2, parallelism=2,
            podFailurePolicy={"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}) +
        job("index", "exit $JOB_COMPLETION_INDEX", completionMode="Indexed", completions=2, parallelism=2,
            backoffLimitPerIndex=0) +
        job("leader", "test $JOB_COMPLETION_INDEX = 0 || sleep 600", completionMode="Indexed", completions=3,
            parallelism=3, successPolicy={"rules": [{"succeededIndexes": "0"}]}), "-n", namespace)

    assert ended(site, namespace, "never", "Failed", "BackoffLimitExceeded")["failed"] == 1
    assert ended(site, namespace, "late", "Failed", "DeadlineExceeded")["failed"] == 1
    ended(site, namespace, "again", "Failed", "BackoffLimitExceeded")
    ended(site, namespace, "policy", "Failed", "PodFailurePolicy")
    status = ended(site, namespace, "index", "Failed", "FailedIndexes")
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0", "1")
    assert ended(site, namespace, "leader", "Complete", "SuccessPolicy")["succeeded"] == 1

    def is_gone():
        try:
            site.get("-n", namespace, "job", "gone")
        except CommandFailed:
            return True
    wait_for("the finished job to be gone", 20, is_gone)
    events = {(e["involvedObject"]["name"], e["reason"]) for e in site.items("-n", namespace, "events")}
    assert {("late", "DeadlineExceeded"), ("gone", "Completed"), ("never", "BackoffLimitExceeded")} <= events


def test_indexes_have_names(site, namespace):
    site.apply(job("row", "echo $JOB_COMPLETION_INDEX $(hostname)", completionMode="Indexed", completions=3,
                   parallelism=3), "-n", namespace)
    site.kubectl("-n", namespace, "wait", "--for=condition=Complete", "job/row", "--timeout=30s")
    lines = site.kubectl("-n", namespace, "logs", "-l", "job-name=row").splitlines()
    assert sorted(lines) == ["0 row-0", "1 row-1", "2 row-2"]
    row = site.kubectl("-n", namespace, "get", "job", "row").splitlines()[1].split()
    assert row[:3] == ["row", "Complete", "3/3"]


def test_suspended_and_resized(site, namespace):
    site.apply(job("rest", "sleep 600", suspend=True, parallelism=1, completions=3), "-n", namespace)
    wait_for("it to rest", 10, lambda: conditions(site, namespace, "rest") == {"Suspended": "JobSuspended"})
    for change, active in (({"suspend": False}, 1), ({"parallelism": 3}, 3), ({"parallelism": 2}, 2),
                           ({"suspend": True}, 0)):
        site.kubectl("-n", namespace, "patch", "job", "rest", "-p", yaml.safe_dump({"spec": change}))
        wait_for(f"{active} pods", 20,
                 lambda n=active: site.get("-n", namespace, "job", "rest")["status"].get("active", 0) == n)
    assert site.get("-n", namespace, "job", "rest")["status"].get("failed", 0) == 0
