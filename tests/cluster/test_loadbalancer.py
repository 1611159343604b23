"""Services of type LoadBalancer: the entry's address, or addresses from pools that nodes announce."""

import ipaddress
import json

import pytest

from labsite import WORKERS, wait_for

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web-@NODE, labels: {app: web}}
spec:
  nodeName: @NODE
  terminationGracePeriodSeconds: 1
  containers:
    - name: web
      image: hello:1
      env: [{name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
      readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1}
---
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: @NAME, annotations: {@NOTES}}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{name: web, port: @PORT, targetPort: 8080}]@MORE}
---
"""
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: site}
spec: {addresses: ["@FIRST-@LAST"]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: site}
spec: {ipAddressPools: [site]@MORE}
---
"""


def service(name, port, notes="", more=""):
    return (SERVICE.replace("@NAME", name).replace("@PORT", str(port)).replace("@NOTES", notes)
            .replace("@MORE", more and ", " + more))


def addresses(site, n):
    """So many unused addresses of the site's network, from the control host's upwards."""
    first = ipaddress.ip_address(site.control) + 90
    return [str(first + i) for i in range(n)]


def external(site, ns, name):
    return site.kubectl("-n", ns, "get", "service", name, "--no-headers").split()[3]


def answer(site, address, port):
    said = site.run("client", "curl", "-sS", "--max-time", "2", f"http://{address}:{port}/json")
    return json.loads(said)["pod"]


def refused(site, address, port):
    done = site.run("client", "curl", "-s", "--max-time", "2", f"http://{address}:{port}/json", check=False)
    return done.returncode == 7


def messages(site, ns, name, reason):
    return [e["message"] for e in site.items("-n", ns, "events", "--field-selector",
                                             f"involvedObject.name={name},reason={reason}")]


def announcer(site, ns, name):
    return site.get("-n", ns, "service", name)["metadata"]["annotations"].get("mkube.io/announced-by")


@pytest.fixture
def web(site, namespace):
    site.apply("".join(WEB.replace("@NODE", w) for w in WORKERS[:2]), "-n", namespace)
    site.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s", timeout=70)
    return namespace


@pytest.fixture
def pool(site, web):
    """A pool of two addresses, announced by all nodes."""
    first, last = addresses(site, 2)
    site.apply(POOL.replace("@FIRST", first).replace("@LAST", last).replace("@MORE", ""), "-n", web)
    return web


def test_without_pools_the_entry_has_the_port(site, web):
    site.apply(service("web", 8070), "-n", web)
    wait_for("the port", 20, lambda: answer(site, site.control, 8070).startswith("web-"))
    row = site.kubectl("-n", web, "get", "service", "web", "--no-headers").split()
    assert row[3] == site.control and row[4].startswith("8070:3") and row[4].endswith("/TCP")
    site.apply(service("second", 8070), "-n", web)
    wait_for("the reason", 10, lambda: messages(site, web, "second", "SyncLoadBalancerFailed") ==
             [f"Error syncing load balancer: port 8070 is already used by Service {web}/web"])
    assert external(site, web, "second") == "<pending>"
    site.apply(service("foreign", 8071, more="loadBalancerClass: example.com/lb"), "-n", web)
    site.apply(service("nlb", 8073, more="loadBalancerClass: service.k8s.aws/nlb"), "-n", web)
    wait_for("a balancer of AWS' kind", 10, lambda: answer(site, site.control, 8073).startswith("web-"))
    wait_for("its address", 10, lambda: external(site, web, "nlb") == site.control)
    site.apply(service("bare", 8072, more="allocateLoadBalancerNodePorts: false"), "-n", web)
    wait_for("a port without a node port", 10, lambda: answer(site, site.control, 8072).startswith("web-"))
    assert site.kubectl("-n", web, "get", "service", "bare", "--no-headers").split()[4] == "8072/TCP"
    assert external(site, web, "foreign") == "<pending>" and refused(site, site.control, 8071)
    site.kubectl("-n", web, "delete", "service", "web")
    wait_for("the port to pass on", 10, lambda: external(site, web, "second") == site.control)


def test_pools_give_addresses_until_they_are_empty(site, pool):
    first, last = addresses(site, 2)
    for name in ("one", "two", "three"):
        site.apply(service(name, 80), "-n", pool)
    wait_for("both addresses", 10, lambda: {external(site, pool, n) for n in ("one", "two")} == {first, last})
    wait_for("the reason", 10, lambda: messages(site, pool, "three", "AllocationFailed") ==
             [f'Failed to allocate IP for "{pool}/three": no available IPs'])
    assert external(site, pool, "three") == "<pending>"
    for address in (first, last):
        seen = set()
        wait_for(f"all pods behind {address}", 20, lambda: seen.add(answer(site, address, 80)) or len(seen) == 2)
    held = site.get("-n", pool, "service", "one")["status"]["loadBalancer"]["ingress"][0]
    assert held["ipMode"] == "VIP" and messages(site, pool, "one", "IPAllocated") == [f'Assigned IP ["{held["ip"]}"]']
    site.kubectl("-n", pool, "delete", "service", "one")
    wait_for("the freed address", 10, lambda: external(site, pool, "three") == held["ip"])
    site.kubectl("-n", pool, "delete", "ipaddresspool", "site")
    wait_for("the end of the address", 10, lambda: external(site, pool, "two") == "<pending>")


