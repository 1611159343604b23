"""Services: how they are reached, how they change, and their verbs."""

import time

import pytest

from behaviour import behaviour, each
from labsite import WORKERS, is_ready, wait_for
from servers import PORT, answers, ask, asking, serving

BACKENDS = [f"backend-{i}" for i in range(3)]
OBJECTS = [*(serving(name, "backend") for name in BACKENDS), asking()]


def service(name, type="ClusterIP", selector="backend", ports=None, labels=None, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels or {}}, "spec": {
        "type": type, "ports": [{"port": 80, "targetPort": PORT, "protocol": "TCP"}] if ports is None else ports}
        | ({"selector": {"app": selector}} if selector else {}) | spec}


@pytest.fixture(scope="module")
def backends(batch):
    """All of them, and who asks, are ready."""
    for name in (*BACKENDS, "visitor"):
        wait_for(f"{name} to be ready", 60, lambda: is_ready(batch.get(name)))
    return batch


@pytest.fixture
def services(backends, kinds):
    return kinds("v1", "Service", backends.namespace)


def nodes(site):
    return [site.lab("address", worker).strip() for worker in WORKERS]


def reached(batch, got, site=None):
    """By name, by address, and by the nodes' port."""
    assert answers(batch, got["metadata"]["name"], 80) in BACKENDS
    assert answers(batch, got["spec"]["clusterIP"], 80) in BACKENDS
    for address in nodes(site) if site else ():
        assert answers(batch, address, got["spec"]["ports"][0]["nodePort"]) in BACKENDS


@behaviour("[sig-network] Services should provide secure master service [Conformance]")
def test_the_api(kinds):
    got = kinds("v1", "Service", "default").get("kubernetes")
    assert ("https", 443) in [(p["name"], p["port"]) for p in got["spec"]["ports"]]


@behaviour("[sig-network] Services should be able to create a functioning NodePort service [Conformance]")
def test_node_port(backends, services, site):
    reached(backends, services.create(service("ported", "NodePort")), site)


AFFINITY = {"have session affinity work for service with type clusterIP": ("ClusterIP", False),
            "have session affinity work for NodePort service": ("NodePort", False),
            "be able to switch session affinity for service with type clusterIP": ("ClusterIP", True),
            "be able to switch session affinity for NodePort service": ("NodePort", True)}


@each({f"[sig-network] Services should {words} [LinuxOnly] [Conformance]": row for words, row in AFFINITY.items()})
def test_affinity(backends, services, site, look):
    kind, switched = look
    name = f"affinity-{kind.lower()}-{'switched' if switched else 'kept'}"
    got = services.create(service(name, kind, sessionAffinity="ClientIP"))
    where = (got["spec"]["clusterIP"], 80) if kind == "ClusterIP" else (nodes(site)[0], got["spec"]["ports"][0]["nodePort"])
    assert answers(backends, *where) in BACKENDS

    def seen():
        return set(ask(backends, *where, times=15))

    def keeps():
        wait_for("one to answer all", 20, lambda: len(s := seen()) == 1 and s < set(BACKENDS))
    keeps()
    if switched:
        services.patch(name, {"spec": {"sessionAffinity": "None"}})
        wait_for("several to answer", 20, lambda: len(seen()) > 1)
        services.patch(name, {"spec": {"sessionAffinity": "ClientIP"}})
        keeps()


@each({f"[sig-network] Services should be able to change the type from ExternalName to {kind} [Conformance]": kind
       for kind in ("ClusterIP", "NodePort")})
def test_from_a_name(backends, services, site, look):
    name = f"was-name-{look.lower()}"
    made = services.create(service(name, "ExternalName", ports=[], externalName="example.com"))
    assert not made["spec"].get("clusterIP")

    def change(obj):
        obj["spec"] |= {"type": look, "ports": [{"port": 80, "targetPort": PORT, "protocol": "TCP"}]}
        del obj["spec"]["externalName"]
    reached(backends, services.change(name, change), site if look == "NodePort" else None)


@each({f"[sig-network] Services should be able to change the type from {kind} to ExternalName [Conformance]": kind
       for kind in ("ClusterIP", "NodePort")})
