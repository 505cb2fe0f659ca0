"""The connector's own part: settings, known directories, what it makes, offers and declares."""

import logging
from datetime import timedelta

import pytest

from chancery.authorities.acme.authority import Acme
from chancery.authorities.acme.config import AcmeConfig, AcmeProfile
from chancery.authorities.acme.directories import DIRECTORIES
from chancery.authorities.acme.simulator import NAME, build
from chancery.core.clock import ManualClock
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.acme.keys import AccountKey, new_account_key
from chancery.protocols.acme.settings import ChallengeType
from chancery.protocols.acme.tests.stand import request, target
from chancery.sdk.authority import Context, describe
from chancery.sdk.http import HttpDoor, check_url
from chancery.sdk.outcome import Issued, Revoked
from chancery.sdk.testing import START

KEY = new_account_key()


def config(**values):
    secrets = {
        n: Secret(values.pop(n)) for n in ("eab_hmac_key", "dns_credentials", "previous_account_key") if n in values
    }
    return AcmeConfig(account_key=Secret(KEY), **secrets, **values)


@pytest.fixture
def connector():
    clock = ManualClock(START)
    with build(clock=clock) as simulator:
        simulator.dials.set(preauthorized=True)
        door = HttpDoor(simulator.url, clock=clock, policy=AddressPolicy(("127.0.0.0/8",)))
        settings = config(terms_agreed=True, challenge="none")
        yield Acme(settings, Context(door, clock, logging.getLogger("chancery.authority.acme")))
        door.close()


def asked(**settings):
    made = request(days=90)
    return type(made)(**{**{n: getattr(made, n) for n in made.__slots__}, "settings": AcmeProfile(**settings)})


def test_settings_become_those_of_the_protocol():
    made = config(
        contact=" pki@example.com, ops@example.com ,",
        terms_agreed=True,
        eab_key_id="kid",
        eab_hmac_key="bWFj",
        eab_algorithm="HS384",
        other_hosts="CDN.example:8443, b.example",
        preferred_chain=" Root X ",
        previous_account_key="old",
    ).acme()
    assert made.contacts == ("pki@example.com", "ops@example.com")
    assert (made.eab.key_id, made.eab.hmac_key.reveal(), made.eab.algorithm) == ("kid", "bWFj", "HS384")
    assert made.other_hosts == {"cdn.example:8443", "b.example"}
    assert (made.preferred_chain, made.previous_key.reveal(), made.terms_agreed) == ("Root X", "old", True)


@pytest.mark.parametrize(
    "half", [{"eab_key_id": "kid"}, {"eab_hmac_key": "bWFj"}, {"eab_key_id": " ", "eab_hmac_key": "x"}, {}]
)
def test_half_a_binding_is_none(half):
    assert config(**half).acme().eab is None


def test_every_way_of_validation_can_be_chosen():
    offered = AcmeConfig.model_fields["challenge"].json_schema_extra["choices"]
    assert set(offered) == {str(c) for c in ChallengeType}


def test_a_new_connector_gets_a_key_unless_one_is_given():
    made = Acme.prepare({"contact": "x"})
    assert AccountKey(Secret(made["account_key"])).thumbprint
    assert Acme.prepare({})["account_key"] != made["account_key"]
    assert Acme.prepare({"account_key": "mine"}) == {"account_key": "mine"}


@pytest.mark.parametrize("url", [url for url, _ in DIRECTORIES])
def test_known_directories_can_be_spoken_to(url):
    assert check_url(url, AddressPolicy()).scheme == "https"


def test_known_directories_are_named_once():
    assert len({url for url, _ in DIRECTORIES}) == len({name for _, name in DIRECTORIES}) == len(DIRECTORIES)
    assert Acme.default_base_url == DIRECTORIES[0][0]


def test_it_declares_the_powers_that_acme_has():
    assert describe(Acme).powers == {"revokes", "adopts", "chooses", "renewal_hint"}


def test_profile_and_dates_reach_the_order(connector):
    made = asked(profile="shortlived", not_after=True)
    issued = connector.poll(connector.submit(made).state, made)
    assert isinstance(issued, Issued)
    hint = connector.renewal_hint(target(issued))
    assert START < hint.start < START + timedelta(days=90)
    assert connector.adopt(issued.reference, made).outcome.leaf == issued.leaf
    revoked = connector.revoke(target(issued), RevocationReason.SUPERSEDED, "comment")
    assert isinstance(revoked, Revoked)
    assert isinstance(connector.poll_revocation({}, target(issued)), Revoked)


def test_profiles_are_offered_with_what_the_ca_says_of_them(connector):
    assert [(c.value, c.label) for c in connector.choices("profile")] == [
        ("classic", "classic: https://ca.example/profiles#classic"),
        ("shortlived", "shortlived: https://ca.example/profiles#shortlived"),
    ]
    assert connector.choices("contact") == []


def test_the_demo_shows_a_connector_that_its_settings_take():
    made = build(clock=ManualClock(START))
    assert made.name == NAME
    (example,) = made.examples
    values = {n: Secret(v) if n == "eab_hmac_key" else v for n, v in example.settings.items()}
    assert AcmeConfig(account_key=Secret(KEY), **values).acme().eab is not None
    assert AcmeProfile(**example.product).profile == "classic"
