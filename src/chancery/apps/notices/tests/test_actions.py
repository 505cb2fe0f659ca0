"""Channels: what may be entered, that the address is write-only, and that it is never sent elsewhere."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.connectors.sealing import sealed_with
from chancery.apps.notices import actions, queries
from chancery.apps.notices.models import Channel, Notice
from chancery.apps.notices.tests.conftest import NOW
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import Absent, Invalid, NotPermitted
from chancery.net import notify

pytestmark = pytest.mark.django_db
URL = "json://host.example/a-token-of-the-test"
GIVEN = {"name": "Chat", "team": "Operations", "url": URL}


def test_a_channel_is_made_sealed_and_audited_without_its_address(cast, local, channel):
    before = sealed_with().total()
    row = channel(kinds=["credential_old", "connector_sick"], allowed_networks=["10.1.0.0/16", " "])
    assert (row.service, row.kinds) == ("json", ["connector_sick", "credential_old"])
    assert row.allowed_networks == ["10.1.0.0/16"]
    assert "token" not in str(row.sealed)
    assert sealed_with().total() == before + 1
    (entry,) = said("channels.create")
    assert "token" not in str(entry)
    assert str(row) == "Chat"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "host.example"}, "url"),
        ({"name": " "}, "name"),
        ({"team": "Nobody"}, "team"),
        ({"environment": "Moon"}, "environment"),
        ({"kinds": ["weather"]}, "kinds"),
        ({"allowed_networks": ["0.0.0.0/0"]}, "allowed_networks"),
        ({"allowed_networks": ["x"]}, "allowed_networks"),
        ({"is_active": "perhaps"}, "is_active"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(cast, local, change, field):
    with pytest.raises(Invalid) as caught:
        actions.create(cast.ada, {**GIVEN, **change})
    assert [p.field for p in caught.value.problems] == [field]
    assert not Channel.objects.exists()


def test_an_address_that_the_library_does_not_know_is_refused(cast, local, monkeypatch):
    monkeypatch.setattr(notify, "check", lambda url: "Unparseable URL.")
    with refused("url") as caught:
        actions.create(cast.ada, GIVEN)
    assert "token" not in str(caught.value)


def test_a_name_is_taken_once(cast, channel):
    channel()
    with refused("name", code="taken"):
        actions.create(cast.ada, {**GIVEN, "name": "CHAT"})


def test_only_an_administrator_makes_channels(cast, local):
    with pytest.raises(NotPermitted):
        actions.create(cast.rob, GIVEN)


def test_an_edit_keeps_the_address_unless_it_is_sent(cast, channel):
    row = channel()
    sealed = row.sealed
    edited = actions.edit(cast.ada, row.pk, 1, {"name": "Talk", "team": "Operations", "is_active": False})
    assert (edited.name, edited.revision, edited.sealed, edited.is_active) == ("Talk", 2, sealed, False)
    again = actions.edit(cast.ada, row.pk, 2, {**GIVEN, "url": "slack://a/b/c"})
    assert (again.service, again.sealed != sealed) == ("slack", True)
    assert [e["changed"] for e in said("channels.edit")] == [
        ["is_active", "name"],
        ["is_active", "name", "service", "url"],
    ]


def test_two_editors_do_not_overwrite_one_another(cast, channel):
    row = channel()
    with conflict("stale"):
        actions.edit(cast.ada, row.pk, 7, {"name": "Talk", "team": "Operations"})


@pytest.mark.parametrize("change", [{"team": "Other"}, {"allowed_networks": ["10.0.0.0/8"]}])
def test_a_stored_address_is_not_turned_to_another_team_or_into_other_networks(cast, channel, change):
    row = channel()
    given = {"name": "Chat", "team": "Operations", **change}
    with refused("url", code="secret_needed"):
        actions.edit(cast.ada, row.pk, 1, given)
    assert actions.edit(cast.ada, row.pk, 1, {**given, "url": URL}).revision == 2


def test_a_channel_is_found_by_id_or_name_and_deleted(cast, channel):
    row = channel()
    assert queries.channel(cast.dan, "Chat") == row
    assert queries.channel_listing(cast.dan, search="ch").items == [row]
    assert queries.channel_listing(cast.dan, search="x").items == []
    made = actions.test(cast.ada, "Chat")
    assert queries.deliveries(row) == [made]
    for ident in ("Nobody", "a\x00b"):
        with pytest.raises(Absent):
            queries.channel(cast.ada, ident)
    with pytest.raises(Absent):
        queries.delivery(cast.ada, row.pk, row.pk)
    actions.delete(cast.ada, row.pk)
    assert not Channel.objects.exists()


def test_an_administrator_of_one_environment_makes_no_channel_for_all_of_them(cast, local):
    from chancery.apps.accounts import queries as who
    from chancery.apps.accounts.models import Environment, Team

    team, place = Team.objects.get(name="Operations"), Environment.objects.get(name="Production")
    user = people.create_user(cast.host, "pia", "correct horse battery", grants=[("administrator", team.pk, place.pk)])
    pia = who.actor_of(user, how="test")
    with pytest.raises(NotPermitted):
        actions.create(pia, GIVEN)
    assert actions.create(pia, {**GIVEN, "environment": "Production"}).environment == place


def test_notices_are_listed_by_state_and_kind(cast, local):
    mine = {"team_id": local.team_id, "environment_id": local.environment_id, "opened_at": NOW, "told_at": NOW}
    first = Notice.objects.create(kind="ca_stale", key="1", title="A", **mine)
    over = Notice.objects.create(kind="connector_sick", key="2", title="B", resolved_at=NOW, **mine)
    assert queries.listing(cast.rob).items == [first]
    assert str(first) == "A"
    assert queries.listing(cast.rob, state="over").items == [over]
    assert set(queries.listing(cast.rob, state="all").items) == {first, over}
    assert queries.listing(cast.rob, state="all", kind="ca_stale").items == [first]
    with pytest.raises(Invalid):
        queries.listing(cast.rob, kind="weather")
