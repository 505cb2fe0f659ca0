"""A connector that is never called, certificates to import, and findings of each kind."""

from datetime import timedelta

import pytest

from chancery.apps.certificates.models import Certificate, Origin
from chancery.apps.certificates.storing import Foreign, store
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.tests.account import values
from chancery.apps.inventory import actions
from chancery.apps.inventory.models import Finding
from chancery.apps.profiles import actions as profiles
from chancery.apps.shared import action
from chancery.core import pem
from chancery.core.certificate import facts
from chancery.core.clock import ManualClock
from chancery.core.ids import new_id
from chancery.core.tests.making import NOW, certify, dns, key_of

ROOT = certify("Some Root", key=key_of("EC-P256", 1), ca=True)


@pytest.fixture(autouse=True)
def clock():
    manual = ManualClock(NOW)
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


def made(name="www.example.com", **changes):
    how = {"key": key_of("EC-P256"), "issuer": ROOT, "ca": False, "extensions": dns(name), **changes}
    return certify(name, **how)


def text(*holders):
    return pem.chain_text(h.der for h in holders).encode()


@pytest.fixture
def lister(cast):
    """A connector whose CA lists, with a profile for it."""
    connector = connectors.create(cast.ada, "digicert", values())
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(cast.ada, {"name": "Public", "connector": connector.name, "product": product})
    return connector


@pytest.fixture
def stored(lister):
    """Store a certificate of ours."""

    def make(name="www.example.com", *, connector=lister, **columns):
        ours = Foreign(
            facts(made(name).der),
            team=lister.team_id,
            environment=lister.environment_id,
            origin=Origin.IMPORTED,
            origin_text="",
            connector=connector.pk if connector else None,
        )
        (row,) = store([ours], NOW - timedelta(days=1))
        Certificate.objects.filter(pk=row.pk).update(**columns)
        return Certificate.objects.get(pk=row.pk)

    return make


@pytest.fixture
def finding(cast, lister):
    """Store a finding; one of `ours` is about that certificate."""
    pull = actions.pull(cast.ada, lister.pk)

    def make(kind="at_ca_only", *, ours=None, **columns):
        base = {
            "id": new_id(NOW),
            "kind": kind,
            "subject": str(ours.pk) if ours else f"7/8|{kind}",
            "connector": lister,
            "pull": pull,
            "team_id": lister.team_id,
            "environment_id": lister.environment_id,
            "certificate": ours,
            "common_name": "www.example.com",
            "serial": "1f",
            "reference": "7/8",
            "first_at": NOW,
            "last_at": NOW,
        }
        return Finding.objects.create(**{**base, **columns})

    return make
