#!/usr/bin/python3
"""Container images without Docker: files of Debian packages, put into layers, pushed to a registry.

  images.py [--registry URL] [--build DIR] [NAME...]     build (and push) these images, or all

A package brings its libraries (its dependencies named lib*), not the rest of Debian: busybox stands in for
that.  Packages are fetched once and kept in DIR/debs, layers in DIR under the hash of what made them.
"""

import argparse
import collections
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
HELLO = "examples/hello/app/hello.c"

OCI = {"manifest": "application/vnd.oci.image.manifest.v1+json",
       "config": "application/vnd.oci.image.config.v1+json",
       "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
       "index": "application/vnd.oci.image.index.v1+json"}
DOCKER = {"manifest": "application/vnd.docker.distribution.manifest.v2+json",
          "config": "application/vnd.docker.container.image.v1+json",
          "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip"}

# The words a person would put into a Dockerfile.  "base" layers are shared; "form" differs on purpose: the three
# ways in which registries describe images (OCI, OCI behind an index per platform, Docker's) all get used.
BASE = {"packages": ["libc6", "busybox"],
        "files": {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
                  "etc/group": "root:x:0:\nnogroup:x:65534:\n",
                  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"},
        "directories": {"tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755, "run": 0o755}}

REDIS_ENTRYPOINT = """\
#!/bin/sh
# Every write is on the disk before it is answered; one argument more overrides.
exec redis-server --bind '* -::*' --protected-mode no --dir /data \\
    --appendonly yes --appendfsync always --save '' "$@"
"""

IMAGES = {
    "library/busybox:1": {"form": "oci", "layers": [BASE],
                          "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}},
    "library/hello:1": {"form": "index",
                        "layers": [BASE, {"programs": {"usr/bin/hello": HELLO}}],
                        "config": {"Entrypoint": ["/usr/bin/hello"], "User": "65534:65534",
                                   "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PORT=8080"],
                                   "ExposedPorts": {"8080/tcp": {}}}},
    "library/redis:7": {"form": "docker",
                        "layers": [BASE, {"packages": ["redis-server", "redis-tools"],
                                          "files": {"usr/bin/redis-entrypoint": REDIS_ENTRYPOINT},
                                          "directories": {"data": 0o755}}],
                        "config": {"Entrypoint": ["/usr/bin/redis-entrypoint"], "WorkingDir": "/data",
                                   "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                                   "ExposedPorts": {"6379/tcp": {}}, "Volumes": {"/data": {}}}},
}

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

    def fetch(self, names):
        """Paths of @names and of the libraries they need, in a fixed order."""
        closure, new = {}, set(names)
        while new:
            missing = sorted(new - set(self._have()))
            if missing:
                self._download(missing)
            closure.update((name, self._have()[name]) for name in new)
            new = {lib for name in new for lib in self._libraries(closure[name])} - set(closure)
        return [closure[name] for name in sorted(closure)]

    def _download(self, names):
        argv = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names]
        if subprocess.run(argv, cwd=self.directory, stderr=subprocess.DEVNULL).returncode != 0:
            run("apt-get", "-qq", "update")  # no lists yet, or lists that name versions no longer there
            run(*argv, cwd=self.directory)

    @staticmethod
    def _libraries(deb):
        words = run("dpkg-deb", "-f", deb, "Depends", "Pre-Depends").decode()
        found = re.findall(r"(?:^|[,:]) *(lib[a-z0-9.+-]+)", words, re.M)  # the first of alternatives
        return {name for name in found if not name.startswith(("libc-bin", "libpam"))}


# --- layers -----------------------------------------------------------------------------------------------------


class Layer:
    """A tree in memory that becomes the same bytes each time."""

    def __init__(self):
        self.entries = {}  # path -> (TarInfo, bytes)

    def add(self, path, data=b"", kind=tarfile.REGTYPE, mode=0o644, link=""):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.linkname, info.size = kind, mode, link, len(data)
        self.entries[path] = (info, data)

    def add_package(self, deb):
        data = run("dpkg-deb", "--fsys-tarfile", deb)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                path = merged_usr(member.name.removeprefix("./").strip("/"))
                if not path or member.isdir() or LEFT_OUT.match(path):
                    continue
                content = tar.extractfile(member).read() if member.isreg() else b""
                link = merged_usr(member.linkname.removeprefix("./")) if member.islnk() else member.linkname
                self.add(path, content, member.type, member.mode, link)

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


def add_busybox(layer, build):
    """A link for each command that no package brought."""
    path = os.path.join(build, "busybox")
    with open(path, "wb") as f:
        f.write(layer.entries["usr/bin/busybox"][1])
    os.chmod(path, 0o755)
    commands = run(path, "--list").decode().split()
    os.unlink(path)
    for command in commands:
        if "usr/bin/" + command not in layer.entries:
            layer.add("usr/bin/" + command, kind=tarfile.SYMTYPE, mode=0o777, link="busybox")
    for name in ("bin", "sbin", "lib", "lib64"):
        layer.add(name, kind=tarfile.SYMTYPE, mode=0o777, link="usr/" + name)
    layer.add("usr/sbin", kind=tarfile.DIRTYPE, mode=0o755)


def build_layer(recipe, below, packages, build):
    """The tar of one layer; @below are the recipes of those under it."""
    layer = Layer()
    there = {deb for lower in below for deb in packages.fetch(lower.get("packages", []))}
    for deb in packages.fetch(recipe.get("packages", [])):
        if deb not in there:
            layer.add_package(deb)
    if "busybox" in recipe.get("packages", []):
        add_busybox(layer, build)
    for path, source in recipe.get("programs", {}).items():
        program = os.path.join(build, os.path.basename(path))
        run("cc", "-O2", "-D_GNU_SOURCE", "-pthread", "-s", "-o", program, os.path.join(REPO, source))
        with open(program, "rb") as f:
            layer.add(path, f.read(), mode=0o755)
    for path, text in recipe.get("files", {}).items():
        layer.add(path, text.encode(), mode=0o755 if text.startswith("#!") else 0o644)
    for path, mode in recipe.get("directories", {}).items():
        layer.add(path, kind=tarfile.DIRTYPE, mode=mode)
    return layer.tar()


# --- images -----------------------------------------------------------------------------------------------------

Image = collections.namedtuple("Image", "blobs manifests")  # {digest: bytes}, [(tag or digest, type, bytes)]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def recipe_key(recipe, below):
    """Names what goes into a layer: the recipes, this program, the sources it compiles."""
    h = hashlib.sha256(json.dumps([recipe, *below], sort_keys=True).encode())
    for source in [os.path.realpath(__file__)] + [os.path.join(REPO, s) for s in recipe.get("programs", {}).values()]:
        with open(source, "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]


def cached_layer(recipe, below, packages, build):
    """(compressed bytes, digest of the plain tar); the second is the image's diff id."""
    stem = os.path.join(build, recipe_key(recipe, below))
    if not os.path.exists(stem + ".diffid"):
        tar = build_layer(recipe, below, packages, build)
        with open(stem + ".tar.gz", "wb") as f:
            f.write(gzip.compress(tar, compresslevel=6, mtime=0))
        with open(stem + ".diffid", "w") as f:  # last: says that the other is whole
            f.write(digest(tar))
    with open(stem + ".tar.gz", "rb") as f, open(stem + ".diffid") as d:
        return f.read(), d.read()


def build_image(name, packages, build):
    recipe = IMAGES[name]
    recipes = recipe["layers"]
    layers = [cached_layer(layer, recipes[:i], packages, build) for i, layer in enumerate(recipes)]
    kinds = DOCKER if recipe["form"] == "docker" else OCI
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z", "config": recipe["config"],
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "images.py"} for _ in layers],
    }).encode()
    blobs = {digest(data): data for data, _ in layers} | {digest(config): config}

    def described(kind, data, **more):
        return {"mediaType": kind, "size": len(data), "digest": digest(data), **more}

    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kinds["manifest"], "config": described(kinds["config"], config),
        "layers": [described(kinds["layer"], data) for data, _ in layers],
    }).encode()
    tag = name.rpartition(":")[2]
    if recipe["form"] != "index":
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
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.headers


