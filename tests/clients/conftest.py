"""Clients that others wrote, against a server alone on loopback or (helm) a whole lab."""

import os
import shutil
import sys

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib"), os.path.join(os.path.dirname(HERE), "lab")]

import labfixtures  # noqa: E402
from bareserver import BareServer  # noqa: E402
from sitefixtures import lab_name, namespace, site, whole_site  # noqa: E402, F401


@pytest.fixture(scope="module")
def server():
    bare = BareServer().start()
    try:
        yield bare
    finally:
        bare.remove()


@pytest.fixture
def kubeconfig(server, tmp_path):
    """A copy: commands may change the context."""
    return shutil.copy(server.kubeconfig, tmp_path / "kubeconfig")


pytest_runtest_makereport = labfixtures.show_the_site_of_a_failure
