"""Volumes as containers see them, and FailedMount in the kubelet's words."""

import pytest

from podkit import Pods, pod, sh
from labsite import is_ready, wait_for

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"k": "one", "other": "x"}}


@pytest.fixture
def pods(site, namespace):
    return Pods(site, namespace)


def mount(name, path, **more):
    return {"name": name, "mountPath": path} | more


def claim(name, **spec):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec}


def test_mounts_lie_in_each_other_in_any_order(pods):
    script = ("touch /etc/p/rules/r; ls /etc/p; cat /etc/p/sub/k; touch /etc/p/x 2>&1;"
              "echo 1 >/v/f; cat /w/f; touch /s/y && ls /r/dir-$SUB/x; grep -c ' /host ' /proc/self/mountinfo")
    pods.apply(CONFIG, claim("data"),
               pod("nested", sh(script, env=[{"name": "SUB", "value": "s1"}], volumeMounts=[
                   mount("r", "/etc/p/rules"), mount("cm", "/etc/p"), mount("v", "/v"), mount("v2", "/w"),
                   mount("r", "/s", subPathExpr="dir-$(SUB)/x"), mount("r", "/r"),
                   mount("host", "/host", readOnly=True, mountPropagation="HostToContainer")]),
                   securityContext={"runAsUser": 1000, "fsGroup": 1000},
                   volumes=[{"name": "r", "emptyDir": {}},
                            {"name": "cm", "configMap": {"name": "cm", "items": [
                                {"key": "k", "path": "sub/k", "mode": 0o440}]}},
                            {"name": "v", "persistentVolumeClaim": {"claimName": "data"}},
                            {"name": "v2", "persistentVolumeClaim": {"claimName": "data"}},
                            {"name": "host", "hostPath": {"path": "/"}}]))
    pods.wait_phase("Succeeded", "nested")
    assert pods.log("nested").splitlines() == [
        "rules", "sub", "onetouch: /etc/p/x: Read-only file system", "1", "y", "1"]
    mounts = {m["mountPath"]: m for m in pods.get("nested")["status"]["containerStatuses"][0]["volumeMounts"]}
    assert mounts["/host"] == {"name": "host", "mountPath": "/host", "readOnly": True,
                               "recursiveReadOnly": "Disabled"}


def test_what_cannot_be_mounted_is_said(pods):
    def one(name, **source):
        return pod(name, sh("sleep 600", volumeMounts=[mount("v", "/v")]), volumes=[{"name": "v"} | source])

    told = {"dir": "hostPath type check failed: /nosuch is not a directory",
            "socket": "hostPath type check failed: /etc/hostname is not a socket file",
            "device": "hostPath type check failed: /etc is not a character device",
            "config": 'configmap "late" not found', "secret": 'secret "none" not found',
            "key": "references non-existent config key: none"}
    pods.apply(CONFIG, one("dir", hostPath={"path": "/nosuch", "type": "Directory"}),
               one("socket", hostPath={"path": "/etc/hostname", "type": "Socket"}),
               one("device", hostPath={"path": "/etc", "type": "CharDevice"}),
               one("config", configMap={"name": "late"}), one("secret", secret={"secretName": "none"}),
               one("optional", configMap={"name": "none", "optional": True}),
               one("key", configMap={"name": "cm", "items": [{"key": "none", "path": "p"}]}))
    for name, words in told.items():
        pods.wait_event(name, "FailedMount", f'MountVolume.SetUp failed for volume "v" : {words}')
        assert pods.state(name)[1]["reason"] == "ContainerCreating"
    pods.wait_phase("Running", "optional")
    pods.kubectl("create", "configmap", "late", "--from-literal=k=v")
    pods.wait_phase("Running", "config")


def test_files_follow_their_objects_and_labels(pods, site):
    sources = [{"configMap": {"name": "cm"}},
               {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]
    pods.apply(CONFIG, pod("live", sh("sleep 600", volumeMounts=[
        mount("p", "/p"), mount("p", "/fixed", subPath="k")]), restartPolicy="Always",
        volumes=[{"name": "p", "projected": {"sources": sources}}]))
    wait_for("the pod", 30, lambda: is_ready(pods.get("live")))

    def cat(path):
        return site.inside(pods.namespace, "live", "cat", path)

    assert (cat("/p/k"), cat("/p/labels")) == ("one", 'app="live"')
    pods.kubectl("patch", "configmap", "cm", "-p", '{"data":{"k":"two","other":null,"new":"n"}}')
    pods.kubectl("label", "pod", "live", "more=yes")
    wait_for("the new content", 20, lambda: cat("/p/k") == "two")
    wait_for("the new label", 20, lambda: cat("/p/labels") == 'app="live"\nmore="yes"')
    assert site.inside(pods.namespace, "live", "ls", "/p").split() == ["k", "labels", "new"]
    assert cat("/fixed") == "one"  # a subPath stays what it was


def test_claims_of_any_class_are_bound_where_their_pod_is(pods):
    user = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "foreign"}}]}
    pods.apply(claim("foreign", storageClassName="gp3-encrypted"), claim("default"))
    wait_for("the default class", 10,
             lambda: pods.kubectl("get", "pvc", "default", "-o", "jsonpath={.spec.storageClassName}") == "local")
    assert pods.kubectl("get", "pvc", "foreign", "--no-headers").split()[1] == "Pending"
    pods.apply(pod("user", sh("sleep 600", volumeMounts=[mount("v", "/v")]), **user))
    pods.wait_phase("Running", "user")
    row = pods.kubectl("get", "pvc", "foreign", "--no-headers").split()
    assert (row[1], row[3], row[4], row[5]) == ("Bound", "1Gi", "RWO", "gp3-encrypted")
    assert any('"gp3-encrypted" not found' in m for m in pods.events("foreign", "ProvisionedLocally"))
    node = pods.get("user")["spec"]["nodeName"]
    # Another pod of the claim, kept off that node, never gets an empty directory elsewhere.
    elsewhere = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node]}]}]}}}
    pods.apply(pod("other", sh("true", volumeMounts=[mount("v", "/v")]), affinity=elsewhere, **user))
    pods.wait_event("other", "FailedScheduling", "volume node affinity conflict")
