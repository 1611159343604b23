"""The lab's network: two bridges in a router namespace, a cable for each host, one for the machine itself.

The site (control, registry, workers) and the outside (client, machine) have 126 addresses each and meet in the
router, which knows no pod networks.
"""

import json
import os

from linux import LabError, run

NETWORK = "10.90.{lab}.{host}"  # the only addresses the lab uses; {lab} is 0 for the default lab

# Host numbers: the site below 128, the outside above.
SITE_ROUTER, CONTROL, REGISTRY, FIRST_WORKER = 1, 2, 3, 11
OUTSIDE_ROUTER, CLIENT, MACHINE = 129, 130, 254
NETMASK = 25
MAX_WORKERS = 100


def ip(pid, batch):
    """Lines for ip(8) in the network namespace of process @pid."""
    run("nsenter", "-t", str(pid), "-n", "ip", "-batch", "-", input=batch + "\n")


def ensure_gone(is_there, remove):
    """The kernel buries the cables of a dead namespace when it gets to it: perhaps between a look and @remove, which
    then finds nothing and fails."""
    if not is_there():
        return
    try:
        remove()
    except LabError:
        if is_there():
            raise


class Network:
    def __init__(self, lab, number):
        """@number: which of the possible labs this is, as far as addresses go."""
        self.machine_port = "mk-" + lab
        self.number = number

    def address(self, host):
        return NETWORK.format(lab=self.number, host=host)

    def build(self, router):
        """Makes a router of the empty network namespace of process @router, and plugs the machine in."""
        run("nsenter", "-t", str(router), "-n", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        ip(router, f"""link set lo up
            link add site type bridge forward_delay 0
            link add outside type bridge forward_delay 0
            addr add {self.address(SITE_ROUTER)}/{NETMASK} dev site
            addr add {self.address(OUTSIDE_ROUTER)}/{NETMASK} dev outside
            link set site up
            link set outside up""")
        self.unplug_machine()
        run("ip", "link", "add", self.machine_port, "type", "veth", "peer", "name", "machine", "netns", str(router))
        ip(router, "link set machine master outside up")
        run("ip", "-batch", "-", input=f"""addr add {self.address(MACHINE)}/{NETMASK} dev {self.machine_port}
            link set {self.machine_port} up
            route add {self.address(0)}/{NETMASK} via {self.address(OUTSIDE_ROUTER)}\n""")

    def unplug_machine(self):
        ensure_gone(lambda: os.path.exists("/sys/class/net/" + self.machine_port),
                    lambda: run("ip", "link", "del", self.machine_port))

    def plug_in(self, router, host, number, pid):
        """Gives @host, the namespaces of process @pid, its eth0 with an address and a default route."""
        bridge, gateway = ("outside", OUTSIDE_ROUTER) if number > OUTSIDE_ROUTER else ("site", SITE_ROUTER)
        mac = f"02:90:00:{self.number:02x}:00:{number:02x}"
        ensure_gone(lambda: host in self.ports(router),  # the kernel has not yet buried the last boot's network
                    lambda: ip(router, f"link del {host}"))
        ip(router, f"link add {host} type veth peer name eth0 address {mac} netns {pid}")
        ip(pid, f"""link set lo up
            addr add {self.address(number)}/{NETMASK} dev eth0
            link set eth0 up
            route add default via {self.address(gateway)}""")
        ip(router, f"link set {host} master {bridge} up")

    @staticmethod
    def ports(router):
        """{port: is it plugged in} as the router sees them."""
        links = json.loads(run("nsenter", "-t", str(router), "-n", "ip", "-j", "link"))
        return {link["ifname"]: "UP" in link["flags"] for link in links}

    @staticmethod
    def set_cable(router, host, how):
        ip(router, f"link set {host} {how}")

    @staticmethod
    def netem(ends, args):
        """@ends: (process in the namespace, device), both ends of a cable.  No @args: a good link again."""
        for pid, device in ends:
            tc = ["nsenter", "-t", str(pid), "-n", "tc", "qdisc"]
            if args:
                try:
                    run(*tc, "replace", "dev", device, "root", "netem", *args)
                except LabError as e:
                    hint = " (this kernel has no netem)" if "kind is unknown" in str(e) else ""
                    raise LabError(str(e) + hint) from None
            elif "netem" in run(*tc, "show", "dev", device):
                run(*tc, "del", "dev", device, "root")
