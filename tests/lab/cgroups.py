"""The lab's part of the machine's cgroups: one directory per host in every hierarchy.

Works on v1 (also with the bare v2 hierarchy beside it) and on v2.  It looks at cgroups through mounts of its
own, made in a private mount namespace, so it does not matter how or whether the machine mounts them.
A host's directory is the root of its cgroup namespace; its processes live in `system` below it, so
that on v2 the root may hand controllers to containers ("no internal processes").
"""

import os
import signal
import subprocess
import time

from linux import read, unshare

V2_CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io")


class Cgroups:
    def __init__(self, lab, view, bases=None):
        """@lab: the directory's name.  @view: where to mount.  @bases: what an earlier instance found."""
        self.lab, self.view = lab, view
        self.bases = bases or self._find_bases()
        self._is_mounted = False

    @staticmethod
    def _find_bases():
        """{hierarchy: our own path in it}: the lab lives below its caller, so limits set on the caller hold.
        On plain v2 that cannot be (the caller's group has processes), so there it is the root."""
        found = {}
        with open("/proc/self/cgroup") as lines:
            for line in lines:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                found[controllers or "none"] = "/" if path.startswith("/..") else path
        return {"unified": "/"} if list(found) == ["none"] else found

    def _mount(self):
        """On first use, in a mount namespace of this process alone: nothing to clean up but the directory."""
        unshare("mnt")
        os.makedirs(self.view, exist_ok=True)
        subprocess.run(["mount", "-n", "-t", "tmpfs", "tmpfs", self.view], check=True)
        for which in self.bases:
            where = os.path.join(self.view, which)
            os.mkdir(where)
            if which in ("none", "unified"):
                kind = ["-t", "cgroup2"]
            else:
                kind = ["-t", "cgroup", "-o", "none," + which if which.startswith("name=") else which]
            subprocess.run(["mount", "-n", *kind, "cgroup", where], check=True)
        self._is_mounted = True

    def unmount(self):
        if self._is_mounted:
            subprocess.run(["umount", "-n", "-R", self.view], check=True)
            self._is_mounted = False

    def names_for_boot(self):
        return " ".join(self.bases)

    def _top(self, which):
        if not self._is_mounted:
            self._mount()
        return os.path.join(self.view, which, self.bases[which].strip("/"), self.lab)

    def make(self, host):
        """Makes the directories of @host, with every controller usable in the first."""
        for which in self.bases:
            top = self._top(which)
            made = (top, os.path.join(top, host), os.path.join(top, host, "system"))
            for directory in made:
                os.makedirs(directory, exist_ok=True)
                if "cpuset" in which.split(","):
                    _fill_cpuset(directory)
            if which == "unified":
                _delegate(os.path.dirname(top))
                _delegate(top)

    def delegate(self, host):
        """On v2, once no process is left in the root of @host: containers below it get the controllers."""
        if "unified" in self.bases:
            _delegate(os.path.join(self._top("unified"), host))

    def join(self, host, part=""):
        """Moves the calling process into @host: its root, or the part "system"."""
        for which in self.bases:
            _write(os.path.join(self._top(which), host, part, "cgroup.procs"), "0")

    def holds(self, host, pid):
        """Does process @pid belong to @host?  Guards against process ids that were used again."""
        return any(f"/{self.lab}/{host}/" in line + "/" for line in read(f"/proc/{pid}/cgroup", "").split())

    def processes(self, host=""):
        found = set()
        for which in self.bases:
            for directory, _, _ in os.walk(os.path.join(self._top(which), host)):
                try:
                    with open(os.path.join(directory, "cgroup.procs")) as f:
                        found.update(int(line) for line in f)
                except OSError:
                    pass  # went away while we looked
        return found - {0}

    def kill(self, host="", seconds=20):
        """Ends every process of @host (of the whole lab when empty) and removes the directories."""
        deadline = time.monotonic() + seconds
        while left := self.processes(host):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"processes do not end: {sorted(left)}")
            time.sleep(0.02)
        for which in self.bases:
            self._remove(os.path.join(self._top(which), host), deadline)

    @staticmethod
    def _remove(top, deadline):
        for directory, _, _ in os.walk(top, topdown=False):
            while True:
                try:
                    os.rmdir(directory)
                    break
                except FileNotFoundError:
                    break
                except OSError:  # busy: the kernel is still burying processes
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)


def _write(path, text):
    with open(path, "w") as f:
        f.write(text)


def _fill_cpuset(directory):
    """A fresh v1 cpuset has no processors and takes in no process (cpusets(7))."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        path = os.path.join(directory, name)
        with open(path) as f:
            if f.read().strip():
                continue
        with open(os.path.join(directory, "..", name)) as f:
            _write(path, f.read().strip())
    _write(os.path.join(directory, "cgroup.clone_children"), "1")


def _delegate(directory):
    with open(os.path.join(directory, "cgroup.controllers")) as f:
        there = f.read().split()
    for controller in V2_CONTROLLERS:
        if controller in there:
            _write(os.path.join(directory, "cgroup.subtree_control"), "+" + controller)
