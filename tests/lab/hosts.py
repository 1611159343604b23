"""The hosts of a lab: their namespaces, disks and services, and the cluster they make.

Everything is held by processes alone: no namespace is pinned and no mount is made outside a host, so ending the
processes in the lab's cgroups ends all of it, also when it was only half made.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess

from cgroups import Cgroups
from linux import CLONE, LabError, is_alive, read, run, unshare, wait_for, write
from network import CLIENT, CONTROL, FIRST_WORKER, REGISTRY, Network

HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(REPO, "build"))
MKUBE = os.path.abspath(os.environ.get("MKUBE") or os.path.join(BUILD, "mkube"))
INIT = os.path.join(BUILD, "lab-init")
STATE_TOP, DISK_TOP = "/run/mkube-lab", "/var/lib/mkube-lab"

# Run on the host: leaves the process id where `service` finds it, and the output on the host's disk.
SERVICE_SHELL = 'echo $$ >"/run/lab/$0.pid" && exec "$@" >>"/var/log/lab-$0.log" 2>&1 </dev/null'

REGISTRY_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: /var/lib/registry}}
  delete: {{enabled: true}}
http: {{addr: "{address}:5000"}}
"""


class Lab:
    def __init__(self, name):
        if not re.fullmatch("[a-z0-9]{1,10}", name):
            raise LabError(f"LAB={name}: want 1 to 10 of a-z and 0-9 (it names a network interface)")
        self.name = name
        self.state = os.path.join(STATE_TOP, name)
        self.disk = os.path.join(DISK_TOP, name)
        self.plan = json.loads(read(os.path.join(self.state, "plan.json"), "{}"))
        self.cgroups = Cgroups("mkube-lab-" + name, os.path.join(self.state, "cgroup"), self.plan.get("bases"))
        self.network = Network(name, self.plan.get("net"))

    # --- what it is made of ---------------------------------------------------------------------------------

    def exists(self):
        return bool(self.plan)

    def make_plan(self, n_workers):
        """Fixes the lab's address range and hosts; they hold until `down`."""
        os.makedirs(self.state, exist_ok=True)
        self.plan = {"net": self._free_net(), "workers": n_workers, "bases": self.cgroups.bases}
        self.network.number = self.plan["net"]
        self.save_plan()

    def save_plan(self):
        write(os.path.join(self.state, "plan.json"), json.dumps(self.plan))

    def _free_net(self):
        if self.name == "lab":
            return 0
        taken = {json.loads(read(os.path.join(STATE_TOP, other, "plan.json"), "{}")).get("net")
                 for other in os.listdir(STATE_TOP)}
        first = int(hashlib.sha256(self.name.encode()).hexdigest(), 16)
        return next(n for i in range(255) if (n := 1 + (first + i) % 255) not in taken)

    def hosts(self):
        """{name: number} of the real hosts (the router is not one)."""
        found = {"control": CONTROL, "registry": REGISTRY, "client": CLIENT}
        found.update((f"worker{i + 1}", FIRST_WORKER + i) for i in range(self.plan["workers"]))
        return found

    def check_host(self, host):
        if not self.exists():
            raise LabError(f"no lab {self.name}: start it with `lab up`")
        if host not in self.hosts():
            raise LabError(f"no host {host}: there are {', '.join(self.hosts())}")
        return host

    def pid(self, host):
        """The global id of the host's process 1, or None when it is off."""
        pid = int(read(os.path.join(self.state, host + ".pid"), "0") or 0)
        return pid if pid and is_alive(pid) and self.cgroups.holds(host, pid) else None

    def need_pid(self, host):
        pid = self.pid(self.check_host(host))
        if not pid:
            raise LabError(f"{host} is off")
        return pid

    # --- boot and power cut ---------------------------------------------------------------------------------

    def _spawn(self, host, kinds, argv, env):
        """Starts @argv as process 1 of new namespaces, away from this process.  Returns its output."""
        self.cgroups.make(host)
        reader, writer = os.pipe()
        middle = os.fork()
        if middle == 0:
            self._spawn_in_middle(host, kinds, argv, env, writer)
        os.close(writer)
        with os.fdopen(reader) as f:
            said = f.read()
        if os.waitpid(middle, 0)[1] != 0:
            raise LabError(f"{host}: {said}")
        return said

    def _spawn_in_middle(self, host, kinds, argv, env, writer):
        """Its own function and no way out but _exit: a forked copy must not run on into the caller's code."""
        try:
            os.setsid()
            self.cgroups.join(host)  # the root of the cgroup namespace to be
            unshare(*kinds)
            self.cgroups.join(host, "system")
            self.cgroups.delegate(host)
            pid = os.fork()
            if pid == 0:
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
                os.dup2(writer, 1)
                os.dup2(writer, 2)
                os.execve(argv[0], argv, env)
            write(os.path.join(self.state, host + ".pid"), str(pid))
            os._exit(0)
        except BaseException as e:
            os.write(writer, f"{e}\n".encode())
        finally:
            os._exit(1)

    def start_router(self):
        if not self.pid("router"):
            self._spawn("router", ("net", "pid"), [INIT], {})
            self.network.build(self.pid("router"))

    def boot(self, host):
        """Powers @host on and plugs it in.  Does not start its services."""
        self._write_host_files(host)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LAB_CGROUPS": self.cgroups.names_for_boot()}
        argv = [os.path.join(HERE, "boot"), host, os.path.join(self.disk, host),
                os.path.join(self.state, host + ".root"), os.path.dirname(MKUBE), INIT, self.cgroups.view]
        said = self._spawn(host, CLONE, argv, env)
        if said.rstrip("\n").rpartition("\n")[2] != "booted":
            raise LabError(f"{host} does not boot:\n{said}")
        self.network.plug_in(self.pid("router"), host, self.hosts()[host], self.need_pid(host))

    def _write_host_files(self, host):
        """Names and addresses as an administrator would have set them up on the host."""
        shared = os.path.join(self.disk, "host-files")
        os.makedirs(shared, exist_ok=True)
        os.makedirs(os.path.join(self.disk, host), exist_ok=True)
        names = "".join(f"{self.network.address(n)} {name}\n" for name, n in self.hosts().items())
        write(os.path.join(shared, "hosts"), "127.0.0.1 localhost\n::1 localhost\n" + names)
        write(os.path.join(shared, "resolv.conf"), f"nameserver {self.network.address(REGISTRY)}\nsearch lab\n")
        machine_id = hashlib.md5(f"mkube lab {self.name} {host}".encode()).hexdigest()
        write(os.path.join(self.disk, host, "machine-id"), machine_id + "\n")

    def power_off(self, host):
        """Every process at once, as the kernel does when process 1 of a pid namespace dies; with the last of
        them go the mounts, the network and the memory of /run.  Then what no reboot keeps either: cgroups."""
        pid = self.pid(host)
        if pid:
            os.kill(pid, signal.SIGKILL)
        self.cgroups.kill(host)
        if os.path.exists(os.path.join(self.state, host + ".pid")):
            os.unlink(os.path.join(self.state, host + ".pid"))

    def down(self):
        self.cgroups.kill()
        self.network.unplug_machine()
        self.cgroups.unmount()
        for directory in (self.state, self.disk):
            shutil.rmtree(directory)
            top = os.path.dirname(directory)
            if not os.listdir(top):
                os.rmdir(top)

    def set_cable(self, host, how):
        self.need_pid(host)
        self.network.set_cable(self.pid("router"), host, how)

    def netem(self, host, args):
        self.network.netem([(self.pid("router"), host), (self.need_pid(host), "eth0")], args)

    # --- commands and services on a host --------------------------------------------------------------------

    def door(self, host):
        """The words that run a command on @host; the caller must join its cgroup."""
        return ["nsenter", "-t", str(self.need_pid(host)), *"-m -u -i -n -p -C -r -w --".split()]

    @staticmethod
    def environment():
        """What a login on a host would give; sanitizer options pass, so that tests can set them."""
        env = {"PATH": "/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "HOME": "/run/lab/home", "LANG": "C.UTF-8", "KUBECONFIG": "/var/lib/mkube/admin.kubeconfig"}
        passed = (n for n in os.environ if n == "TERM" or n.endswith("SAN_OPTIONS") or n.startswith("MKUBE_"))
        env.update((n, os.environ[n]) for n in passed)
        return env

    def on_host(self, host, argv, **options):
        """Runs @argv on @host in a child, so that this process stays where it is."""
        return run(*self.door(host), *argv, env=self.environment(),
                   preexec_fn=lambda: self.cgroups.join(host, "system"), **options)

    def services(self, host):
        """{name: command line} of what runs on @host."""
        if host == "registry":
            return {"registry": ["docker-registry", "serve", "/run/lab/registry.yml"],
                    "dns": ["/usr/bin/python3", "-c", read(os.path.join(HERE, "dns.py")), self.network.address(REGISTRY)]}
        if self.plan.get("bare"):
            return {}
        if host == "control":
            return {"server": ["mkube", "server", "--data-dir", "/var/lib/mkube",
                               "--advertise-address", self.network.address(CONTROL),
                               *self.plan.get("server_flags", [])]}
        if host.startswith("worker"):
            return {"agent": [*self._join_command(host), "--data-dir", "/var/lib/mkube", "--node-name", host,
                              "--registry-mirror", f"*=http://{self.network.address(REGISTRY)}:5000",
                              *self.plan.get("agent_flags", [])]}
        return {}

    def _join_command(self, host):
        """As the control host prints it for one more worker, and kept: every later boot uses the same."""
        kept = os.path.join(self.disk, host, "join-command")
        if not os.path.exists(kept):
            write(kept, wait_for("a join command", 30, lambda: self.while_serving(self._new_join_command), pause=0.1))
        return read(kept).split()

    def _new_join_command(self):
        """None while the server does not answer yet."""
        try:
            found = re.search(r"mkube agent .*--token \S+", self.on_host("control", ["mkube", "token", "create"]))
        except LabError:
            return None
        return found and found.group()

    def service_pid(self, host, name):
        """The id of a service within its host, or None."""
        root = f"/proc/{self.need_pid(host)}/root"
        pid = (read(f"{root}/run/lab/{name}.pid") or "").strip()
        return int(pid) if pid and is_alive(pid, root + "/proc") else None

    def start_service(self, host, name):
        if self.service_pid(host, name):
            return
        if name == "registry":
            config = REGISTRY_CONFIG.format(address=self.network.address(REGISTRY))
            self.on_host(host, ["sh", "-c", "cat >/run/lab/registry.yml"], input=config)
        self.on_host(host, ["rm", "-f", f"/run/lab/{name}.pid"])
        self.on_host(host, ["setsid", "-f", "sh", "-c", SERVICE_SHELL, name, *self.services(host)[name]])
        wait_for(f"{name} on {host}", 5, lambda: self.service_pid(host, name), pause=0.005)

    def end_service(self, host, name, how):
        pid = self.service_pid(host, name)
        if pid:
            self.on_host(host, ["kill", "-" + how, str(pid)])
            wait_for(f"{name} on {host} to end", 30, lambda: not self.service_pid(host, name), pause=0.005)

    # --- the cluster ----------------------------------------------------------------------------------------

    @property
    def kubeconfig(self):
        return os.path.join(self.state, "kubeconfig")

    def fetch_kubeconfig(self):
        """The server's admin kubeconfig, made to work from this machine."""
        source = os.path.join(self.disk, "control", "mkube", "admin.kubeconfig")
        text = wait_for("the server's kubeconfig", 30, lambda: self.while_serving(lambda: read(source)))
        url = f"server: https://{self.network.address(CONTROL)}:6443"
        fd = os.open(self.kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as f:
            f.write(re.sub(r"server: *\S+", url, text))

    def while_serving(self, condition):
        if not self.service_pid("control", "server"):
            raise LabError("the server has ended: " + (self.last_words("control", "server") or "no word"))
        return condition()

    def last_words(self, host, name, lines=5):
        text = read(os.path.join(self.disk, host, "log", f"lab-{name}.log"), "")
        return "\n".join(text.splitlines()[-lines:])

    def ready_nodes(self):
        asked = subprocess.run(
            ["kubectl", "--kubeconfig", self.kubeconfig, "--request-timeout=5s", "get", "nodes", "-o", "json"],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": self.state})  # kubectl's cache goes with the lab
        nodes = json.loads(asked.stdout)["items"] if asked.returncode == 0 else []
        return {node["metadata"]["name"] for node in nodes
                if any(c["type"] == "Ready" and c["status"] == "True"
                       for c in node.get("status", {}).get("conditions", []))}
