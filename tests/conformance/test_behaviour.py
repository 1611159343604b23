"""The marks themselves: a wrong one must not pass for a behaviour."""

import json

import behaviour
import pytest
import report

NAME = "[sig-node] Lease lease API should be available [Conformance]"


def test_of(file):
    """A test as it would stand in @file."""
    scope = {}
    exec(compile("def test_it(): pass", f"/somewhere/{file}", "exec"), scope)
    return scope["test_it"]


test_of.__test__ = False


def test_wrong_marks_are_errors(monkeypatch):
    monkeypatch.setattr(behaviour, "shown", {})
    with pytest.raises(behaviour.BadBehaviour, match="no behaviour is called"):
        behaviour.behaviour("Leases")(test_of("test_lease.py"))
    with pytest.raises(behaviour.BadBehaviour, match="belongs to test_lease.py"):
        behaviour.behaviour(NAME)(test_of("test_dis.py"))
    behaviour.behaviour(NAME)(test_of("test_lease.py"))
    twin = test_of("test_lease.py")
    twin.__name__ = "test_other"
    with pytest.raises(behaviour.BadBehaviour, match="is shown by"):
        behaviour.behaviour(NAME, together=True)(twin)


def test_rows_of_a_table_are_behaviours_each(monkeypatch):
    monkeypatch.setattr(behaviour, "shown", {})
    with pytest.raises(behaviour.BadBehaviour, match="no behaviour is called"):
        behaviour.each({"Leases": 1})(test_of("test_lease.py"))
    row, = behaviour.each({NAME: 7})(test_of("test_lease.py")).pytestmark[0].args[1]
    assert (row.values, row.id, [m.args for m in row.marks]) == ((7,), "Lease-lease-API-should-be-available", [(NAME,)])
    twin = test_of("test_lease.py")
    twin.__name__ = "test_other"
    with pytest.raises(behaviour.BadBehaviour, match="is shown by"):
        behaviour.each({NAME: 7})(twin)


def test_a_behaviour_stands_when_all_of_its_tests_passed():
    outcomes = {"a": {"outcome": "passed", "behaviours": [NAME, "x"]}, "b": {"outcome": "skipped", "behaviours": ["x"]}}
    assert report.standing(outcomes) == ({NAME}, {"x"})


def test_the_report_counts(tmp_path, capsys):
    path = tmp_path / "outcomes.json"
    path.write_text(json.dumps({"a": {"outcome": "passed", "behaviours": [NAME]}}))
    report.main(path)
    said = capsys.readouterr().out
    assert said.endswith("\n1 of 408\n")
    assert "LEASE   E          1     0\n" in said
