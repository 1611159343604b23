"""Init containers."""

from behaviour import behaviour
from kit import condition
from labsite import wait_for
from podkit import pod, sh

TRUE = [sh("true", "init1"), sh("true", "init2")]
FAILS = [sh("false", "init1"), sh("true", "init2")]
APP = sh("sleep 10000", "run1", resources={"limits": {"cpu": "100m"}})
OBJECTS = [pod("never", sh("true", "run1"), inits=TRUE),
           pod("always", APP, inits=TRUE, restartPolicy="Always", terminationGracePeriodSeconds=0),
           pod("fails-always", APP, inits=FAILS, restartPolicy="Always"),
           pod("fails-never", sh("true", "run1"), inits=[TRUE[0], sh("false", "init2")])]


def initialised(got):
    assert condition(got, "Initialized")["status"] == "True"
    states = got["status"]["initContainerStatuses"]
    assert [(s["ready"], s["state"]["terminated"]["exitCode"]) for s in states] == [(True, 0)] * 2


@behaviour("[sig-node] InitContainer [NodeConformance] should invoke init containers on a RestartNever pod [Conformance]")
def test_before_a_pod_that_ends(batch):
    initialised(batch.ended("never"))


@behaviour("[sig-node] InitContainer [NodeConformance] should invoke init containers on a RestartAlways pod [Conformance]")
def test_before_a_pod_that_stays(batch):
    initialised(batch.running("always"))


def app_waits(got):
    """The app container has not begun, and the pod says why."""
    app, = got["status"]["containerStatuses"]
    assert (app["state"]["waiting"]["reason"], app["restartCount"]) == ("PodInitializing", 0)
    assert not app.get("started")


@behaviour("[sig-node] InitContainer [NodeConformance] should not start app containers and fail the pod if init containers fail on a "
           "RestartNever pod [Conformance]")
def test_a_failure_fails_the_pod(batch):
    got = wait_for("the failure", 40, lambda: (p := batch.get("fails-never"))["status"]["phase"] == "Failed" and p)
    first, second = got["status"]["initContainerStatuses"]
    assert first["state"]["terminated"]["exitCode"] == 0 and second["state"]["terminated"]["exitCode"] != 0
    said = condition(got, "Initialized")
    assert (said["status"], said["reason"]) == ("False", "ContainersNotInitialized")
    assert said["message"] == "containers with incomplete status: [init2]"
    app_waits(got)


@behaviour("[sig-node] InitContainer [NodeConformance] should not start app containers if init containers fail on a RestartAlways pod "
           "[Conformance]")
def test_a_failure_is_tried_again(batch):
    def third():
        got = batch.get("fails-always")
        app_waits(got)
        first, second = got["status"]["initContainerStatuses"]
        assert second["state"]["waiting"]["reason"] == "PodInitializing"
        return first["restartCount"] >= 3 and got
    got = wait_for("three restarts", 90, third, pause=0.5)
    assert got["status"]["phase"] == "Pending"
    said = condition(got, "Initialized")
    assert (said["status"], said["reason"]) == ("False", "ContainersNotInitialized")
    assert said["message"] == "containers with incomplete status: [init1 init2]"
