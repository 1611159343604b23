"""A lab with three workers of 3 GiB, and in it one system after another, as its owner deploys it.

LAB_KEEP=1 leaves the lab standing at the end.  MKUBE_SEEDS= is where the owners' own manifests lie.
"""

import os
import sys

import pytest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib"), os.path.join(os.path.dirname(HERE), "lab")]
pytest.register_assert_rewrite("acceptance", "owner", "trip_overlays")

import labfixtures  # noqa: E402
from labsite import wait_for  # noqa: E402
from owner import Owner, SystemsSite  # noqa: E402


@pytest.fixture(scope="session")
def lab_name():
    with labfixtures.free_lab("systems") as name:
        yield name


@pytest.fixture(scope="session")
def whole_site(lab_name):
    with labfixtures.standing(SystemsSite(lab_name, agent_flags=("--memory=3Gi",))) as site:
        yield site


@pytest.fixture
def site(whole_site):
    whole_site.up()
    return whole_site


def pytest_generate_tests(metafunc):
    """Each system comes from its owner's manifests and from our own."""
    if "deployed" in metafunc.fixturenames:
        metafunc.parametrize("deployed", metafunc.module.SYSTEM.sources(), indirect=True, scope="module")


@pytest.fixture(scope="module")
def deployed(whole_site, request, tmp_path_factory):
    """The system, up; afterwards its owner cleans up, and nothing may be left."""
    system, source = request.module.SYSTEM, request.param
    if not system.has(source):
        pytest.skip(f"{system.name}: no manifests of {'its owner (MKUBE_SEEDS)' if source == 'seed' else 'our own'} here")
    owner = Owner(whole_site, system, source, str(tmp_path_factory.mktemp(system.name)))
    whole_site.up()
    whole_site.push(owner.images())
    try:
        owner.deploy()
        yield owner
    finally:
        if not os.environ.get("LAB_KEEP"):
            whole_site.up()
            owner.clean_up()
    if not os.environ.get("LAB_KEEP"):
        wait_for("nothing to be left behind", 60, lambda: not owner.left_behind())


@pytest.fixture
def owner(deployed, whole_site):
    """All hosts on, all pods Ready, whatever the test before left."""
    whole_site.up()
    deployed.all_ready()
    return deployed


pytest_runtest_makereport = labfixtures.show_the_site_of_a_failure
