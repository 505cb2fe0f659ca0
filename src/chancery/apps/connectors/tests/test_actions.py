"""Connectors created, edited, copied, switched and deleted: what changes, what is refused, what is recorded."""

import json
from importlib import import_module

import pytest
from django.apps import apps

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.audit.models import Entry
from chancery.apps.connectors import actions, queries
from chancery.apps.connectors.models import Connector, ConnectorVersion, PoolMember
from chancery.apps.connectors.tests.account import API_KEY, values
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.tests.looking import conflict, refused, said, tell
from chancery.core.errors import Absent, NotPermitted
from tests.cast import PASSWORD, request_pem
from tests.pki import self_signed_pem

pytestmark = pytest.mark.django_db


def edited(cast, row, **more):
    row = Connector.objects.get(pk=row.pk)
    return actions.edit(cast.ada, row.pk, row.revision, values(**more))


def secrets_of(row):
    return actions.unsealed_version(actions.current(Connector.objects.get(pk=row.pk)))


def person(cast, name, role, team=None, environment=None):
    team = team and Team.objects.get(name=team).pk
    environment = environment and Environment.objects.get(name=environment).pk
    user = people.create_user(cast.host, name, PASSWORD, grants=[(role, team, environment)])
    return who.actor_of(user, how="test")


# Create


def test_a_connector_is_active_with_a_version_and_a_pool_of_its_own(cast, account):
    row = Connector.objects.get()
    assert (row.status, row.health, row.revision, str(row)) == ("active", "unknown", 1, "Public CA")
    assert (row.current.number, row.current.created_by) == (1, "ada")
    assert [str(m.pool) for m in PoolMember.objects.filter(connector=row)] == ["Public CA"]


def test_a_connector_may_start_inactive_but_not_otherwise(cast):
    assert actions.create(cast.ada, "digicert", values(status="inactive")).status == "inactive"
    for status in ("asleep", "", None, 1):
        with refused("status"):
            actions.create(cast.ada, "digicert", {**values(name="Other"), "status": status})


def test_a_ca_type_that_is_not_there_is_absent(cast):
    with pytest.raises(Absent):
        actions.create(cast.ada, "nonsense", values())


def test_secrets_are_stored_sealed_and_shown_nowhere(cast, account):
    edited(cast, account, description="new", api_key=API_KEY + "2")
    stored = [str(list(model.objects.values())) for model in (Connector, ConnectorVersion)]
    record = [bytes(b).decode() for b in Entry.objects.values_list("body", flat=True)]
    assert not [text for text in stored + record if API_KEY in text]
    assert secrets_of(account)["api_key"].reveal() == API_KEY + "2"


def test_a_sealed_secret_opens_in_its_own_record_only(cast, account):
    from chancery.core.errors import Unavailable

    other = actions.create(cast.ada, "digicert", values(name="Other"))
    moved = ConnectorVersion.objects.get(connector=other)
    moved.secrets = account.current.secrets
    with pytest.raises(Unavailable) as caught:
        actions.unsealed_version(moved)
    assert caught.value.code == "unsealing_failed"


def test_names_are_unique_per_ca_type_and_free_again_after_deletion(cast, account):
    with refused("name", code="taken"):
        actions.create(cast.ada, "digicert", values())
    actions.create(cast.ada, "local", values(api_key=None, base_url=None))
    other = actions.create(cast.ada, "digicert", values(name="Other"))
    with refused("name", code="taken"):
        edited(cast, other)
    with refused("name", code="taken"):
        actions.copy(cast.ada, other.pk, "Public CA")
    actions.delete(cast.ada, account.pk)
    assert edited(cast, other).name == "Public CA"


def test_a_refused_connector_leaves_no_pool_and_no_version(cast, account):
    with refused("name"):
        actions.create(cast.ada, "digicert", values())
    assert (ConnectorVersion.objects.count(), PoolMember.objects.count()) == (1, 1)


def test_an_operator_of_one_team_creates_in_that_team_only(cast):
    otto = person(cast, "otto", "ca_operator", "Other")
    with pytest.raises(NotPermitted):
        actions.create(otto, "digicert", values())
    assert actions.create(otto, "digicert", values(team="Other")).team.name == "Other"
    assert [e["outcome"] for e in said("connectors.create")] == ["refused", "done"]


# Edit


