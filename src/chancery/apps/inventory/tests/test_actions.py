"""Pulls, and what people decide about what they find."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Team
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.inventory import actions, queries
from chancery.apps.inventory.models import Finding, Pull
from chancery.apps.inventory.tests.conftest import NOW, ROOT, made
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.tests.looking import conflict, refused, said, tell
from chancery.apps.shared.tests.test_paging import scans
from chancery.core.errors import Absent, Invalid, NotPermitted
from chancery.core.ids import new_id
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db


# Pulls


def test_a_pull_is_due_at_once_and_one_at_a_time(cast, lister):
    row = actions.pull(cast.ada, lister.pk)
    assert (row.state, row.due_at, row.asked_by, row.version_id) == ("listing", NOW, "ada", lister.current_id)
    assert said("connectors.pull")[-1]["detail"] == {"pull": str(row.pk)}
    with conflict("pulling"):
        actions.pull(cast.ada, lister.pk)
    assert (str(row), row.name) == (f"Inventory of {lister.name}", lister.name)


def test_a_ca_without_a_list_says_so(cast, local):
    with conflict("no_power"):
        actions.pull(cast.ada, local.pk)
    assert queries.can_list(cast.ada) == []


def test_a_pull_is_stopped_and_another_one_begun(cast, lister):
    row = actions.pull(cast.ada, lister.pk)
    stopped = actions.stop(cast.ada, row.pk)
    assert (stopped.state, stopped.due_at, stopped.finished_at) == ("stopped", None, NOW)
    assert "ada" in stopped.text
    with conflict("wrong_state"):
        actions.stop(cast.ada, row.pk)
    for ident in ("x", row.connector_id):
        with pytest.raises(Absent):
            actions.stop(cast.ada, ident)
    assert actions.pull(cast.ada, lister.pk).pk != row.pk


def test_an_open_pull_and_a_fetch_keep_the_connector(cast, lister, finding):
    profiles.delete(cast.ada, "Public")
    finding(state="fetching")
    with conflict("in_use") as caught:
        connectors.delete(cast.ada, lister.pk)
    assert [b.kind for b in caught.value.blockers] == ["inventory", "finding"]
    Finding.objects.update(state="ignored")
    actions.stop(cast.ada, Pull.objects.get().pk)
    connectors.delete(cast.ada, lister.pk)


# Adopt


def test_what_the_list_brought_is_adopted_at_once(cast, lister, finding):
    holder = made()
    one = finding(der=holder.der, chain=["", ""][:0])
    done = actions.adopt(cast.ada, one.pk)
    row = Certificate.objects.get()
    assert (done.state, done.certificate_id, bytes(done.der)) == ("adopted", row.pk, b"")
    assert (row.origin, row.connector_id, row.ca_reference, row.profile_id) == ("adopted", lister.pk, "7/8", None)
    assert (done.decided_by, done.decided_at, done.due_at) == ("ada", NOW, None)
    (entry,) = said("findings.adopt")
    assert entry["detail"] == {"kind": "at_ca_only", "state": "adopted", "certificate": str(row.pk)}


def test_what_another_team_imported_stays_theirs_and_leads_to_the_connector(cast, lister, finding, stored):
    other = Team.objects.get(name="Other")
    for n, (how, after) in enumerate(((actions.adopt, ("adopted", "")), (actions.revoke, ("revoked", "requested")))):
        row = stored(f"{n}.example.com", connector=None, team=other)
        one = finding(subject=f"{n}", der=bytes(row.der), certificate=row)
        assert one.elsewhere
        more = {"reason": "superseded", "confirmed": True} if how is actions.revoke else {}
        done = how(cast.ada, one.pk, **more)
        row.refresh_from_db()
        assert (done.state, row.revocation, done.elsewhere) == (*after, False)
        assert (row.connector_id, row.ca_reference, row.team_id) == (lister.pk, "7/8", other.pk)
        entry = [e for e in said(f"findings.{how.__name__}") if e["target"]["kind"] == "certificate"][-1]
        assert (entry["target"]["id"], entry["changed"]) == (str(row.pk), ["ca_reference", "connector"])
    # What was ordered here keeps its connector; what leads there is asked for nothing twice.
    for n, columns in enumerate(({"connector": None, "origin": "adopted"}, {"ca_reference": "7/8"})):
        row = stored(f"kept{n}.example.com", **columns)
        actions.adopt(cast.ada, finding(subject=f"kept{n}", der=bytes(row.der)).pk)
        row.refresh_from_db()
        assert row.connector_id == (None if n == 0 else lister.pk)


def test_what_leads_to_its_own_teams_connector_stays_there(cast, lister, finding, stored):
    other = Team.objects.get(name="Other")
    home = Connector.objects.get(pk=lister.pk)
    home.pk, home.name, home.team = new_id(NOW), "Theirs", other
    home.save(force_insert=True)
    row = stored(connector=home, team=other, ca_reference="9")
    one = finding(der=bytes(row.der), certificate=row)
    with conflict("leads_home"):
        actions.revoke(cast.ada, one.pk, "superseded", confirmed=True)
    assert actions.adopt(cast.ada, one.pk).state == "adopted"
    row.refresh_from_db()
    assert (row.connector_id, row.ca_reference, row.revocation) == (home.pk, "9", "")


def test_what_it_did_not_bring_is_fetched_to_where_it_was_to_belong(cast, lister, local, finding):
    done = actions.adopt(cast.ada, finding().pk, "Internal")
    profile = Profile.objects.get(name="Internal")
    assert (done.state, done.due_at) == ("fetching", NOW)
    home = {"team": profile.team_id, "environment": profile.environment_id}
    assert done.then == {**home, "by": "ada", "profile": str(profile.pk)}
    with conflict("wrong_state"):
        actions.adopt(cast.ada, done.pk)


def test_the_chain_of_the_list_is_kept(cast, lister, finding):
    import base64

    one = finding(der=made().der, chain=[base64.b64encode(ROOT.der).decode()])
    actions.adopt(cast.ada, one.pk, "Public")
    row = Certificate.objects.get()
    assert (len(row.chain.ders), row.profile.name) == (1, "Public")


def test_the_cas_word_that_ours_is_revoked_is_believed(cast, lister, finding, stored):
    when = NOW - timedelta(days=3)
    for at in (None, when):
        row = stored(f"{at and 'b'}.example.com")
        one = finding("state_differs", ours=row, difference="revoked_there", revoked_at=at)
        assert actions.adopt(cast.ada, one.pk).state == "adopted"
        row.refresh_from_db()
        assert (row.revocation, row.revoked_at, row.due_at) == ("confirmed", at or NOW, None)
        assert "Revoked at the CA" in row.revocation_text


def test_where_the_ca_has_nothing_there_is_nothing_to_adopt(cast, lister, finding, stored):
    for kind, difference in (("ours_only", ""), ("state_differs", "revoked_here")):
        one = finding(kind, ours=stored(f"{kind[:4]}.example.com"), difference=difference)
        with conflict("nothing_to_adopt"):
            actions.adopt(cast.ada, one.pk)


def test_a_profile_for_it_must_be_one_that_one_may_import_for(cast, lister, finding):
    one = finding()
    with refused("profile"):
        actions.adopt(cast.ada, one.pk, "Nothing")
    ops = Team.objects.get(name="Operations").pk
    grants = [("ca_operator", ops, None), ("auditor", None, None)]
    otto = who.actor_of(people.create_user(cast.host, "otto", PASSWORD, grants=grants), how="x")
    Profile.objects.update(team=Team.objects.get(name="Other"))
    with pytest.raises(NotPermitted):
        actions.adopt(otto, one.pk, "Public")


def test_through_a_deleted_connector_nothing_comes(cast, lister, finding):
    one = finding()
    Connector.objects.update(deleted_at=NOW)
    with conflict("connector_deleted"):
        actions.adopt(cast.ada, one.pk)


# Revoke


def test_revoking_must_be_confirmed(cast, lister, finding):
    with refused("confirm"):
        actions.revoke(cast.ada, finding().pk, "superseded")


def test_what_only_the_ca_has_is_adopted_and_revoked(cast, lister, finding):
    done = actions.revoke(cast.ada, finding().pk, "superseded", "Not ours.", confirmed=True)
    assert (done.state, done.then["revoke"]) == ("fetching", {"reason": "superseded", "comment": "Not ours."})
    assert said("findings.revoke")[-1]["detail"]["reason"] == "superseded"
    at_once = finding(der=made().der, subject="at once")
    assert actions.revoke(cast.ada, at_once.pk, "superseded", confirmed=True).state == "revoked"
    assert Certificate.objects.get().revocation == "requested"


def test_a_finding_that_is_revoked_for_its_key_has_its_key_recorded_at_once(cast, lister, finding):
    one = finding(spki_sha256="7" * 64)
    actions.revoke(cast.ada, one.pk, "keyCompromise", "Lost.", confirmed=True)
    (row,) = keys.about(one)
    assert (row.reported_by, row.note, row.certificate) == ("ada", "Lost.", f"{one.common_name} {one.serial}".strip())
    assert said("findings.revoke")[-1]["detail"]["cause"] == "key_compromised"
    nameless = finding(subject="2", spki_sha256="")
    actions.revoke(cast.ada, nameless.pk, "keyCompromise", confirmed=True)
    assert keys.about(nameless) == []


def test_a_key_is_reported_in_the_name_of_whoever_decides_and_not_of_whoever_imported(cast, lister, finding, stored):
    row, other = stored(connector=None), Team.objects.get(name="Other")
    Certificate.objects.filter(pk=row.pk).update(team=other)
    order = place(cast.rob, PlaceOrder("Public", request_pem("a.example.com")))
    type(order).objects.filter(pk=order.pk).update(spki_sha256=row.spki_sha256, team=other)
    grants = [("ca_operator", lister.team_id, None)]
    otto = who.actor_of(people.create_user(cast.host, "otto", PASSWORD, grants=grants), how="x")
    one = finding(der=bytes(row.der), certificate=row, spki_sha256=row.spki_sha256)
    actions.revoke(otto, one.pk, "keyCompromise", confirmed=True)
    (said_of_it,) = keys.about(row)
    assert (said_of_it.team_id, said_of_it.for_everybody) == (lister.team_id, False)
    order.refresh_from_db()
    assert order.state != "cancelled"


def test_what_counts_as_revoked_here_is_asked_for_again(cast, lister, finding, stored):
    row = stored(revocation="confirmed", revoked_at=NOW)
    one = finding("state_differs", ours=row, difference="revoked_here")
    assert actions.revoke(cast.ada, one.pk, "superseded", confirmed=True).state == "revoked"
    row.refresh_from_db()
    assert (row.revocation, row.revoked_at, row.due_at) == ("requested", None, NOW)


def test_what_only_we_have_can_be_revoked_and_what_is_revoked_there_cannot(cast, lister, finding, stored):
    lost = finding("ours_only", ours=stored("a.example.com"))
    actions.revoke(cast.ada, lost.pk, "superseded", confirmed=True)
    assert Certificate.objects.get().revocation == "requested"
    there = finding("state_differs", ours=stored("b.example.com"), difference="revoked_there")
    with conflict("already_revoked"):
        actions.revoke(cast.ada, there.pk, "superseded", confirmed=True)
    with refused("reason"):
        actions.revoke(cast.ada, finding().pk, "sillyness", confirmed=True)


# Ignore, reopen, many at once


def test_ignoring_needs_a_reason_and_can_be_taken_back(cast, lister, finding):
    one = finding()
    with refused("reason"):
        actions.ignore(cast.ada, one.pk, " ")
    done = actions.ignore(cast.ada, one.pk, "A test of theirs.")
    assert (done.state, done.reason, done.decided_by) == ("ignored", "A test of theirs.", "ada")
    with conflict("wrong_state"):
        actions.ignore(cast.ada, one.pk, "Again.")
    assert actions.reopen(cast.ada, one.pk).state == "open"
    with conflict("wrong_state"):
        actions.reopen(cast.ada, one.pk)
    assert [e["detail"]["state"] for e in said("findings.ignore") + said("findings.reopen")] == ["ignored", "open"]


def test_many_are_decided_at_once_each_with_its_own_result(cast, lister, finding):
    one, two = finding(), finding(subject="2", state="gone")
    results = actions.in_bulk(cast.ada, "ignore", [one.pk, two.pk, "x"], reason="Theirs.")
    assert [tell(error) for _ident, error in results] == ["", "wrong_state", "not_found"]
    with pytest.raises(Invalid):
        actions.in_bulk(cast.ada, "forget", [one.pk])
    with pytest.raises(Invalid):
        actions.in_bulk(cast.ada, "ignore", [one.pk] * 201, reason="x")


def test_a_requester_looks_and_decides_nothing(cast, lister, finding):
    one = finding()
    assert queries.get(cast.rob, one.pk) == one
    assert str(one) == "www.example.com (at_ca_only)"
    for act in (actions.adopt, actions.reopen):
        with pytest.raises(NotPermitted):
            act(cast.rob, one.pk)
    assert said("findings.adopt")[-1]["target"]["id"] == str(one.pk)


# Looking


def test_findings_are_filtered_searched_and_counted(cast, lister, finding):
    one = finding(common_name="a.example.com")
    two = finding("ours_only", common_name="b.example.com", serial="2" * 12)
    three = finding(subject="3", common_name="c.example.com", state="ignored")
    assert queries.listing(cast.ada).items == [three, two, one]
    assert queries.listing(cast.ada, kind="ours_only").items == [two]
    assert queries.listing(cast.ada, state="open", kind="at_ca_only").items == [one]
    assert queries.listing(cast.ada, connector=str(lister.pk), sort="id").items == [one, two, three]
    assert queries.listing(cast.ada, search="B.ex").items == [two]
    assert queries.listing(cast.ada, search="22:22:22:22:22:22").items == [two]
    assert queries.listing(cast.ada, search="abcdef").items == []
    assert queries.waiting(cast.ada) == {"at_ca_only": "1", "ours_only": "1"}
    for wrong in ({"kind": "x"}, {"state": "x"}, {"sort": "x"}, {"connector": "x"}):
        with pytest.raises(Invalid):
            queries.listing(cast.ada, **wrong)


def test_what_is_not_there_is_absent(cast, lister):
    for read in (queries.get, queries.get_pull):
        with pytest.raises(Absent):
            read(cast.ada, lister.pk)
    assert queries.can_list(cast.ada) == [lister]
    row = actions.pull(cast.ada, lister.pk)
    assert queries.get_pull(cast.rob, row.pk) == row
    assert queries.pulls(cast.ada, connector=str(lister.pk)).items == [row]


def test_every_offer_is_answered_from_an_index(cast, lister, finding):
    for n in range(9):
        finding(subject=f"s{n}", common_name=f"h{n}.example.com", serial=f"{n}" * 12)
    where = str(lister.pk)
    offers = [
        {}, {"sort": "id"}, {"sort": "common_name"}, {"kind": "at_ca_only"}, {"state": "open"}, {"connector": where},
        {"search": "h3"}, {"search": "3" * 12}, {"kind": "at_ca_only", "state": "open", "connector": where},
    ]  # fmt: skip
    for offer in offers:
        for cursor in ("", queries.listing(cast.ada, size=1, **offer).next):
            with CaptureQueriesContext(connection) as seen:
                queries.listing(cast.ada, size=1, cursor=cursor, **offer)
            assert [s for q in seen.captured_queries if (s := scans(q["sql"]))] == [], offer
    with CaptureQueriesContext(connection) as seen:
        queries.pulls(cast.ada)
        queries.pulls(cast.rob, connector=where)
    assert [s for q in seen.captured_queries if (s := scans(q["sql"]))] == []
