"""Public trust is claimed where it is known, and nowhere else."""

import pytest

from chancery.authorities.digicert.authority import EU, US, DigiCert

SSL = {"product": "ssl_basic"}


@pytest.mark.parametrize(
    ("url", "settings", "product", "known"),
    [
        (US, {}, SSL, True),
        (EU, {}, {"product": "wildcard_dv_rapidssl"}, True),
        (US, {}, {"product": "private_ssl_plus"}, False),
        (US, {}, {"product": "secure_email_mailbox"}, False),
        (US, {}, {}, False),
        ("https://proxy.example.com/services/v2", {}, SSL, False),
    ],
    ids=str,
)
def test_public_trust_is_claimed_where_it_is_known(url, settings, product, known):
    assert DigiCert.publicly_trusted(url, settings, product) is known
