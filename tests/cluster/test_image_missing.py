"""An image that does not exist: Kubernetes' reasons, and the registry's own words."""

from labsite import is_ready, wait_for

POD = """
apiVersion: v1
kind: Pod
metadata: {name: nobody}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "no-such-image:1", command: [sleep, "3600"]}]
"""


def waiting(site, namespace):
    statuses = site.get("-n", namespace, "pod", "nobody")["status"].get("containerStatuses", [{}])
    return statuses[0].get("state", {}).get("waiting", {})


def events(site, namespace, reason):
    return [e for e in site.items("-n", namespace, "events") if e["reason"] == reason]


def test_missing_image_is_reported_and_retried(site, namespace):
    site.apply(POD, "-n", namespace)
    seen = set()

    def both_seen():
        seen.add(waiting(site, namespace).get("reason"))
        return {"ErrImagePull", "ImagePullBackOff"} <= seen

    wait_for("ErrImagePull, then ImagePullBackOff", 60, both_seen, pause=0)
    failed = wait_for("the event", 10, lambda: [
        e["message"] for e in events(site, namespace, "Failed") if "Failed to pull image" in e["message"]])
    assert "no-such-image:1" in failed[0]
    assert "manifest unknown" in failed[0] or "not found" in failed[0], failed
    assert any("Back-off pulling image" in e["message"] for e in events(site, namespace, "BackOff"))
    assert "ImagePullBackOff" in site.kubectl("-n", namespace, "get", "pods") or \
        "ErrImagePull" in site.kubectl("-n", namespace, "get", "pods")


def test_pod_runs_once_its_image_is_right(site, namespace):
    site.apply(POD, "-n", namespace)
    wait_for("the pull to fail", 30, lambda: waiting(site, namespace).get("reason"))
    site.kubectl("-n", namespace, "set", "image", "pod/nobody", "main=busybox:1")
    wait_for("the pod to run", 30, lambda: is_ready(site.get("-n", namespace, "pod", "nobody")))
