from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chancery import sdk
from chancery.core.csr import build, parse
from chancery.core.keys import generate
from chancery.core.names import parse_name
from chancery.core.policy import AuthorityFacts
from chancery.sdk.authority import POWERS, Dedup, Facts, Request, describe, powers_of
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.finding import STAGES, Finding, Level


class Plain:
    slug, title, maker, proof = "plain", "Plain CA", "Us", "simulator"
    config, profile = Config, ProfileSettings
    facts = Facts(AuthorityFacts(key_types=("RSA-2048",)))
    api = (1, 1)


class Rich(Plain):
    slug, title = "rich", "Rich CA"
    default_base_url = "https://ca.example/v2"
    base_urls = [("https://ca.example/v2", "World")]
    outside = False

    def revoke(self, target, reason, comment): ...
    def poll_revocation(self, state, target): ...
    def cancel(self, state, request): ...
    def release(self, state, request): ...
    def find(self, request, since): ...
    def adopt(self, reference, request): ...
    def choices(self, field): ...
    def inventory(self, cursor): ...
    def fetch(self, reference): ...
    def renewal_hint(self, target): ...


class HalfRevoking(Plain):
    def revoke(self, target, reason, comment): ...


def test_powers_are_what_the_class_has():
    assert powers_of(Plain) == frozenset()
    assert powers_of(Rich) == set(POWERS)


def test_half_a_power_is_none():
    assert powers_of(HalfRevoking) == frozenset()


def test_describe_says_what_the_class_says():
    found = describe(Rich)
    assert (found.slug, found.title, found.maker, found.proof) == ("rich", "Rich CA", "Us", "simulator")
    assert (found.config, found.profile, found.facts) == (Config, ProfileSettings, Rich.facts)
    assert found.powers == set(POWERS)
    assert found.default_base_url == "https://ca.example/v2"
    assert found.base_urls == (("https://ca.example/v2", "World"),)
    assert found.outside is False


def test_describe_fills_in_what_the_class_leaves_out():
    found = describe(Plain)
    assert (found.powers, found.default_base_url, found.base_urls, found.outside) == (frozenset(), "", (), True)


def test_an_authority_that_declares_nothing_is_treated_with_care():
    assert Plain.facts.dedup is Dedup.NONE
    assert Plain.facts.dedup_window is None


def test_the_csr_as_pem_is_the_same_csr():
    name = parse_name("a.example")
    der = build(generate("EC-P256"), (name,))
    request = Request(
        reference="r1",
        csr=der,
        common_name="a.example",
        names=(name,),
        spki_sha256="",
        validity=timedelta(days=90),
        intended_at=datetime(2026, 1, 1, tzinfo=UTC),
        settings=ProfileSettings(),
    )
    assert request.csr_pem.startswith("-----BEGIN CERTIFICATE REQUEST-----\n")
    assert parse(request.csr_pem.encode()).der == der


def test_stages_and_levels_are_those_of_the_page():
    assert STAGES == ("name", "tcp", "tls", "clock", "login", "rights", "product", "quota", "chain")
    assert [level.value for level in Level] == ["ok", "warning", "failed", "skipped"]
    assert Finding("tcp", Level.OK, "ok", "Connected.") == Finding("tcp", Level.OK, "ok", "Connected.", "", "")


def test_authors_find_everything_in_one_place():
    module = sdk
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name), name
    assert module.API_VERSION == 1


@pytest.mark.parametrize("name", [kind.__name__ for kind in sdk.AuthorityError.__subclasses__()])
def test_every_error_is_exported(name):
    assert name in sdk.__all__


def test_only_what_makes_no_second_certificate_may_be_sent_again():
    from chancery.sdk.authority import Dedup

    assert {d for d in Dedup if d.harmless} == {Dedup.RETURN_ORIGINAL, Dedup.ISSUES_LATER}


class Narrowing(Rich):
    @classmethod
    def narrow(cls, about, settings):
        return about if settings.get("way") == "long" else replace(about, powers=frozenset())


def test_what_a_connector_can_do_may_depend_on_its_settings():
    assert describe(Narrowing).powers == describe(Rich).powers
    assert describe(Narrowing, {"way": "long"}).powers == describe(Rich).powers
    assert describe(Narrowing, {}).powers == frozenset()
    assert describe(Rich, {}).powers == describe(Rich).powers
