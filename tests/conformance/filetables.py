"""Files that come from ConfigMaps, Secrets and the pod itself: rows that plain and projected volumes have in common.

`volume(items, defaultMode, name, optional)` of the callers makes the volume's source: that is all the difference.
"""

import json

from batch import look, loop, mount, mounted
from podkit import pod, sh

# stat -L looks through the links of the atomic writer.
SEE = "cat {0}; echo; stat -Lc %A {0}"
DATA = {"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"}
MAPPED = [{"key": "data-2", "path": "path/to/data-2"}]
USER = {"securityContext": {"runAsUser": 1000}}
NODE = "[NodeConformance] [Conformance]"
LINUX = "[LinuxOnly] [NodeConformance] [Conformance]"


def direct(kind):
    """Volumes of the kind itself."""
    def volume(name="v", of="plain", optional=None, **more):
        source = {"name" if kind == "configMap" else "secretName": of} | more
        return {"name": name, kind: source | ({} if optional is None else {"optional": optional})}
    return volume


def projected(kind):
    """The same by way of a projected volume."""
    def volume(name="v", of="plain", optional=None, defaultMode=None, **more):
        source = {"name": of} | more | ({} if optional is None else {"optional": optional})
        return {"name": name, "projected": {"sources": [{kind: source}]} | ({"defaultMode": defaultMode} if defaultMode else {})}
    return volume


def one(file, mode, volume, value="value-1", **spec):
    """A container that sees one file with this content and mode."""
    return look(SEE.format(f"/v/{file}"), [value, mode], container=mounted(), volumes=[volume], **spec)


def common(prefix, volume, several):
    """What ConfigMaps and Secrets share; @several: the words for more volumes than one."""
    both = [mount("v", "/v"), mount("w", "/w")]
    item = [MAPPED[0] | {"mode": 0o400}]
    return {
        f"{prefix} should be consumable from pods in volume {NODE}": one("data-1", "-rw-r--r--", volume()),
        f"{prefix} should be consumable from pods in volume with defaultMode set {LINUX}":
            one("data-1", "-r--------", volume(defaultMode=0o400)),
        f"{prefix} should be consumable from pods in volume with mappings {NODE}":
            one("path/to/data-2", "-rw-r--r--", volume(items=MAPPED), "value-2"),
        f"{prefix} should be consumable from pods in volume with mappings and Item {several[0]} set {LINUX}":
            one("path/to/data-2", "-r--------", volume(items=item), "value-2"),
        f"{prefix} should be consumable in multiple volumes in {several[1]} {NODE}":
            look("cat /v/data-1; echo; cat /w/data-1", ["value-1", "value-1"], container={"volumeMounts": both},
                 volumes=[volume(), volume("w")]),
    }


def configmaps(prefix, volume):
    return common(prefix, volume, ("mode", "the same pod")) | {
        f"{prefix} should be consumable from pods in volume as non-root {NODE}": one("data-1", "-rw-r--r--", volume(), **USER),
        f"{prefix} should be consumable from pods in volume with mappings as non-root {NODE}":
            one("path/to/data-2", "-rw-r--r--", volume(items=MAPPED), "value-2", **USER),
    }


def secrets(prefix, volume):
    return common(prefix, volume, ("Mode", "a pod")) | {
        f"{prefix} should be consumable from pods in volume as non-root with defaultMode and fsGroup set {LINUX}":
            one("data-1", "-r--r-----", volume(defaultMode=0o440), securityContext={"runAsUser": 1000, "fsGroup": 1001}),
    }


LIMITS = {"resources": {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}}
FIELD = {"path": "podname", "fieldRef": {"fieldPath": "metadata.name"}}