def test_an_edit_makes_a_version_and_names_what_changed_without_values(cast, account):
    edited(cast, account, description="words", container_id="77", tags="a", region="eu", api_key=None)
    row = Connector.objects.get(pk=account.pk)
    assert (row.revision, row.epoch, row.current.number) == (2, 2, 2)
    entry = said("connectors.edit")[-1]
    assert entry["changed"] == ["container_id", "description", "region", "tags"]
    assert not {"words", "77"} & set(json.dumps(entry).split('"'))
    assert row.versions.get(number=1).settings["container_id"] == ""


def test_a_new_credential_is_named_as_changed_and_the_old_is_kept_nowhere(cast, account):
    edited(cast, account, api_key="second")
    assert said("connectors.edit")[-1]["changed"] == ["api_key"]
    versions = ConnectorVersion.objects.order_by("number")
    assert [{n: v.reveal() for n, v in actions.unsealed_version(v).items()} for v in versions] == [
        {},
        {"api_key": "second"},
    ]


def test_a_blank_secret_keeps_the_stored_one(cast, account):
    edited(cast, account, description="new", api_key="")
    assert secrets_of(account)["api_key"].reveal() == API_KEY


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://elsewhere.example.com"},
        {"proxy": "http://proxy.example.com:3128"},
        {"trust_pem": self_signed_pem()},
        {"allowed_networks": "10.1.0.0/16"},
    ],
)
def test_changing_where_a_secret_goes_demands_it_anew(cast, account, change):
    with refused("api_key", code="secret_needed"):
        edited(cast, account, api_key=None, **change)
    assert Connector.objects.get(pk=account.pk).revision == 1
    edited(cast, account, api_key="fresh", **change)
    assert secrets_of(account)["api_key"].reveal() == "fresh"
    assert said("connectors.edit")[-1]["changed"] == sorted([*change, "api_key"])


def test_the_second_of_two_editors_is_told_by_whom_and_changes_nothing(cast, account):
    actions.edit(cast.ada, account.pk, 1, values(description="first"))
    with conflict("stale") as caught:
        actions.edit(cast.ada, account.pk, 1, values(description="second"))
    assert "by ada" in str(caught.value)
    assert Connector.objects.get(pk=account.pk).description == "first"


def test_it_is_the_last_who_changed_it_and_not_the_author_of_its_settings(cast, account):
    otto = person(cast, "otto", "ca_operator")
    actions.deactivate(otto, account.pk)
    with conflict("stale") as caught:
        actions.edit(cast.ada, account.pk, 1, values(description="second"))
    assert "by otto" in str(caught.value)
    Connector.objects.update(updated_by="")
    with conflict("stale") as caught:
        actions.edit(cast.ada, account.pk, 1, values(description="second"))
    assert "by ada" in str(caught.value), "a row of an earlier release names whom it can"


def test_only_the_version_in_force_holds_secrets(cast, account):
    edited(cast, account, description="new")
    edited(cast, account, base_url="https://certcentral.digicert.eu/services/v2", api_key="another-key-of-the-test")
    versions = ConnectorVersion.objects.filter(connector=account).order_by("number")
    assert [bool(v.secrets) for v in versions] == [False, False, True]
    assert secrets_of(account)["api_key"].reveal() == "another-key-of-the-test"
    assert versions[0].base_url != versions[2].base_url, "the rest of an old version stays readable"


def test_secrets_that_old_versions_were_left_with_are_erased_by_the_migration(cast, account):
    edited(cast, account, description="new")
    current = Connector.objects.get(pk=account.pk).current
    ConnectorVersion.objects.filter(connector=account).update(secrets=current.secrets)
    import_module("chancery.apps.connectors.migrations.0004_changed_by").forget(apps, None)
    versions = ConnectorVersion.objects.filter(connector=account).order_by("number")
    assert [v.secrets for v in versions] == [{}, current.secrets]


def test_an_edit_switches_nothing(cast, account):
    with refused("status"):
        edited(cast, account, status="inactive")
    assert edited(cast, account, status="active").status == "active"


def test_an_edit_ends_the_pause_so_that_the_new_settings_are_tried(cast, account):
    Connector.objects.update(failures=5, breaker_until=account.created_at, probe_at=None)
    row = edited(cast, account)
    assert (row.failures, row.breaker_until) == (0, None)
    assert row.probe_at is not None


