"""Public trust is claimed where it is known, and nowhere else."""

import pytest

from chancery.authorities.acme.authority import Acme
from chancery.authorities.acme.directories import DIRECTORIES, PUBLIC, TESTS

LETS_ENCRYPT, OWN = "https://acme-v02.api.letsencrypt.org/directory", "https://acme.corp.example.com/acme/directory"
STAGING = LETS_ENCRYPT.replace("acme-v02", "acme-staging-v02")
SAID = {"publicly_trusted": True}


@pytest.mark.parametrize(
    ("url", "settings", "product", "known"),
    [
        (LETS_ENCRYPT, {}, {}, True),
        (STAGING, {}, {}, False),
        (STAGING, SAID, {}, False),
        ("https://one.digicert.com/mpki/api/v1/acme/v2/directory", {}, {}, False),
        (OWN, {}, {}, False),
        (OWN, SAID, {}, True),
    ],
    ids=str,
)
def test_public_trust_is_claimed_where_it_is_known(url, settings, product, known):
    assert Acme.publicly_trusted(url, settings, product) is known


def test_what_is_known_of_directories_is_about_directories_that_are_offered():
    assert {url for url, _ in DIRECTORIES} >= PUBLIC | TESTS
    assert not PUBLIC & TESTS
