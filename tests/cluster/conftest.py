"""One lab for the whole run, mended before each test, and a namespace for each test that wants one.

LAB_KEEP=1 leaves the lab standing at the end.
"""

import os
import re
import sys

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lab")]

import labfixtures  # noqa: E402
from api import Api  # noqa: E402
from labsite import REPO, Site, wait_for  # noqa: E402


@pytest.fixture(scope="session")
def lab_name():
    with labfixtures.free_lab("check") as name:
        yield name


@pytest.fixture(scope="session")
def whole_site(lab_name):
    """A fresh lab under a name of its own, so that nobody's `make up` is disturbed."""
    with labfixtures.standing(Site(lab_name)) as site:
        site.push_images()
        yield site


@pytest.fixture
def site(whole_site):
    """The lab with everything on, whatever the test before left: tests may run in any order."""
    whole_site.up()
    return whole_site


@pytest.fixture
def api(site):
    client = Api(site.kubeconfig)
    yield client
    client.close()


@pytest.fixture
def namespace(site, request):
    """A namespace that goes, with all in it, when the test is over."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50].strip("-")
    with labfixtures.namespace(site, name):
        yield name


@pytest.fixture(scope="session")
def hello_applied(whole_site):
    whole_site.kubectl("apply", "-f", os.path.join(REPO, "examples", "hello"))


@pytest.fixture
def hello(site, hello_applied):
    """The example, serving; returns its namespace.  There is one of it for all tests: it owns the entry's "/"."""
    for what in ("statefulset/db", "deployment/hello"):
        site.kubectl("-n", "hello", "rollout", "status", what, "--timeout=90s", timeout=100)
    wait_for("the page with a count", 20, lambda: '"hits":null' not in site.fetch("/json"))
    return "hello"


pytest_runtest_makereport = labfixtures.show_the_site_of_a_failure