def test_moving_a_connector_needs_the_right_in_both_teams(cast, account):
    otto = person(cast, "otto", "ca_operator", "Operations")
    with pytest.raises(NotPermitted):
        actions.edit(otto, account.pk, 1, values(team="Other"))
    assert Connector.objects.get(pk=account.pk).team.name == "Operations"


def test_its_profiles_move_with_it(cast, account):
    people.create_environment(cast.host, "QA")
    profile = profiles.create(
        cast.ada, {"name": "Public", "connector": "Public CA", "product": {"product": "ssl_basic"}}
    )
    edited(cast, account, environment="QA", api_key=None)
    profile.refresh_from_db()
    assert (profile.environment.name, profile.team.name, profile.revision) == ("QA", "Operations", 2)
    entries = [(e["target"]["kind"], e["changed"]) for e in said("connectors.edit")]
    assert entries == [("connector", ["environment"]), ("profile", ["environment"])]
    edited(cast, account, environment="QA", api_key=None)
    profile.refresh_from_db()
    assert profile.revision == 2


# Copy


def test_a_copy_is_inactive_without_secrets_and_on_its_own(cast, account):
    twin = actions.copy(cast.ada, account.pk, " Twin ")
    assert (twin.name, twin.status, twin.revision, twin.health) == ("Twin", "inactive", 1, "unknown")
    assert twin.current.secrets == {}
    assert twin.current.settings == account.current.settings
    assert twin.current.base_url == account.base_url
    assert PoolMember.objects.get(connector=twin).pool.members.count() == 1
    assert said("connectors.copy")[-1]["detail"] == {"copied_from": str(account.pk)}
    assert Connector.objects.get(pk=account.pk).current_id == account.current_id


@pytest.mark.parametrize("name", ["", "  ", "a" * 121])
def test_a_copy_needs_a_name(cast, account, name):
    with refused("name"):
        actions.copy(cast.ada, account.pk, name)


def test_a_copy_is_activated_once_its_secrets_are_given(cast, account):
    twin = actions.copy(cast.ada, account.pk, "Twin")
    with refused("api_key"):
        actions.activate(cast.ada, twin.pk)
    edited(cast, twin, name="Twin")
    assert actions.activate(cast.ada, twin.pk).status == "active"


# Switch


def test_switching_is_recorded_and_noticed_by_the_engine(cast, account):
    done = actions.deactivate(cast.ada, account.pk)
    assert (done.connector.status, done.submissions, done.connector.epoch) == ("inactive", 0, 2)
    assert actions.activate(cast.ada, account.pk).epoch == 3
    assert [said(f"connectors.{a}")[-1]["changed"] for a in ("deactivate", "activate")] == [["status"], ["status"]]


def test_activating_what_is_active_ends_the_pause_and_claims_no_change(cast, account):
    Connector.objects.update(breaker_until=account.created_at)
    assert actions.activate(cast.ada, account.pk).breaker_until is None
    assert said("connectors.activate")[-1]["changed"] == []


def test_deactivate_says_how_many_submissions_are_on_their_way(cast, local):
    order = place(cast.rob, PlaceOrder("Internal", request_pem("a.example.com")))
    Order.objects.filter(pk=order.pk).update(state="submitting")
    assert actions.deactivate(cast.ada, local.pk).submissions == 1


def test_a_connector_without_a_version_is_not_used(cast, account):
    row = Connector.objects.get()
    row.current = None
    with pytest.raises(Absent):
        actions.current(row)


def test_several_are_switched_each_on_its_own(cast, account):
    twin = actions.copy(cast.ada, account.pk, "Twin")
    results = actions.bulk_switch(cast.ada, [twin.pk, "nonsense", account.pk], "active")
    assert [(i, tell(e)) for i, e in results] == [(twin.pk, "invalid"), ("nonsense", "not_found"), (account.pk, "")]
    results = actions.bulk_switch(cast.ada, [account.pk, twin.pk], "inactive")
    assert [tell(e) for _, e in results] == ["", ""]
    assert set(Connector.objects.values_list("status", flat=True)) == {"inactive"}
    assert [tell(e) for _, e in actions.bulk_switch(cast.rob, [account.pk], "active")] == ["not_permitted"]


def test_an_unknown_status_switches_nothing(cast, account):
    with refused("status"):
        actions.bulk_switch(cast.ada, [account.pk], "asleep")
    assert Connector.objects.get(pk=account.pk).status == "active"


# Delete


