"""The machine of tests/vm: Debian 12 as a disk, its kernel and what starts from them, kept in CACHE.

Everything comes from Debian's archive: mmdebstrap makes the root, the kernel's package is unpacked beside it and never
installed on this machine.  The initial root is a busybox and the modules without which no disk is seen.
A cache is a directory named by the hash of what made it; it may be deleted at any time.
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
CACHE = os.environ.get("MKUBE_VM_CACHE") or "/var/cache/mkube-vm"
# Where this machine's own Debian comes from.
SOURCES = next(filter(os.path.exists, (os.environ.get("MKUBE_VM_SOURCES", ""), "/etc/apt/sources.list.d/debian.sources",
                                       "/etc/apt/sources.list")), None)
KERNEL = "linux-image-cloud-amd64"
DISK_MB = 6144

# What docs/operations.md tells people to install for a server and an agent...
NEEDED = ("iproute2 tzdata runc conmon nftables libuv1 libyaml-0-2 libjansson4 libmicrohttpd12 libgnutls30 libsqlite3-0 "
          "libcurl3-gnutls libarchive13 libldns3 zlib1g libzstd1 libpcre2-8-0 libhttp-parser2.9 libcrypt1").split()
# ... and what the machine and the tests are made of.
MACHINE = "systemd-sysv udev kmod procps python3 python3-yaml busybox-static util-linux mount".split()

# What only takes time.
IDLE = ("apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer "
        "e2scrub_reap.service getty-static.service systemd-update-utmp.service").split()

# Modules without which no disk is seen; what they need comes with them.
EARLY = ["virtio_pci", "virtio_blk"]


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"vm: {' '.join(argv)}:\n{done.stdout[-3000:]}")
    return done.stdout


def recipe_key():
    h = hashlib.sha256(repr((NEEDED, MACHINE, IDLE, KERNEL, MIRROR, DISK_MB)).encode())
    for path in [__file__, os.path.join(HERE, "early-init"), *sorted(glob.glob(os.path.join(HERE, "root/**"), recursive=True))]:
        if os.path.isfile(path):
            with open(path, "rb") as f:
                h.update(os.path.relpath(path, HERE).encode() + f.read())
    return h.hexdigest()[:16]


def fetch_kernel(scratch):
    """Unpacks the package that the metapackage stands for today; the directory it is in."""
    apt = ["-o", "APT::Sandbox::User=root"]
    run("apt-get", "-qq", "update", timeout=600)
    found = re.search(r"Depends: (linux-image-\S+-amd64)", run("apt-cache", "depends", KERNEL))
    if found is None:
        sys.exit(f"vm: {KERNEL} names no kernel")
    run("apt-get", "-qq", *apt, "download", found[1], cwd=scratch, timeout=600)
    tree = os.path.join(scratch, "kernel")
    run("dpkg-deb", "-x", glob.glob(os.path.join(scratch, "linux-image-*.deb"))[0], tree)
    return tree


def make_root(root, kernel):
    if SOURCES is None:
        sys.exit("vm: MKUBE_VM_SOURCES= must name a file of apt's sources")
    # Its mounts end with it: what stays is files that may be removed.
    run("unshare", "--mount", "mmdebstrap", "--mode=root", "--variant=minbase", "--include=" + ",".join(NEEDED + MACHINE),
        "--aptopt=Acquire::Retries \"3\"", "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--skip=cleanup/tmp",
        "bookworm", root, SOURCES, timeout=1500)
    version = os.listdir(os.path.join(kernel, "lib/modules"))[0]
    shutil.copytree(os.path.join(kernel, "lib/modules", version), os.path.join(root, "usr/lib/modules", version),
                    symlinks=True)
    run("depmod", "-b", root, version)
    run("cp", "-R", "--preserve=mode", "--remove-destination", os.path.join(HERE, "root") + "/.", root)
    for unit in ("vm-network.service", "vm-tests.service"):
        link = os.path.join(root, "etc/systemd/system/multi-user.target.wants", unit)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink("/etc/systemd/system/" + unit, link)
    for unit in IDLE:
        os.symlink("/dev/null", os.path.join(root, "etc/systemd/system", unit))
    os.mkdir(os.path.join(root, "usr/local/sbin/plain"))  # busybox does what its name says
    os.symlink("/usr/bin/busybox", os.path.join(root, "usr/local/sbin/plain/init"))


def early_modules(root):
    """Paths, in the order in which they can be loaded."""
    (modules,) = glob.glob(os.path.join(root, "usr/lib/modules/*"))
    with open(os.path.join(modules, "modules.dep")) as f:
        needs = {path: rest.split() for path, _, rest in (line.partition(":") for line in f)}
    found = []
    for path in needs:
        if os.path.basename(path).removesuffix(".ko") in EARLY:
            found += reversed([path, *needs[path]])  # depmod names the last to load first
    return [os.path.join(modules, path) for path in dict.fromkeys(found)]


def make_early_root(path, root):
    """A cpio: busybox loads the modules, mounts the disk and hands over to its init."""
    with tempfile.TemporaryDirectory() as top:
        for directory in ("bin", "dev", "proc", "root"):
            os.mkdir(os.path.join(top, directory))
        shutil.copy(os.path.join(root, "usr/bin/busybox"), os.path.join(top, "bin/busybox"))
        for number, module in enumerate(early_modules(root)):
            shutil.copy(module, os.path.join(top, f"{number:02}.ko"))
        shutil.copy(os.path.join(HERE, "early-init"), os.path.join(top, "init"))
        names = run("find", ".", cwd=top)
        with open(path, "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=out, cwd=top, check=True)


def make(where):
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        kernel, root = fetch_kernel(scratch), os.path.join(scratch, "root")
        make_root(root, kernel)
        done = os.path.join(scratch, "done")
        os.mkdir(done)
        shutil.copy(glob.glob(os.path.join(kernel, "boot/vmlinuz-*"))[0], os.path.join(done, "vmlinuz"))
        make_early_root(os.path.join(done, "initrd"), root)
        run("mke2fs", "-q", "-t", "ext4", "-d", root, "-L", "site", os.path.join(done, "disk"), f"{DISK_MB}M")
        os.rename(done, where)


def image():
    """The directory with vmlinuz, initrd and disk."""
    os.makedirs(CACHE, exist_ok=True)
    where = os.path.join(CACHE, recipe_key())
    with open(os.path.join(CACHE, "lock"), "w") as f, contextlib.ExitStack() as held:
        fcntl.flock(f, fcntl.LOCK_EX)
        held.callback(fcntl.flock, f, fcntl.LOCK_UN)
        if not os.path.isdir(where):
            for old in glob.glob(os.path.join(CACHE, "*/disk")):
                shutil.rmtree(os.path.dirname(old))
            make(where)
    return where
