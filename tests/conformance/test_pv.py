"""Volumes, claims and storage classes as objects."""

from behaviour import behaviour
from kit import condition, holds, lifecycle, refused
from labsite import wait_for


def volume(name, claim=None, **labels):
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "4Mi"}, "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/tmp/" + name}, "storageClassName": "conformance-" + name,
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "Exists"}]}]}}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}, "spec": spec}


def claim(name, volume_name, **labels):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "labels": labels},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Mi"}},
                     "storageClassName": "conformance-" + volume_name, "volumeName": volume_name}}


@behaviour("[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC [Conformance]")
def test_lifecycle(kinds, namespace):
    volumes, claims = kinds("v1", "PersistentVolume"), kinds("v1", "PersistentVolumeClaim", namespace)
    volumes.create(volume("pv-lifecycle", **{"conformance-pv": "first"}))
    claims.create(claim("pvc", "pv-lifecycle", **{"conformance-pvc": "first"}))
    assert volumes.names("conformance-pv=first") == ["pv-lifecycle"]
    assert claims.names("conformance-pvc=first") == ["pvc"]

    assert volumes.patch("pv-lifecycle", {"metadata": {"labels": {"patched": "yes"}}})["metadata"]["labels"]["patched"] == "yes"
    assert claims.patch("pvc", {"metadata": {"labels": {"patched": "yes"}}})["metadata"]["labels"]["patched"] == "yes"
    assert volumes.get("pv-lifecycle")["spec"]["capacity"] == {"storage": "4Mi"}
    claims.wait("bound", "pvc", lambda o: o["status"].get("phase") == "Bound")

    claims.delete("pvc")
    claims.wait_gone("pvc")
    volumes.delete("pv-lifecycle")
    volumes.wait_gone("pv-lifecycle")

    # Again, to be changed, and to go as collections.
    volumes.create(volume("pv-again", **{"conformance-pv": "second"}))
    claims.create(claim("pvc-again", "pv-again", **{"conformance-pvc": "second"}))

    def update(obj):
        obj["metadata"]["labels"]["updated"] = "yes"
    volumes.change("pv-again", update)
    claims.change("pvc-again", update)
    assert volumes.names("updated=yes") == ["pv-again"]
    assert claims.names("updated=yes", everywhere=True) == ["pvc-again"]
    claims.delete_all("conformance-pvc=second")
    claims.wait_gone("pvc-again")
    volumes.delete_all("conformance-pv=second")
    volumes.wait_gone("pv-again")


@behaviour("[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status [Conformance]")
def test_status(kinds, namespace):
    volumes, claims = kinds("v1", "PersistentVolume"), kinds("v1", "PersistentVolumeClaim", namespace)
    volumes.create(volume("pv-status"))
    try:
        claims.create(claim("pvc", "pv-status"))
        claims.wait("bound", "pvc", lambda o: o["status"].get("phase") == "Bound")
        volumes.wait("bound", "pv-status", lambda o: o["status"].get("phase") == "Bound")
        assert claims.sub("status").get("pvc")["status"]["phase"] == "Bound"

        told = {"type": "StatusPatched", "status": "True", "reason": "E2E patchStatus", "message": "Patched by a test"}
        claims.sub("status").patch("pvc", {"status": {"conditions": [told]}})
        holds({k: v for k, v in told.items()}, condition(claims.get("pvc"), "StatusPatched"))

        def update(obj):
            obj["status"]["conditions"].append(told | {"type": "StatusUpdate"})
        claims.sub("status").change("pvc", update)
        assert condition(claims.get("pvc"), "StatusUpdate")["status"] == "True"

        assert volumes.sub("status").get("pv-status")["status"]["phase"] == "Bound"
        volumes.sub("status").patch("pv-status", {"status": {"message": "StatusPatched", "reason": "E2E patchStatus"}})
        assert volumes.get("pv-status")["status"]["message"] == "StatusPatched"

        def update_volume(obj):
            obj["status"] |= {"message": "StatusUpdated", "reason": "E2E updateStatus"}
        volumes.sub("status").change("pv-status", update_volume)
        holds({"message": "StatusUpdated", "reason": "E2E updateStatus"}, volumes.get("pv-status")["status"])
    finally:
        claims.delete("pvc")
        claims.wait_gone("pvc")
        volumes.delete("pv-status")
    volumes.wait_gone("pv-status")


def storage_class(name):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name, "labels": {"e2e-sc": "true"}},
            "provisioner": "kubernetes.io/fake", "parameters": {"a": "b"}}


@behaviour("[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass [Conformance]")
def test_storage_classes(kinds):
    classes = kinds("storage.k8s.io/v1", "StorageClass")

    def edit(obj):
        obj["allowVolumeExpansion"] = True
    lifecycle(classes, storage_class, edit, "e2e-sc=true")
    made = classes.create(storage_class("e2e-fixed"))
    try:
        assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")
        no = refused(classes.replace, made | {"parameters": {"a": "c"}})
        assert "updates to parameters are forbidden" in no.message
    finally:
        classes.delete("e2e-fixed")
    wait_for("the class to go", 10, lambda: classes.gone("e2e-fixed"))
