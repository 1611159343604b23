#!/usr/bin/python3
"""bench: measures mkube in a lab of its own, beside the floor that the same machine sets in the same run.

  bench.py [--keep] [PART...]     PARTs: rest start scale restart creates systems beside (default: all)

Prints a table, writes build/bench.json, takes the lab down (--keep: leaves it).  Machines are noisy and differ:
what counts are the ratios.  LAB=bench, BUILD= and MKUBE= as in tests/lab/lab.
"""

import argparse
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(REPO, "tests", "lab")]
os.environ["LAB"] = os.environ.get("LAB") or "bench"

import floor  # noqa: E402
from beside import Beside  # noqa: E402
from hosts import BUILD, MKUBE, Lab  # noqa: E402
from kube import Kube  # noqa: E402
from linux import LabError  # noqa: E402
from report import Report, percentile  # noqa: E402
from systems import Systems  # noqa: E402

WORKERS = ("worker1", "worker2", "worker3")
NAMESPACE = "bench"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SLEEP = ["sleep", "1000000"]
IMAGE = "busybox:1"
REST_SECONDS = 60


class Bench:
    def __init__(self):
        self.report = Report()
        self.lab = self.kube = self.floor = None

    # --- the site

    def up(self):
        say("a lab of its own, and the hello system in it")
        run(os.path.join(REPO, "tests/lab/lab"), "up", "--workers", str(len(WORKERS)))
        self.lab = Lab(os.environ["LAB"])
        run(os.path.join(REPO, "examples/hello/up.sh"))
        self.kube = Kube(self.lab.kubeconfig)
        self.kube.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace",
                                                      "metadata": {"name": NAMESPACE}})
        self.on_every_worker_pull()
        self.floor = floor.Floor(self.lab, "worker1", floor.build(os.path.dirname(MKUBE)), self.layers("worker1"), SLEEP)

    def on_every_worker_pull(self):
        mirror = next(a for a in self.lab.services("worker1")["agent"] if a.startswith("*="))
        for host in WORKERS:
            self.lab.on_host(host, ["mkube", "image", "pull", IMAGE, "--registry-mirror", mirror])

    def layers(self, host):
        """Of IMAGE, bottom first, as the node keeps them."""
        records = self.lab.on_host(host, ["sh", "-c", "cat /var/lib/mkube/images/refs/*.json"])
        decoder, at, found = json.JSONDecoder(), 0, []
        while at < len(records.rstrip()):
            record, at = decoder.raw_decode(records, at + len(records[at:]) - len(records[at:].lstrip()))
            if record["ref"].endswith("/" + IMAGE) or record["ref"] == IMAGE:
                found = record["layers"]
        if not found:
            raise SystemExit(f"bench: {host} has no {IMAGE}")
        return ["/var/lib/mkube/images/layers/" + digest.partition(":")[2][:12] for digest in found]

    def on_host(self, host, *words):
        with open(os.path.join(HERE, "onhost.py")) as f:
            return json.loads(self.lab.on_host(host, ["/usr/bin/python3", "-", *map(str, words)], input=f.read()))

    # --- (c) at rest

    def rest(self):
        say(f"the hello system at rest, {REST_SECONDS} s")
        hosts = ("control", *WORKERS)
        time.sleep(10)
        before = {h: self.on_host(h, "processes") for h in hosts}
        time.sleep(REST_SECONDS)
        after = {h: self.on_host(h, "processes") for h in hosts}
        self.report.raw["rest"] = {"before": before, "after": after, "seconds": REST_SECONDS}
        for host in hosts:
            for role, now in sorted(after[host].items(), reverse=True):
                self.tell_process(role if host == "control" else f"{role} of {host}", role, before[host][role], now)

    def tell_process(self, name, role, then, now):
        """PSS shares the program's pages among the hosts of the lab; alone on its machine a process comes near its RSS."""
        self.report.add(f"{name}: memory (PSS)", now["pss_kb"] / 1024, "MB", {"server": 25, "agent": 12}.get(role),
                        note=f"RSS {now['rss_kb'] / 1024:.1f}")
        own, children = ((now[k] - then[k]) / REST_SECONDS * 100 for k in ("own_s", "children_s"))
        self.report.add(f"{name}: CPU", own + children, "% core", 0.5, note=f"own {own:.2f}, children {children:.2f}")
        self.report.add(f"{name}: written to disk", (now["written"] - then["written"]) / 1e6 * 3600 / REST_SECONDS,
                        "MB/h")

    # --- (a) one pod after the other

    def pod(self, name):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {"terminationGracePeriodSeconds": 0,
                         "containers": [{"name": "c", "image": IMAGE, "command": SLEEP}]}}

    def start_pods(self, names):
        """Milliseconds from each POST to the watcher hearing of Running."""
        running, took = {}, []

        def seen(moment, kind, pod):
            if pod.get("status", {}).get("phase") == "Running":
                running.setdefault(pod["metadata"]["name"], moment)

        stop = self.kube.watch(PODS, seen)
        for name in names:
            start = time.monotonic()
            self.kube.call("POST", PODS, self.pod(name))
            wait_for(f"{name} to run", 30, lambda: name in running)
            took.append((running[name] - start) * 1e3)
            time.sleep(0.1)  # what follows Running (events, records) is not the next one's
        stop()
        return took

    def delete_pods(self):
        for pod in self.kube.call("GET", PODS)["items"]:
            self.kube.call("DELETE", f"{PODS}/{pod['metadata']['name']}")
        wait_for("pods to go", 60, lambda: not self.kube.call("GET", PODS)["items"], pause=0.1)

    def start(self):
        say("pod start, floor and pods in turns")
        floors, pods = [], []
        self.start_pods(["warm-0", "warm-1", "warm-2"])  # one for each node
        for turn in range(3):
            floors += self.floor.run(10)[0]
            pods += self.start_pods([f"start-{turn}-{i}" for i in range(10)])
        self.delete_pods()
        self.report.raw["start"] = {"floor": floors, "pods_ms": pods}
        for p in (50, 99):
            own, least = percentile(pods, p), percentile([f["total"] for f in floors], p)
            self.report.add(f"pod start p{p}", own, "ms")
            self.report.add(f"  floor p{p}", least, "ms")
            self.report.add(f"  ratio p{p}", own / least, "x", 2.0 if p == 50 else None)
        self.podman(percentile(pods, 50))

    def podman(self, own):
        address = self.lab.network.address(self.lab.hosts()["registry"])
        image = f"{address}:5000/library/{IMAGE}"
        manifest = self.pod("podman")
        manifest["spec"]["containers"][0]["image"] = image
        try:
            took = floor.podman_start(self.lab, "worker1", image, manifest, 10)
        except LabError as e:
            took = e
        if not isinstance(took, list):
            self.report.skip("podman kube play", f"it fails: {took}" if took else "podman is not installed")
            return
        self.report.raw["podman_ms"] = took
        self.report.add("podman kube play p50", percentile(took, 50), "ms")
        self.report.add("  pod start beside it", own / percentile(took, 50), "x")

    # --- (b) forty more

    def deployment(self, replicas):
        labels = {"app": "scale"}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "scale"},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                         "template": {"metadata": {"labels": labels}, "spec": self.pod("x")["spec"]}}}

    def scale(self):
        say("a Deployment from 10 to 50 pods over three nodes")
        running = {}

        def seen(moment, kind, pod):
            if pod.get("status", {}).get("phase") == "Running":
                running.setdefault(pod["metadata"]["name"], moment)

        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
        least = min(self.floor.run(40, jobs)[1] for jobs in (4, 20)) / 1e3
        stop = self.kube.watch(PODS, seen)
        self.kube.call("POST", path, self.deployment(10))
        wait_for("10 pods", 60, lambda: len(running) == 10)
        time.sleep(2)
        start = time.monotonic()
        self.kube.call("PATCH", f"{path}/scale", {"spec": {"replicas": 50}}, "application/merge-patch+json")
        wait_for("50 pods", 120, lambda: len(running) == 50)
        took = max(running.values()) - start
        stop()
        nodes = [p["spec"].get("nodeName") for p in self.kube.call("GET", PODS)["items"]]
        self.kube.call("DELETE", f"{path}/scale")
        wait_for("pods to go", 60, lambda: not self.kube.call("GET", PODS)["items"], pause=0.1)
        self.report.raw["scale"] = {"seconds": took, "floor_s": least, "nodes": {n: nodes.count(n) for n in set(nodes)},
                                    "ms": sorted((m - start) * 1e3 for m in running.values())[10:]}
        self.report.add("10 -> 50 pods on three nodes", took, "s")
        self.report.add("  floor: 40 at once", least, "s")
        self.report.add("  ratio", took / least, "x")

    # --- (d), (e) the server

    def restart(self):
        say("server start on an existing store")
        took = self.on_host("control", "restarts", 7, "/run/lab/server.pid", *self.lab.services("control")["server"])
        self.kube = Kube(self.lab.kubeconfig)
        self.report.raw["restart_ms"] = took
        self.report.add("server start to first answer p50", percentile(took, 50), "ms", 300)
        self.report.add("  slowest of 7", max(took), "ms")

    def creates(self):
        say("durable creates of 1 KiB ConfigMaps")
        for n in (1, 32):
            least = self.on_host("control", "commits", 1, "/var/lib/mkube")  # each time: disks have their moods
            made = self.on_host("control", "creates", n, 3, f"/api/v1/namespaces/{NAMESPACE}/configmaps")
            self.report.raw[f"creates_{n}"] = made | {"floor_per_s": least}
            self.report.add(f"durable creates, {n} clients" if n > 1 else "durable creates, 1 client", made["per_s"], "/s",
                            note=f"p50 {made['p50_ms']:.2f} ms, p99 {made['p99_ms']:.2f} ms")
            self.report.add("  floor: SQLite commits one by one", least, "/s")
            self.report.add("  ratio", made["per_s"] / least, "x")


    # --- beside etcd

    def beside(self):
        Beside(self.report, say, BUILD, MKUBE).run()

    # --- the five systems

    def systems(self):
        Systems(self.report, say).run()


def say(text):
    print(f"== {text}", flush=True)


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(argv)}:\n{done.stdout}")


def wait_for(what, seconds, condition, pause=0.0005):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: waited {seconds} s for {what}")
        time.sleep(pause)


PARTS = ("rest", "start", "scale", "restart", "creates", "systems", "beside")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART")
    args = parser.parse_args()
    if wrong := [p for p in args.parts if p not in PARTS]:
        parser.error(f"no part {wrong[0]}: there are {', '.join(PARTS)}")
    if os.geteuid() != 0:
        raise SystemExit("bench: namespaces need root")
    bench = Bench()
    try:
        run(os.path.join(REPO, "tests/lab/lab"), "down")
        if not set(args.parts or PARTS) <= {"systems", "beside"}:  # one has labs of its own, the other none
            bench.up()
        for part in args.parts or PARTS:
            getattr(bench, part)()
    finally:
        bench.report.write(os.path.join(BUILD, "bench.json"))
        if not args.keep:
            run(os.path.join(REPO, "tests/lab/lab"), "down")
    print(f"\nwritten: {os.path.join(BUILD, 'bench.json')}; missed: {', '.join(bench.report.misses()) or 'nothing'}")


if __name__ == "__main__":
    main()
