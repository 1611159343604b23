"""VolumeAttachments: objects of the CSI machinery, stored for who uses them."""

from behaviour import behaviour
from kit import lifecycle, status_of

LABEL = "conformance-va"


def attachment(name):
    return {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": name, "labels": {LABEL: "true"}},
            "spec": {"attacher": "driver.example.com", "nodeName": "worker1", "source": {"persistentVolumeName": "pv"}}}


@behaviour("[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment [Conformance]")
def test_lifecycle(kinds):
    lifecycle(kinds("storage.k8s.io/v1", "VolumeAttachment"), attachment, lambda obj: None, LABEL + "=true")


@behaviour("[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status [Conformance]")
def test_status(kinds):
    attachments = kinds("storage.k8s.io/v1", "VolumeAttachment")
    assert attachments.create(attachment("va-status"))["status"] == {"attached": False}
    try:
        status_of(attachments, "va-status", {"status": {"attached": True}})
        def detach(obj):
            obj["status"]["attached"] = False
        attachments.sub("status").change("va-status", detach)
        assert attachments.get("va-status")["status"] == {"attached": False}
    finally:
        attachments.delete("va-status")
    attachments.wait_gone("va-status")
