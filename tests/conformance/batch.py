"""Many pods started at once for all tests of a file, and what each of them says: an area of thirty behaviours takes seconds.

A file of such tests has a TABLE: {name of a behaviour: look(...)}, OBJECTS that its pods need (and pods that are looked at
in other ways), and a test `@each(TABLE) def test_...(batch, look): batch.check(look)`.
"""

import json
import math

from api import Api
from labsite import wait_for
from podkit import Pods, pod, sh

PODS = "/api/v1/namespaces/{}/pods"


class Look:
    """A pod, and what its container says: all lines, a set of some of them, or a function of batch and pod that gives either."""

    def __init__(self, pod, says):
        self.pod, self.says = pod, says


def look(script, says, *others, container=None, annotations=None, **spec):
    """The container c runs @script to its end; @container: more of it; @others: further containers."""
    made = pod("named-by-its-place", sh(script, **(container or {})), *others, **spec)
    made["metadata"]["annotations"] = annotations or {}
    return Look(made, says)


def mount(name, path, **more):
    return {"name": name, "mountPath": path} | more


def mounted(path="/v", name="v", **more):
    """container=mounted(): one volume."""
    return {"volumeMounts": [mount(name, path, **more)]}


def config(name, data, kind="ConfigMap", field="data", **more):
    """A ConfigMap; kind="Secret", field="stringData" for the other."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: data} | more


def secret(name, data):
    return config(name, data, "Secret", "stringData")


def loop(command):
    """Says again and again what is there now, for those who wait for it to change."""
    return f"while :; do {command}; sleep 0.2; done"


class Batch(Pods):
    """The pods of one file.  A pod of the table ends by itself, the OBJECTS stay as they are."""

    def __init__(self, site, namespace, table, objects):
        super().__init__(site, namespace)
        self.api = Api(site.kubeconfig)
        for i, row in enumerate(table.values()):
            row.pod["metadata"]["name"] = f"p{i}"
        self.add(*objects, *(row.pod for row in table.values()))

    def close(self):
        self.api.close()

    def add(self, *objects):
        if objects:
            self.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, name):
        answer = self.api.get(f"{PODS.format(self.namespace)}/{name}")
        assert answer.code == 200, answer
        return answer.body

    def log(self, name, container="c", **options):
        answer = self.api.get(f"{PODS.format(self.namespace)}/{name}/log", container=container, **options)
        assert answer.code == 200, answer
        return answer.text

    def wait_log(self, name, words, container="c", seconds=30):
        """The log once @words stand in it."""
        def found():
            answer = self.api.get(f"{PODS.format(self.namespace)}/{name}/log", container=container, tailLines=50)
            return answer.code == 200 and words in answer.text and answer.text
        return wait_for(f"{name} to say {words!r}", seconds, found)

    def ended(self, name, phase="Succeeded", seconds=60):
        """The pod once it ended, which must be in this phase."""
        got = wait_for(f"{name} to end", seconds,
                       lambda: (p := self.get(name))["status"]["phase"] in ("Succeeded", "Failed") and p)
        assert got["status"]["phase"] == phase, f"{got['status']}\n{self.log(name)}"
        return got

    def running(self, *names, seconds=60):
        self.wait_phase("Running", *names, seconds=seconds)
        return self.get(names[0])

    def check(self, row):
        """The pod of a row ended well and said what it should."""
        got = self.ended(row.pod["metadata"]["name"])
        said = self.log(got["metadata"]["name"]).splitlines()
        says = row.says(self, got) if callable(row.says) else row.says
        assert says <= set(said) if isinstance(says, set) else said == says

    def allocatable(self, got, what):
        """What the node of a pod has of cpu or memory, in whole units as containers are told."""
        from kubernetes.utils.quantity import parse_quantity
        return str(math.ceil(parse_quantity(self.site.get("node", got["spec"]["nodeName"])["status"]["allocatable"][what])))

    def patch(self, kind, name, patch):
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch))

    def shell(self, name, script, container="c"):
        """What a script in a container says."""
        return self.kubectl("exec", name, "-c", container, "--", "sh", "-c", script)