def test_wishes_sharing_and_sources(site, pool):
    first, last = addresses(site, 2)
    key = f'metallb.universe.tf/allow-shared-ip: web, metallb.io/loadBalancerIPs: "{last}"'
    site.apply(service("a", 80, key) + service("b", 81, key) + service("c", 81, key) +
               service("far", 80, "", "loadBalancerIP: 203.0.113.9") +
               service("closed", 82, "metallb.universe.tf/address-pool: site", "loadBalancerSourceRanges: [203.0.113.0/24]"),
               "-n", pool)
    wait_for("a shared address", 10, lambda: [external(site, pool, n) for n in ("a", "b", "closed")] == [last, last, first])
    wait_for("its ports", 10, lambda: answer(site, last, 80) and answer(site, last, 81))
    assert external(site, pool, "c") == external(site, pool, "far") == "<pending>"
    assert messages(site, pool, "c", "AllocationFailed") == [
        f'Failed to allocate IP for "{pool}/c": port TCP/81 is already in use by {pool}/b']
    assert messages(site, pool, "far", "AllocationFailed") == [
        f'Failed to allocate IP for "{pool}/far": ["203.0.113.9"] is not allowed in config']
    wait_for("nobody let in", 10, lambda: refused(site, first, 82))
    site.kubectl("-n", pool, "patch", "service", "closed", "-p", '{"spec":{"loadBalancerSourceRanges":["0.0.0.0/0"]}}')
    wait_for("everybody let in", 10, lambda: answer(site, first, 82))


def test_local_traffic_stays_on_its_node_and_moves_with_the_pod(site, pool):
    site.kubectl("-n", pool, "delete", "pod", "web-" + WORKERS[0])
    site.apply(service("web", 80, more="externalTrafficPolicy: Local"), "-n", pool)
    wait_for("the node that has the pod", 10, lambda: announcer(site, pool, "web") == WORKERS[1])
    address = external(site, pool, "web")
    wait_for("an answer", 10, lambda: answer(site, address, 80) == "web-" + WORKERS[1])
    site.apply(WEB.replace("@NODE", WORKERS[2]), "-n", pool)
    site.kubectl("-n", pool, "wait", "--for=condition=Ready", "pod/web-" + WORKERS[2], "--timeout=30s")
    site.kubectl("-n", pool, "delete", "pod", "web-" + WORKERS[1])
    wait_for("the other node", 15, lambda: announcer(site, pool, "web") == WORKERS[2])
    wait_for("its answer", 15, lambda: answer(site, address, 80) == "web-" + WORKERS[2])


def test_another_node_answers_after_a_power_cut(site, pool):
    site.apply(service("web", 80), "-n", pool)
    address = addresses(site, 1)[0]
    wait_for("an answer", 15, lambda: answer(site, address, 80))
    lost = announcer(site, pool, "web")
    site.lab("kill", lost)
    wait_for("another node", 70, lambda: announcer(site, pool, "web") not in (lost, None))
    wait_for("its answer", 20, lambda: answer(site, address, 80))
    assert external(site, pool, "web") == address
    site.up()


ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
while True:
    data, peer = s.recvfrom(100)
    s.sendto(b"pong " + data, peer)
"""
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.sendto(b"ping", (sys.argv[1], 53))
print(s.recvfrom(100)[0].decode())
"""
DATAGRAMS = """
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {type: LoadBalancer, ports: [{port: 53, targetPort: 5353, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo-1, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
ports: [{name: "", port: 5353, protocol: UDP}]
endpoints: [{addresses: ["@ADDRESS"], conditions: {ready: true}}]
"""


def test_datagrams_reach_an_address_of_a_pool(site, pool):
    """The endpoint is a program on a worker: no image here speaks UDP."""
    site.run("worker2", "sh", "-c", f"timeout 40 /usr/bin/python3 -c '{ECHO}' >/dev/null 2>&1 </dev/null &")
    site.apply(DATAGRAMS.replace("@ADDRESS", site.lab("address", "worker2").strip()), "-n", pool)
    address = addresses(site, 1)[0]
    wait_for("the address", 10, lambda: external(site, pool, "echo") == address)
    wait_for("an answer", 20, lambda: site.run("client", "/usr/bin/python3", "-c", ASK, address) == "pong ping\n")
