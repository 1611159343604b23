"""Jobs."""

import pytest

from behaviour import behaviour
from kit import condition
from labsite import wait_for
from workloads import Pods, container, exists, owner


@pytest.fixture
def jobs(kinds, namespace):
    return kinds("batch/v1", "Job", namespace)


@pytest.fixture
def pods(kinds, namespace):
    return Pods(kinds, namespace, "job-name=j")


def job(name, command="sleep 100000", restart="Never", labels=None, container_more=None, **spec):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": labels or {}}, "spec": spec | {"template": {
        "metadata": {"labels": {"job": name}},
        "spec": {"restartPolicy": restart, "terminationGracePeriodSeconds": 0,
                 "containers": [container(command, **(container_more or {}))]}}}}


def wait_condition(jobs, name, type, seconds=60):
    return jobs.wait(type, name, lambda o: condition(o, type).get("status") == "True", seconds)


@behaviour("[sig-apps] Job should adopt matching orphans and release non-matching pods [Conformance]")
def test_adopts_and_releases(jobs, pods):
    jobs.create(job("j", parallelism=2, completions=2))
    name = pods.wait_ready(2)[0]["metadata"]["name"]

    def orphan(obj):
        obj["metadata"]["ownerReferences"] = None
    pods.kind.change(name, orphan)
    pods.kind.wait("to be adopted", name, lambda p: owner(p) == ("Job", "j"))

    def relabel(obj):
        obj["metadata"]["labels"] = None
    pods.kind.change(name, relabel)
    pods.kind.wait("to be released", name, lambda p: owner(p) is None)


@behaviour("[sig-apps] Job should allow to use a pod failure policy to ignore failure matching on DisruptionTarget condition [Conformance]")
def test_ignored_failure(jobs, pods, k, api, namespace, site):
    """A pod that is evicted does not count against a limit of none; once told to, the next one succeeds."""
    k("create", "configmap", "go", "--from-literal=end=no")
    made = job("j", "trap 'exit 1' TERM; while [ $(cat /go/end) = no ]; do sleep 0.1; done", backoffLimit=0,
               podFailurePolicy={"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]},
               container_more={"volumeMounts": [{"name": "go", "mountPath": "/go"}]})
    made["spec"]["template"]["spec"]["volumes"] = [{"name": "go", "configMap": {"name": "go"}}]
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 5
    jobs.create(made)
    first = pods.wait_ready(1)[0]["metadata"]["name"]
    assert api.post(f"/api/v1/namespaces/{namespace}/pods/{first}/eviction", {
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first, "namespace": namespace}}).code == 201
    wait_for("another pod", 40, lambda: (names := pods.names()) and first not in names)
    k("patch", "configmap", "go", "-p", '{"data":{"end":"yes"}}')
    pods.kind.patch(pods.names()[0], {"metadata": {"annotations": {"look": "again"}}})
    done = wait_condition(jobs, "j", "Complete", 90)
    assert done["status"].get("failed", 0) == 0
    assert done["status"]["succeeded"] == 1


