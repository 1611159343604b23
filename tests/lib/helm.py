"""helm 3 for the tests: the one of the machine, or one built from its Go module, kept outside the tree.

HELM= names another.  Where there is neither helm nor go, the tests that need it are skipped, and say why.
"""

import fcntl
import os
import shutil
import subprocess

from labsite import CommandFailed

MODULE = "helm.sh/helm/v3/cmd/helm@v3.16.4"
KEPT = os.environ.get("MKUBE_HELM_CACHE", "/var/cache/mkube-helm")


def find():
    """(path, None), or (None, why there is none)."""
    there = os.environ.get("HELM") or shutil.which("helm")
    if there:
        return there, None
    path = os.path.join(KEPT, "helm")
    if os.access(path, os.X_OK):
        return path, None
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        return None, "there is no helm, and no go to build it"
    try:
        os.makedirs(KEPT, exist_ok=True)
        with open(os.path.join(KEPT, "lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.access(path, os.X_OK):
                done = subprocess.run([go, "install", MODULE], env=os.environ | {"GOBIN": KEPT}, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1200)
                if done.returncode:
                    return None, f"go install {MODULE}: {done.stdout[-500:]}"
    except (OSError, subprocess.TimeoutExpired) as e:
        return None, f"go install {MODULE}: {e}"
    return path, None


class Helm:
    def __init__(self, site, path):
        self.site, self.path = site, path

    def __call__(self, *args, check=True, timeout=320):
        """What helm printed; with check=False the CompletedProcess."""
        return self.site._run([self.path, *args], check, timeout=timeout)

    def fails(self, *args, timeout=320):
        """What it said on its way out."""
        done = self(*args, check=False, timeout=timeout)
        if done.returncode == 0:
            raise CommandFailed(f"helm {' '.join(args)}: ended well\n{done.stdout}")
        return done.stderr
