"""A StatefulSet's pods have names, order and volumes that outlive them."""

import pytest

from labsite import is_ready, name_of, wait_for

# Two databases that know nothing of each other: what is found in one again was on its own volume.
STORE = """
apiVersion: v1
kind: Service
metadata: {name: store}
spec:
  clusterIP: None
  selector: {app: store}
  ports: [{name: redis, port: 6379}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store
  replicas: 2
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: redis
          image: redis:7
          readinessProbe: {exec: {command: [redis-cli, ping]}, periodSeconds: 1}
          resources: {requests: {cpu: 10m, memory: 16Mi}}
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: 64Mi}}
"""


@pytest.fixture
def store(site, namespace):
    site.apply(STORE, "-n", namespace)
    all_ready(site, namespace, 2)
    for i in range(2):
        assert site.inside(namespace, f"store-{i}", "redis-cli", "set", "whose", f"store-{i}").strip() == "OK"
    return namespace


def all_ready(site, namespace, n):
    def ready():
        pods = site.items("-n", namespace, "pods", "-l", "app=store")
        return len(pods) == n and all(map(is_ready, pods))
    wait_for(f"{n} pods to be ready", 60, ready)


def pod_of(site, namespace, name):
    return site.get("-n", namespace, "pod", name)


def whose(site, namespace, name):
    return site.inside(namespace, name, "redis-cli", "get", "whose").strip()


def test_pods_start_in_order(site, store):
    first, second = (pod_of(site, store, f"store-{i}") for i in range(2))
    ready = next(c for c in first["status"]["conditions"] if c["type"] == "Ready")
    assert ready["lastTransitionTime"] <= second["metadata"]["creationTimestamp"]


def test_deleted_pod_returns_with_name_and_data(site, store):
    before = pod_of(site, store, "store-0")
    site.kubectl("-n", store, "delete", "pod", "store-0", "--timeout=30s")
    all_ready(site, store, 2)
    after = pod_of(site, store, "store-0")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["nodeName"] == before["spec"]["nodeName"], "its volume is there"
    assert whose(site, store, "store-0") == "store-0"


def test_scaling_down_and_up_keeps_data(site, store):
    site.kubectl("-n", store, "scale", "statefulset/store", "--replicas=1")
    wait_for("store-1 to go", 30, lambda: [name_of(p) for p in site.items("-n", store, "pods")] == ["store-0"])
    assert {name_of(c) for c in site.items("-n", store, "pvc")} == {"data-store-0", "data-store-1"}
    site.kubectl("-n", store, "scale", "statefulset/store", "--replicas=2")
    all_ready(site, store, 2)
    assert [whose(site, store, f"store-{i}") for i in range(2)] == ["store-0", "store-1"]


def test_each_pod_has_a_name_in_dns(site, store):
    for i in range(2):
        name = f"store-{i}.store.{store}.svc.cluster.local"
        said = site.inside(store, "store-0", "redis-cli", "-h", name, "get", "whose")
        assert said.strip() == f"store-{i}"
    assert site.inside(store, "store-1", "redis-cli", "-h", "store-0.store", "get", "whose").strip() == "store-0"


def test_claims_are_bound_to_local_volumes(site, store):
    claims = site.items("-n", store, "pvc")
    assert [c["status"]["phase"] for c in claims] == ["Bound", "Bound"]
    assert all(c["spec"]["volumeName"] for c in claims)


def test_data_of_deleted_claims_leaves_the_disk(site, store):
    volumes = {c["spec"]["volumeName"] for c in site.items("-n", store, "pvc")}
    places = {v: site.get("pv", v) for v in volumes}
    places = {v: (pv["metadata"]["annotations"]["mkube.io/node"], pv["spec"]["local"]["path"])
              for v, pv in places.items()}
    for node, path in places.values():
        site.run(node, "test", "-d", path)
    site.kubectl("-n", store, "delete", "statefulset/store", "pvc/data-store-0", "pvc/data-store-1",
                 "--timeout=40s", timeout=50)
    wait_for("the volumes to go", 20,
             lambda: not volumes & {name_of(v) for v in site.items("pv")})
    for node, path in places.values():
        site.run(node, "test", "!", "-e", path)
