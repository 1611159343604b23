"""Container images without Docker: files of Debian packages, put into layers, pushed to a registry.

A table of images is {"repository:tag": recipe}; main() is the command line over such a table.  The words of a
recipe are what a person would put into a Dockerfile:

  form      how the registry shall describe it: "oci", "index" (OCI behind an index per platform) or "docker"
  config    as in an image's configuration: Entrypoint, Cmd, Env, User, WorkingDir...
  layers    a list, lowest first; equal layers are built, stored and pushed once.  Each may have
    packages     names; a package brings its libraries (its dependencies named lib* or zlib), not the rest of Debian
    without      of these, packages not to bring
    keep, drop   patterns: what to keep although LEFT_OUT names it, what to leave out besides
    picks        {package: [glob]}: these files of a package and nothing else
    programs     {path: C source of this project}, compiled
    copies       {path: file of this project}; files: {path: text}; links: {path: target}; directories: {path: mode}
    java         modules of a Java runtime to make with jlink, at /usr/lib/jvm/java
    outputs      {path: shell command}: what it prints when run in the image so far, within bounded()
    bytecode     true: Python sources get their compiled form, so that nobody compiles at each start

Packages are fetched once and kept in CACHE/debs, layers in CACHE under the hash of what made them.  CACHE may be
deleted at any time, and several runs may share it: a layer is built under a lock and appears whole.
"""

import argparse
import collections
import contextlib
import fcntl
import fnmatch
import gzip
import hashlib
import importlib.util
import io
import json
import os
import py_compile
import re
import resource
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("MKUBE_IMAGE_CACHE") or "/var/cache/mkube-images"

OCI = {"manifest": "application/vnd.oci.image.manifest.v1+json",
       "config": "application/vnd.oci.image.config.v1+json",
       "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
       "index": "application/vnd.oci.image.index.v1+json"}
DOCKER = {"manifest": "application/vnd.docker.distribution.manifest.v2+json",
          "config": "application/vnd.docker.container.image.v1+json",
          "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip"}

