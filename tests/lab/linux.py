"""Running commands, waiting, files, and the few Linux calls that Python 3.11 has no words for."""

import ctypes
import os
import subprocess
import time

CLONE = {"mnt": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000,
         "pid": 0x20000000, "net": 0x40000000}


MS_REC, MS_PRIVATE = 0x4000, 1 << 18


def _libc(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), name + ": " + os.strerror(ctypes.get_errno()))


def unshare(*kinds):
    """Leaves the namespaces of these kinds for new ones (of "pid": for the children).

    New mounts are cut off from the machine's.  That has to be said at the namespace's root, which a process in a
    chroot cannot name; entering the namespace it is in already takes it there (setns(2)), and then back."""
    _libc("unshare", sum(CLONE[kind] for kind in kinds))
    if "mnt" not in kinds:
        return
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    root, here = (os.open(path, os.O_PATH | os.O_DIRECTORY) for path in ("/", "."))  # in the new namespace
    _libc("setns", own, CLONE["mnt"])
    _libc("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(here)
    for fd in (own, root, here):
        os.close(fd)


def read(path, default=None):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return default


def write(path, text):
    """Whole or not at all, for those who read meanwhile."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def is_alive(pid, proc="/proc"):
    stat = read(f"{proc}/{pid}/stat")
    return stat is not None and stat.rpartition(")")[2].split()[0] not in "ZX"


class LabError(Exception):
    pass


def run(*argv, **options):
    """Runs a command to its end; its stderr becomes the error's text."""
    done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def wait_for(what, seconds, condition, pause=0.05):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds} s for {what}")
        time.sleep(pause)
    return found
