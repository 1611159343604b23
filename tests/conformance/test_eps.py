"""Endpoints and EndpointSlices: who is behind a Service."""

import json

import pytest

from behaviour import behaviour
from kit import STRATEGIC, lifecycle
from labsite import wait_for
from workloads import container, exists


@pytest.fixture
def services(kinds, namespace):
    return kinds("v1", "Service", namespace)


@pytest.fixture
def endpoints(kinds, namespace):
    return kinds("v1", "Endpoints", namespace)


@pytest.fixture
def slices(kinds, namespace):
    return kinds("discovery.k8s.io/v1", "EndpointSlice", namespace)


@pytest.fixture
def pods(kinds, namespace):
    return kinds("v1", "Pod", namespace)


def service(name, *ports, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": list(ports) or [
        {"name": "example", "port": 80, "protocol": "TCP"}]} | spec}


def pod(name, *ports, **labels):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [container(ports=list(ports))]}}


def of_service(slices, name):
    return slices.list(f"kubernetes.io/service-name={name}")["items"]


def ready(endpoints, name):
    """{pod: {port name: number}} of those that are ready."""
    found = exists(endpoints, name)
    return {a["targetRef"]["name"]: {p.get("name", ""): p["port"] for p in s.get("ports", [])}
            for s in (found or {}).get("subsets") or [] for a in s.get("addresses", [])}


@behaviour("[sig-network] EndpointSlice should have Endpoints and EndpointSlices pointing to API Server [Conformance]")
def test_api_server(kinds, site):
    service = kinds("v1", "Service", "default").get("kubernetes")
    endpoints = kinds("v1", "Endpoints", "default").get("kubernetes")
    addresses = {a["ip"] for s in endpoints["subsets"] for a in s["addresses"]}
    assert addresses == {site.control}
    found = of_service(kinds("discovery.k8s.io/v1", "EndpointSlice", "default"), "kubernetes")
    assert {a for s in found for e in s["endpoints"] for a in e["addresses"]} == addresses
    assert {p["port"] for s in found for p in s["ports"]} == {p["port"] for s in endpoints["subsets"] for p in s["ports"]}
    assert [p["name"] for p in service["spec"]["ports"]] == ["https"]


