"""Posture: fingerprints instead of secrets, findings about what is stored, decisions, and what is refused."""

from datetime import timedelta

import pytest

from chancery.apps.certificates.tests.conftest import NOW, clock  # noqa: F401  fixture
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.inventory.models import Finding as Difference
from chancery.apps.inventory.models import Pull
from chancery.apps.posture import actions, prints, queries
from chancery.apps.posture.models import Print
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted

pytestmark = pytest.mark.django_db
SOON = (NOW + timedelta(days=30)).date().isoformat()


def values():
    return {"base_url": "https://www.digicert.com/services/v2", "team": "Operations", "environment": "Production",
            "api_key": "one and the same", "name": "Berlin"}  # fmt: skip


@pytest.fixture
def two(cast, local, clock):
    """Make two connectors with one key, and have a worker look at them."""
    made = [connectors.create(cast.ada, "digicert", {**values(), "name": name}) for name in ("Berlin", "Tokyo")]
    prints.take(NOW, {})
    return made


def kinds(actor, **asked):
    return [str(one.finding.kind) for one in queries.listing(actor, **asked).items]


def test_a_worker_makes_fingerprints_of_what_is_in_force_and_of_nothing_else(cast, two):
    berlin, tokyo = two
    stored = Print.objects.filter(version=berlin.current_id)
    assert {p.value for p in stored} == {p.value for p in Print.objects.filter(version=tokyo.current_id)}
    assert all(len(p.value) == 32 for p in stored)
    connectors.edit(
        cast.ada,
        berlin.pk,
        1,
        {**values(), "name": "Berlin", "api_key": "another"},
    )
    state = prints.take(NOW, {})
    assert not Print.objects.filter(version=berlin.current_id).exists()
    berlin.refresh_from_db()
    assert Print.objects.filter(version=berlin.current_id).exists()
    assert "shared_credential" not in kinds(cast.ada)
    row = berlin.current
    Print.objects.all().delete()
    row.secrets["api_key"]["kid"] = "gone"
    row.save()
    state = prints.take(NOW, state)
    assert str(row.pk) in state["tried"]
    assert not Print.objects.filter(version=row).exists()
    assert prints.take(NOW, state) == state


def test_findings_of_what_is_stored_and_who_sees_them(cast, local, two):
    berlin, _ = two
    assert "shared_credential" in kinds(cast.ada)
    assert kinds(cast.ada, kind="shared_credential", level="warning") == ["shared_credential"]
    assert kinds(cast.ada, kind="untested", level="serious") == []
    assert queries.serious(cast.ada) == 0
    assert queries.serious(cast.rob) == 0
    with pytest.raises(NotPermitted):
        queries.listing(cast.rob)
    mine = {"team_id": berlin.team_id, "environment_id": berlin.environment_id}
    pull = Pull.objects.create(
        connector=berlin, version=berlin.current, asked_by="ada", created_at=NOW, finished_at=NOW, state="done", **mine
    )
    Difference.objects.create(
        kind="at_ca_only", subject="1|1", connector=berlin, pull=pull, first_at=NOW, last_at=NOW, **mine
    )
    assert "1 certificates of its CA" in next(
        one.finding.text for one in queries.listing(cast.ada).items if one.finding.kind == "unknown_at_ca"
    )
    Connector.objects.filter(pk=berlin.pk).update(authority="gone")
    assert queries.listing(cast.ada).items


def test_a_decision_lasts_until_its_day_and_says_why(cast, two, settings):
    (shown,) = queries.listing(cast.ada, kind="shared_credential").items
    key = shown.finding.key
    actions.decide(cast.ada, key, owner="Platform", until=SOON, reason="The CA makes one a week.")
    assert kinds(cast.ada, kind="shared_credential") == []
    (put_off,) = queries.listing(cast.ada, state="decided").items
    assert (put_off.decision.owner, put_off.decision.by) == ("Platform", "ada")
    actions.decide(cast.ada, key, owner="Platform")
    assert kinds(cast.ada, kind="shared_credential") == ["shared_credential"]
    for given, field in (
        ({"until": SOON}, "reason"),
        ({"until": "soon", "reason": "x"}, "until"),
        ({"until": NOW.date().isoformat(), "reason": "x"}, "until"),
        ({"until": (NOW + timedelta(days=400)).date().isoformat(), "reason": "x"}, "until"),
    ):
        with pytest.raises(Invalid) as caught:
            actions.decide(cast.ada, key, **given)
        assert caught.value.problems[0].field == field
    with pytest.raises(Absent):
        actions.decide(cast.ada, "0" * 32)
    with pytest.raises(NotPermitted):
        actions.decide(cast.rob, key)
    settings.POSTURE_ENFORCED = frozenset({"shared_credential"})
    with pytest.raises(Conflict, match="cannot wait"):
        actions.decide(cast.ada, key, until=SOON, reason="x")


def test_what_is_enforced_is_refused_before_anything_is_saved(cast, two, settings):
    berlin, _ = two
    third = {**values(), "name": "Third"}
    settings.POSTURE_ENFORCED = frozenset({"shared_credential"})
    with pytest.raises(Conflict, match="share a credential"):
        connectors.create(cast.ada, "digicert", third)
    assert not Connector.objects.filter(name="Third").exists()
    connectors.create(cast.ada, "digicert", {**third, "api_key": "one of its own"})
    connectors.deactivate(cast.ada, berlin.pk)
    with pytest.raises(Conflict, match="share a credential"):
        connectors.activate(cast.ada, berlin.pk)
    settings.POSTURE_ENFORCED = frozenset({"wide_networks"})
    with pytest.raises(Conflict, match=r"10\.0\.0\.0/8"):
        connectors.edit(
            cast.ada, berlin.pk, 2, {**third, "name": "Berlin", "allowed_networks": ["10.0.0.0/8"], "api_key": "x"}
        )
    connectors.activate(cast.ada, berlin.pk)


def test_an_empty_secret_has_no_fingerprint(cast, two):
    berlin, _ = two
    Print.objects.all().delete()
    version = berlin.current
    sealed = prints.sealing.seal("", table="connector_version", record=str(version.pk), field="api_key")
    type(version).objects.filter(pk=version.pk).update(secrets={"api_key": sealed})
    state = prints.take(NOW, {})
    assert state == {"tried": [str(version.pk)]}
