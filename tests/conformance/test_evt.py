"""Events: core/v1 and events.k8s.io/v1 are two views of one store."""

from behaviour import behaviour
from kit import STRATEGIC


def core_event(name, namespace, **labels):
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "labels": labels},
            "message": "This is " + name, "reason": "Test", "type": "Normal", "count": 1,
            "involvedObject": {"namespace": namespace}}


def new_event(name, namespace, **labels):
    return {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name, "labels": labels},
            "eventTime": "2017-09-19T13:49:16.000000Z", "note": "This is " + name, "action": "Do", "reason": "Test", "type": "Normal",
            "reportingController": "test-controller", "reportingInstance": "test-node", "regarding": {"namespace": namespace}}


@behaviour("[sig-instrumentation] Events should manage the lifecycle of an event [Conformance]")
def test_core_lifecycle(kinds, namespace):
    events = kinds("v1", "Event", namespace)
    events.create(core_event("event-test", namespace, **{"testevent-constant": "true"}))
    assert events.names("testevent-constant=true", everywhere=True) == ["event-test"]

    events.patch("event-test", {"message": "This is a test event - patched"}, STRATEGIC)
    got = events.get("event-test")
    assert got["message"] == "This is a test event - patched"

    got["series"] = {"count": 100, "lastObservedTime": "2014-12-06T00:00:00.000000Z"}
    events.replace(got)
    got = events.get("event-test")
    assert got["series"] == {"count": 100, "lastObservedTime": "2014-12-06T00:00:00.000000Z"}

    events.delete("event-test")
    assert events.names("testevent-constant=true", everywhere=True) == []


@behaviour("[sig-instrumentation] Events should delete a collection of events [Conformance]")
def test_core_delete_collection(kinds, namespace):
    events = kinds("v1", "Event", namespace)
    for name in ("test-event-1", "test-event-2", "test-event-3"):
        events.create(core_event(name, namespace, **{"testevent-set": "true"}))
    assert len(events.names("testevent-set=true")) == 3
    events.delete_all("testevent-set=true")
    assert events.names("testevent-set=true") == []


@behaviour("[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed [Conformance]")
def test_new_lifecycle(kinds, namespace):
    events, core = kinds("events.k8s.io/v1", "Event", namespace), kinds("v1", "Event", namespace)
    made = new_event("event-test", namespace, **{"testevent-constant": "true"})
    events.create(made)
    assert events.names("testevent-constant=true", everywhere=True) == ["event-test"]
    # client-go's field selector of the reporting controller; the core view knows the same object by the same word.
    for view in (events, core):
        found = view.list(field_selector="reportingController=test-controller")["items"]
        assert [e["metadata"]["name"] for e in found] == ["event-test"]

    events.patch("event-test", {"note": "This is a test event - patched"}, STRATEGIC)
    got = events.get("event-test")
    assert got["note"] == "This is a test event - patched"
    assert core.get("event-test")["message"] == got["note"]

    got["series"] = {"count": 100, "lastObservedTime": "2014-12-06T00:00:00.000000Z"}
    events.replace(got)
    again = events.get("event-test")
    assert again["series"] == got["series"]
    assert again["regarding"] == {"namespace": namespace}

    events.delete("event-test")
    assert events.names("testevent-constant=true") == core.names("testevent-constant=true") == []


@behaviour("[sig-instrumentation] Events API should delete a collection of events [Conformance]")
def test_new_delete_collection(kinds, namespace):
    events = kinds("events.k8s.io/v1", "Event", namespace)
    for name in ("test-event-1", "test-event-2", "test-event-3"):
        events.create(new_event(name, namespace, **{"testevent-set": "true"}))
    assert len(events.names("testevent-set=true")) == 3
    events.delete_all("testevent-set=true")
    assert events.names("testevent-set=true") == []
