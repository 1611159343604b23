"""What the tests in the machine share: commands, waiting, pods, control groups, and who starts mkube."""

import glob
import json
import os
import re
import subprocess
import time

from api import Api

HERE = os.path.dirname(os.path.realpath(__file__))
CGROUPS = "/sys/fs/cgroup"
SERVER_DATA, SERVER_RUN = "/var/lib/mkube-server", "/run/mkube-server"  # the agent has the usual ones
KUBECONFIG = SERVER_DATA + "/admin.kubeconfig"
ADDRESS = "10.77.0.2"
PATIENCE = 240  # seconds for what takes seconds on a processor of silicon
NAMESPACE = "default"


class Failed(Exception):
    pass


def say(text):
    print(text, flush=True)


def need(fact, what):
    if not fact:
        raise Failed(what)


def read(path, otherwise=None):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        if otherwise is None:
            raise
        return otherwise


def run(*argv, check=True, seconds=PATIENCE, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds, **options)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: exit code {done.returncode}: {(done.stdout + done.stderr)[-800:]}")
    return done.stdout if check else done


def wait_for(what, condition, seconds=PATIENCE, pause=0.3):
    """The first true answer; the last false one, or exception, is in the complaint."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, Failed, KeyError, IndexError, AssertionError) as e:
            last = e
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s for {what}: {last!r}")
        time.sleep(pause)


def sh(script, name="c", **more):
    return {"name": name, "image": "busybox:1", "command": ["sh", "-c", script], **more}


def pod(name, *containers, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}}


def is_ready(thing):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in thing.get("status", {}).get("conditions", []))


class Systemd:
    """The units of docs/operations.md, with the directories and the token of this machine."""

    def install(self, name, command):
        with open(os.path.join(HERE, "operations.md")) as f:
            unit = re.search(r"```ini\n(.*?)```", f.read(), re.S)[1]
        need(unit.count("\nExecStart=") == 1, "docs/operations.md has no unit with an ExecStart")
        with open(f"/etc/systemd/system/mkube-{name}.service", "w") as f:
            f.write(re.sub(r"(?m)^ExecStart=.*", "ExecStart=" + " ".join(command), unit))
            f.flush()
            os.fsync(f.fileno())
        run("systemctl", "daemon-reload")
        run("systemctl", "enable", f"mkube-{name}")
        os.sync()

    def start(self, name):
        run("systemctl", "start", f"mkube-{name}")

    def stop(self, name):
        run("systemctl", "stop", f"mkube-{name}")

    def kill(self, name):
        run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", f"mkube-{name}")

    def after_boot(self):
        pass  # they are enabled

    def pid(self, name):
        return int(run("systemctl", "show", "--property=MainPID", "--value", f"mkube-{name}") or 0)

    def log(self, name):
        return run("journalctl", "-q", "-b", "-u", f"mkube-{name}", "-n", "40", "-o", "cat", check=False).stdout


class Plain:
    """No one starts anything again: the tests do, as a script would."""

    def __init__(self):
        self.running = {}

    def install(self, name, command):
        with open(f"/var/lib/vm-{name}.json", "w") as f:
            json.dump(command, f)
            f.flush()
            os.fsync(f.fileno())

    def start(self, name):
        command = json.loads(read(f"/var/lib/vm-{name}.json"))
        with open(f"/run/mkube-{name}.log", "a") as log:
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                                  start_new_session=True)

    def stop(self, name):
        self.running[name].terminate()
        self.running[name].wait(PATIENCE)

    def kill(self, name):
        self.running[name].kill()
        self.running[name].wait(PATIENCE)
        self.start(name)

    def after_boot(self):
        self.start("server")
        self.start("agent")

    def pid(self, name):
        return self.running[name].pid if self.running[name].poll() is None else 0

    def log(self, name):
        return "\n".join(read(f"/run/mkube-{name}.log", "").splitlines()[-40:])


class Site:
    def __init__(self, init):
        self.init = init
        self.services = Systemd() if init == "systemd" else Plain()
        self.connection = None
        os.environ.update(KUBECONFIG=KUBECONFIG, HOME="/run/vm", LANG="C.UTF-8",
                          PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

    # --- the cluster ---

    @property
    def api(self):
        if self.connection is None:
            self.connection = Api(KUBECONFIG, timeout=60)
        return self.connection

    def get(self, path):
        """The object below /api/v1 or /apis; raises when it is not there."""
        answer = self.api.get(path)
        need(answer.code == 200, f"GET {path}: {answer}")
        return answer.body

    def of_kind(self, plural, name=""):
        return self.get(f"/api/v1/namespaces/{NAMESPACE}/{plural}" + (f"/{name}" if name else ""))

    def pod(self, name):
        return self.of_kind("pods", name)

    def apply(self, *objects):
        run("kubectl", "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def wait_ready(self, *names):
        for name in names:
            try:
                wait_for(f"{name} to be ready", lambda name=name: is_ready(self.pod(name)))
            except Failed as e:
                events = run("kubectl", "events", "--for", f"pod/{name}", check=False).stdout
                raise Failed(f"{e}; {self.pod(name)['status'].get('containerStatuses')}; {events[-600:]}") from None

    def status(self, name, container="c"):
        return next(c for c in self.pod(name)["status"].get("containerStatuses", []) if c["name"] == container)

    def container(self, name, container="c"):
        return self.status(name, container)["containerID"].partition("://")[2]

    def inside(self, name, *argv, check=True):
        return run("kubectl", "exec", name, "--", *argv, check=check)

    def main_pid(self, name):
        """Of the container's first process, as this machine sees it."""
        return int(read(f"{self.cgroup(name)}/{self.container(name)}/cgroup.procs").split()[0])

    def cgroup(self, name):
        return f"{CGROUPS}/mkube/pod{self.pod(name)['metadata']['uid']}"

    # --- the processes ---

    def memory(self, name):
        """(RSS, PSS, anonymous part) of a service's main process in KiB."""
        text = read(f"/proc/{self.services.pid(name)}/smaps_rollup")
        return tuple(int(re.search(rf"(?m)^{key}: +(\d+)", text)[1]) for key in ("Rss", "Pss", "Anonymous"))

    def tell_logs(self):
        for name in ("server", "agent"):
            for line in self.services.log(name).splitlines():
                say(f"log {name}: {line[:600]}")
        for command in ("ip -br addr", "ip route", "ip neigh", "bridge link", "nft list ruleset"):
            for line in run(*command.split(), check=False).stdout.splitlines():
                say(f"log {command}: {line[:300]}")


def mounts_below(word):
    return [line for line in read("/proc/self/mountinfo").splitlines() if word in line]


def conmons():
    """Process ids of the containers' monitors."""
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        if read(path, "") == "conmon":
            found.append(int(path.split("/")[2]))
    return sorted(found)
