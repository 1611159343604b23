"""Kinds in a few words: the official client's dynamic kinds with plain trees in and out."""

import json
import time

from labsite import wait_for

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Refused(Exception):
    """An answer other than 2xx: code, and the Status."""

    def __init__(self, code, body):
        self.code = code
        try:
            self.status = json.loads(body)
        except ValueError:
            self.status = {"message": str(body)}
        self.message = self.status.get("message", "")
        super().__init__(f"{code} {self.message}")


def asked(call, *args, **options):
    from kubernetes.client.exceptions import ApiException
    try:
        answer = call(*args, **options)
    except ApiException as e:
        raise Refused(e.status, e.body) from None
    return answer.to_dict() if hasattr(answer, "to_dict") else answer


def refused(call, *args, **options):
    """The refusal that a call must meet."""
    try:
        answer = call(*args, **options)
    except Refused as e:
        return e
    raise AssertionError(f"was not refused: {answer}")


class Kind:
    """A kind in a namespace, or in none."""

    def __init__(self, found, namespace=None):
        self.found, self.namespace = found, namespace
        self.where = {"namespace": namespace} if namespace else {}

    def create(self, obj, **options):
        return asked(self.found.create, obj, **self.where, **options)

    def get(self, name):
        return asked(self.found.get, name=name, **self.where)

    def list(self, label=None, everywhere=False, **options):
        return asked(self.found.get, label_selector=label, **({} if everywhere else self.where), **options)

    def names(self, label=None, **options):
        return sorted(item["metadata"]["name"] for item in self.list(label, **options)["items"])

    def replace(self, obj, **options):
        return asked(self.found.replace, obj, **self.where, **options)

    def patch(self, name, body, how=MERGE, **options):
        return asked(self.found.patch, body=body, name=name, content_type=how, **self.where, **options)

    def delete(self, name, **options):
        return asked(self.found.delete, name=name, body=options or None, **self.where)

    def delete_all(self, label):
        return asked(self.found.delete, label_selector=label, **self.where)

    def sub(self, name):
        """A subresource with get, patch, replace."""
        return Kind(getattr(self.found, name), self.namespace)

    def change(self, name, edit, seconds=15):
        """Reads, lets @edit change it, and writes; again when somebody else wrote in between."""
        def once():
            obj = self.get(name)
            edit(obj)
            try:
                return self.replace(obj)
            except Refused as e:
                if e.code != 409:
                    raise
        return wait_for(f"{name} to take a change", seconds, once)

    def gone(self, name):
        try:
            self.get(name)
        except Refused as e:
            assert e.code == 404, e
            return True
        return False

    def wait_gone(self, *names, seconds=30):
        for name in names:
            wait_for(f"{name} to be gone", seconds, lambda: self.gone(name))

    def wait(self, what, name, condition, seconds=30):
        """The object once condition(object) holds."""
        def holds():
            try:
                obj = self.get(name)
            except Refused as e:
                if e.code != 404:
                    raise
                return None
            return condition(obj) and obj
        return wait_for(f"{name}: {what}", seconds, holds)

    def version(self, label=None):
        """Where a watch of what is there now begins."""
        return self.list(label)["metadata"]["resourceVersion"]

    def watch(self, version, label=None, seconds=20, **options):
        return Follower(self.found.watch(resource_version=version, label_selector=label, timeout=seconds,
                                         **self.where, **options), seconds)


class Follower:
    """What a watch tells, one after the other."""

    def __init__(self, stream, seconds):
        self.stream, self.deadline = stream, time.monotonic() + seconds

    def next(self, type, condition=lambda obj: True):
        """The next object of this event for which condition holds; others on the way are passed over."""
        seen = []
        for event in self.stream:
            obj = event["raw_object"]
            if event["type"] == type and condition(obj):
                return obj
            seen.append((event["type"], obj.get("metadata", {}).get("name")))
            if time.monotonic() > self.deadline:
                break
        raise AssertionError(f"no {type} came; seen: {seen}")


def condition(obj, type):
    """The condition of this type in an object's status, or {}."""
    return next((c for c in obj.get("status", {}).get("conditions", []) if c["type"] == type), {})


def labelled(obj, **labels):
    obj["metadata"].setdefault("labels", {}).update(labels)
    return obj


def lifecycle(kind, make, edit, label, status=None):
    """What the suite does with plain kinds: every verb, and a watch that tells of them.

    make(name) gives an object with the labels of @label ("a=b"), edit(object) a change of what it wants,
    status (if any) is a merge patch of its status.
    """
    first = kind.create(make("first"))
    assert first["metadata"]["uid"]
    got = kind.get("first")
    assert got["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    refusal = refused(kind.create, make("first"))
    assert (refusal.code, refusal.status["reason"]) == (409, "AlreadyExists")
    for name in ("second", "third"):
        kind.create(make(name))
    assert kind.names(label) == ["first", "second", "third"]
    if kind.namespace:
        assert {"first", "second", "third"} <= set(kind.names(label, everywhere=True))

    follower = kind.watch(kind.version(label), label)
    patched = kind.patch("first", {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    follower.next("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("patched") == "true")

    def update(obj):
        obj["metadata"].setdefault("annotations", {})["updated"] = "true"
        edit(obj)
    updated = kind.change("first", update)
    assert updated["metadata"]["annotations"]["updated"] == "true"
    follower.next("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("updated") == "true")
    stale = refused(kind.replace, patched)
    assert (stale.code, stale.status["reason"]) == (409, "Conflict")
    if status is not None:
        status_of(kind, "first", status)

    kind.delete("first")
    follower.next("DELETED", lambda o: o["metadata"]["name"] == "first")
    kind.wait_gone("first")
    assert kind.names(label) == ["second", "third"]
    kind.delete_all(label)
    wait_for("the collection to be gone", 30, lambda: kind.names(label) == [])


def status_of(kind, name, patch):
    """The subresource: its patch and its replacement change the status and nothing else."""
    sub = kind.sub("status")
    before = kind.get(name)
    told = sub.patch(name, {"metadata": {"annotations": {"patchedstatus": "true"}}} | patch)
    assert told["metadata"]["annotations"]["patchedstatus"] == "true"
    holds(patch, told)

    def mark(obj):
        obj["metadata"]["annotations"]["updatedstatus"] = "true"
    assert sub.change(name, mark)["metadata"]["annotations"]["updatedstatus"] == "true"
    after = sub.get(name)
    holds(patch, after)
    assert after.get("spec") == before.get("spec")


def holds(part, whole, path=""):
    """All that @part says stands in @whole."""
    if not isinstance(part, dict):
        assert whole == part, f"{path}: {whole!r} is not {part!r}"
        return
    for key, value in part.items():
        assert key in whole, f"{path}.{key} is not there: {whole}"
        holds(value, whole[key], f"{path}.{key}")
