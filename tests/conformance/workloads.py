"""Deployments and their kin in a few words."""

from kit import Refused
from labsite import is_ready, wait_for

APPS = "apps/v1"


def container(command="sleep 100000", image="busybox:1", name="c", **more):
    """One that does nothing, for long; the echo server where something must answer."""
    if command is not None:
        more["command"] = ["sh", "-c", command]
    return {"name": name, "image": image, "resources": {"requests": {"cpu": "1m"}}} | more


ECHO = container(None, "echo:1", ports=[{"containerPort": 8080}],
                 env=[{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])


def template(labels, *containers, **spec):
    return {"metadata": {"labels": labels}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": list(containers) or [container()]} | spec}


def workload(kind, name, *containers, app=None, labels=None, pod=None, **spec):
    """@kind called @name, with label app=@app on it and its pods."""
    own = {"app": app or name} | (labels or {})
    v1 = kind == "ReplicationController"
    return {"apiVersion": "v1" if v1 else APPS, "kind": kind, "metadata": {"name": name, "labels": own},
            "spec": {"selector": own if v1 else {"matchLabels": own}, "template": template(own, *containers, **(pod or {}))} | spec}


def owner(obj):
    """(kind, name) of the controller of an object, or None."""
    return next(((r["kind"], r["name"]) for r in obj["metadata"].get("ownerReferences", []) if r.get("controller")), None)


def alive(pods):
    return [p for p in pods if "deletionTimestamp" not in p["metadata"]]


class Pods:
    """The pods of one label."""

    def __init__(self, kinds, namespace, label):
        self.kind, self.label = kinds("v1", "Pod", namespace), label

    def all(self):
        return alive(self.kind.list(self.label)["items"])

    def names(self):
        return sorted(p["metadata"]["name"] for p in self.all())

    def wait_ready(self, n, seconds=60):
        def ready():
            pods = self.all()
            return len(pods) == n and all(map(is_ready, pods)) and pods
        return wait_for(f"{n} pods of {self.label} to be ready", seconds, ready)

    def wait_gone(self, seconds=60):
        wait_for(f"pods of {self.label} to be gone", seconds, lambda: self.kind.list(self.label)["items"] == [])


def wait_scale(kind, name, n, seconds=60):
    """The object once n replicas are there and observed."""
    return kind.wait(f"{n} replicas", name, lambda o: o["status"].get("observedGeneration") == o["metadata"]["generation"]
                     and o["status"].get("replicas", 0) == n and o["status"].get("readyReplicas", 0) == n, seconds)


def check_scale(kind, name, start):
    """The scale subresource: read, replaced, patched; the object follows."""
    scale = kind.sub("scale")
    got = scale.get(name)
    assert (got["apiVersion"], got["kind"], got["spec"]["replicas"]) == ("autoscaling/v1", "Scale", start)
    assert got["status"]["replicas"] == start
    assert "=" in got["status"]["selector"]
    got["metadata"]["resourceVersion"] = ""
    got["spec"]["replicas"] = start + 1
    assert scale.replace(got)["spec"]["replicas"] == start + 1
    assert kind.get(name)["spec"]["replicas"] == start + 1
    assert scale.patch(name, {"spec": {"replicas": start + 3}})["spec"]["replicas"] == start + 3
    assert kind.get(name)["spec"]["replicas"] == start + 3


def check_collection(kind, make, label, pods=None):
    """Several found by label, in their namespace and everywhere; gone together."""
    for name in ("first", "second", "third"):
        kind.create(make(name))
    assert kind.names(label) == kind.names(label, everywhere=True) == ["first", "second", "third"]
    kind.delete_all(label)
    wait_for("the collection to be gone", 60, lambda: kind.names(label) == [])
    if pods is not None:
        pods.wait_gone()


def check_conditions(kind, name):
    """What others write into a status stays there beside what the controller says, and watchers hear of it."""
    status = kind.sub("status")
    assert status.get(name)["status"] is not None
    follower = kind.watch(kind.version())

    def has(type):
        return lambda o: o["metadata"]["name"] == name and any(
            c["type"] == type and c["status"] == "True" for c in o.get("status", {}).get("conditions") or [])

    def update(obj):
        obj["status"].setdefault("conditions", []).append(
            {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"})
    spec = kind.get(name)["spec"]
    status.change(name, update)
    follower.next("MODIFIED", has("StatusUpdate"))
    status.patch(name, {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}})
    follower.next("MODIFIED", has("StatusPatched"))
    assert has("StatusPatched")(kind.get(name))
    assert kind.get(name)["spec"] == spec


def exists(kind, name):
    try:
        return kind.get(name)
    except Refused as e:
        assert e.code == 404, e
        return None
