"""The lab as the tests use it: hosts, switches and a kubectl that talks to its cluster."""

import json
import os
import re
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
LAB = os.path.join(HERE, "lab")
IMAGES = os.path.join(HERE, "images.py")
WORKERS = ("worker1", "worker2", "worker3")


class CommandFailed(AssertionError):
    """A command ended with an error that the test did not expect."""


def wait_for(what, seconds, condition, pause=0.1):
    """Waits until condition() is true and returns what it gave.  A CommandFailed within it means: not yet."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            if found := condition():
                return found
            last = found
        except CommandFailed as e:
            last = e
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}; last: {last!r}")
        time.sleep(pause)


class Site:
    def __init__(self, name, agent_flags=()):
        self.name = name
        self.agent_flags = [f"--agent-flag={flag}" for flag in agent_flags]
        self.env = os.environ | {"LAB": name}
        self.kubeconfig = None

    # --- the lab

    def lab(self, *args, check=True, timeout=120):
        return self._run([LAB, *args], check, timeout=timeout)

    def up(self):
        self.lab("up", "--workers", str(len(WORKERS)), *self.agent_flags, timeout=180)
        self.kubeconfig = self.lab("kubeconfig").strip()
        self.control = self.lab("address", "control").strip()
        self.registry = f"http://{self.lab('address', 'registry').strip()}:5000"
        self.env["KUBECONFIG"] = self.kubeconfig
        self.env["HOME"] = os.path.dirname(self.kubeconfig)  # where kubectl keeps its cache

    def push_images(self):
        self._run([IMAGES, "--registry", self.registry], True, timeout=300)

    def run(self, host, *argv, check=True, timeout=60):
        """A command on a host of the lab; its output."""
        return self.lab("run", host, "--", *argv, check=check, timeout=timeout)

    def service(self, host, verb, name):
        self.lab("service", host, verb, name)

    def fetch(self, path="/json", timeout=5):
        """The entry, asked by the host outside the cluster."""
        code = ("import sys, urllib.request as r;"
                "print(r.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read().decode(), end='')")
        return self.run("client", "/usr/bin/python3", "-c", code, f"http://{self.control}{path}", str(timeout))

    def processes(self, host, name):
        """{pid: start time} of the processes of this name on a host, containers included."""
        script = r'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = "$0" ] && cat $p/stat; done; true'
        lines = self.run(host, "sh", "-c", script, name).splitlines()
        return {int(line.split()[0]): line.rpartition(")")[2].split()[19] for line in lines}

    # --- kubectl

    def kubectl(self, *args, check=True, stdin=None, timeout=60):
        """What kubectl printed; with check=False, the whole CompletedProcess."""
        return self._run(["kubectl", *args], check, timeout=timeout, input=stdin)

    def forget_kinds(self):
        """kubectl keeps for minutes what kinds there are: who adds or takes one away must say so."""
        shutil.rmtree(os.path.join(self.env["HOME"], ".kube", "cache", "discovery"), ignore_errors=True)

    def kubectl_process(self, *args):
        """A kubectl that goes on beside the test; the caller ends it (see follow)."""
        return subprocess.Popen(["kubectl", *args], env=self.env, text=True, bufsize=1,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def kubectl_minor(self):
        version = json.loads(self.kubectl("version", "--client", "-o", "json"))["clientVersion"]
        return int(re.match(r"\d+", version["minor"]).group())

    def apply(self, manifest, *args, **options):
        return self.kubectl("apply", "-f", "-", *args, stdin=manifest, **options)

    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def items(self, *args):
        return self.get(*args)["items"]

    def inside(self, namespace, pod, *argv, timeout=10, **options):
        """A command in a pod's first container, run from its node: no API between the test and the pod."""
        found = self.get("-n", namespace, "pod", pod)
        container = (container_ids(found) or [None])[0]
        if not container:
            raise CommandFailed(f"{pod} has no container yet")
        which = container.partition("://")[2]
        return self.run(found["spec"]["nodeName"], "runc", "--root", "/run/mkube/runc", "exec", which, *argv,
                        timeout=timeout, **options)

    def _run(self, argv, check, timeout, input=None):
        try:
            done = subprocess.run(argv, env=self.env, text=True, input=input, timeout=timeout,
                                  stdin=subprocess.DEVNULL if input is None else None,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{' '.join(argv)}: no end after {timeout} s") from None
        if not check:
            return done
        if done.returncode != 0:
            raise CommandFailed(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


# --- what the tests ask of objects ------------------------------------------------------------------------------


def name_of(obj):
    return obj["metadata"]["name"]


def is_ready(obj):
    return any(c["type"] == "Ready" and c["status"] == "True"
               for c in obj.get("status", {}).get("conditions", []))


def restarts(pod):
    return sum(c["restartCount"] for c in pod["status"].get("containerStatuses", []))


def container_ids(pod):
    return [c.get("containerID") for c in pod["status"].get("containerStatuses", [])]


class Visitors:
    """Asks for the page from outside, several at a time, until stopped."""

    SCRIPT = """
import json, sys, threading, time, urllib.request
url, n = sys.argv[1], int(sys.argv[2])
lock, going = threading.Lock(), threading.Event()
answered, failed = [0], []
def visit():
    while not going.is_set():
        try:
            json.load(urllib.request.urlopen(url, timeout=10))
            with lock: answered[0] += 1
        except Exception as e:
            with lock: failed.append(repr(e))
            time.sleep(0.05)
        time.sleep(0.01)
threads = [threading.Thread(target=visit) for _ in range(n)]
[t.start() for t in threads]
sys.stdin.read()
going.set()
[t.join() for t in threads]
print(json.dumps({"answered": answered[0], "failed": failed}))
"""

    def __init__(self, site, path="/json", n=4):
        self.n = n
        self.process = subprocess.Popen(
            [LAB, "run", "client", "--", "/usr/bin/python3", "-c", self.SCRIPT, f"http://{site.control}{path}", str(n)],
            env=site.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self):
        """(number answered, what failed)"""
        said, _ = self.process.communicate(timeout=30)
        result = json.loads(said)
        return result["answered"], result["failed"]
