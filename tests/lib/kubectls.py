"""The kubectls of the tests: the machine's, and Debian's own (1.20), unpacked beside the system."""

import os
import shutil
import subprocess

KEPT = os.environ.get("MKUBE_OLD_KUBECTL", "/var/cache/mkube-images/kubectl-1.20")


def debian():
    """(path, None), or (None, why there is none)."""
    path = os.path.join(KEPT, "usr", "bin", "kubectl")
    if os.path.exists(path):
        return path, None
    try:
        os.makedirs(KEPT, exist_ok=True)
        subprocess.run(["apt-get", "download", "-o", "APT::Sandbox::User=root", "kubernetes-client"], cwd=KEPT, check=True,
                       capture_output=True, timeout=60)
        deb = next(n for n in os.listdir(KEPT) if n.endswith(".deb"))
        subprocess.run(["dpkg", "-x", deb, "."], cwd=KEPT, check=True, capture_output=True)
    except (subprocess.SubprocessError, OSError, StopIteration) as e:
        return None, f"Debian's kubernetes-client cannot be had here: {e}"
    return path, None


def version(path):
    """"1.32"; None: there is no such program."""
    if not path or not shutil.which(path):
        return None
    text = subprocess.run([path, "version", "--client"], text=True, capture_output=True, check=False).stdout
    if "v1.20." in text or 'Minor:"20' in text:
        return "1.20"
    found = [word for word in text.replace('"', " ").split() if word.startswith("v1.")]
    return ".".join(found[0][1:].split(".")[:2]) if found else None