# What every image stands on.
BASE = {"packages": ["libc6", "busybox"],
        "files": {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
                  "etc/group": "root:x:0:\nnogroup:x:65534:\n",
                  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"},
        "directories": {"tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755, "run": 0o755}}
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What of a package no container needs.
LEFT_OUT = re.compile(r"usr/(share/(?!ca-certificates)|lib/x86_64-linux-gnu/(gconv|perl|audit)|lib/systemd|include)"
                      r"|etc/(init\.d|default|logrotate\.d|ld\.so\.conf)|var/|lib/systemd")


def say(text):
    print(text, flush=True)


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        sys.exit(f"images: {' '.join(argv)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


# --- packages ---------------------------------------------------------------------------------------------------


class Packages:
    """Debian packages as files in a directory: fetched when missing."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def _have(self):
        return {f.split("_")[0]: os.path.join(self.directory, f)
                for f in os.listdir(self.directory) if f.endswith(".deb")}

    def one(self, name):
        """The path of @name alone."""
        if name not in self._have():
            self._download([name])
        return self._have()[name]

    def fetch(self, names, without=()):
        """Paths of @names and of the libraries they need, in a fixed order."""
        closure, new = {}, set(names)
        while new:
            missing = sorted(new - set(self._have()))
            if missing:
                self._download(missing)
            closure.update((name, self._have()[name]) for name in new)
            new = {lib for name in new for lib in self._libraries(closure[name])} - set(closure) - set(without)
        return [closure[name] for name in sorted(closure)]

    def _download(self, names):
        """Beside the others first: what stands in the directory is whole."""
        with tempfile.TemporaryDirectory(dir=self.directory) as beside:
            argv = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names]
            if subprocess.run(argv, cwd=beside, stderr=subprocess.DEVNULL).returncode != 0:
                run("apt-get", "-qq", "update")  # no lists yet, or lists that name versions no longer there
                run(*argv, cwd=beside)
            for deb in os.listdir(beside):
                os.replace(os.path.join(beside, deb), os.path.join(self.directory, deb))

    @staticmethod
    def _libraries(deb):
        words = run("dpkg-deb", "-f", deb, "Depends", "Pre-Depends").decode()
        found = re.findall(r"(?:^|[,:]) *(lib[a-z0-9.+-]+|zlib1g)", words, re.M)  # the first of alternatives
        return {name for name in found if not name.startswith(("libc-bin", "libpam")) and not name.endswith("-perl")}


# --- layers -----------------------------------------------------------------------------------------------------


class Layer:
    """A tree in memory that becomes the same bytes each time."""

    def __init__(self):
        self.entries = {}  # path -> (TarInfo, bytes)

    def add(self, path, data=b"", kind=tarfile.REGTYPE, mode=0o644, link=""):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.linkname, info.size = kind, mode, link, len(data)
        self.entries[path] = (info, data)

    def add_link(self, path, target):
        self.add(path, kind=tarfile.SYMTYPE, mode=0o777, link=target)

    def add_package(self, deb, wanted):
        """Its files for which wanted(path)."""
        data = run("dpkg-deb", "--fsys-tarfile", deb)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                path = merged_usr(member.name.removeprefix("./").strip("/"))
                if not path or member.isdir() or not wanted(path):
                    continue
                content = tar.extractfile(member).read() if member.isreg() else b""
                link = merged_usr(member.linkname.removeprefix("./")) if member.islnk() else member.linkname
                self.add(path, content, member.type, member.mode, link)

    def add_tree(self, top, where):
        """A directory of the machine, as @where."""
        for directory, _, files in os.walk(top):
            for name in sorted(files):
                source = os.path.join(directory, name)
                path = os.path.join(where, os.path.relpath(source, top))
                if os.path.islink(source):
                    self.add_link(path, os.readlink(source))
                else:
                    with open(source, "rb") as f:
                        self.add(path, f.read(), mode=0o755 if os.access(source, os.X_OK) else 0o644)

    def add_bytecode(self):
        """Beside each Python source its compiled form, of the kind that is never checked against the source."""
        with tempfile.TemporaryDirectory() as scratch:
            source, made = os.path.join(scratch, "source.py"), os.path.join(scratch, "made")
            for path in [p for p in self.entries if p.endswith(".py") and self.entries[p][1]]:
                with open(source, "wb") as f:
                    f.write(self.entries[path][1])
                with contextlib.suppress(py_compile.PyCompileError):
                    py_compile.compile(source, made, "/" + path, doraise=True, quiet=2,
                                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
                    with open(made, "rb") as f:
                        self.add(importlib.util.cache_from_source(path), f.read())

    def tar(self):
        out = io.BytesIO()
        directories = {os.path.dirname(p) for p in self.entries}
        directories |= {parent for d in directories for parent in parents(d)}
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted((directories | set(self.entries)) - {""}):
                if path not in self.entries:
                    self.add(path, kind=tarfile.DIRTYPE, mode=0o755)
                info, data = self.entries[path]
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()


def parents(path):
    while path:
        yield path
        path = os.path.dirname(path)


def merged_usr(path):
    """Debian's packages still carry /lib and /bin; its systems, and ours, have them in /usr."""
    return re.sub(r"^(/?)(bin|sbin|lib|lib64)(?=/)", r"\1usr/\2", path)


def add_busybox(layer):
    """A link for each command that no package brought."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "busybox")  # it looks at its own name
        with open(path, "wb") as f:
            f.write(layer.entries["usr/bin/busybox"][1])
        os.chmod(path, 0o755)
        commands = run(path, "--list").decode().split()
    for command in commands:
        if "usr/bin/" + command not in layer.entries:
            layer.add_link("usr/bin/" + command, "busybox")
    for name in ("bin", "sbin", "lib", "lib64"):
        layer.add_link(name, "usr/" + name)
    layer.add("usr/sbin", kind=tarfile.DIRTYPE, mode=0o755)


def add_java(layer, modules, packages):
    """A Java runtime with these modules and no others."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("openjdk-17-jre-headless", "openjdk-17-jdk-headless"):
            run("dpkg-deb", "-x", packages.one(name), scratch)
        home = os.path.join(scratch, "usr/lib/jvm/java-17-openjdk-amd64")
        for directory, names, files in os.walk(home):  # what Debian keeps in /etc
            for link in (os.path.join(directory, n) for n in names + files):
                if os.path.islink(link) and os.readlink(link).startswith("/etc/"):
                    target = scratch + os.readlink(link)
                    os.unlink(link)
                    if os.path.isdir(target):
                        shutil.copytree(target, link)
                    elif os.path.exists(target):
                        shutil.copy(target, link)
        made = os.path.join(scratch, "made")
        run(os.path.join(home, "bin/jlink"), "--module-path", os.path.join(home, "jmods"), "--add-modules",
            ",".join(modules), "--strip-java-debug-attributes", "--compress=2", "--no-header-files", "--no-man-pages",
            "--output", made)
        layer.add_tree(made, "usr/lib/jvm/java")


def bounded():
    """What a command of a recipe may take: its user (nobody else's) few processes, files of a size, time."""
    resource.setrlimit(resource.RLIMIT_NPROC, (64, 64))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


def add_outputs(layer, outputs, lower):
    """@lower: the compressed tars below.  A chroot with the devices that every container has.  The command runs as a
    user of its own, since no limit of processes binds root, in a pid namespace that ends whole."""
    with tempfile.TemporaryDirectory() as root:
        for data in [*lower, gzip.compress(layer.tar(), compresslevel=1)]:
            # Not with tarfile: that writes through links of lower layers (to busybox) instead of replacing them.
            run("tar", "-x", "-z", "-C", root, input=data)
        os.chmod(root, 0o755)
        for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
            os.mknod(os.path.join(root, "dev", name), 0o666 | stat.S_IFCHR, os.makedev(1, minor))
            os.chmod(os.path.join(root, "dev", name), 0o666)
        for path, command in outputs.items():
            layer.add(path, run("timeout", "-k", "1", "90", "unshare", "--pid", "--fork", "--kill-child", "chroot",
                                "--userspec=64999:64999", root, "sh", "-c", command, preexec_fn=bounded, timeout=120,
                                stdin=subprocess.DEVNULL, env={"PATH": PATH.partition("=")[2]}))


def build_layer(recipe, below, packages, cache):
    """The tar of one layer; @below are the recipes of those under it."""
    layer = Layer()
    keep, drop = (re.compile(recipe.get(word) or r"(?!)") for word in ("keep", "drop"))

    def wanted(path):
        return (keep.match(path) or not LEFT_OUT.match(path)) and not drop.match(path)

    there = {deb for lower in below for deb in packages.fetch(lower.get("packages", []), lower.get("without", ()))}
    for deb in packages.fetch(recipe.get("packages", []), recipe.get("without", ())):
        if deb not in there:
            layer.add_package(deb, wanted)
    for name, globs in recipe.get("picks", {}).items():
        layer.add_package(packages.one(name), lambda path, globs=globs: any(fnmatch.fnmatch(path, g) for g in globs))
    if "busybox" in recipe.get("packages", []):
        add_busybox(layer)
    if "java" in recipe:
        add_java(layer, recipe["java"], packages)
    for path, source in recipe.get("programs", {}).items():
        with tempfile.TemporaryDirectory() as scratch:
            program = os.path.join(scratch, "program")
            run("cc", "-O2", "-D_GNU_SOURCE", "-pthread", "-s", "-o", program, os.path.join(REPO, source))
            with open(program, "rb") as f:
                layer.add(path, f.read(), mode=0o755)
    texts = {path: text.encode() for path, text in recipe.get("files", {}).items()}
    for path, source in recipe.get("copies", {}).items():
        with open(os.path.join(REPO, source), "rb") as f:
            texts[path] = f.read()
    for path, text in texts.items():
        layer.add(path, text, mode=0o755 if text.startswith(b"#!") else 0o644)
    for path, target in recipe.get("links", {}).items():
        layer.add_link(path, target)
    for path, mode in recipe.get("directories", {}).items():
        layer.add(path, kind=tarfile.DIRTYPE, mode=mode)
    if "outputs" in recipe:
        lower = [cached_layer(r, below[:i], packages, cache)[0] for i, r in enumerate(below)]  # built before this
        add_outputs(layer, recipe["outputs"], lower)
    if recipe.get("bytecode"):
        layer.add_bytecode()
    return layer.tar()


# --- images -----------------------------------------------------------------------------------------------------

Image = collections.namedtuple("Image", "blobs manifests")  # {digest: bytes}, [(tag or digest, type, bytes)]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def recipe_key(recipe, below):
    """Names what goes into a layer: the recipes, this program, the sources it takes in."""
    h = hashlib.sha256(json.dumps([recipe, *below], sort_keys=True).encode())
    sources = [*recipe.get("programs", {}).values(), *recipe.get("copies", {}).values()]
    for source in [os.path.realpath(__file__)] + [os.path.join(REPO, s) for s in sources]:
        with open(source, "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]


@contextlib.contextmanager
def locked(path):
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def write_whole(path, data):
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as f:
        f.write(data)
    os.replace(f.name, path)


def cached_layer(recipe, below, packages, cache):
    """(compressed bytes, digest of the plain tar); the second is the image's diff id."""
    stem = os.path.join(cache, recipe_key(recipe, below))
    if not os.path.exists(stem + ".diffid"):
        with locked(os.path.join(cache, "lock")):
            if not os.path.exists(stem + ".diffid"):
                tar = build_layer(recipe, below, packages, cache)
                write_whole(stem + ".tar.gz", gzip.compress(tar, compresslevel=6, mtime=0))
                write_whole(stem + ".diffid", digest(tar).encode())  # last: says that the other is whole
    with open(stem + ".tar.gz", "rb") as f, open(stem + ".diffid") as d:
        return f.read(), d.read()


class Builder:
    """Builds images of one table; what several of them share is read once."""

    def __init__(self, cache=CACHE):
        os.makedirs(cache, exist_ok=True)
        self.cache = cache
        self.packages = Packages(os.path.join(cache, "debs"))
        self.layers = {}  # key -> (bytes, diff id, digest)

    def layer(self, recipe, below):
        key = json.dumps([recipe, *below], sort_keys=True)
        if key not in self.layers:
            data, diff_id = cached_layer(recipe, below, self.packages, self.cache)
            self.layers[key] = data, diff_id, digest(data)
        return self.layers[key]

    def build(self, name, recipe):
        recipes = recipe["layers"]
        layers = [self.layer(layer, recipes[:i]) for i, layer in enumerate(recipes)]
        form = recipe.get("form", "oci")
        kinds = DOCKER if form == "docker" else OCI
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z", "config": recipe["config"],
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id, _ in layers]},
            "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "images.py"} for _ in layers],
        }).encode()

        def described(kind, data, which=None, **more):
            return {"mediaType": kind, "size": len(data), "digest": which or digest(data), **more}

        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": kinds["manifest"], "config": described(kinds["config"], config),
            "layers": [described(kinds["layer"], data, which) for data, _, which in layers],
        }).encode()
        blobs = {which: data for data, _, which in layers} | {digest(config): config}
        tag = name.rpartition(":")[2]
        if form != "index":
            return Image(blobs, [(tag, kinds["manifest"], manifest)])
        index = json.dumps({
            "schemaVersion": 2, "mediaType": kinds["index"],
            "manifests": [described(kinds["manifest"], manifest, platform={"architecture": "amd64", "os": "linux"})],
        }).encode()
        return Image(blobs, [(digest(manifest), kinds["manifest"], manifest), (tag, kinds["index"], index)])


