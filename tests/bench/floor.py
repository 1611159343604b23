"""The floor beside which pods are measured: runs floor.c on a host of the lab, with the image's own layers."""

import json
import os
import shutil
import subprocess

DISK = "/var/lib/mkube/bench"  # on the host: where containers have theirs, too
HERE = os.path.dirname(os.path.realpath(__file__))
STEPS = ("overlay", "network", "create", "start", "total")


def build(directory):
    """Beside the other programs of the build: hosts see its directory."""
    program = os.path.join(directory, "bench-floor")
    source = os.path.join(HERE, "floor.c")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        subprocess.run(["cc", "-O2", "-Wall", "-o", program, source], check=True)
    return "bench-floor"


class Floor:
    """On one host of the lab.  @layers: directories of the image, bottom first."""

    def __init__(self, lab, host, program, layers, argv):
        self.lab, self.host, self.program = lab, host, program
        self.lower = ":".join(reversed(layers))
        self._write_config(argv)

    def _write_config(self, argv):
        """What `runc spec` suggests, with a network namespace that is there already."""
        self.lab.on_host(self.host, ["mkdir", "-p", DISK])
        self.lab.on_host(self.host, ["sh", "-c", f"cd {DISK} && rm -f config.json && runc spec"])
        config = json.loads(self.lab.on_host(self.host, ["cat", f"{DISK}/config.json"]))
        config["process"].update(terminal=False, args=argv)
        config["root"] = {"path": "rootfs", "readonly": False}
        for namespace in config["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = "NETNS"
        self.lab.on_host(self.host, ["sh", "-c", f"cat >{DISK}/config.json"], input=json.dumps(config))

    def run(self, n, jobs=1):
        """([{step: ms} of each pod], ms for all of them)."""
        where = f"{DISK}/floor"
        self.lab.on_host(self.host, ["sh", "-c", f"rm -rf {where} && mkdir {where}"])
        try:
            said = self.lab.on_host(self.host, [self.program, where, self.lower, f"{DISK}/config.json", str(n), str(jobs)])
        finally:
            self.lab.on_host(self.host, ["rm", "-rf", where])
        lines = [[float(word) for word in line.split()] for line in said.splitlines()]
        return [dict(zip(STEPS, line)) for line in lines[:-1]], lines[-1][0]


def podman_start(lab, host, image, manifest, n):
    """Milliseconds of `podman kube play`, each with its `kube down`; None when podman is not installed."""
    if not shutil.which("podman"):
        return None
    script = """
import subprocess, sys, time
image, n = sys.argv[1], int(sys.argv[2])
manifest = sys.argv[3]
podman = ["podman", "--root", "DISK/podman", "--runtime", "runc"]  # its store on the disk, as ours
def run(*words):
    subprocess.run(podman + list(words), input=manifest, text=True, check=True, stdout=subprocess.DEVNULL)
run("pull", "-q", "--tls-verify=false", image)
for i in range(n):
    start = time.monotonic()
    run("kube", "play", "-")
    print((time.monotonic() - start) * 1e3)
    run("kube", "down", "-")
""".replace("DISK", DISK)
    said = lab.on_host(host, ["/usr/bin/python3", "-c", script, image, str(n), json.dumps(manifest)])
    return [float(line) for line in said.splitlines()]