def test_a_deleted_connector_is_gone_its_secrets_too_and_its_name_stays_in_the_record(cast, account):
    edited(cast, account, description="more")
    actions.delete(cast.ada, account.pk)
    with pytest.raises(Absent):
        queries.get(cast.ada, account.pk)
    row = Connector.objects.get(pk=account.pk)
    assert (row.status, row.probe_at, row.epoch) == ("inactive", None, 3)
    assert list(ConnectorVersion.objects.values_list("secrets", flat=True)) == [{}, {}]
    assert not PoolMember.objects.exists()
    assert {e["target"]["name"] for e in said("connectors.create")} == {"Public CA"}
    with pytest.raises(Absent):
        actions.activate(cast.ada, account.pk)


def blockers(refusal):
    return [(b.kind, b.name) for b in refusal.value.blockers]


def test_what_uses_it_refuses_the_deletion_and_the_preview_says_the_same(cast, local):
    order = place(cast.rob, PlaceOrder("Internal", request_pem("a.example.com")))
    with conflict("in_use") as caught:
        actions.delete(cast.ada, local.pk)
    expected = [("profile", "Careful"), ("profile", "Internal"), ("order", "a.example.com")]
    assert blockers(caught) == expected
    assert queries.delete_preview(cast.ada, local.pk).blockers == caught.value.blockers
    Order.objects.filter(pk=order.pk).update(state="cancelled")
    for name in ("Careful", "Internal"):
        profiles.delete(cast.ada, Profile.objects.get(name=name).pk)
    assert queries.delete_preview(cast.ada, local.pk).blockers == []
    actions.delete(cast.ada, local.pk, "Local")


def unused(cast):
    return actions.create(cast.ada, "local", {"name": "Unused", "team": "Operations", "environment": "Production"})


def test_a_key_that_exists_nowhere_else_is_erased_only_by_the_name_of_its_connector(cast, account):
    row = unused(cast)
    assert queries.delete_preview(cast.ada, row.pk).erased == ["Issuing CA key"]
    for word in ("", "unused", "Public CA"):
        with refused("confirm", code="confirm_needed"):
            actions.delete(cast.ada, row.pk, word)
    assert actions.current(queries.get(cast.ada, row.pk)).secrets
    actions.delete(cast.ada, row.pk, "Unused")
    assert not any(ConnectorVersion.objects.filter(connector=row).values_list("secrets", flat=True))
    # What somebody else gave out can be had again.
    assert queries.delete_preview(cast.ada, account.pk).erased == []


def test_a_copy_without_the_key_is_deleted_without_much_ado(cast):
    twin = actions.copy(cast.ada, unused(cast).pk, "Twin")
    assert queries.delete_preview(cast.ada, twin.pk).erased == []
    actions.delete(cast.ada, twin.pk)


def test_of_many_open_orders_twenty_are_named(cast, local):
    for name in ("Internal", "Careful"):
        for i in range(11):
            place(cast.rob, PlaceOrder(name, request_pem("a.example.com"), comment=str(i)))
    found = queries.delete_preview(cast.ada, local.pk).blockers
    assert [b.kind for b in found].count("order") == 20
    assert found[-1].kind == "orders"


def test_a_requester_deletes_and_edits_nothing(cast, account):
    for attempt in (
        lambda: actions.delete(cast.rob, account.pk),
        lambda: actions.edit(cast.rob, account.pk, 1, values()),
        lambda: actions.copy(cast.rob, account.pk, "Twin"),
        lambda: actions.deactivate(cast.rob, account.pk),
    ):
        with pytest.raises(NotPermitted):
            attempt()


def test_an_operator_elsewhere_does_not_even_see_it(cast, account):
    otto = person(cast, "otto", "ca_operator", "Other")
    with pytest.raises(Absent):
        actions.delete(otto, account.pk)


def test_an_operator_of_another_team_who_may_look_may_not_touch(cast, account):
    otto = person(cast, "otto", "ca_operator", "Other")
    user = cast.users["rob"]
    people.set_grants(
        cast.ada,
        user.pk,
        [("requester", Team.objects.get(name="Operations").pk, None), ("ca_operator", otto.grants[0].team, None)],
    )
    both = who.actor_of(user, how="test")
    assert queries.get(both, account.pk)
    for attempt in (actions.delete, actions.activate, actions.test_saved):
        with pytest.raises(NotPermitted):
            attempt(both, account.pk)