# --- registry: https://distribution.github.io/distribution/spec/api/ ----------------------------------------------


def request(method, url, data=None, **headers):
    asked = urllib.request.Request(url, data=data, method=method,
                                   headers={k.replace("_", "-"): v for k, v in headers.items()})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.status, answer.headers


class Pusher:
    """Pushes images into one registry; a blob that another repository got is not sent again."""

    def __init__(self, registry):
        self.registry = registry.rstrip("/")
        self.seen = {}  # digest -> repository that has it

    def _has(self, repository, which):
        try:
            request("HEAD", f"{self.registry}/v2/{repository}/blobs/{which}")
            return True
        except urllib.error.HTTPError as e:
            if e.code != 404:
                raise
            return False

    def _send(self, repository, which, data):
        """From another repository when one has it, else the bytes."""
        base = f"{self.registry}/v2/{repository}"
        ask = {"mount": which, "from": self.seen[which]} if which in self.seen else {}
        status, headers = request("POST", f"{base}/blobs/uploads/?{urllib.parse.urlencode(ask)}", b"")
        if status == 201:
            return
        where = urllib.parse.urljoin(base, headers["Location"])
        mark = "&" if "?" in where else "?"
        request("PUT", f"{where}{mark}digest={urllib.parse.quote(which)}", data,
                Content_Type="application/octet-stream")

    def push(self, name, image):
        repository = name.rpartition(":")[0]
        for which, data in image.blobs.items():
            if self.seen.get(which) == repository:
                continue
            if not self._has(repository, which):
                self._send(repository, which, data)
            self.seen.setdefault(which, repository)
        for reference, kind, data in image.manifests:
            request("PUT", f"{self.registry}/v2/{repository}/manifests/{reference}", data, Content_Type=kind)


def main(images, words):
    """images.py [--registry URL] [--cache DIR] [NAME...]: build (and push) these images, or all."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", metavar="URL", help="push them there")
    parser.add_argument("--cache", metavar="DIR", default=CACHE, help=f"where they are kept (default {CACHE})")
    parser.add_argument("--list", action="store_true", help="print the names and build nothing")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in images]
    if unknown:
        sys.exit(f"images: no {unknown[0]}: there are {', '.join(images)}")
    if args.list:
        say("\n".join(images))
        return
    builder = Builder(os.path.abspath(args.cache))
    pusher = Pusher(args.registry) if args.registry else None
    for name in args.names or images:
        began = time.monotonic()
        image = builder.build(name, images[name])
        if pusher:
            pusher.push(name, image)
        size = sum(map(len, image.blobs.values())) / 1e6
        say(f"{name:44} {size:5.1f} MB  {time.monotonic() - began:4.1f} s")
