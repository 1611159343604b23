"""The fixtures of suites that share one lab for the whole run: tests/cluster, tests/conformance.

A conftest imports them by name.  LAB_KEEP=1 leaves the lab standing at the end.
"""

import re

import pytest

import labfixtures
from api import Api
from labsite import Site


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
