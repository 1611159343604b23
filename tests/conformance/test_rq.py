"""ResourceQuotas: what is used rises and falls with what is there, and what is too much is refused."""

import pytest

from behaviour import behaviour
from kit import refused
from labsite import wait_for

HARD = {"pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1", "replicationcontrollers": "10",
        "resourcequotas": "1", "cpu": "1", "memory": "500Mi", "configmaps": "10", "secrets": "10", "persistentvolumeclaims": "10",
        "requests.storage": "10Gi", "ephemeral-storage": "50Gi", "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
        "gold.storageclass.storage.k8s.io/requests.storage": "10Gi", "count/replicasets.apps": "5",
        "requests.example.com/dongle": "3"}


class Quotas:
    """The quotas of a namespace, and what they say is used."""

    def __init__(self, kinds, namespace):
        self.kinds, self.namespace = kinds, namespace
        self.kind = kinds("v1", "ResourceQuota", namespace)

    def of(self, api_version, kind):
        return self.kinds(api_version, kind, self.namespace)

    def make(self, name="test-quota", hard=None, **more):
        self.kind.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name},
                          "spec": {"hard": hard or HARD} | more})

    def wait_used(self, name="test-quota", **wanted):
        """Waits until all of @wanted is told as used; "_" in names stands for "."."""
        wanted = {key.replace("__", "/").replace("_", "."): value for key, value in wanted.items()}
        self.wait(name, wanted)

    def wait(self, name, wanted):
        def told(o):
            used = o.get("status", {}).get("used", {})
            return all(used.get(key) == value for key, value in wanted.items())
        return self.kind.wait(f"uses {wanted}", name, told)


@pytest.fixture
def quotas(kinds, namespace):
    return Quotas(kinds, namespace)


def pod(name, requests=None, limits=None, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [
            {"name": "pause", "image": "busybox:1", "command": ["sleep", "10000"],
             "resources": {"requests": requests or {}, "limits": limits or {}}}]} | spec}


def service(name, type):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": type, "ports": [{"port": 80, "targetPort": 80}]}}


def forbidden(kind, obj):
    refusal = refused(kind.create, obj)
    assert (refusal.code, refusal.status["reason"]) == (403, "Forbidden"), refusal
    return refusal.message


@behaviour("[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated. "
           "[Conformance]")
def test_promptly(quotas):
    quotas.make()
    quotas.wait_used(resourcequotas="1")
    assert quotas.kind.get("test-quota")["status"]["hard"] == HARD


@behaviour("[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a service. [Conformance]")
def test_service(quotas):
    services = quotas.of("v1", "Service")
    quotas.make()
    quotas.wait_used(resourcequotas="1", services="0")
    services.create(service("test-service", "ClusterIP"))
    services.create(service("test-service-np", "NodePort"))
    assert "exceeded quota: test-quota, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1" \
        in forbidden(services, service("test-service-lbnp", "LoadBalancer"))
    quotas.wait_used(services="2", services_nodeports="1", services_loadbalancers="0")
    services.delete("test-service")
    services.delete("test-service-np")
    quotas.wait_used(services="0", services_nodeports="0", services_loadbalancers="0")


@behaviour("[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a secret. [Conformance]")
def test_secret(quotas):
    life(quotas, "v1", "Secret", "secrets", {"data": {"data-1": "dmFsdWUtMQo="}})


@behaviour("[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a configMap. [Conformance]")
def test_configmap(quotas):
    wait_for("the namespace's own", 20, lambda: quotas.of("v1", "ConfigMap").names() == ["kube-root-ca.crt"])
    life(quotas, "v1", "ConfigMap", "configmaps", {"data": {"a": "b"}}, before=1)


TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "busybox:1"}]}}


@behaviour("[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replication controller. "
           "[Conformance]")
def test_replication_controller(quotas):
    life(quotas, "v1", "ReplicationController", "replicationcontrollers",
         {"spec": {"replicas": 0, "selector": {"app": "x"}, "template": TEMPLATE}}, propagationPolicy="Background")


@behaviour("[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replica set. [Conformance]")
def test_replica_set(quotas):
    life(quotas, "apps/v1", "ReplicaSet", "count/replicasets.apps",
         {"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}})


def life(quotas, api_version, kind, counted, rest, before=0, **options):
    """One object comes, and is counted, and goes; one more than the quota allows is refused."""
    objects = quotas.of(api_version, kind)
    quotas.make(hard=HARD | {counted: str(before + 1)})
    quotas.wait("test-quota", {"resourcequotas": "1", counted: str(before)})
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "test-object"}} | rest
    objects.create(obj)
    quotas.wait("test-quota", {counted: str(before + 1)})
    assert f"exceeded quota: test-quota, requested: {counted}=1" in forbidden(objects, obj | {"metadata": {"name": "more"}})
    objects.delete("test-object", **options)
    quotas.wait("test-quota", {counted: str(before)})


