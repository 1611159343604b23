"""PriorityClasses: the verbs of the kind."""

import pytest

from behaviour import behaviour
from kit import refused


@pytest.fixture
def classes(kinds, namespace):
    found = kinds("scheduling.k8s.io/v1", "PriorityClass")
    yield found
    found.delete_all(f"of={namespace}")


@behaviour("[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with "
           "different HTTP methods [Conformance]")
def test_endpoints(classes, namespace):
    values = {f"{namespace}-p{i}": i for i in (1, 2)}
    for name, value in values.items():
        classes.create({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value,
                        "metadata": {"name": name, "labels": {"of": namespace}}})
    assert {o["metadata"]["name"]: o["value"] for o in classes.list(f"of={namespace}")["items"]} == values
    assert set(values) <= set(classes.names())
    for name, value in values.items():
        fixed = refused(classes.patch, name, {"value": value * 10})
        assert (fixed.code, fixed.status["reason"]) == (422, "Invalid"), fixed
        assert refused(classes.replace, classes.get(name) | {"value": value * 10}).code == 422
        assert classes.get(name)["value"] == value
        assert classes.patch(name, {"description": "patched"})["description"] == "patched"

        def describe(obj):
            obj["description"] = "updated"
        assert classes.change(name, describe)["description"] == "updated"
        assert classes.get(name)["value"] == value
