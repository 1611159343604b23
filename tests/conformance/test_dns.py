"""Names: of Services and pods, and the files that say where to ask."""

import pytest

from batch import look, mount
from behaviour import behaviour, each
from labsite import wait_for
from podkit import pod, sh

MINE = "# Kubernetes-managed hosts file."
HOSTS = {"volumes": [{"name": "h", "hostPath": {"path": "/etc/hosts", "type": "FileOrCreate"}}], "terminationGracePeriodSeconds": 0}
ORIGINAL = mount("h", "/etc/hosts-original")
STAYS = sh("sleep 10000")


def named(name, **more):
    """A container that has the node's hosts beside its own."""
    return sh("sleep 10000", name, volumeMounts=[ORIGINAL, *more.pop("mounts", [])])


def service(name, label, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": label}, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]} | spec}


TABLE = {
    "[sig-node] Kubelet when scheduling an agnhost Pod with hostAliases should write entries to /etc/hosts [NodeConformance] [Conformance]":
        look("cat /etc/hosts", {"123.45.67.89\tfoo\tbar"}, hostAliases=[{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]),
    "[sig-network] DNS should support configurable pod DNS nameservers [Conformance]":
        look("cat /etc/resolv.conf", {"nameserver 1.1.1.1", "search resolv.conf.local"}, dnsPolicy="None",
             dnsConfig={"nameservers": ["1.1.1.1"], "searches": ["resolv.conf.local"]}),
}
OBJECTS = [service("headless", "querier", clusterIP="None"), service("plain", "querier"),
           service("changing", "querier", type="ExternalName", externalName="foo.example.com", ports=[]),
           pod("querier", STAYS, hostname="dns-querier", subdomain="headless", terminationGracePeriodSeconds=0),
           pod("hosts", named("one"), named("two"), named("three", mounts=[mount("h", "/etc/hosts")]), **HOSTS),
           pod("hosts-of-node", named("one"), named("two"), hostNetwork=True, **HOSTS)]


@each(TABLE)
def test_files(batch, look):
    batch.check(look)


@behaviour("[sig-node] KubeletManagedEtcHosts should test kubelet managed /etc/hosts file [NodeConformance] [Conformance]")
def test_whose_hosts(batch):
    batch.running("hosts", "hosts-of-node")
    for name, container, managed in (("hosts", "one", True), ("hosts", "two", True), ("hosts", "three", False),
                                     ("hosts-of-node", "one", False), ("hosts-of-node", "two", False)):
        own, original = (batch.shell(name, f"cat {file}", container) for file in ("/etc/hosts", "/etc/hosts-original"))
        assert original
        assert (own.startswith(MINE) and own != original) == managed, (name, container, own, original)


class Asked:
    """A pod that asks for names."""

    def __init__(self, batch):
        self.batch, self.got = batch, batch.running("querier")
        self.ip, self.domain = self.got["status"]["podIP"], f"{batch.namespace}.svc.cluster.local"

    def cluster_ip(self, name):
        return self.batch.site.get("-n", self.batch.namespace, "service", name)["spec"]["clusterIP"]

    def said(self, name, kind="a"):
        """nslookup's answer, of which it makes an error when any of the search domains knows nothing."""
        return self.batch.shell("querier", f"nslookup -type={kind} {name} || true")

    def searched(self, name, kind):
        """The same through the search list, which nslookup uses for single words alone."""
        return self.batch.shell("querier", f"for d in $(sed -n 's/^search //p' /etc/resolv.conf); do nslookup -type={kind} {name}.$d; done "
                                           "|| true")

    def addresses(self, name):
        return {line.split()[-1] for line in self.said(name).partition("\n\n")[2].splitlines() if line.startswith("Address")}

    def resolves(self, name, *addresses):
        wait_for(f"{name} to be {addresses}", 20, lambda: self.addresses(name) == set(addresses))


@pytest.fixture
def asked(batch):
    return Asked(batch)


@behaviour("[sig-network] DNS should provide DNS for the cluster [Conformance]")
def test_the_cluster(asked, site):
    ip = site.get("-n", "default", "service", "kubernetes")["spec"]["clusterIP"]
    asked.resolves("kubernetes.default.svc.cluster.local", ip)


@behaviour("[sig-network] DNS should provide /etc/hosts entries for the cluster [Conformance]",
           "[sig-network] DNS should provide DNS for pods for Hostname [Conformance]")
def test_own_names(batch, asked):
    for name in (f"dns-querier.headless.{asked.domain}", "dns-querier"):
        lines = [line.split() for line in batch.shell("querier", "cat /etc/hosts").splitlines() if not line.startswith("#")]
        assert [line[0] for line in lines if name in line[1:]] == [asked.ip]
        # What programs are told, by way of libc.
        assert asked.ip in batch.shell("querier", f"ping -c1 -W2 {name}")
    assert batch.shell("querier", "hostname") == "dns-querier\n"


@behaviour("[sig-network] DNS should provide DNS for pods for Subdomain [Conformance]")
def test_subdomain(asked):
    asked.resolves(f"dns-querier.headless.{asked.domain}", asked.ip)
    asked.resolves(f"headless.{asked.domain}", asked.ip)


def check_service(asked, headless, plain, *ports):
    """Addresses of both, the port of each by its name, and over TCP too."""
    asked.resolves(headless, asked.ip)
    asked.resolves(plain, asked.cluster_ip("plain"))
    for name, target in ports:
        wait_for(f"the port of {name}", 20, lambda: f" 80 {target}" in asked.said(name, "srv"))


@behaviour("[sig-network] DNS should provide DNS for services [Conformance]")
def test_services(batch, asked):
    headless, plain = f"headless.{asked.domain}", f"plain.{asked.domain}"
    check_service(asked, headless, plain, (f"_http._tcp.{headless}", f"dns-querier.{headless}"), (f"_http._tcp.{plain}", plain))
    backwards = ".".join(reversed(asked.cluster_ip("plain").split("."))) + ".in-addr.arpa"
    assert plain in asked.said(backwards, "ptr")


@behaviour("[sig-network] DNS should resolve DNS of partial qualified names for services [LinuxOnly] [Conformance]")
def test_partial_names(batch, asked):
    ns = batch.namespace
    for suffix in ("", f".{ns}", f".{ns}.svc"):
        # As programs ask: the search list of resolv.conf is libc's.
        assert f"({asked.ip})" in batch.shell("querier", f"ping -c1 -W2 headless{suffix}"), suffix
    for name, target in (("headless", f"dns-querier.headless.{asked.domain}"), ("plain", f"plain.{asked.domain}")):
        wait_for(f"the port of {name}", 20, lambda: f" 80 {target}" in asked.searched(f"_http._tcp.{name}.{ns}.svc", "srv"))


@behaviour("[sig-network] DNS should provide DNS for ExternalName services [Conformance]")
def test_external_names(batch, asked):
    name = f"changing.{asked.domain}"

    def is_called(target):
        return f"canonical name = {target}" in asked.said(name, "cname")
    wait_for("the name", 20, lambda: is_called("foo.example.com"))
    batch.patch("service", "changing", {"spec": {"externalName": "bar.example.com"}})
    wait_for("the other name", 20, lambda: is_called("bar.example.com"))
    batch.patch("service", "changing", {"spec": {"type": "ClusterIP", "externalName": None, "ports": [
        {"port": 80, "name": "http", "protocol": "TCP"}]}})
    ip = wait_for("an address", 20, lambda: asked.cluster_ip("changing"))
    asked.resolves(name, ip)
