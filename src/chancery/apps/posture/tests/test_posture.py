"""Posture: fingerprints instead of secrets, findings about what is stored, decisions, and what is refused."""

import hashlib
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps

from chancery.apps.accounts import actions as people
from chancery.apps.accounts.models import Environment
from chancery.apps.certificates.tests.conftest import NOW, clock  # noqa: F401  fixture
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import rotating
from chancery.apps.connectors.models import Connector, ConnectorVersion
from chancery.apps.connectors.versions import unsealed_version
from chancery.apps.inventory.models import Finding as Difference
from chancery.apps.inventory.models import Pull
from chancery.apps.posture import actions, prints, queries, sharing
from chancery.apps.posture.models import Decision, Print
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted
from chancery.core.ids import new_id
from chancery.core.posture import ORDER, Kind, findings

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


def test_what_weighs_more_than_what_was_put_off_is_open_again(cast, two):
    berlin, tokyo = two
    own, shared = f"untested-{berlin.pk.hex}", queries.listing(cast.ada, kind="shared_credential").items[0].finding.key
    for key in (own, shared):
        actions.decide(cast.ada, key, until=SOON, reason="The CA is slow.")
    assert berlin.pk not in [one.connectors[0].pk for one in queries.listing(cast.ada, kind="untested").items]
    assert kinds(cast.ada, kind="shared_credential") == []
    ConnectorVersion.objects.filter(pk=berlin.current_id).update(untested_reason="It has faults.")
    Connector.objects.filter(pk=tokyo.pk).update(environment=Environment.objects.create(name="Trials"))
    assert kinds(cast.ada, kind="untested", level="warning") == ["untested"]
    assert kinds(cast.ada, kind="untested", level="warning", state="decided") == []
    assert kinds(cast.ada, kind="shared_credential", level="serious") == ["shared_credential"]
    assert queries.serious(cast.ada) == 1
    assert [queries.get(cast.ada, key).decided for key in (own, shared)] == [False, False]
    for key in (own, shared):
        actions.decide(cast.ada, key, until=SOON, reason="Known.")
    ConnectorVersion.objects.filter(pk=berlin.current_id).update(untested_reason="")
    assert [queries.get(cast.ada, key).decided for key in (own, shared)] == [True, True]
    assert berlin.pk not in [one.connectors[0].pk for one in queries.listing(cast.ada, kind="untested").items]
    assert queries.serious(cast.ada) == 0


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


def test_the_next_with_a_credential_is_refused_before_a_worker_has_looked(cast, local, clock, settings):
    settings.POSTURE_ENFORCED = frozenset({"shared_credential"})
    berlin = connectors.create(cast.ada, "digicert", values())
    with pytest.raises(Conflict, match="share a credential"):
        connectors.create(cast.ada, "digicert", {**values(), "name": "Tokyo"})
    kept = {**values(), "description": "other"}
    del kept["api_key"]
    connectors.edit(cast.ada, berlin.pk, 1, kept)
    with pytest.raises(Conflict, match="share a credential"):
        connectors.create(cast.ada, "digicert", {**values(), "name": "Tokyo"})


@pytest.mark.parametrize(("kind", "given"), [("shared_credential", "one and the same"), ("untested", "one of its own")])
def test_a_rotation_leads_past_nothing_that_is_enforced(cast, two, settings, kind, given):
    connectors.create(cast.ada, "digicert", {**values(), "name": "Third", "api_key": "of the third"})
    third = Connector.objects.get(name="Third")
    settings.POSTURE_ENFORCED = frozenset({kind})
    rotating.stage(cast.ada, third.pk, {"api_key": given})
    with pytest.raises(Conflict, match="does not allow it"):
        rotating.switch(cast.ada, third.pk, untested="The CA is away.")
    third.refresh_from_db()
    assert unsealed_version(third.current)["api_key"].reveal() == "of the third"


def test_an_empty_secret_has_no_fingerprint(cast, two):
    berlin, _ = two
    Print.objects.all().delete()
    version = berlin.current
    sealed = prints.sealing.seal("", table="connector_version", record=str(version.pk), field="api_key")
    type(version).objects.filter(pk=version.pk).update(secrets={"api_key": sealed})
    state = prints.take(NOW, {})
    assert state == {"tried": [str(version.pk)]}


def places(**more):
    return {**values(), **more}


@pytest.fixture
def many(cast, local, clock):
    """Make connectors with every weakness that there is, some decided about."""
    people.create_environment(cast.host, "Test")
    trial = {"environment": "Test", "base_url": "https://www.digicert.com/services/v2"}
    made = {}
    for n, more in enumerate(
        ({}, {"team": "Other"}, trial, {"base_url": "https://sandbox.ca.example", "owner": "Pat"},
         {"allowed_networks": ["10.0.0.0/8", "10.1.0.0/16"]}, {"allowed_networks": ["10.1.0.0/16"], "contact": "pat"})
    ):  # fmt: skip
        made[n] = connectors.create(cast.ada, "digicert", places(name=f"C{n}", api_key=f"key {n // 2}", **more))
    for n, host, account in ((0, "ca", 0), (1, "ca", 0), (2, "ca", 1), (3, "else", 0)):
        about = {
            "base_url": f"https://{host}.example/api/",
            "name": f"E{n}",
            "team": ("Operations", "Other")[n % 2],
        }
        version = connectors.create(cast.ada, "digicert", places(**about, api_key=f"own {n}")).current
        type(version).objects.filter(pk=version.pk).update(settings={**version.settings, "username": f"svc-{account}"})
    type(made[0].current).objects.filter(pk=made[0].current_id).update(untested_reason="The CA was away.")
    type(made[1].current).objects.filter(pk=made[1].current_id).update(
        created_at=NOW - timedelta(days=999), tested_at=NOW
    )
    here = {"team_id": made[2].team_id, "environment_id": made[2].environment_id}
    pull = Pull.objects.create(
        connector=made[2],
        version=made[2].current,
        asked_by="ada",
        created_at=NOW,
        finished_at=NOW,
        state="done",
        **here,
    )
    Difference.objects.create(
        kind="at_ca_only", subject="1|1", connector=made[2], pull=pull, first_at=NOW, last_at=NOW, **here
    )
    prints.take(NOW, {})
    return cast


