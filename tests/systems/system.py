"""A system as data: what its owner types, and what its users ask of it."""

import dataclasses
import os
import re
import subprocess

import yaml

from labsite import REPO

SEEDS = os.environ.get("MKUBE_SEEDS") or os.path.join(os.path.dirname(REPO), "shared", "seeds")
OWN = os.path.join(REPO, "examples", "systems")
IMAGES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "images.py")


@dataclasses.dataclass
class Route:
    """A request through the entry and what must come back."""
    path: str
    host: str = None
    status: int = 200
    seen: str = None     # the path that the application saw, if one was asked
    by: str = None       # which application
    holds: str = None    # words of the body
    to: str = None       # the Location of a redirect
    more: dict = dataclasses.field(default_factory=dict)  # of the request: method, body, headers, port, tls

    def request(self):
        return {"path": self.path, **({"host": self.host} if self.host else {}), **self.more}


@dataclasses.dataclass
class System:
    name: str                # as in examples/systems
    namespace: str
    seed: str                # file below seeds/manifests
    # Files in the order of the owner's document: (name, the objects in it as Kind/name, or a prefix ending in *).
    # A file named None waits until the pods there are Ready.
    files: list
    before: list = ()        # before the first file: lists of kubectl's words, or functions(owner)
    after: list = ()         # and after the last, for what the owner notices and mends
    mended: tuple = ()       # files whose objects `after` changes: a second apply would change them back
    own_files: list = None   # the same for examples/systems, default: its *.yaml in the order of their names
    overlay: str = None      # what `apply -k` gets, below examples/systems/NAME; around the seed's files one is put
    routes: list = ()
    write: dict = None       # request that stores RECORD through the front door
    read: dict = None        # request whose answer then holds RECORD
    apps: dict = None        # Deployment -> container, those that are updated to the image's other tag
    load: dict = None        # the request of steady load
    clean_up: list = None    # lists of kubectl's words, or functions(owner); default: delete the namespace
    ready_seconds: int = 180
    comes_from: tuple = ("own", "seed")

    def sources(self):
        return list(self.comes_from)

    def documents(self, source):
        """Every object of the manifests, in order."""
        if source == "seed":
            with open(os.path.join(SEEDS, "manifests", self.seed), encoding="utf-8") as f:
                return [d for d in yaml.safe_load_all(f) if d]
        found = []
        folder = os.path.join(OWN, self.name)
        if self.overlay:
            built = subprocess.run(["kubectl", "kustomize", os.path.join(folder, self.overlay)], check=True, stdout=subprocess.PIPE)
            return list(yaml.safe_load_all(built.stdout))
        for name in sorted(os.listdir(folder)):
            if name.endswith((".yaml", ".yml")):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    found += [d for d in yaml.safe_load_all(f) if d]
        return found

    def has(self, source):
        if source not in self.comes_from:
            return False
        if source == "seed":
            return os.path.exists(os.path.join(SEEDS, "manifests", self.seed))
        return os.path.isdir(os.path.join(OWN, self.name))


def images_of(documents):
    """The names under which the stand-ins are built: without a registry's name."""
    found = set()

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "image" and isinstance(value, str):
                    found.add(value)
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(documents)
    return sorted({stand_in(image) for image in found})


def stand_in(image):
    first, _, rest = image.partition("/")
    if rest and ("." in first or ":" in first):
        image = rest
    elif not rest:
        image = "library/" + image
    return image if re.search(r":[^/]*$", image) else image + ":latest"


def other_tag(image):
    return re.sub(r"(:[^/:]*)?$", ":v2", image, count=1)


def named(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def matches(document, wanted):
    name = named(document)
    return any(name == w or (w.endswith("*") and name.startswith(w[:-1])) for w in wanted)


def push(site, names):
    """Builds these images where they are not kept, and gives them to the site's registry."""
    site._run([IMAGES, "--registry", site.registry, *names], True, timeout=900)