@behaviour("[sig-network] EndpointSlice should create and delete Endpoints and EndpointSlices for a Service with a selector specified [Conformance]")
def test_come_and_go_with_the_service(services, endpoints, slices):
    services.create(service("svc", selector={"does-not-match-anything": "endpoints-and-endpoint-slices-should-still-be-created"}))
    wait_for("the Endpoints", 20, lambda: exists(endpoints, "svc"))
    wait_for("the slice", 20, lambda: of_service(slices, "svc"))
    assert of_service(slices, "svc")[0]["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    services.delete("svc")
    wait_for("the Endpoints to go", 30, lambda: not exists(endpoints, "svc"))
    wait_for("the slices to go", 30, lambda: not of_service(slices, "svc"))


@behaviour("[sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service [Conformance]")
def test_for_pods(services, endpoints, slices, pods):
    """Two Services over two pods: one by a port's name that means another number in each, one by number."""
    pods.create(pod("pod1", {"name": "example-name", "containerPort": 3000}, foo="bar", shared="true"))
    pods.create(pod("pod2", {"name": "example-name", "containerPort": 3001}, {"name": "other-port", "containerPort": 3002}, foo="bar", shared="true"))
    services.create(service("by-number", {"name": "example", "port": 80, "targetPort": 3000}, selector={"foo": "bar"},
                            publishNotReadyAddresses=True))
    services.create(service("by-name", {"name": "no-match", "port": 80, "targetPort": "no-match"},
                            {"name": "example", "port": 81, "targetPort": "example-name"}, selector={"shared": "true"}))
    for name in ("pod1", "pod2"):
        pods.wait("running", name, lambda p: p["status"].get("podIP"))
    ips = {name: pods.get(name)["status"]["podIP"] for name in ("pod1", "pod2")}

    def of(name):
        return sorted((tuple(e["addresses"]), tuple((p["name"], p["port"]) for p in s["ports"]))
                      for s in of_service(slices, name) for e in s.get("endpoints") or [] if e["conditions"]["ready"])
    wait_for("both by number", 30, lambda: of("by-number") == sorted(((ip,), (("example", 3000),)) for ip in ips.values()))
    wait_for("both by name", 30, lambda: of("by-name") == sorted(
        [((ips["pod1"],), (("example", 3000),)), ((ips["pod2"],), (("example", 3001),))]))
    wait_for("the Endpoints by name", 30, lambda: ready(endpoints, "by-name") == {"pod1": {"example": 3000}, "pod2": {"example": 3001}})
    for slice in of_service(slices, "by-name"):
        for endpoint in slice["endpoints"]:
            assert endpoint["targetRef"]["kind"] == "Pod"
            assert endpoint["nodeName"] == pods.get(endpoint["targetRef"]["name"])["spec"]["nodeName"]


@behaviour("[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]")
def test_slices_as_objects(slices):
    def edit(obj):
        obj["endpoints"] = [{"addresses": ["1.2.3.5"]}]
    lifecycle(slices, lambda name: {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": name, "labels": {"special-label": "slices"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["1.2.3.4"]}], "ports": [{"name": "port80", "port": 80}]},
        edit, "special-label=slices")


@behaviour("[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete [Conformance]")
def test_mirroring(services, endpoints, slices):
    services.create(service("custom"))
    endpoints.create({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "custom"}, "subsets": [
        {"ports": [{"name": "example", "port": 80, "protocol": "TCP"}], "addresses": [{"ip": "10.1.2.3"}]}]})

    def mirrored():
        found = of_service(slices, "custom")
        return [[e["addresses"] for e in s["endpoints"]] for s in found] if len(found) == 1 else None
    wait_for("the mirror", 20, lambda: mirrored() == [[["10.1.2.3"]]])
    mirror = of_service(slices, "custom")[0]
    assert mirror["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslicemirroring-controller.k8s.io"
    assert (mirror["ports"][0]["name"], mirror["ports"][0]["port"]) == ("example", 80)

    def edit(obj):
        obj["subsets"][0]["addresses"] = [{"ip": "10.2.3.4"}]
    endpoints.change("custom", edit)
    wait_for("the mirror to follow", 20, lambda: mirrored() == [[["10.2.3.4"]]])
    endpoints.delete("custom")
    wait_for("the mirror to go", 20, lambda: not of_service(slices, "custom"))


@behaviour("[sig-network] Services should serve a basic endpoint from pods [Conformance]")
def test_pods_come_and_go(services, endpoints, pods):
    services.create(service("test2", {"port": 80, "targetPort": 80}, selector={"foo": "bar"}))
    wait_for("nobody", 20, lambda: exists(endpoints, "test2") and ready(endpoints, "test2") == {})
    for name, there in (("pod1", ["pod1"]), ("pod2", ["pod1", "pod2"])):
        pods.create(pod(name, {"containerPort": 80}, foo="bar"))
        wait_for(f"endpoints {there}", 30, lambda: ready(endpoints, "test2") == {n: {"": 80} for n in there})
    for name, there in (("pod1", ["pod2"]), ("pod2", [])):
        pods.delete(name)
        wait_for(f"endpoints {there}", 30, lambda: ready(endpoints, "test2") == {n: {"": 80} for n in there})


@behaviour("[sig-network] Services should serve multiport endpoints from pods [Conformance]")
def test_several_ports(services, endpoints, pods):
    services.create(service("multi", {"name": "portname1", "port": 80, "targetPort": "portname1"},
                            {"name": "portname2", "port": 81, "targetPort": "portname2"}, selector={"foo": "bar"}))
    pods.create(pod("pod1", {"name": "portname1", "containerPort": 100}, foo="bar"))
    wait_for("the first port", 30, lambda: ready(endpoints, "multi") == {"pod1": {"portname1": 100}})
    pods.create(pod("pod2", {"name": "portname2", "containerPort": 101}, foo="bar"))
    wait_for("both ports", 30, lambda: ready(endpoints, "multi") == {"pod1": {"portname1": 100}, "pod2": {"portname2": 101}})
    pods.delete("pod1")
    wait_for("the second one's", 30, lambda: ready(endpoints, "multi") == {"pod2": {"portname2": 101}})
    pods.delete("pod2")
    wait_for("nobody", 30, lambda: ready(endpoints, "multi") == {})


@behaviour("[sig-network] Services should test the lifecycle of an Endpoint [Conformance]")
def test_endpoints_as_objects(endpoints):
    label = "test-endpoint-static=true"
    follower = endpoints.watch(endpoints.version(), label, seconds=30)
    made = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "testservice", "labels": {"test-endpoint-static": "true"}},
            "subsets": [{"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}]}
    endpoints.create(made)
    assert follower.next("ADDED")["metadata"]["name"] == "testservice"
    assert endpoints.names(label, everywhere=True) == ["testservice"]

    def update(obj):
        obj["metadata"]["labels"]["test-service"] = "updated"
    endpoints.change("testservice", update)
    assert follower.next("MODIFIED")["metadata"]["labels"]["test-service"] == "updated"
    patch = {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [
        {"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080, "protocol": "TCP"}]}]}
    endpoints.patch("testservice", patch, STRATEGIC)
    follower.next("MODIFIED", lambda o: o["metadata"]["labels"]["test-service"] == "patched")
    got = endpoints.get("testservice")
    assert json.dumps(got["subsets"], sort_keys=True) == json.dumps(patch["subsets"], sort_keys=True)
    endpoints.delete_all(label)
    follower.next("DELETED")
    assert not exists(endpoints, "testservice")
