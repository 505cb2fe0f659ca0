"""Imports: shown before anything is stored, and then stored as it was shown."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.certificates import actions as certificate_actions
from chancery.apps.certificates import queries as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.tests.account import values
from chancery.apps.inventory import importing, planning
from chancery.apps.inventory.actions import import_certificates
from chancery.apps.inventory.planning import Import, Plan, place_names, plan, preview
from chancery.apps.inventory.tests.conftest import NOW, ROOT, made, text
from chancery.apps.orders import actions as order_actions
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Place
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import Invalid, NotPermitted
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
HOME = {"team": "Operations", "environment": "Production"}


def carried_out(actor, asked):
    return import_certificates(actor, asked, preview(actor, asked).digest)


def fates(made: Plan):
    return {item.name: str(item.fate) for item in made.items}


def test_nothing_is_stored_before_it_was_seen(cast, lister):
    asked = Import(text(made()), **HOME)
    shown = preview(cast.ada, asked)
    assert (fates(shown), shown.possible, Certificate.objects.count()) == ({"www.example.com": "new"}, True, 0)
    for digest in ("", "another"):
        with conflict("not_previewed"):
            import_certificates(cast.ada, asked, digest)
    with conflict("not_previewed"):
        import_certificates(cast.ada, Import(text(made()), team="Operations"), shown.digest)


def test_an_imported_certificate_is_one_like_others(cast, lister, clock):
    profile = Profile.objects.get()
    asked = Import(text(made(), ROOT), profile="Public", connector=str(lister.pk), source="old.pem")
    shown = preview(cast.ada, asked)
    assert fates(shown) == {"www.example.com": "new", "Some Root": "authority"}
    assert {k: n for k, n in shown.counts.items() if n} == {"new": 1, "authority": 1}
    done = import_certificates(cast.ada, asked, shown.digest)
    assert (done.stored, done.owners) == (1, 0)
    row = Certificate.objects.get()
    assert (row.origin, row.origin_text, row.order_id) == ("imported", "From old.pem, by ada", None)
    assert (row.profile_id, row.connector_id, row.team_id) == (profile.pk, lister.pk, profile.team_id)
    assert len(row.chain.ders) == 1
    (entry,) = said("inventory.import")
    assert (entry["target"]["id"], entry["detail"]) == (str(row.pk), {"origin": "imported"})
    assert certificates.listing(cast.rob).items == [row]
    clock.advance(row.not_after - NOW - timedelta(days=9))
    assert certificates.listing(cast.rob, status="expiring").items == [row]
    order = certificate_actions.renew(cast.ada, row.pk, request_pem("www.example.com"))
    assert (order.replaces_id, order.profile_id, order.connector_id) == (row.pk, profile.pk, lister.pk)
    assert certificate_actions.revoke(cast.ada, row.pk, "superseded").revocation == "requested"


def test_where_a_certificate_belongs_is_said_by_its_line_its_profile_the_form_or_its_connector(cast, lister, local):
    people.create_team(cast.host, "Web")
    cas = [made(f"{n}.example.com") for n in "abcd"]
    rows = "common_name,team,profile,owner,contact\n"
    rows += "a.example.com,Web,,Wanda,w@example.com\nb.example.com,,Internal,,\nc.example.com,Operations,Public,,\n"
    asked = Import(text(*cas), rows.encode(), connector=str(lister.pk))
    shown = preview(cast.ada, asked)
    names = place_names(shown.items)
    found = {i.name: (*names[i.place], i.profile and i.profile.name, i.owner, i.contact) for i in shown.items}
    assert found == {
        "a.example.com": ("Web", "Production", None, "Wanda", "w@example.com"),
        "b.example.com": ("Operations", "Production", "Internal", "", ""),
        "c.example.com": ("Operations", "Production", "Public", "", ""),
        "d.example.com": ("Operations", "Production", None, "", ""),
    }
    carried_out(cast.ada, asked)
    row = Certificate.objects.get(common_name="a.example.com")
    assert (row.team.name, row.owner, row.contact) == ("Web", "Wanda", "w@example.com")


def test_a_connector_is_found_by_its_issuer_where_only_one_leads_there(cast, lister, stored):
    stored("first.example.com")
    asked = Import(text(made("second.example.com")))
    (item,) = preview(cast.ada, asked).items
    assert (item.connector, item.place) == (lister, Place(lister.team_id, lister.environment_id))
    other = connectors.create(cast.ada, "digicert", values(name="Another"))
    stored("third.example.com", connector=other)
    (item,) = preview(cast.ada, asked).items
    assert (item.connector, str(item.fate)) == (None, "homeless")


def test_a_file_leads_to_no_connector_of_another_team_or_environment(cast, lister, stored):
    """Seeing a connector is enough to name it, or to have it found: it is not enough to have it asked."""
    stored("first.example.com")
    other = Team.objects.get(name="Other").pk
    grants = [("ca_operator", other, None), ("auditor", None, None)]
    olga = who.actor_of(people.create_user(cast.host, "olga", PASSWORD, grants=grants), how="x")
    for n, connector in enumerate(("", str(lister.pk))):
        asked = Import(text(made(f"{n}.example.com")), team="Other", environment="Production", connector=connector)
        (item,) = preview(olga, asked).items
        assert (item.connector, str(item.fate), lister.name in item.text) == (None, "new", True)
        carried_out(olga, asked)
        assert Certificate.objects.get(common_name=f"{n}.example.com").connector_id is None
    row = Certificate.objects.get(common_name="0.example.com")
    with conflict("no_connector"):
        certificate_actions.revoke(olga, row.pk, "superseded")
    # Led there by whoever decides for the connector, it is theirs to have it revoked.
    Certificate.objects.filter(pk=row.pk).update(connector=lister)
    with pytest.raises(NotPermitted):
        certificate_actions.revoke(olga, row.pk, "superseded")
    assert certificate_actions.revoke(cast.ada, row.pk, "superseded").revocation == "requested"


def test_what_is_here_already_is_not_stored_twice(cast, lister):
    one = made()
    carried_out(cast.ada, Import(text(one), **HOME))
    again = Import(text(one), **HOME)
    assert fates(preview(cast.ada, again)) == {"www.example.com": "known"}
    with conflict("nothing_new"):
        carried_out(cast.ada, again)


@pytest.mark.parametrize("alone", [True, False])
def test_owners_of_what_is_here_are_changed_with_or_without_the_file(cast, lister, stored, alone):
    row = stored()
    for key in (
        f"serial,owner,contact\n{row.serial}",
        "common_name,owner,contact\nwww.example.com",
        f"sha256,owner,contact\n{row.sha256}",
    ):
        Certificate.objects.update(owner="", contact="x")
        asked = Import(b"" if alone else text_of(row), f"{key},Wanda,\n".encode())
        shown = preview(cast.ada, asked)
        assert (fates(shown), shown.unused) == ({"www.example.com": "owner"}, [])
        assert carried_out(cast.ada, asked).owners == 1
        row.refresh_from_db()
        assert (row.owner, row.contact) == ("Wanda", "x")
        assert fates(preview(cast.ada, asked)) == {"www.example.com": "known"}
    assert said("inventory.import")[-1]["changed"] == ["contact", "owner"]


def text_of(row):
    from chancery.core import pem

    return pem.encode("CERTIFICATE", bytes(row.der)).encode()


def test_a_line_without_owner_changes_none_and_another_teams_certificate_is_not_changed(cast, lister, stored):
    row = stored()
    asked = Import(text_of(row), f"serial,team\n{row.serial},Operations\n".encode())
    assert fates(preview(cast.ada, asked)) == {"www.example.com": "known"}
    other = Team.objects.get(name="Other").pk
    olga = who.actor_of(people.create_user(cast.host, "olga", PASSWORD, grants=[("ca_operator", other, None)]), how="x")
    taking = Import(text_of(row), f"serial,owner\n{row.serial},Olga\n".encode())
    (item,) = preview(olga, taking).items
    assert (str(item.fate), item.known, item.owner) == ("known", None, "")


def test_what_has_expired_is_left_out_unless_it_is_wanted(cast, lister):
    old = made(not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
    assert fates(preview(cast.ada, Import(text(old), **HOME))) == {"www.example.com": "expired"}
    assert fates(preview(cast.ada, Import(text(old), **HOME, expired=True))) == {"www.example.com": "new"}


def test_all_of_a_file_is_stored_or_nothing(cast, lister, local):
    good, bad, nowhere = made("a.example.com"), made("b.example.com"), made("c.example.com")
    people.create_team(cast.host, "Web")
    rows = b"common_name,team,profile\na.example.com,Operations,\nb.example.com,Nowhere,\n"
    asked = Import(text(good, bad, nowhere), rows, environment="Production")
    shown = preview(cast.ada, asked)
    assert fates(shown) == {"a.example.com": "new", "b.example.com": "wrong", "c.example.com": "homeless"}
    assert (shown.possible, [i.name for i in shown.hindered]) == (False, ["b.example.com", "c.example.com"])
    assert "no team 'Nowhere'" in shown.items[1].text
    with refused("certificates", "certificates") as caught:
        carried_out(cast.ada, asked)
    assert {p.code for p in caught.value.problems} == {"wrong", "homeless"}
    assert not Certificate.objects.exists()


@pytest.mark.parametrize("line", ["Web,Production,Public", ",QA,Public", ",,Nothing", "Operations,Nowhere,"])
def test_a_line_that_contradicts_itself_is_said(cast, lister, line):
    people.create_team(cast.host, "Web")
    Environment.objects.create(name="QA")
    rows = f"common_name,team,environment,profile\nwww.example.com,{line}\n"
    (item,) = preview(cast.ada, Import(text(made()), rows.encode())).items
    assert str(item.fate) == "wrong"
    assert item.text


def test_only_for_a_team_and_environment_that_one_may_import_for(cast, lister):
    with pytest.raises(NotPermitted):
        preview(cast.rob, Import(text(made()), **HOME))
    other = Team.objects.get(name="Other").pk
    olga = who.actor_of(people.create_user(cast.host, "olga", PASSWORD, grants=[("ca_operator", other, None)]), how="x")
    asked = Import(text(made()), **HOME)
    assert fates(preview(olga, asked)) == {"www.example.com": "forbidden"}
    with pytest.raises(NotPermitted):
        carried_out(olga, asked)
    assert said("inventory.import")[-1]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (Import(b""), "certificates"),
        (Import(text(made()), b"boss\n"), "owners"),
        (Import(text(made()), connector="x"), "connector"),
        (Import(text(made()), profile="Nothing"), "profile"),
        (Import(text(made()), team="Nothing"), "team"),
        (Import(text(made()), environment="Nothing"), "environment"),
    ],
)
def test_what_cannot_be_read_is_refused_by_field(cast, lister, asked, field):
    with pytest.raises(Invalid) as caught:
        preview(cast.ada, asked)
    assert [p.field for p in caught.value.problems] == [field]
    assert all(p.remedy for p in caught.value.problems)


def test_it_is_bounded(cast, lister, monkeypatch):
    monkeypatch.setattr(planning, "MOST_BYTES", 10)
    with pytest.raises(Invalid) as caught:
        plan(cast.ada, Import(text(made())), NOW)
    assert caught.value.problems[0].code == "too_large"


def test_two_people_who_import_the_same_at_once_store_it_once(cast, lister, monkeypatch):
    def late(*_):
        raise IntegrityError

    monkeypatch.setattr(importing, "store", late)
    with conflict("retry"):
        carried_out(cast.ada, Import(text(made()), **HOME))


def test_names_are_shown_whatever_a_certificate_lacks(cast, lister):
    nameless = made("", extensions=[])
    (item,) = preview(cast.ada, Import(text(nameless), **HOME)).items
    assert item.name == item.facts.serial
    assert carried_out(cast.ada, Import(text(nameless), **HOME)).stored == 1


# What a certificate lacks that was not ordered here


def test_without_a_connector_it_is_revoked_at_the_ca_alone(cast, lister, stored):
    with conflict("no_connector"):
        certificate_actions.revoke(cast.ada, stored(connector=None).pk, "superseded")


def test_without_a_profile_one_is_named_for_its_renewal(cast, lister, local, stored):
    row = stored()
    request = request_pem("www.example.com")
    with refused("profile", code="missing"):
        certificate_actions.renew(cast.ada, row.pk, request)
    Profile.objects.filter(name="Careful").update(team=Team.objects.get(name="Other"))
    for name in ("Nothing", "Careful"):
        with refused("profile"):
            certificate_actions.renew(cast.ada, row.pk, request, profile=name)
    first = certificate_actions.renew(cast.ada, row.pk, request, profile="Internal")
    assert first.replaces_id == row.pk
    order_actions.cancel(cast.ada, first.pk)
    with refused("csr"):
        certificate_actions.renew(cast.ada, row.pk, profile="Internal")
    Certificate.objects.update(profile=Profile.objects.get(name="Internal"))
    assert certificate_actions.renew(cast.ada, row.pk, request, profile="Internal").replaces_id == row.pk
    with refused("profile"):
        certificate_actions.renew(cast.ada, row.pk, request, profile="Public")