def walked(actor, size, **asked):
    """Return the findings of all pages, read to the end and back again."""
    pages = [queries.listing(actor, size=size, **asked)]
    while pages[-1].next:
        pages.append(queries.listing(actor, size=size, cursor=pages[-1].next, **asked))
    back = [pages[-1]]
    while back[-1].previous:
        back.append(queries.listing(actor, size=size, cursor=back[-1].previous, **asked))
    found, again = ([[s.finding for s in page.items] for page in some] for some in (pages, back[::-1]))
    assert [f for page in again for f in page] == [f for page in found for f in page]
    return [f for page in found for f in page]


@pytest.mark.long(on="postgresql")
def test_pages_hold_what_a_look_at_all_connectors_finds(many):
    rows = Connector.objects.select_related("current", "team", "environment").order_by("name_key")
    whole = findings(queries.facts(rows), queries.limits())
    assert {one.kind for one in whole} == set(Kind), "every kind is there"
    assert {(one.level, one.kind) for one in whole} == set(ORDER), "and every weight of it"
    for size in (3, 200):
        found = walked(many.ada, size, state="all")
        assert sorted(found, key=lambda one: one.key) == sorted(whole, key=lambda one: one.key)
        assert [one.level for one in found] == [one.level for one in whole]
    assert walked(many.ada, 3, level="advice") == [one for one in walked(many.ada, 50) if one.level == "advice"]
    assert queries.serious(many.ada) == sum(one.level == "serious" for one in whole)
    for one in whole:
        assert queries.get(many.ada, one.key).finding == one
    put_off = [one for one in whole if one.kind in {"nobody", "shared_account"}]
    for one in put_off:
        actions.decide(many.ada, one.key, until=SOON, reason="It waits.")
    assert {one.key for one in walked(many.ada, 2, state="decided")} == {one.key for one in put_off}
    assert len(walked(many.ada, 2)) == len(whole) - len(put_off)


@pytest.mark.parametrize("cursor", ["x", "WyI-IiwgOTksICJhIiwgImIiXQ", "WyI-IiwgMSwgImEiLCAiYiJd"])
def test_a_page_marker_of_somebody_else_is_refused(cast, local, clock, cursor):
    with pytest.raises(Invalid, match="page marker"):
        queries.listing(cast.ada, cursor=cursor)


def test_what_very_many_share_is_told_of_the_first(cast, two, monkeypatch):
    monkeypatch.setattr(sharing, "MEMBERS", 2)
    connectors.create(cast.ada, "digicert", {**values(), "name": "Zug"})
    prints.take(NOW, {})
    (shown,) = queries.listing(cast.ada, kind="shared_credential").items
    assert (shown.finding.text, shown.finding.more) == ("Berlin, Tokyo and 1 more share a credential.", 1)
    assert [row.name for row in shown.connectors] == ["Berlin", "Tokyo"]
    assert queries.get(cast.ada, shown.finding.key).finding == shown.finding


def test_what_is_deleted_while_it_is_looked_at_shares_nothing(cast, two, monkeypatch):
    berlin, _ = two
    monkeypatch.setattr(sharing, "_credentials", lambda _seen: [(None, [berlin.pk, new_id(NOW)])])
    assert queries.listing(cast.ada, kind="shared_credential").items == []


def test_no_credential_is_old_where_nobody_wants_to_be_told(many, settings):
    assert "old_credential" in kinds(many.ada, kind="old_credential")
    settings.CREDENTIAL_DAYS = 0
    assert kinds(many.ada, kind="old_credential") == []


def test_decisions_of_before_get_the_keys_of_today(cast, two):
    berlin, tokyo = two
    rekey = import_module("chancery.apps.posture.migrations.0002_decisions_by_connector")._rekey
    kept = {"by": "ada", "at": NOW, "until": NOW.date() + timedelta(days=9), "reason": "It waits."}
    before = {"nobody": [berlin], "shared_credential": [berlin, tokyo], "untested": []}
    for kind, about in before.items():
        parts = "|".join((kind, *sorted(str(row.pk) for row in about)))
        Decision.objects.create(key=hashlib.sha256(parts.encode()).hexdigest()[:32], kind=kind, **kept)
    rekey(apps, None)
    assert set(Decision.objects.values_list("kind", "connector")) == {
        ("nobody", berlin.pk),
        ("shared_credential", None),
    }, "what is about nothing any more is gone"
    assert {str(one.finding.kind) for one in queries.listing(cast.ada, state="decided").items} == {
        "nobody",
        "shared_credential",
    }
