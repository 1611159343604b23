"""The lab of the cluster tests; the mark that says which behaviour a test shows (behaviour.py)."""

import contextlib
import os
import re
import sys

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib"), os.path.join(os.path.dirname(HERE), "lab")]

import labfixtures  # noqa: E402
from batch import Batch  # noqa: E402
from kit import Kind  # noqa: E402
from labsite import wait_for  # noqa: E402
from sitefixtures import api, lab_name, whole_site  # noqa: E402, F401


def pytest_configure(config):
    config.addinivalue_line("markers", "behaviour(*codenames): what of Kubernetes' conformance suite a test shows")


@pytest.fixture(autouse=True)
def behaviours_of_the_report(request, record_property):
    """Whoever reads the reports (tests/lib/outcomes.py) learns what the test stands for."""
    for mark in request.node.iter_markers("behaviour"):
        for codename in mark.args:
            record_property("behaviour", codename)


@pytest.fixture(scope="session")
def ended(whole_site):  # noqa: F811
    """Namespaces whose tests are over.  They go beside the tests that follow; all of them must be gone in the end."""
    names = []
    yield names
    wait_for("all namespaces to be gone", 90, lambda: not set(names) & {
        n.removeprefix("namespace/") for n in whole_site.kubectl("get", "namespaces", "-o", "name").split()}, pause=0.5)


@pytest.fixture
def site(whole_site, ended):  # noqa: F811
    """The lab as it is: no test here breaks anything of it."""
    return whole_site


@contextlib.contextmanager
def passing_namespace(site, ended, *words):
    name = re.sub("[^a-z0-9]+", "-", "-".join(words).lower().replace("test_", "")).strip("-")[:50].strip("-")
    site.kubectl("create", "namespace", name)
    try:
        wait_for("the default service account", 10, lambda: site.kubectl("-n", name, "get", "serviceaccount", "default"))
        yield name
    finally:
        site.kubectl("delete", "namespace", name, "--wait=false")
        ended.append(name)


@pytest.fixture
def namespace(site, ended, request):
    """A namespace that goes, with all in it, when the test is over."""
    with passing_namespace(site, ended, request.path.stem, request.node.name) as name:
        yield name


@pytest.fixture(scope="module")
def batch(whole_site, ended, request):
    """The pods of the file's TABLE and its OBJECTS, all started at once (batch.py)."""
    module = request.module
    with passing_namespace(whole_site, ended, "all-of", request.path.stem) as name:
        found = Batch(whole_site, name, getattr(module, "TABLE", {}), getattr(module, "OBJECTS", []))
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def k(site, namespace):
    """kubectl in the test's namespace."""
    def call(*args, **options):
        return site.kubectl("-n", namespace, *args, **options)
    return call


@pytest.fixture
def kinds(site):
    """kinds(apiVersion, kind, namespace=None): a kit.Kind of the official client."""
    config = pytest.importorskip("kubernetes.config")
    dynamic = pytest.importorskip("kubernetes.dynamic")
    with config.new_client_from_config(site.kubeconfig) as c:
        found = dynamic.DynamicClient(c, cache_file=os.path.join(os.path.dirname(site.kubeconfig), "kinds-of-python.json"))
        yield lambda api_version, kind, namespace=None: Kind(found.resources.get(api_version=api_version, kind=kind), namespace)


pytest_runtest_makereport = labfixtures.show_the_site_of_a_failure