def has_blob(base, which):
    try:
        request("HEAD", f"{base}/blobs/{which}")
        return True
    except urllib.error.HTTPError as e:
        if e.code != 404:
            raise
        return False


def push(registry, name, image):
    base = f"{registry}/v2/{name.rpartition(':')[0]}"
    for which, data in image.blobs.items():
        if not has_blob(base, which):
            where = urllib.parse.urljoin(base, request("POST", f"{base}/blobs/uploads/", b"")["Location"])
            mark = "&" if "?" in where else "?"
            request("PUT", f"{where}{mark}digest={urllib.parse.quote(which)}", data,
                    Content_Type="application/octet-stream")
    for reference, kind, data in image.manifests:
        request("PUT", f"{base}/manifests/{reference}", data, Content_Type=kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", metavar="URL")
    parser.add_argument("--build", metavar="DIR",
                        default=os.path.join(os.environ.get("BUILD") or os.path.join(REPO, "build"), "images"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    packages = Packages(os.path.join(os.path.abspath(args.build), "debs"))
    for name in args.names or IMAGES:
        if name not in IMAGES:
            sys.exit(f"images: no {name}: there are {', '.join(IMAGES)}")
        began = time.monotonic()
        image = build_image(name, packages, args.build)
        if args.registry:
            push(args.registry.rstrip("/"), name, image)
        size = sum(map(len, image.blobs.values())) / 1e6
        say(f"{name:20} {size:5.1f} MB  {time.monotonic() - began:4.1f} s")


if __name__ == "__main__":
    main()
