"""Init containers and sidecars: their order, and the words of the STATUS column."""

import pytest

from podkit import Pods, pod, sh
from labsite import wait_for

NOTES = {"name": "notes", "hostPath": {"path": "/var/lib/mkube/notes-of-a-test", "type": "DirectoryOrCreate"}}
MOUNT = {"volumeMounts": [{"name": "notes", "mountPath": "/n"}]}
STAYS = "trap 'echo -{0} >>/n/{1}; exit 0' TERM; echo +{0} >>/n/{1}; touch /ok; while :; do sleep 0.1; done"


@pytest.fixture
def pods(site, namespace):
    return Pods(site, namespace)


def status(pods, name):
    return pods.kubectl("get", "pod", name, "--no-headers").split()[2]


def test_the_status_column_tells_how_far_initialisation_is(pods):
    pods.apply(pod("waits", sh("true"), inits=[sh("true", "i0"), sh("sleep 600", "i1")]),
               pod("never", sh("true"), inits=[sh("false", "i0")]),
               pod("loops", sh("true"), inits=[sh("false", "i0")], restartPolicy="Always"))
    wait_for("Init:1/2", 30, lambda: status(pods, "waits") == "Init:1/2")
    assert pods.state("waits")[1]["reason"] == "PodInitializing"
    wait_for("Init:Error", 30, lambda: status(pods, "never") == "Init:Error")
    assert pods.get("never")["status"]["phase"] == "Failed"
    seen = set()
    wait_for("Init:CrashLoopBackOff", 30,
             lambda: seen.add(status(pods, "loops")) or "Init:CrashLoopBackOff" in seen)
    message = pods.wait_waiting("loops", "CrashLoopBackOff", "i0")
    assert message == (f"back-off 10s restarting failed container=i0 "
                       f"pod=loops_{pods.namespace}({pods.uid('loops')})")
    assert pods.get("loops")["status"]["phase"] == "Pending"


def test_sidecars_begin_before_and_end_after(pods, site):
    def sidecar(name, **more):
        return sh(STAYS.format(name, pods.namespace), name, restartPolicy="Always", **MOUNT) | more

    started = {"startupProbe": {"exec": {"command": ["cat", "/ok"]}, "periodSeconds": 1}}
    pods.apply(pod("side", sh(STAYS.format("main", pods.namespace), "main", **MOUNT),
                   inits=[sidecar("s1", **started), sidecar("s2"),
                          sh(f"echo init >>/n/{pods.namespace}", "i", **MOUNT)],
                   volumes=[NOTES], restartPolicy="Always", terminationGracePeriodSeconds=20))
    wait_for("3/3", 40, lambda: pods.kubectl("get", "pod", "side", "--no-headers").split()[1] == "3/3")
    node = pods.get("side")["spec"]["nodeName"]
    pods.kubectl("delete", "pod", "side", timeout=60)
    path = f"{NOTES['hostPath']['path']}/{pods.namespace}"
    assert site.run(node, "cat", path).split() == ["+s1", "+s2", "init", "+main", "-main", "-s2", "-s1"]
    site.run(node, "rm", path)
