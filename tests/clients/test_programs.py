"""Programs over the official libraries of JavaScript and Go: built from their packages, kept outside the tree.

Where there is no npm or no go, or their packages cannot be had, the test is skipped and says why.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
KEPT = os.environ.get("MKUBE_CLIENTS_CACHE", "/var/cache/mkube-clients")


def digest(*paths):
    h = hashlib.sha256()
    for path in paths:
        with open(os.path.join(HERE, path), "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]


def made(name, build):
    """The path of a folder that build(path) fills once."""
    path = os.path.join(KEPT, name)
    os.makedirs(KEPT, exist_ok=True)
    with open(os.path.join(KEPT, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(path, "made")):
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
            try:
                build(path)
            except (OSError, subprocess.SubprocessError) as e:
                pytest.skip(f"{name} cannot be made here: {str(getattr(e, 'stdout', '') or e)[-400:]}")
            with open(os.path.join(path, "made"), "w", encoding="utf-8"):
                pass
    return path


def run(*command, cwd, timeout=900, **env):
    subprocess.run(command, cwd=cwd, env=os.environ | env, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                   timeout=timeout)


def javascript():
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("there is no node or no npm")

    def build(path):
        shutil.copy(os.path.join(HERE, "js", "package.json"), path)
        run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=path, timeout=300)
    path = made(f"js-{digest('js/package.json')}", build)
    shutil.copy(os.path.join(HERE, "js", "client.mjs"), path)
    return ["node", os.path.join(path, "client.mjs")]


def go():
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not program:
        pytest.skip("there is no go")
    path = made(f"go-{digest('go/main.go', 'go/go.mod', 'go/go.sum')}",
                lambda path: run("nice", program, "build", "-o", os.path.join(path, "client"), ".", cwd=os.path.join(HERE, "go")))
    return [os.path.join(path, "client")]


PROGRAMS = {
    "javascript": (javascript, ["create and read", "a conflict is a 409 with its reason", "a stale replace is refused", "list by label",
                                "three patches", "server-side apply: own, conflict, give up", "a watch resumes where it ended",
                                "an informer", "any kind by its name, and the version"]),
    "go": (go, ["create, get, update", "server-side apply, and what of it is whose", "a shared informer", "a list in pages",
                "discovery, a mapper, a dynamic client", "leader election"]),
}


@pytest.mark.packages
@pytest.mark.parametrize("language", PROGRAMS)
def test_program(server, language):
    make, things = PROGRAMS[language]
    command = make()
    server.kubectl("create", "namespace", language)
    done = subprocess.run([*command, language], env=os.environ | {"KUBECONFIG": server.kubeconfig}, text=True, capture_output=True,
                          timeout=120)
    server.kubectl("delete", "namespace", language)
    assert done.stdout.splitlines() == [f"held: {thing}" for thing in things], done.stderr
    assert done.returncode == 0
