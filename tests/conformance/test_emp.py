"""Volumes that begin empty."""

from batch import look, mount, mounted
from behaviour import behaviour, each
from filetables import LINUX
from labsite import wait_for
from podkit import pod, sh

MODES = {"0644": "-rw-r--r--", "0666": "-rw-rw-rw-", "0777": "-rwxrwxrwx"}
USERS = {"root": 0, "non-root": 1001}
MEDIA = {"default": {}, "tmpfs": {"medium": "Memory"}}
KIND = "stat -fc %T /v | sed 's/^[^t].*/other/; s/^t[^m].*/other/'"


def volume(medium):
    return {"name": "v", "emptyDir": MEDIA[medium]}


def on(medium):
    """What a look at the kind of file system says: the node's own is none of memory."""
    return "tmpfs" if medium == "tmpfs" else "other"


def file_of(user, mode, medium):
    script = f"{KIND}; umask 0; echo content >/v/f; chmod {mode} /v/f; cat /v/f; stat -c '%A %u' /v/f"
    return look(script, [on(medium), "content", f"{MODES[mode]} {USERS[user]}"], container=mounted(), volumes=[volume(medium)],
                securityContext={"runAsUser": USERS[user]})


TABLE = {f"[sig-storage] EmptyDir volumes should support ({user},{mode},{medium}) {LINUX}": file_of(user, mode, medium)
         for user in USERS for mode in MODES for medium in MEDIA} | {
    f"[sig-storage] EmptyDir volumes volume on {name} should have the correct mode {LINUX}":
        look(f"{KIND}; stat -c %A /v", [on(medium), "drwxrwxrwx"], container=mounted(), volumes=[volume(medium)])
    for name, medium in (("default medium", "default"), ("tmpfs", "tmpfs"))}
SHARED = "/usr/share/volumeshare"
OBJECTS = [pod("shared", sh("sleep 10000", "main", volumeMounts=[mount("v", SHARED)]),
               sh("echo Hello from the sub-container >/pod-data/f", "sub", volumeMounts=[mount("v", "/pod-data")]),
               volumes=[volume("default")], terminationGracePeriodSeconds=0)]


@each(TABLE)
def test_what_a_container_sees(batch, look):
    batch.check(look)


@behaviour("[sig-storage] EmptyDir volumes pod should support shared volumes between containers [Conformance]")
def test_shared(batch):
    wait_for("what the other wrote", 40, lambda: batch.shell("shared", f"cat {SHARED}/f", "main") == "Hello from the sub-container\n")
