"""What limits do: memory, processors, local disk; and what the node shows of a pod's logs."""

import pytest

from podkit import Pods, pod, sh
from labsite import wait_for


@pytest.fixture
def pods(site, namespace):
    return Pods(site, namespace)


def test_limits_are_kept(pods):
    def disk(name, *containers, **spec):
        return pod(name, *containers, **spec)

    ten = {"limits": {"ephemeral-storage": "10Mi"}}
    write = "dd if=/dev/zero of={} bs=1M count=16 2>/dev/null; sleep 600"
    pods.apply(
        pod("oom", sh("tail /dev/zero", resources={"limits": {"memory": "16Mi"}}),
            sh("sleep 600", "other"), restartPolicy="Always"),
        pod("cpu", sh("cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max",
                      resources={"limits": {"cpu": "250m"}})),
        pod("shm", sh("dd if=/dev/zero of=/m/f bs=1M count=16 2>&1 | grep -o 'No space left'",
                      volumeMounts=[{"name": "m", "mountPath": "/m"}]),
            volumes=[{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}]),
        disk("empty", sh(write.format("/e/f"), volumeMounts=[{"name": "e", "mountPath": "/e"}]),
             volumes=[{"name": "e", "emptyDir": {"sizeLimit": "10Mi"}}]),
        disk("root", sh(write.format("/f"), resources=ten), sh("sleep 600", "other", resources=ten)),
        disk("whole", sh(write.format("/e/f"), resources=ten, volumeMounts=[{"name": "e", "mountPath": "/e"}]),
             volumes=[{"name": "e", "emptyDir": {}}]),
        disk("within", sh(write.format("/e/f"), volumeMounts=[{"name": "e", "mountPath": "/e"}]),
             volumes=[{"name": "e", "emptyDir": {"sizeLimit": "100Mi"}}]))
    pods.wait_phase("Succeeded", "cpu", "shm")
    assert (pods.log("cpu"), pods.log("shm")) == ("25000\n", "No space left\n")
    ended = wait_for("the end by memory", 30, lambda: [
        c["lastState"]["terminated"] for c in pods.get("oom")["status"].get("containerStatuses", [])
        if c["lastState"]])[0]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    for name, told in {
            "empty": 'Usage of EmptyDir volume "e" exceeds the limit "10Mi". ',
            "root": 'Container c exceeded its local ephemeral storage limit "10Mi". ',
            "whole": "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "}.items():
        pods.wait_phase("Failed", name)
        status = pods.get(name)["status"]
        assert (status["reason"], status["message"]) == ("Evicted", told)
        target = next(c for c in status["conditions"] if c["type"] == "DisruptionTarget")
        assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
        pods.wait_event(name, "Evicted", told)
    assert pods.get("within")["status"]["phase"] == "Running"


def test_log_collectors_find_the_logs(pods, site):
    """A collector mounts /var/log of its node, read-only, and reads what is linked in containers/."""
    pods.apply(pod("talks", sh("echo from the pod; sleep 600")))
    pods.wait_phase("Running", "talks")
    talks = pods.get("talks")
    node = talks["spec"]["nodeName"]
    which = talks["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    link = f"/var/log/containers/talks_{pods.namespace}_c-{which}.log"
    path = f"/var/log/pods/{pods.namespace}_talks_{talks['metadata']['uid']}/c/0.log"
    pods.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "collector"},
                "spec": {"selector": {"matchLabels": {"app": "collector"}},
                         "template": {"metadata": {"labels": {"app": "collector"}}, "spec": {
                             "tolerations": [{"operator": "Exists"}], "hostPID": True,
                             "terminationGracePeriodSeconds": 1,
                             "volumes": [{"name": "log", "hostPath": {"path": "/var/log"}}],
                             "containers": [sh(f"cat {link}; readlink {link}; sleep 600", volumeMounts=[
                                 {"name": "log", "mountPath": "/var/log", "readOnly": True}])]}}}})
    wait_for("a collector on each node", 30, lambda: pods.kubectl(
        "rollout", "status", "daemonset/collector", "--timeout=20s"))
    collector = next(p["metadata"]["name"] for p in site.items("-n", pods.namespace, "pods", "-l", "app=collector")
                     if p["spec"]["nodeName"] == node)
    lines = wait_for("its output", 10, lambda: pods.log(collector).splitlines())
    assert lines[0].split(" ", 1)[1] == "stdout F from the pod" and lines[1] == path
    pods.kubectl("delete", "pod", "talks")
    wait_for("nothing to be left", 20, lambda: site.run(
        node, "sh", "-c", f"ls -d {link} {path} 2>/dev/null; echo end").strip() == "end")
