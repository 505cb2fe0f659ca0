"""Public trust is claimed where it is known, and nowhere else."""

import pytest

from chancery.authorities.emsign.authority import INDIA, SANDBOX, US, EmSign

OV = {"variant": "ov"}


@pytest.mark.parametrize(
    ("url", "settings", "product", "known"),
    [
        (INDIA, {"transport": "v1"}, {"variant": "dv-wildcard"}, True),
        (US, {}, OV, True),
        (US, {"transport": "acme"}, OV, False),
        (SANDBOX, {"transport": "v2"}, OV, False),
        (US, {"transport": "v2"}, {"variant": "intranet-ssl"}, False),
        (US, {"transport": "v2"}, {}, False),
    ],
    ids=str,
)
def test_public_trust_is_claimed_where_it_is_known(url, settings, product, known):
    assert EmSign.publicly_trusted(url, settings, product) is known
