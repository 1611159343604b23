"""Lists in pages: of one resourceVersion, and what happens when the server has forgotten it."""

import random

import pytest

from behaviour import behaviour
from kit import Refused

TOTAL = 400


@pytest.fixture
def templates(kinds, namespace):
    found = kinds("v1", "PodTemplate", namespace)
    for i in range(TOTAL):
        found.create({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": f"template-{i:04}"},
                      "template": {"spec": {"containers": [{"name": "test", "image": "test2"}]}}})
    return found


def page(templates, limit, token=None):
    """(names, metadata)"""
    got = templates.list(limit=limit, **({"_continue": token} if token else {}))
    return [item["metadata"]["name"] for item in got["items"]], got["metadata"]


def follow(templates, seen, limit, token):
    """The rest of the pages; every one counts what is left, and all are of one version."""
    versions = set()
    while token:
        names, metadata = page(templates, limit(), token)
        seen += names
        versions.add(metadata["resourceVersion"])
        token = metadata.get("continue")
        assert metadata.get("remainingItemCount", 0) == (TOTAL - len(seen) if token else 0)
    return versions


@behaviour("[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls [Conformance]")
def test_pages(templates):
    everything = [f"template-{i:04}" for i in range(TOTAL)]
    for seed in range(3):
        dice = random.Random(seed)

        def limit():
            return dice.randrange(TOTAL // 10) + 1
        first = limit()
        seen, metadata = page(templates, first)
        assert len(seen) == first and metadata["remainingItemCount"] == TOTAL - first
        assert follow(templates, seen, limit, metadata["continue"]) == {metadata["resourceVersion"]}
        assert seen == everything
    names, metadata = page(templates, TOTAL + 1)
    assert names == everything
    assert "continue" not in metadata and "remainingItemCount" not in metadata


def forget(templates):
    """Writes more than the server keeps of the past (64 MiB), behind a change of what is being listed."""
    last = f"template-{TOTAL - 1:04}"
    templates.patch(last, {"metadata": {"annotations": {"changed": "true"}}})
    big = [{"name": f"V{i}", "value": "x" * 130_000} for i in range(20)]
    for n in range(28):
        env = [{"name": "N", "value": str(n)}, *big]
        templates.patch(last, {"template": {"spec": {"containers": [{"name": "test", "image": "test2", "env": env}]}}})
    templates.patch(last, {"template": {"spec": {"containers": [{"name": "test", "image": "test2"}]}}})


@behaviour("[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if the "
           "original version has been compacted away, though the list is inconsistent [Slow] [Conformance]")
def test_inconsistent_continue(templates):
    tenth = TOTAL // 10
    seen, first = page(templates, tenth)
    assert first["remainingItemCount"] == TOTAL - tenth
    forget(templates)
    with pytest.raises(Refused) as refusal:
        page(templates, tenth, first["continue"])
    status = refusal.value.status
    assert (status["code"], status["reason"]) == (410, "Expired")
    names, second = page(templates, tenth, status["metadata"]["continue"])
    assert second["resourceVersion"] != first["resourceVersion"]
    assert len(names) == tenth and second["remainingItemCount"] == TOTAL - 2 * tenth
    seen += names
    assert follow(templates, seen, lambda: tenth, second["continue"]) == {second["resourceVersion"]}
    assert seen == [f"template-{i:04}" for i in range(TOTAL)]
