"""The behaviours of Kubernetes' conformance suite by name, and the mark of the tests that show them.

    @behaviour("[sig-node] Lease lease API should be available [Conformance]")
    def test_leases_are_served(...):

One test may show several: behaviour(name, name).  Several tests may show one together, if each says so:
behaviour(name, together=True).  Any other name twice, a name nobody knows, or one of another area than the file's
(test_<area>.py) is an error when the tests are collected.  One test may also be run for each row of a table:

    @each({"its name": what the test gets as `look`, ...})
    def test_what_containers_see(look, ...):
"""

import csv
import os
import re

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))


def read():
    """{codename: (area, mark)}, in the order of the file: what matters most to small sites first."""
    with open(os.path.join(HERE, "behaviours.tsv"), encoding="utf-8") as f:
        return {row["codename"]: (row["area"], row["mark"]) for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)}


KNOWN = read()
shown = {}  # codename: (the test that shows it, together)


class BadBehaviour(Exception):
    """A mark that cannot be right."""


def note(test, codenames, together=False):
    """Remembers which test shows these behaviours."""
    file = os.path.basename(test.__code__.co_filename)
    where = f"{file}::{test.__name__}"
    for codename in codenames:
        if codename not in KNOWN:
            raise BadBehaviour(f"{where}: no behaviour is called {codename!r}")
        if file != f"test_{KNOWN[codename][0].lower()}.py":
            raise BadBehaviour(f"{where}: {codename!r} belongs to test_{KNOWN[codename][0].lower()}.py")
        other, others = shown.get(codename, (where, together))
        if other != where and not (together and others):
            raise BadBehaviour(f"{where}: {codename!r} is shown by {other} already; is it shown together?")
        shown[codename] = (where, together)


def behaviour(*codenames, together=False):
    def mark(test):
        note(test, codenames, together)
        return pytest.mark.behaviour(*codenames)(test)
    if not codenames:
        raise BadBehaviour("a behaviour needs its name")
    return mark


def each(table):
    """One test for each row of @table: {codename: what the test gets as `look`}."""
    def mark(test):
        note(test, table)
        rows = [pytest.param(look, id=re.sub("[^A-Za-z0-9*]+", "-", re.sub(r"\[[^]]*\]", "", codename)).strip("-"),
                             marks=pytest.mark.behaviour(codename)) for codename, look in table.items()]
        return pytest.mark.parametrize("look", rows)(test)
    return mark
