"""A node is emptied without breaking what a budget promises, and filled again."""

import pytest
import yaml

from labsite import is_ready, name_of, wait_for

NODE = "worker2"


@pytest.fixture
def web(site, namespace):
    """Four pods of which three must be there; the node is as it was afterwards."""
    site.apply(yaml.safe_dump_all([
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                    {"name": "c", "image": "busybox:1", "command": ["sleep", "600"],
                     "resources": {"requests": {"cpu": "5m"}}}]}}}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
         "spec": {"minAvailable": "75%", "selector": {"matchLabels": {"app": "web"}}}}]), "-n", namespace)
    wait_for("four ready pods", 40, lambda: len(ready(site, namespace)) == 4)
    yield namespace
    site.kubectl("uncordon", NODE)
    site.kubectl("taint", "node", NODE, "trouble-", check=False)


def ready(site, namespace):
    return [p for p in site.items("-n", namespace, "pods", "-l", "app=web") if is_ready(p)]


def budget(site, namespace):
    s = site.get("-n", namespace, "pdb", "web")["status"]
    return s["expectedPods"], s["currentHealthy"], s["desiredHealthy"], s["disruptionsAllowed"]


def evict(api, namespace, name):
    return api.post(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction",
                    {"apiVersion": "policy/v1", "kind": "Eviction",
                     "metadata": {"name": name, "namespace": namespace}})


def test_budget_numbers(site, api, web):
    for field, value, want in (("minAvailable", "75%", (4, 4, 3, 1)), ("minAvailable", 4, (4, 4, 4, 0)),
                               ("maxUnavailable", 2, (4, 4, 2, 2)), ("maxUnavailable", "50%", (4, 4, 2, 2)),
                               ("minAvailable", 4, (4, 4, 4, 0))):
        other = "maxUnavailable" if field == "minAvailable" else "minAvailable"
        site.kubectl("-n", web, "patch", "pdb", "web", "--type=merge", "-p",
                     yaml.safe_dump({"spec": {field: value, other: None}}))
        wait_for(f"the numbers of {field} {value}", 10, lambda w=want: budget(site, web) == w)
        columns = site.kubectl("-n", web, "get", "pdb", "web").splitlines()[1].split()
        assert columns[1:4] == ([str(value), "N/A"] if field == "minAvailable" else ["N/A", str(value)]) + [str(want[3])]
    answer = evict(api, web, name_of(ready(site, web)[0]))
    assert answer.code == 429 and answer.body["reason"] == "TooManyRequests"
    assert answer.body["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert answer.body["details"]["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget web needs 4 healthy pods and has 4 currently"}]


def test_drain(site, web):
    site.kubectl("drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s",
                 "--pod-selector=app=web", timeout=100)
    wait_for("four ready pods elsewhere", 40, lambda: len(ready(site, web)) == 4)
    assert NODE not in {p["spec"]["nodeName"] for p in ready(site, web)}
    assert "Ready,SchedulingDisabled" in site.kubectl("get", "node", NODE)
    site.kubectl("uncordon", NODE)
    assert "unschedulable" not in site.get("node", NODE)["spec"]


def test_taints_evict_in_time(site, web):
    def pod(name, **toleration):
        return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
            "nodeName": NODE, "terminationGracePeriodSeconds": 1,
            "tolerations": [{"key": "trouble", "operator": "Exists", "effect": "NoExecute"} | toleration],
            "containers": [{"name": "c", "image": "busybox:1", "command": ["sleep", "600"]}]}}) + "---\n"

    site.apply(pod("brief", tolerationSeconds=2) + pod("brave"), "-n", web)
    wait_for("both to run", 20, lambda: all(is_ready(site.get("-n", web, "pod", n)) for n in ("brief", "brave")))
    site.kubectl("taint", "node", NODE, "trouble=yes:NoExecute")
    wait_for("the pods to leave", 40, lambda: {name_of(p) for p in site.items(
        "-n", web, "pods", "--field-selector", f"spec.nodeName={NODE}")} == {"brave"})
    reasons = {(e["involvedObject"]["name"], e["reason"]) for e in site.items("-n", web, "events")}
    assert ("brief", "TaintManagerEviction") in reasons and ("brave", "TaintManagerEviction") not in reasons
