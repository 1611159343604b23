"""Pods as the tests of them write them: many in one namespace, looked at together."""

import json

from labsite import wait_for


def pod(name, *containers, inits=(), **spec):
    """A Pod; what is not said is what makes a test short: no restarts, a grace of a second."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1} | spec
            | {"containers": list(containers)} | ({"initContainers": list(inits)} if inits else {})}


def sh(script, name="c", image="busybox:1", **more):
    """A container that runs a script of the shell."""
    return {"name": name, "image": image, "command": ["sh", "-c", script]} | more


class Pods:
    """The pods of one namespace."""

    def __init__(self, site, namespace):
        self.site, self.namespace = site, namespace

    def kubectl(self, *args, **options):
        return self.site.kubectl("-n", self.namespace, *args, **options)

    def apply(self, *objects):
        self.site.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}),
                        "-n", self.namespace)

    def get(self, name):
        return self.site.get("-n", self.namespace, "pod", name)

    def state(self, name, container="c"):
        """("waiting" | "running" | "terminated", what it says) of a container."""
        status = self.get(name)["status"]
        for c in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
            if c["name"] == container:
                return next(iter(c["state"].items()))
        return None, {}

    def wait_phase(self, phase, *names, seconds=40):
        for name in names:
            wait_for(f"{name} to be {phase}", seconds, lambda: self.get(name)["status"]["phase"] == phase)

    def wait_waiting(self, name, reason, container="c", seconds=30):
        """The message of a container that waits for this reason."""
        def waits():
            kind, what = self.state(name, container)
            return kind == "waiting" and what.get("reason") == reason and what.get("message", "-")
        return wait_for(f"{name} to wait for {reason}", seconds, waits)

    def log(self, name, container="c"):
        return self.kubectl("logs", name, "-c", container)

    def events(self, name, reason=None):
        """Messages of a pod's events."""
        return [e["message"] for e in self.site.items("-n", self.namespace, "events",
                                                      "--field-selector", f"involvedObject.name={name}")
                if reason in (None, e["reason"])]

    def wait_event(self, name, reason, words, seconds=30):
        return wait_for(f"{reason} of {name}: {words}", seconds,
                        lambda: [m for m in self.events(name, reason) if words in m])[0]

    def uid(self, name):
        return self.get(name)["metadata"]["uid"]
