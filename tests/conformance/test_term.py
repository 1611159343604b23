"""How containers end, and their last words."""

from batch import mount
from behaviour import behaviour, each
from labsite import wait_for
from podkit import pod, sh

LAST = "[sig-node] Container Runtime blackbox test on terminated container should report termination message"
NODE = "[NodeConformance] [Conformance]"
FALLBACK = {"terminationMessagePolicy": "FallbackToLogsOnError"}
ENDS = {  # name: (what runs, phase, message)
    "path": (sh("printf DONE >/dev/termination-custom-log", terminationMessagePath="/dev/termination-custom-log",
                securityContext={"runAsUser": 10000}), "Succeeded", "DONE"),
    "log": (sh("printf DONE; false", **FALLBACK), "Failed", "DONE"),
    "none": (sh("printf DONE; true", **FALLBACK), "Succeeded", ""),
    "file": (sh("printf OK >/dev/termination-log; printf DONE; true", **FALLBACK), "Succeeded", "OK"),
}
# Fails the first time, ends well the second, then stays.
SCRIPT = """n=$(cat /count/n 2>/dev/null || echo 0); echo $((n + 1)) >/count/n
case $n in 0) exit 1;; 1) exit 0;; esac
sleep 10000"""
EXITS = {  # policy: (restarts, phase, state, ready)
    "Always": (2, "Running", "running", True), "OnFailure": (1, "Succeeded", "terminated", False),
    "Never": (0, "Failed", "terminated", False)}


def exits(policy):
    return pod(f"exits-{policy.lower()}", sh(SCRIPT, volumeMounts=[mount("count", "/count")]), restartPolicy=policy,
               terminationGracePeriodSeconds=0, volumes=[{"name": "count", "emptyDir": {}}])


OBJECTS = [*(pod(name, row[0]) for name, row in ENDS.items()), *map(exits, EXITS),
           pod("fails", {"name": "c", "image": "busybox:1", "command": ["/bin/false"]})]


@each({f"{LAST} if TerminationMessagePath is set as non-root user and at a non-default path {NODE}": "path",
       f"{LAST} from log output if TerminationMessagePolicy FallbackToLogsOnError is set {NODE}": "log",
       f"{LAST} as empty when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set {NODE}": "none",
       f"{LAST} from file when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set {NODE}": "file"})
def test_last_words(batch, look):
    _, phase, message = ENDS[look]
    batch.ended(look, phase)
    assert batch.state(look)[1].get("message", "") == message


@behaviour("[sig-node] Kubelet when scheduling a busybox command that always fails in a pod should have an terminated reason "
           "[NodeConformance] [Conformance]")
def test_reason(batch):
    batch.ended("fails", "Failed")
    kind, state = batch.state("fails")
    assert (kind, state["reason"], state["exitCode"]) == ("terminated", "Error", 1)


@behaviour("[sig-node] Container Runtime blackbox test when starting a container that exits should run with the expected status "
           "[NodeConformance] [Conformance]")
def test_exits_under_each_policy(batch):
    for policy, (restarts, phase, state, ready) in EXITS.items():
        def as_expected():
            status = batch.get(f"exits-{policy.lower()}")["status"]
            c, = status.get("containerStatuses") or [{}]
            return (c.get("restartCount"), status["phase"], next(iter(c.get("state", {})), None), c.get("ready")) == (
                restarts, phase, state, ready)
        wait_for(f"what {policy} leads to", 60, as_expected)
