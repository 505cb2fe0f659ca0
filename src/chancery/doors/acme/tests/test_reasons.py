"""Revocation without a reason, as most clients ask for it, at a CA that takes none without one (emSign is such a CA)."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bench.acme_client import b64
from chancery import catalog
from chancery.apps.certificates.models import Certificate
from chancery.authorities.emsign.rules import REASONS
from chancery.core.order import RevocationReason
from chancery.doors.acme.tests.test_orders import issued, kind

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(door):
    door.offer()
    return door.registered()


@pytest.fixture
def certified(client, engine):
    _, leaf = issued(client, engine, "www.example.com")
    return {"certificate": b64(leaf.public_bytes(Encoding.DER))}


def takes(monkeypatch, reasons):
    whole = catalog.get
    monkeypatch.setattr(
        "chancery.apps.connectors.descriptors.catalog.get",
        lambda *given: replace(found := whole(*given), facts=replace(found.facts, revocation_reasons=tuple(reasons))),
    )


@pytest.mark.parametrize("given", [{}, {"reason": None}, {"reason": 0}])
def test_whoever_gives_no_reason_gives_the_mildest(client, certified, monkeypatch, given):
    takes(monkeypatch, REASONS)
    assert client.post(client.urls["revokeCert"], {**certified, **given}).status == 200
    row = Certificate.objects.get()
    assert (row.revocation_reason, "gave no reason" in row.revocation_comment) == ("superseded", True)


def test_what_a_client_says_is_not_put_in_other_words(client, certified, monkeypatch):
    takes(monkeypatch, [RevocationReason.KEY_COMPROMISE])
    for given in ({}, {"reason": 4}):
        assert kind(client.post(client.urls["revokeCert"], {**certified, **given})) == "badRevocationReason"
    assert Certificate.objects.get().revocation == ""


def test_a_ca_that_takes_none_is_asked_without(client, certified):
    assert client.post(client.urls["revokeCert"], certified).status == 200
    assert Certificate.objects.get().revocation_reason == "unspecified"