def test_to_a_name(backends, services, look):
    name, target = f"becomes-name-{look.lower()}", f"target-{look.lower()}"
    services.create(service(target))
    services.create(service(name, look))
    assert answers(backends, name, 80) in BACKENDS
    host = f"{target}.{backends.namespace}.svc.cluster.local"

    def change(obj):
        obj["spec"] |= {"type": "ExternalName", "externalName": host}
        for field in ("clusterIP", "clusterIPs"):
            obj["spec"].pop(field, None)
        for port in obj["spec"]["ports"]:
            port.pop("nodePort", None)
    got = services.change(name, change)
    assert not got["spec"].get("clusterIP") and not any(p.get("nodePort") for p in got["spec"].get("ports", []))
    wait_for("the name", 20, lambda: f"canonical name = {host}" in backends.shell(
        "visitor", f"nslookup -type=cname {name}.{backends.namespace}.svc.cluster.local || true"))
    assert answers(backends, name, 80) in BACKENDS


@behaviour("[sig-network] Services should serve endpoints on same port and different protocols [Conformance]")
def test_two_protocols(backends, services):
    tcp, udp = ({"name": p, "port": 80, "targetPort": PORT, "protocol": p.upper()} for p in ("tcp", "udp"))
    ip = services.create(service("both", ports=[tcp, udp]))["spec"]["clusterIP"]
    for protocol in ("http", "udp"):
        assert answers(backends, ip, 80, protocol) in BACKENDS
    for ports, ok, lost in (([udp], "udp", "http"), ([tcp], "http", "udp")):
        services.change("both", lambda o: o["spec"].update(ports=ports))
        assert answers(backends, ip, 80, ok) in BACKENDS
        answers(backends, ip, 80, lost, well=False)


@behaviour("[sig-network] Service endpoints latency should not be very high [Conformance]")
def test_latency(backends, services, kinds):
    """A hundred Services; the time from each one's creation until its endpoints are told."""
    endpoints = kinds("v1", "Endpoints", backends.namespace)
    follower = endpoints.watch(endpoints.version(), seconds=60)
    began, took = {}, []
    for i in range(100):
        began[f"latency-{i}"] = time.monotonic()
        services.create(service(f"latency-{i}", labels={"of": "latency"}))
    for event in follower.stream:
        obj = event["raw_object"]
        if obj.get("subsets") and (start := began.pop(obj["metadata"]["name"], None)):
            took.append(time.monotonic() - start)
        if not began:
            break
    took.sort()
    assert len(took) == 100
    assert took[50] < 20 and took[90] < 50, took
    services.delete_all("of=latency")


@behaviour("[sig-network] Services should delete a collection of services [Conformance]")
def test_collection(services):
    for i in range(3):
        services.create(service(f"collected-{i}", selector=None, labels={"of": "collection"}))
    services.create(service("stays", selector=None, labels={"of": "others"}))
    assert len(services.names("of=collection")) == 3
    services.delete_all("of=collection")
    wait_for("them to be gone", 30, lambda: services.names("of=collection") == [])
    assert services.names("of=others") == ["stays"]


@behaviour("[sig-network] Services should find a service from listing all namespaces [Conformance]")
def test_everywhere(services):
    assert ("default", "kubernetes") in [(s["metadata"]["namespace"], s["metadata"]["name"])
                                         for s in services.list(everywhere=True)["items"]]


@behaviour("[sig-network] Services should complete a service status lifecycle [Conformance]")
def test_status(services):
    label = "of=status"
    follower = services.watch(services.version(label), label)
    made = service("status", "LoadBalancer", selector=None, labels={"of": "status"}, loadBalancerClass="example.com/internal")
    services.create(made)
    follower.next("ADDED")
    assert label.split("=")[1] in services.list(label, everywhere=True)["items"][0]["metadata"]["name"]
    status = services.sub("status")
    assert status.get("status")["status"]["loadBalancer"] == {}
    told = status.patch("status", {"metadata": {"annotations": {"patchedstatus": "true"}},
                                   "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}})
    assert [i["ip"] for i in told["status"]["loadBalancer"]["ingress"]] == ["203.0.113.1"]
    follower.next("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("patchedstatus") == "true"
                  and o["status"]["loadBalancer"].get("ingress"))

    def update(obj):
        obj["status"]["conditions"] = [{"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test",
                                        "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    status.change("status", update)
    follower.next("MODIFIED", lambda o: [c["type"] for c in o["status"].get("conditions", [])] == ["StatusUpdate"])
    services.patch("status", {"metadata": {"labels": {"patched": "true"}}})
    follower.next("MODIFIED", lambda o: o["metadata"]["labels"].get("patched") == "true")
    services.delete("status")
    follower.next("DELETED")
    services.wait_gone("status")