@behaviour("[sig-apps] Job should allow to use the pod failure policy on exit code to fail the job early [Conformance]")
def test_fails_early(jobs):
    jobs.create(job("j", "exit 42", backoffLimit=6, parallelism=1, completions=4, podFailurePolicy={"rules": [
        {"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}}]}))
    failed = wait_condition(jobs, "j", "Failed")
    assert condition(failed, "Failed")["reason"] == "PodFailurePolicy"
    assert condition(failed, "FailureTarget")["status"] == "True"
    assert failed["status"]["failed"] == 1


@behaviour("[sig-apps] Job should apply changes to a job status [Conformance]")
def test_status(jobs, pods):
    jobs.create(job("j", parallelism=2, completions=4, backoffLimit=6))
    pods.wait_ready(2)
    status = jobs.sub("status")
    patched = status.patch("j", {"metadata": {"annotations": {"patchedstatus": "true"}},
                                 "status": {"conditions": [{"type": "CustomConditionType", "status": "True"}]}})
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    assert condition(patched, "CustomConditionType")["status"] == "True"
    start = patched["status"]["startTime"]

    def update(obj):
        obj["metadata"]["annotations"]["updatedstatus"] = "true"
    assert status.change("j", update)["metadata"]["annotations"]["updatedstatus"] == "true"
    got = status.get("j")
    assert condition(got, "CustomConditionType")["status"] == "True"
    assert got["status"]["startTime"] == start
    assert got["metadata"]["uid"] == patched["metadata"]["uid"]


@behaviour("[sig-apps] Job should create pods for an Indexed job with completion indexes and specified hostname [Conformance]")
def test_indexed(jobs, kinds, namespace, k):
    jobs.create(job("j", "echo $JOB_COMPLETION_INDEX $(hostname)", parallelism=2, completions=4, completionMode="Indexed"))
    done = wait_condition(jobs, "j", "Complete")
    assert done["status"]["completedIndexes"] == "0-3"
    pods = [p for p in kinds("v1", "Pod", namespace).list("job-name=j")["items"] if p["status"]["phase"] == "Succeeded"]
    indexes = {p["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]: p for p in pods}
    assert sorted(indexes) == ["0", "1", "2", "3"]
    for index, pod in indexes.items():
        assert pod["spec"]["hostname"] == f"j-{index}"
        assert pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == index
        assert k("logs", pod["metadata"]["name"]).split() == [index, f"j-{index}"]


@behaviour("[sig-apps] Job should delete a job [Conformance]")
def test_delete(jobs, pods, k):
    jobs.create(job("j", parallelism=2, completions=4))
    pods.wait_ready(2)
    assert jobs.get("j")["status"]["active"] == 2
    k("delete", "job", "j", "--timeout=30s", timeout=40)
    assert exists(jobs, "j") is None
    pods.wait_gone()


@behaviour("[sig-apps] Job should manage the lifecycle of a job [Conformance]")
def test_lifecycle(jobs):
    label = "e2e-j=life"
    follower = jobs.watch(jobs.version(), label, seconds=60)
    jobs.create(job("j", "true", labels={"e2e-j": "life"}, parallelism=1, completions=1, suspend=True))
    follower.next("ADDED")
    jobs.wait("suspended", "j", lambda o: condition(o, "Suspended").get("status") == "True")
    assert jobs.patch("j", {"metadata": {"labels": {"patched": "true"}}})["metadata"]["labels"]["patched"] == "true"
    follower.next("MODIFIED", lambda o: o["metadata"]["labels"].get("patched") == "true")

    def resume(obj):
        obj["spec"]["suspend"] = False
        obj["metadata"]["annotations"] = {"updated": "true"}
    jobs.change("j", resume)
    follower.next("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("updated") == "true")
    wait_condition(jobs, "j", "Complete")
    assert jobs.names(label, everywhere=True) == ["j"]
    jobs.delete_all(label)
    follower.next("DELETED")
    assert jobs.names(label) == []


@behaviour("[sig-apps] Job should run a job to completion when tasks sometimes fail and are locally restarted [Conformance]")
def test_restarts_in_place(jobs, kinds, namespace):
    """Every pod fails the first time, and finds on the second what the first left in its volume."""
    made = job("j", "if [ -e /data/seen ]; then exit 0; fi; touch /data/seen; exit 1", restart="OnFailure", parallelism=2, completions=4,
               container_more={"volumeMounts": [{"name": "data", "mountPath": "/data"}]})
    made["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    jobs.create(made)
    done = wait_condition(jobs, "j", "Complete", 120)
    assert done["status"]["succeeded"] == 4
    pods = kinds("v1", "Pod", namespace).list("job-name=j")["items"]
    assert len(pods) == 4
    assert all(p["status"]["containerStatuses"][0]["restartCount"] == 1 for p in pods)
