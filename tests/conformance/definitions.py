"""CustomResourceDefinitions as the tests write them: there for a while, gone with what they brought."""

import contextlib
import copy
import json

from labsite import wait_for

OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(name, group, schema=OPEN, versions=("v1",), scope="Namespaced", **more):
    """The kind E2eNAMEs: @schema for each version, or a dict of schemas by version."""
    plural = f"e2e{name}s"
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": scope,
                     "names": {"plural": plural, "singular": f"e2e{name}", "kind": f"E2e{name.capitalize()}",
                               "listKind": f"E2e{name.capitalize()}List"},
                     "versions": [{"name": v, "served": True, "storage": i == 0, "schema": {
                         "openAPIV3Schema": copy.deepcopy(schema)}} | more for i, v in enumerate(versions)]}}


def name_of(crd):
    return crd["metadata"]["name"]


def object_of(crd, name, version=None, **fields):
    return {"apiVersion": f"{crd['spec']['group']}/{version or crd['spec']['versions'][0]['name']}",
            "kind": crd["spec"]["names"]["kind"], "metadata": {"name": name}} | fields


@contextlib.contextmanager
def defined(site, *crds):
    """The kinds of @crds, served."""
    try:
        for crd in crds:
            site.kubectl("create", "-f", "-", stdin=json.dumps(crd))
        for crd in crds:
            site.kubectl("wait", "--for=condition=established", "--timeout=20s", "crd/" + name_of(crd), timeout=30)
        site.forget_kinds()
        yield crds[0] if len(crds) == 1 else crds
    finally:
        for crd in crds:
            site.kubectl("delete", "crd", name_of(crd), "--ignore-not-found", "--timeout=30s", timeout=40)
        site.forget_kinds()


def kind_of(kinds, crd, namespace=None, version=None):
    """Its objects; Python's client looks again for what it does not know yet."""
    at = object_of(crd, "", version)
    return wait_for("the kind in discovery", 10, lambda: kinds(at["apiVersion"], at["kind"], namespace))
