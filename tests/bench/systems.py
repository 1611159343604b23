"""The five systems as their owners deploy them (tests/systems): how long until they work, what they weigh, how fast they answer.

Images are pulled before the clock starts.  A front page comes from a small stand-in program: what counts is not how many of them a
second, but the ratio to asking a pod without the entry between, and the entry's own processor time.
"""

import importlib
import json
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(REPO, "tests", "systems"), os.path.join(REPO, "tests", "lab")]

from labsite import WORKERS, CommandFailed  # noqa: E402
from owner import Owner, SystemsSite  # noqa: E402

NAMES = ("swap_reporting", "erp", "erp_eks", "trip_currency", "openmarket")
LOAD_SECONDS = 5


class Systems:
    def __init__(self, report, say):
        self.report, self.say = report, say
        self.site = SystemsSite("benchsys", agent_flags=("--memory=3Gi",))

    def run(self):
        self.site.lab("down")
        try:
            self.site.up()
            for name in NAMES:
                try:
                    self.one(name)
                except (CommandFailed, AssertionError) as e:  # the others are measured all the same
                    self.report.skip(name, str(e).splitlines()[0][:160])
        finally:
            self.site.lab("down")

    def one(self, name):
        try:
            system = importlib.import_module("test_" + name).SYSTEM
        except ImportError as e:
            self.report.skip(name, f"no such system: {e}")
            return
        source = "seed" if system.has("seed") else "own"
        if not system.has(source):
            self.report.skip(name, "no manifests")
            return
        self.say(f"{system.name}, {'as its owner wrote it' if source == 'seed' else 'from examples/systems'}")
        with tempfile.TemporaryDirectory() as folder:
            owner = Owner(self.site, system, source, folder)
            self.pull(owner)
            owner.deploy()
            try:
                self.tell(owner)
            finally:
                owner.clean_up()

    def pull(self, owner):
        self.site.push(owner.images())
        for worker in WORKERS:
            for image in owner.images():
                self.site.run(worker, "mkube", "image", "pull", image, "--registry-mirror", f"*={self.site.registry}",
                              timeout=300)

    def on_host(self, host, *words):
        with open(os.path.join(HERE, "onhost.py"), encoding="utf-8") as f:
            return json.loads(self.site.run(host, "/usr/bin/python3", "-c", f.read(), *words))

    def tell(self, owner):
        name = owner.system.name
        self.report.add(f"{name}: first command to all Ready", owner.seconds, "s")
        own = sum(p["pss_kb"] for host in ("control", *WORKERS) for p in self.on_host(host, "processes").values()) / 1024
        pods = self.pods_mb(owner)
        self.report.add("  mkube's own memory, four hosts (PSS)", own, "MB")
        if pods:
            self.report.add("  its pods' memory", pods, "MB", note=f"mkube beside them {own / pods * 100:.1f} %")
        self.front_page(owner)

    def pods_mb(self, owner):
        try:
            said = json.loads(self.site.kubectl("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{owner.ns}/pods"))
        except CommandFailed:
            return 0
        units = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "": 1 / (1 << 20)}
        return sum(float(n) * units[u] for pod in said["items"] for c in pod["containers"]
                   for n, u in [re.fullmatch(r"(\d+)(\D*)", c["usage"]["memory"]).groups()])

    # --- through the entry

    def wrk(self, url, host):
        """Requests a second, as the control host counts them."""
        said = self.site.run("control", "wrk", "-t1", "-c16", f"-d{LOAD_SECONDS}s", "-H", f"Host: {host}", url, timeout=60)
        if "Non-2xx" in said:
            raise CommandFailed(said)
        return (float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1)),
                int(re.search(r"(\d+) requests in", said).group(1)))

    def front_page(self, owner):
        load = owner.system.load
        if not load:
            return
        host, path = load.get("host", self.site.control), load["path"]
        scheme, standard = ("https", 443) if load.get("tls") else ("http", 80)
        try:
            before = self.on_host("control", "processes")["entry"]
            rate, n = self.wrk(f"{scheme}://{self.site.control}:{load.get('port', standard)}{path}", host)
            after = self.on_host("control", "processes")["entry"]
        except CommandFailed as e:
            self.report.skip("  front page through the entry", str(e).splitlines()[0][:120])
            return
        self.report.add("  front page through the entry", rate, "/s")
        self.report.add("  the entry's processor time for 100k requests", (after["own_s"] - before["own_s"]) / n * 1e5, "s")