@behaviour("[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a pod. [Conformance]")
def test_pod(quotas):
    pods = quotas.of("v1", "Pod")
    quotas.make()
    quotas.wait_used(resourcequotas="1")
    dongles = {"example.com/dongle": "2"}
    made = pods.create(pod("test-pod", {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi"} | dongles, dongles))
    used = {"resourcequotas": "1", "pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi",
            "requests.example.com/dongle": "2"}
    quotas.wait("test-quota", used)
    assert "requested: cpu=600m, used: cpu=500m, limited: cpu=1" in forbidden(pods, pod("fail-pod", {"cpu": "600m", "memory": "100Mi"}))
    assert "requests.example.com/dongle=2" in forbidden(pods, pod(
        "fail-pod-for-extended-resource", {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "30Gi"} | dongles, dongles))
    made["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "100m", "memory": "100Mi", "ephemeral-storage": "10Gi"}
    del made["metadata"]["resourceVersion"]
    assert refused(pods.replace, made).code == 422
    quotas.wait("test-quota", used)
    pods.delete("test-pod", gracePeriodSeconds=0)
    quotas.wait("test-quota", {key: "0" for key in used} | {"resourcequotas": "1"})


SMALL = ({"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"})
SMALL_USED = {"pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi", "limits.cpu": "1", "limits.memory": "400Mi"}


@behaviour("[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes. [Conformance]")
def test_terminating(quotas):
    hard = {"pods": "5", "requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"}
    two_scopes(quotas, hard, "NotTerminating", pod("test-pod", *SMALL), "Terminating",
               pod("terminating-pod", *SMALL, activeDeadlineSeconds=3600), SMALL_USED)


@behaviour("[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope. [Conformance]")
def test_best_effort(quotas):
    two_scopes(quotas, {"pods": "5"}, "BestEffort", pod("besteffort-pod"), "NotBestEffort", pod("burstable-pod", *SMALL),
               {"pods": "1"})


def two_scopes(quotas, hard, scope, first, other_scope, second, used):
    """Each pod counts in the quota of its scope and not in the other."""
    pods = quotas.of("v1", "Pod")
    nothing = {key: "0" for key in used}
    for name, own in (("one", scope), ("other", other_scope)):
        quotas.make(name, hard, scopes=[own])
        quotas.wait(name, nothing)
    for obj, mine, theirs in ((first, "one", "other"), (second, "other", "one")):
        pods.create(obj)
        quotas.wait(mine, used)
        quotas.wait(theirs, nothing)
        pods.delete(obj["metadata"]["name"], gracePeriodSeconds=0)
        quotas.wait(mine, nothing)


@behaviour("[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota. [Conformance]")
def test_update(quotas):
    hard = {"cpu": "1", "memory": "500Mi"}
    quotas.make(hard=hard)
    assert quotas.kind.get("test-quota")["spec"]["hard"] == hard

    def grow(obj):
        obj["spec"]["hard"] = {"cpu": "2", "memory": "1Gi"}
    assert quotas.kind.change("test-quota", grow)["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    assert quotas.kind.get("test-quota")["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    quotas.kind.delete("test-quota")
    assert quotas.kind.gone("test-quota")


@behaviour("[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota [Conformance]")
def test_lifecycle(quotas):
    quotas.kind.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "e2e-quota", "labels": {"e2e": "rq-life"}},
                        "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}})
    assert quotas.kind.get("e2e-quota")["spec"]["hard"] == {"cpu": "1", "memory": "500Mi"}
    assert quotas.kind.names("e2e=rq-life", everywhere=True) == ["e2e-quota"]
    patched = quotas.kind.patch("e2e-quota", {"metadata": {"labels": {"e2e-quota": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}})
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    quotas.kind.delete_all("e2e-quota=patched")
    wait_for("the collection to be gone", 20, lambda: quotas.kind.names("e2e=rq-life", everywhere=True) == [])


@behaviour("[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status [Conformance]")
def test_status(quotas):
    hard = {"cpu": "500m", "memory": "500Mi"}
    quotas.make(hard=hard)
    status = quotas.kind.sub("status")

    def tell(obj):
        obj["status"] = {"hard": hard}
    status.change("test-quota", tell)
    quotas.kind.wait("is told", "test-quota", lambda o: o["status"].get("hard") == hard)
    more = {"cpu": "1", "memory": "1Gi"}
    quotas.kind.patch("test-quota", {"spec": {"hard": more}})
    status.patch("test-quota", {"status": {"hard": more}})
    assert quotas.kind.wait("is told", "test-quota", lambda o: o["status"].get("hard") == more)["spec"]["hard"] == more
    assert status.get("test-quota")["status"]["hard"] == more

    follower = quotas.kind.watch(quotas.kind.version())
    most = {"cpu": "2", "memory": "2Gi"}
    assert status.patch("test-quota", {"status": {"hard": most}})["status"]["hard"] == most
    follower.next("MODIFIED", lambda o: o["status"].get("hard") == most)
    again = quotas.kind.wait("is true again", "test-quota", lambda o: o["status"].get("hard") == more)
    assert again["spec"]["hard"] == more
