"""Files of Secrets."""

import pytest

from batch import secret
from behaviour import behaviour, each
from filetables import DATA, check_comes_and_goes, comes_and_goes, direct, one, secrets

VOLUME = direct("secret")
TABLE = secrets("[sig-storage] Secrets", VOLUME)
OBJECTS = [secret("plain", DATA), *comes_and_goes(VOLUME, "optional", secret)]


@each(TABLE)
def test_what_a_container_sees(batch, look):
    batch.check(look)


@behaviour("[sig-storage] Secrets optional updates should be reflected in volume [NodeConformance] [Conformance]")
def test_optional_updates(batch):
    check_comes_and_goes(batch, "secret", "optional", secret)


@pytest.fixture
def twin(site, namespace):
    """A Secret of the same name elsewhere, with something else in it."""
    site.kubectl("-n", namespace, "create", "secret", "generic", "twin", "--from-literal=data-1=other")


@behaviour("[sig-storage] Secrets should be able to mount in a volume regardless of a different secret existing with same name in "
           "different namespace [NodeConformance] [Conformance]")
def test_the_secret_of_its_own_namespace(batch, twin):
    own = one("data-1", "-rw-r--r--", VOLUME(of="twin"))
    own.pod["metadata"]["name"] = "twin"
    batch.add(secret("twin", DATA), own.pod)
    batch.check(own)
