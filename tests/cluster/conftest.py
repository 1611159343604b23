"""One lab for the whole run, mended before each test, a namespace for each test that wants one, and the hello example."""

import os
import sys

import pytest

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "lab")]

import labfixtures  # noqa: E402
from labsite import REPO, wait_for  # noqa: E402
from sitefixtures import api, lab_name, namespace, site, whole_site  # noqa: E402, F401


@pytest.fixture(scope="session")
def hello_applied(whole_site):  # noqa: F811
    whole_site.kubectl("apply", "-f", os.path.join(REPO, "examples", "hello"))


@pytest.fixture
def hello(site, hello_applied):  # noqa: F811
    """The example, serving; returns its namespace.  There is one of it for all tests: it owns the entry's "/"."""
    for what in ("statefulset/db", "deployment/hello"):
        site.kubectl("-n", "hello", "rollout", "status", what, "--timeout=90s", timeout=100)
    wait_for("the page with a count", 20, lambda: '"hits":null' not in site.fetch("/json"))
    return "hello"


pytest_runtest_makereport = labfixtures.show_the_site_of_a_failure
