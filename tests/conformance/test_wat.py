"""Watches of ConfigMaps: who hears what, from where on, and in which order."""

import random
import threading

from behaviour import behaviour
from kit import Refused, labelled

LABEL = "watch-this-configmap"


def config_map(name, label=None, **data):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    return labelled(obj, **{LABEL: label}) if label else obj


def mutate(maps, name, n):
    return maps.patch(name, {"data": {"mutation": str(n)}})


class Told:
    """What a watch tells, all of it in order."""

    def __init__(self, maps, version, label, seconds=20):
        self.stream = maps.found.watch(resource_version=version, label_selector=label, timeout=seconds, **maps.where)

    def next(self):
        """"ADDED name mutation", and the object."""
        event = next(self.stream)
        obj = event["raw_object"]
        said = [event["type"], obj["metadata"]["name"], obj.get("data", {}).get("mutation", "")]
        return " ".join(said).strip(), obj

    def hears(self, *lines):
        for line in lines:
            said, obj = self.next()
            assert said == line
        return obj


@behaviour("[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps [Conformance]")
def test_many_watchers(kinds, namespace):
    maps = kinds("v1", "ConfigMap", namespace)
    version = maps.version()
    a, b, both = (Told(maps, version, f"{LABEL} in ({labels})") for labels in ("multiple-a", "multiple-b", "multiple-a,multiple-b"))
    for name, label, own in (("a", "multiple-a", a), ("b", "multiple-b", b)):
        maps.create(config_map(name, label))
        mutate(maps, name, 1)
        mutate(maps, name, 2)
        maps.delete(name)
        told = [f"ADDED {name}", f"MODIFIED {name} 1", f"MODIFIED {name} 2", f"DELETED {name} 2"]
        # What comes first to the other watcher is its own, so it heard nothing of this one.
        own.hears(*told)
        both.hears(*told)


@behaviour("[sig-api-machinery] Watchers should be able to start watching from a specific resource version [Conformance]")
def test_from_a_version(kinds, namespace):
    maps = kinds("v1", "ConfigMap", namespace)
    maps.create(config_map("c", "from-resource-version"))
    first = mutate(maps, "c", 1)
    mutate(maps, "c", 2)
    maps.delete("c")
    told = Told(maps, first["metadata"]["resourceVersion"], f"{LABEL}=from-resource-version")
    told.hears("MODIFIED c 2", "DELETED c 2")


@behaviour("[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the "
           "previous watch [Conformance]")
def test_from_the_last_seen(kinds, namespace):
    maps, label = kinds("v1", "ConfigMap", namespace), f"{LABEL}=watch-closed-and-restarted"
    told = Told(maps, maps.version(), label)
    maps.create(config_map("c", "watch-closed-and-restarted"))
    mutate(maps, "c", 1)
    last = told.hears("ADDED c", "MODIFIED c 1")
    told.stream.close()
    mutate(maps, "c", 2)
    maps.delete("c")
    Told(maps, last["metadata"]["resourceVersion"], label).hears("MODIFIED c 2", "DELETED c 2")


@behaviour("[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the selector "
           "[Conformance]")
def test_label_changed(kinds, namespace):
    maps = kinds("v1", "ConfigMap", namespace)
    told = Told(maps, maps.version(), f"{LABEL}=label-changed-and-restored")
    maps.create(config_map("c", "label-changed-and-restored"))
    mutate(maps, "c", 1)
    maps.patch("c", {"metadata": {"labels": {LABEL: "wrong-value"}}})
    told.hears("ADDED c", "MODIFIED c 1", "DELETED c 1")
    mutate(maps, "c", 2)  # unheard: what comes next is its return
    maps.patch("c", {"metadata": {"labels": {LABEL: "label-changed-and-restored"}}})
    mutate(maps, "c", 3)
    maps.delete("c")
    told.hears("ADDED c 2", "MODIFIED c 3", "DELETED c 3")


@behaviour("[sig-api-machinery] Watchers should receive events on concurrent watches in same order [Conformance]")
def test_same_order(kinds, namespace):
    maps, rounds = kinds("v1", "ConfigMap", namespace), 30
    stop = threading.Event()

    def produce():
        dice, n = random.Random(7), 0
        while not stop.is_set():
            n += 1
            name, verb = f"c{dice.randrange(5)}", dice.choice((maps.create, maps.replace, maps.delete))
            try:
                verb(name) if verb == maps.delete else verb(config_map(name, mutation=str(n)))
            except Refused as e:
                assert e.code in (404, 409), e

    writer = threading.Thread(target=produce)
    first = Told(maps, maps.version(), None, 60)
    writer.start()
    try:
        watches, order = [first], []
        for _ in range(rounds):
            versions = {obj["metadata"]["resourceVersion"] for obj in (told.next()[1] for told in watches)}
            assert len(versions) == 1, f"watches disagree: {versions}"
            order.append(int(versions.pop()))
            watches.append(Told(maps, str(order[-1]), None, 60))
    finally:
        stop.set()
        writer.join()
        for told in watches:
            told.stream.close()
    assert order == sorted(order)
