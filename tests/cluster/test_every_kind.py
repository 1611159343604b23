"""Every kind and subresource that discovery names is served with the verbs it names, and no name is missing."""

import os
import re

from labsite import REPO

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
METHODS = {"get": "GET", "update": "PUT", "patch": "PATCH", "create": "POST", "delete": "DELETE"}


def facts():
    """{(group version, plural): (kind, short names, categories, verbs, {subresource: verbs})} of the tables."""
    found, at = {}, None
    with open(os.path.join(REPO, "api", "schema", "k8s.txt"), encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if line.startswith("RES "):
                said = dict(w.partition("=")[::2] for w in words[4:])
                at = found[words[1], words[2]] = (words[3], said.get("short", ""), said.get("cat", ""),
                                                  set(said["verbs"].split(",")), {})
            elif line.startswith(" sub ") and at is not None:
                at[4][words[1]] = set(words[3].split(","))
            elif line.startswith("TYPE "):
                at = None
    return found


def served(api):
    """The same of discovery."""
    paths = ["/api/v1"] + [f"/apis/{v['groupVersion']}" for g in api.get("/apis").body["groups"] for v in g["versions"]]
    found = {}
    for path in paths:
        version = path.removeprefix("/apis/").removeprefix("/api/")
        for r in api.get(path).body["resources"]:
            plural, _, sub = r["name"].partition("/")
            if sub:
                found[version, plural][4][sub] = set(r["verbs"])
            else:
                found[version, plural] = (r["kind"], ",".join(r.get("shortNames", [])), ",".join(r.get("categories", [])), set(r["verbs"]), {})
    return found


def collection(version, plural, namespaced):
    return ("/api/" if "/" not in version else "/apis/") + version + ("/namespaces/default/" if namespaced else "/") + plural


def test_discovery_says_what_the_tables_say(api):
    have, want = served(api), facts()
    assert len(want) > 55
    assert {key: have.get(key) for key in want} == want


def test_every_collection_is_a_list_and_a_table(api):
    plain = dict(api.headers)
    for (version, plural), (_, _, _, verbs, _) in served(api).items():
        if "list" not in verbs:
            continue
        path = collection(version, plural, False)
        answer = api.get(path)
        assert answer.code == 200 and answer.body["kind"].endswith("List"), (path, answer)
        api.headers |= TABLE
        answer = api.get(path)
        api.headers = dict(plain)
        assert answer.code == 200 and answer.body["kind"] == "Table", (path, answer)
        assert len(answer.body["columnDefinitions"]) > 1, path
        for row in answer.body["rows"] or []:
            assert len(row["cells"]) == len(answer.body["columnDefinitions"]), path


def test_every_subresource_answers_its_verbs(api):
    """Of an object that is not there: a 404 that names it, not one that says there is no such path."""
    namespaced = {}
    for path in ["/api/v1"] + [f"/apis/{v['groupVersion']}" for g in api.get("/apis").body["groups"] for v in g["versions"]]:
        for r in api.get(path).body["resources"]:
            namespaced[path.removeprefix("/apis/").removeprefix("/api/"), r["name"]] = r["namespaced"]
    wrong = []
    for (version, plural), (_, _, _, _, subs) in served(api).items():
        for sub, verbs in subs.items():
            for verb in sorted(verbs):
                path = f"{collection(version, plural, namespaced[version, plural])}/nope/{sub}"
                body = None if verb == "get" else {"metadata": {"name": "nope"}}
                answer = api.request(METHODS[verb], path, body, "application/merge-patch+json" if verb == "patch" else "application/json")
                if answer.code not in (400, 404, 503) or "nope" not in answer.text:
                    wrong.append((verb, path, answer))
    assert wrong == []


def test_objects_of_each_field_selector(site, api):
    """What kinds can be selected by, as Kubernetes knows it; anything else is refused by name."""
    known = {"pods": ["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
                      "status.phase", "status.podIP", "status.nominatedNodeName"],
             "events": ["involvedObject.kind", "involvedObject.name", "involvedObject.uid", "reason", "reportingComponent", "source", "type"],
             "nodes": ["spec.unschedulable"], "secrets": ["type"], "namespaces": ["status.phase"], "replicationcontrollers": ["status.replicas"],
             "jobs.batch": ["status.successful"], "replicasets.apps": ["status.replicas"], "certificatesigningrequests": ["spec.signerName"],
             "configmaps": [], "deployments.apps": []}
    for kind, fields in known.items():
        for field in [*fields, "metadata.name"]:
            for operator in ("=", "==", "!="):
                said = site.kubectl("get", kind, "-A", "--field-selector", f"{field}{operator}x", check=False)
                assert said.returncode == 0, (kind, field, said.stderr)
        said = site.kubectl("get", kind, "-A", "--field-selector", "spec.nope=x", check=False)
        assert said.returncode == 1 and re.search(r"field label not supported: spec.nope|\"spec.nope\" is not a known field selector", said.stderr)
    names = site.kubectl("get", "namespaces", "--field-selector", "metadata.name!=default,status.phase=Active", "-o", "name").split()
    assert "namespace/kube-system" in names and "namespace/default" not in names


def test_subresources_of_kubectl(site, namespace):
    def k(*args):
        return site.kubectl("-n", namespace, *args)
    k("create", "deployment", "d", "--image=i", "--replicas=0")
    header, row = k("get", "deployment", "d", "--subresource=scale").splitlines()
    assert header.split() == ["NAME", "DESIRED", "AVAILABLE", "AGE"] and row.split()[:3] == ["d", "0", "0"]
    assert k("get", "deployment", "d", "--subresource=scale", "-o", "name") == "scale.autoscaling/d\n"
    assert k("get", "deployment", "d", "--subresource=status", "-o", "name") == "deployment.apps/d\n"
    k("patch", "deployment", "d", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":2}}')
    assert k("get", "deployment", "d", "-o", "jsonpath={.spec.replicas}") == "2"
    k("autoscale", "deployment", "d", "--max=3")
    for version in ("v1", "v2"):
        said = k("get", f"horizontalpodautoscalers.{version}.autoscaling", "d", "-o", "jsonpath={.apiVersion}")
        assert said == f"autoscaling/{version}"
