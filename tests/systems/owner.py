"""An owner at work: types the commands of the system's document, in their order, and looks whether it works."""

import os
import time

import yaml

from labsite import WORKERS, CommandFailed, Site, is_ready, name_of, wait_for
from outside import Outside
from system import OWN, images_of, matches, named, other_tag, push, stand_in


class SystemsSite(Site):
    def push(self, names):
        push(self, names)


class Owner:
    def __init__(self, site, system, source, folder):
        self.site, self.system, self.source, self.folder = site, system, source, folder
        self.ns = system.namespace
        self.outside = Outside(site)
        self.documents = system.documents(source)
        self.warned = ""     # what kubectl said beside the results while it applied
        self.seconds = None  # from the first command to all Ready

    def kubectl(self, *args, **options):
        return self.site.kubectl("-n", self.ns, *args, **options)

    # --- bringing it up

    def images(self):
        """What the manifests name, and the other tag of what is going to be updated."""
        found = set(images_of(self.documents))
        for document in self.documents:
            if document["kind"] == "Deployment" and name_of(document) in (self.system.apps or {}):
                found |= {stand_in(other_tag(c["image"])) for c in document["spec"]["template"]["spec"]["containers"]}
        return sorted(found)

    def files(self):
        """[path or None]: the owner's files in order; None waits for the pods so far.  A folder is for -k."""
        if self.source == "own" and self.system.overlay:
            return [os.path.join(OWN, self.system.name, self.system.overlay)]
        if self.source == "own":
            names = self.system.own_files or sorted(
                n for n in os.listdir(os.path.join(OWN, self.system.name)) if n.endswith((".yaml", ".yml")))
            return [n and os.path.join(OWN, self.system.name, n) for n in names]
        left, paths = list(self.documents), []
        for name, wanted in self.system.files:
            if name is None:
                paths.append(None)
                continue
            mine = [d for d in left if matches(d, wanted)]
            assert mine, f"nothing for {name}: {wanted}"
            left = [d for d in left if d not in mine]
            path = os.path.join(self.folder, *name.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                yaml.safe_dump_all(mine, f, allow_unicode=True, sort_keys=False)
            paths.append(path)
        assert not left, f"in no file: {[named(d) for d in left]}"
        return [self._overlay(paths)] if self.system.overlay else paths

    def _overlay(self, paths):
        folder = os.path.join(self.folder, *self.system.overlay.split("/"))
        os.makedirs(folder, exist_ok=True)
        names = [os.path.relpath(path, folder) for path in paths]
        assert not any(name.startswith("..") for name in names), f"not below {self.system.overlay}: {names}"
        with open(os.path.join(folder, "kustomization.yaml"), "w", encoding="utf-8") as f:
            yaml.safe_dump({"resources": names}, f)
        return folder

    def apply(self, path):
        """What kubectl said of each object."""
        done = self.kubectl("apply", "-k" if os.path.isdir(path) else "-f", path, check=False)
        self.warned += done.stderr
        if done.returncode:
            raise CommandFailed(f"apply {path}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def deploy(self):
        begun = time.monotonic()
        for words in self.system.before:
            words(self) if callable(words) else self.site.kubectl(*words)
        for path in self.files():
            if path is None:
                self.all_ready()
            else:
                self.apply(path)
        for words in self.system.after:
            words(self) if callable(words) else self.site.kubectl(*words)
        self.all_ready()
        self.seconds = time.monotonic() - begun

    def pods(self):
        """Those that are meant to go on: not the finished ones of Jobs."""
        return [p for p in self.site.items("-n", self.ns, "pods")
                if not any(o["kind"] == "Job" for o in p["metadata"].get("ownerReferences", []))]

    def all_ready(self, seconds=None):
        """As many pods as the workloads want, all Ready, none on its way out."""
        def condition():
            pods = self.pods()
            wanted = sum(w["spec"].get("replicas", 1) for kind in ("deployments", "statefulsets")
                         for w in self.site.items("-n", self.ns, kind))
            return len(pods) >= wanted and all(
                is_ready(p) and "deletionTimestamp" not in p["metadata"] for p in pods) and pods
        return wait_for(f"all pods of {self.ns}", seconds or self.system.ready_seconds, condition, pause=0.5)

    # --- what its users do

    def write(self, record):
        request = fill(self.system.write, record)
        answer = wait_for("the record to be taken", 60, lambda: (a := self.outside.ask(**request)).status < 300 and a, pause=0.5)
        return answer

    def holds(self, record, seconds=60):
        request = fill(self.system.read, record)
        wait_for(f"{record} to be there", seconds, lambda: record in self.outside.ask(**request).text, pause=0.5)

    def check_routes(self, routes=None):
        routes = self.system.routes if routes is None else routes
        answers = self.outside.ask_all([r.request() for r in routes])
        wrong = [f"{r.more.get('method', 'GET')} {r.host or ''}{r.path}: {why}, got {a!r}"
                 for r, a in zip(routes, answers) if (why := differs(r, a))]
        assert not wrong, "\n".join(wrong)

    # --- taking it down

    def clean_up(self):
        for words in self.system.clean_up or [["delete", "namespace", self.ns, "--ignore-not-found"]]:
            words(self) if callable(words) else self.site.kubectl(*words, timeout=240)
        self.site.kubectl("delete", "namespace", self.ns, "--ignore-not-found", "--timeout=180s", timeout=200)

    def left_behind(self):
        """The namespace, volumes of its claims; on the nodes directories of volumes, containers and addresses of pods that are
        no more."""
        try:
            self.site.get("namespace", self.ns)
            return ["the namespace"]
        except CommandFailed:
            pass
        volumes = self.site.items("pv")
        found = [f"volume {name_of(v)}" for v in volumes if v["spec"].get("claimRef", {}).get("namespace") == self.ns]
        here = {name_of(v) for v in volumes} | {p["metadata"]["uid"] for p in self.site.items("-A", "pods")}
        for worker in WORKERS:
            kept = self.site.run(worker, "sh", "-c", "cd /var/lib/mkube && ls -d volumes/* pods/* /run/mkube/net/* 2>/dev/null; true")
            found += [f"{path} on {worker}" for path in kept.split() if path.rpartition("/")[2] not in here]
        return found


def fill(request, record):
    def put(value):
        if isinstance(value, str):
            return value.replace("RECORD", record)
        if isinstance(value, dict):
            return {k: put(v) for k, v in value.items()}
        return value
    return put(request)


def differs(route, answer):
    """Why this is not what the route promises; None if it is."""
    if isinstance(answer, str):
        return f"no answer: {answer}"
    checks = [("status", route.status, answer.status), ("path", route.seen, answer.seen_path),
              ("application", route.by, (answer.served_by or (None,))[0]), ("place", route.to, answer.headers.get("location"))]
    for what, wanted, got in checks:
        if wanted is not None and wanted != got:
            return f"{what} {wanted!r} wanted"
    if route.holds is not None and route.holds not in answer.text:
        return f"{route.holds!r} wanted"
    return None