def downward(prefix, volume):
    """@volume(items, defaultMode)."""
    def row(items, says, script="cat /v/*", container=None, **more):
        return look(script, says, container=mounted() | (container or {}), volumes=[volume(items, **more)])

    def resource(what):
        return [{"path": "f", "resourceFieldRef": {"containerName": "c", "resource": what}}]

    def name(batch, got):
        return [got["metadata"]["name"]]

    mode = "stat -Lc %A /v/podname"
    rows = {f"{prefix} should provide podname only {NODE}": row([FIELD], name),
            f"{prefix} should set DefaultMode on files {LINUX}": row([FIELD], ["-r--------"], mode, defaultMode=0o400),
            f"{prefix} should set mode on item file {LINUX}": row([FIELD | {"mode": 0o400}], ["-r--------"], mode)}
    for what, field, value in (("cpu limit", "limits.cpu", "2"), ("cpu request", "requests.cpu", "1"),
                               ("memory limit", "limits.memory", str(64 << 20)),
                               ("memory request", "requests.memory", str(32 << 20))):
        rows[f"{prefix} should provide container's {what} {NODE}"] = row(resource(field), [value], container=LIMITS)
    for what in ("cpu", "memory"):
        rows[f"{prefix} should provide node allocatable ({what}) as default {what} limit if the limit is not set {NODE}"] = row(
            resource(f"limits.{what}"), lambda batch, got, what=what: [batch.allocatable(got, what)])
    return rows


def follows_metadata(volume, field):
    """A pod that shows its own labels or annotations for as long as it runs."""
    made = pod(f"shows-{field}", sh(loop("cat /v/f; echo"), **mounted()), volumes=[volume([
        {"path": "f", "fieldRef": {"fieldPath": f"metadata.{field}"}}])])
    made["metadata"][field] = {"first": "one"}
    return made


def check_metadata(batch, field):
    name = f"shows-{field}"
    batch.wait_log(name, 'first="one"\n')
    batch.patch("pod", name, {"metadata": {field: {"first": "two", "more": "three"}}})
    batch.wait_log(name, 'first="two"\nmore="three"\n')


def follows(volume, name, make):
    """Objects for check_follows, and the pod that shows them."""
    return [make(name, {"data-1": "value-1\n"}),
            pod(f"shows-{name}", sh(loop("cat /v/data-1"), **mounted()), volumes=[volume(of=name)])]


def check_follows(batch, kind, name, data="data", value="value-2\n"):
    batch.wait_log(f"shows-{name}", "value-1\n")
    batch.patch(kind, name, {data: {"data-1": value, "data-9": value}})
    batch.wait_log(f"shows-{name}", "value-2\n")


def comes_and_goes(volume, prefix, make):
    """One that goes, one that changes, one that comes, all optional, in three containers of a pod."""
    names = ("goes", "changes", "comes")
    shows = [sh(loop(f"cat /{n}/data-1 /{n}/data-3 2>&1"), n, volumeMounts=[mount(n, f"/{n}")]) for n in names]
    return [*(make(f"{prefix}-{n}", {"data-1": "value-1\n"}) for n in names[:2]),
            pod(f"shows-{prefix}", *shows, volumes=[volume(n, f"{prefix}-{n}", optional=True) for n in names])]


def check_comes_and_goes(batch, kind, prefix, make):
    """Files follow objects that are deleted, changed and made while the pod runs."""
    shows = f"shows-{prefix}"
    missing = "can't open '/{}/data-1'"
    batch.wait_log(shows, missing.format("comes"), "comes")
    for name in ("goes", "changes"):
        assert missing.format(name) not in batch.wait_log(shows, "value-1\n", name)
    batch.kubectl("delete", kind, f"{prefix}-goes")
    changed = make(f"{prefix}-changes", {"data-3": "value-3\n"})
    batch.site.kubectl("-n", batch.namespace, "replace", "-f", "-", stdin=json.dumps(changed))
    batch.add(make(f"{prefix}-comes", {"data-1": "value-1\n"}))
    batch.wait_log(shows, "value-1\n", "comes")
    batch.wait_log(shows, "value-3\n", "changes")
    batch.wait_log(shows, missing.format("changes"), "changes")
    batch.wait_log(shows, missing.format("goes"), "goes")
