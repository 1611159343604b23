"""Parts of volumes: subPath and subPathExpr."""

from batch import config, look, mount, secret
from behaviour import behaviour, each
from podkit import pod, sh

VOLUMES = {"volumes": [{"name": "v", "emptyDir": {}}], "terminationGracePeriodSeconds": 0}
NAME = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
# $(ANNOTATION) in a path: none of its variables is there as long as the pod has no such annotation.
ANNOTATED = {"env": [{"name": "POD_NAME", "value": "foo"}, {"name": "ANNOTATION", "valueFrom": {
                 "fieldRef": {"fieldPath": "metadata.annotations['mysubpath']"}}}],
             "volumeMounts": [mount("v", "/subpath_mount", subPathExpr="$(ANNOTATION)/$(POD_NAME)"), mount("v", "/volume_mount")]}


def escapes(name, path):
    return pod(name, sh("sleep 10000", env=[{"name": "POD_NAME", "value": path}],
                        volumeMounts=[mount("v", "/v", subPathExpr="$(POD_NAME)")]), **VOLUMES)


def annotated(name, **annotations):
    made = pod(name, sh("sleep 10000", **ANNOTATED), **VOLUMES)
    made["metadata"]["annotations"] = annotations
    return made


def atomic(says, path, where="/test-volume", **volume):
    """One file of a volume whose files change all at once."""
    return look(f"cat {where}", says, container={"volumeMounts": [mount("v", where, subPath=path)]}, volumes=[{"name": "v"} | volume])


CONFIG = {"configMap": {"name": "my-config"}}
ATOMIC = "[sig-storage] Subpath Atomic writer volumes should support subpaths with"
TABLE = {
    "[sig-node] Variable Expansion should allow substituting values in a volume subpath [Conformance]":
        look("test -d /testcontainer/$POD_NAME; echo $?", ["0"], container={"env": [NAME], "volumeMounts": [
            mount("v", "/logscontainer", subPathExpr="$(POD_NAME)"), mount("v", "/testcontainer")]}, **VOLUMES),
    f"{ATOMIC} secret pod [Conformance]": atomic(["secret-value"], "secret-key", secret={"secretName": "my-secret"}),
    f"{ATOMIC} configmap pod [Conformance]": atomic(["configmap-value"], "configmap-key", **CONFIG),
    f"{ATOMIC} configmap pod with mountPath of existing file [Conformance]":
        atomic(["configmap-value"], "configmap-key", "/etc/resolv.conf", **CONFIG),
    f"{ATOMIC} downward pod [Conformance]": atomic(
        lambda batch, got: [got["metadata"]["name"]], "downward/podname",
        downwardAPI={"items": [{"path": "downward/podname", "fieldRef": {"fieldPath": "metadata.name"}}]}),
    f"{ATOMIC} projected pod [Conformance]": atomic(["configmap-value"], "projected/configmap-key", projected={"sources": [
        {"configMap": {"name": "my-config", "items": [{"key": "configmap-key", "path": "projected/configmap-key"}]}}]}),
}
OBJECTS = [config("my-config", {"configmap-key": "configmap-value"}), secret("my-secret", {"secret-key": "secret-value"}),
           escapes("upwards", ".."), escapes("absolute", "/tmp"), annotated("late", notmysubpath="mypath"),
           annotated("writes", mysubpath="mypath")]


@each(TABLE)
def test_what_a_container_sees(batch, look):
    batch.check(look)


@each({"[sig-node] Variable Expansion should fail substituting values in a volume subpath with backticks [Conformance]": "upwards",
       "[sig-node] Variable Expansion should fail substituting values in a volume subpath with absolute path [Conformance]": "absolute"})
def test_paths_out_of_the_volume(batch, look):
    batch.wait_waiting(look, "CreateContainerConfigError")
    assert batch.get(look)["status"]["phase"] == "Pending"


@behaviour("[sig-node] Variable Expansion should verify that a failing subpath expansion can be modified during the lifecycle of a "
           "container [Slow] [Conformance]")
def test_an_expansion_that_comes_late(batch):
    batch.wait_waiting("late", "CreateContainerConfigError")
    batch.patch("pod", "late", {"metadata": {"annotations": {"mysubpath": "mypath"}}})
    batch.running("late")
    assert batch.shell("late", "test -d /volume_mount/mypath/foo && echo there") == "there\n"
    batch.kubectl("delete", "pod", "late", "--timeout=30s")


@behaviour("[sig-node] Variable Expansion should succeed in writing subpaths in container [Conformance]")
def test_writes(batch):
    batch.running("writes")
    batch.shell("writes", "touch /volume_mount/mypath/foo/test.log")
    batch.shell("writes", "test -f /subpath_mount/test.log")
    batch.patch("pod", "writes", {"metadata": {"annotations": {"mysubpath": "mynewpath"}}})
    batch.running("writes")
    # It goes although its path would be another now.
    batch.kubectl("delete", "pod", "writes", "--timeout=30s")
