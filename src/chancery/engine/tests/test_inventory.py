"""Pulls and fetches: what is claimed, what is written of their results, and what of our side."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from chancery import catalog
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.audit.models import Entry as AuditEntry
from chancery.apps.certificates.models import Certificate, KeyReport, Origin
from chancery.apps.certificates.storing import Foreign, store
from chancery.apps.connectors.models import Connector, ConnectorVersion, Health
from chancery.apps.inventory import actions
from chancery.apps.inventory.models import Decision, Finding, Pull, PullState, Sighting
from chancery.apps.orders.models import Order
from chancery.core.certificate import facts
from chancery.core.inventory import Marks
from chancery.core.tests.making import certify, dns
from chancery.engine import claim, inventory
from chancery.engine.jobs import Bad, Entry, Failed, Fetched, Kind, Stopped, Taken
from chancery.engine.record import Recorder
from chancery.engine.tests.kit import CA, KEY, rng

pytestmark = pytest.mark.django_db


class Lists:
    """A pull of a connector that is never called, and certificates on either side."""

    def __init__(self, desk):
        self.desk, self.connector, self.now = desk, desk.connector, desk.now
        self.begin()

    def begin(self):
        self.pull = actions.pull(self.desk.cast.ada, self.connector.pk)
        Pull.objects.filter(pk=self.pull.pk).update(created_at=self.now, due_at=self.now)

    def ready(self, **changes):
        with transaction.atomic():
            return replace(claim.connector_row(self.connector.pk), **changes)

    def claimed(self, most=5, **changes):
        with transaction.atomic():
            return inventory.claim(self.ready(**changes), self.now, most)

    def record(self, job, result):
        with transaction.atomic():
            Recorder(self.now, rng()).record([(job, result)])
        self.pull.refresh_from_db()

    def take(self, *entries, cursor=None, **more):
        """Claim the pull and record a part of the CA's list."""
        (job,) = self.claimed()
        taken = Taken(entries, cursor, more.get("total"), more.get("wait", timedelta(0)))
        self.record(job, taken)

    def compare(self):
        assert self.claimed() == []
        self.pull.refresh_from_db()

    def ours(self, name, *, connector=True, **columns):
        made = certify(name, key=KEY, issuer=CA, ca=False, extensions=dns(name))
        foreign = Foreign(
            facts(made.der),
            team=self.connector.team_id,
            environment=self.connector.environment_id,
            origin=Origin.IMPORTED,
            origin_text="",
            connector=self.connector.pk if connector else None,
        )
        (row,) = store([foreign], self.now - timedelta(days=1))
        Certificate.objects.filter(pk=row.pk).update(**{"not_after": self.now + timedelta(days=9), **columns})
        return Certificate.objects.get(pk=row.pk)

    def finding(self, **columns):
        return Finding.objects.create(
            **{
                "kind": "at_ca_only",
                "state": "fetching",
                "subject": str(uuid4()),
                "connector": self.connector,
                "pull": self.pull,
                "team_id": self.connector.team_id,
                "environment_id": self.connector.environment_id,
                "common_name": "www.example.com",
                "serial": "1f",
                "reference": "7/8",
                "first_at": self.now,
                "last_at": self.now,
                "due_at": self.now,
                "then": {"team": self.connector.team_id, "environment": self.connector.environment_id, "by": "ada"},
                **columns,
            }
        )


@pytest.fixture
def lists(desk):
    return Lists(desk)


def entry(row=None, state="valid", **changes):
    made = {
        "marks": Marks(row.serial, "", row.spki_sha256) if row else Marks("abc123"),
        "state": state,
        "reference": "7/8",
        "common_name": "www.example.com",
        "names": ("www.example.com",),
        "not_after": None,
        "revoked_at": None,
        "text": "",
        "der": b"",
        "chain": (),
    }
    return Entry(**{**made, **changes})


def open_findings():
    return {(f.kind, f.serial) for f in Finding.objects.filter(state=Decision.OPEN)}


# What is claimed


def test_a_pull_is_claimed_under_a_lease_and_once(lists):
    (job,) = lists.claimed()
    assert (job.kind, job.row, job.extra) == (Kind.LIST, lists.pull.pk, {"cursor": {}})
    lists.pull.refresh_from_db()
    assert lists.pull.lease_until == lists.now + catalog.get("digicert").facts.lease
    assert lists.claimed() == []


def test_a_part_is_read_again_from_its_cursor_after_its_worker_vanished(lists):
    lists.take(cursor={"v": 1, "at": 9})
    lists.claimed()
    lists.now += timedelta(hours=1)
    (job,) = lists.claimed()
    assert job.extra == {"cursor": {"v": 1, "at": 9}}


def test_what_people_wait_for_goes_first_and_a_broken_connector_is_left_in_peace(lists):
    finding = lists.finding()
    assert lists.claimed(broken=True) == []
    (job,) = lists.claimed(most=1)
    assert (job.kind, job.row) == (Kind.FETCH, finding.pk)
    assert job.extra == {"reference": "7/8", "serial": "1f", "spki_sha256": ""}


def test_an_inactive_connector_lists_all_the_same(lists):
    Connector.objects.update(status="inactive")
    assert [d.connector for d in claim.due_connectors(lists.now)] == [lists.connector.pk]
    assert [job.kind for job in lists.claimed()] == [Kind.LIST]


def test_a_fetch_alone_makes_its_connector_due(lists):
    lists.take()
    lists.compare()
    assert claim.due_connectors(lists.now) == []
    lists.finding()
    assert [d.connector for d in claim.due_connectors(lists.now)] == [lists.connector.pk]


def test_a_ca_that_lists_no_more_ends_the_pull(lists):
    assert lists.claimed(powers=frozenset()) == []
    lists.pull.refresh_from_db()
    assert (lists.pull.state, lists.pull.due_at) == (PullState.FAILED, None)
    assert lists.pull.text


def test_a_cursor_is_of_one_account(lists):
    fresh = uuid4()
    before = ConnectorVersion.objects.get(pk=lists.connector.current_id)
    columns = {"connector": lists.connector, "created_at": lists.now, "created_by": "ada"}
    ConnectorVersion.objects.create(id=fresh, number=2, account=before.account, **columns)
    (job,) = lists.claimed(version=fresh)
    assert job.version == fresh
    other = ConnectorVersion.objects.create(number=3, **columns)
    lists.now += timedelta(hours=1)
    assert lists.claimed(version=other.pk) == []
    lists.pull.refresh_from_db()
    assert (lists.pull.state, "changed" in lists.pull.text) == (PullState.FAILED, True)


# A part of the list


def test_each_side_alone_and_a_state_that_differs(lists):
    same, revoked, here = lists.ours("a.example.com"), lists.ours("b.example.com"), lists.ours("c.example.com")
    Certificate.objects.filter(pk=here.pk).update(revocation="confirmed", revoked_at=lists.now)
    lost = lists.ours("d.example.com")
    parts = entry(same), entry(revoked, "revoked", revoked_at=lists.now), entry(here), entry()
    lists.take(*parts, cursor={"v": 1}, total=9)
    pull = lists.pull
    assert (pull.pages, pull.entries, pull.matched, pull.at_ca_only, pull.state_differs, pull.total) == (
        1,
        4,
        3,
        1,
        2,
        9,
    )
    assert (pull.state, pull.cursor, pull.fence) == (PullState.LISTING, {"v": 1}, None)
    lists.take()
    assert (lists.pull.state, lists.pull.total) == (PullState.COMPARING, 9)
    lists.compare()
    pull = lists.pull
    assert (pull.state, pull.matched, pull.at_ca_only, pull.ours_only, pull.state_differs) == ("done", 3, 1, 1, 2)
    assert open_findings() == {
        ("at_ca_only", "abc123"),
        ("ours_only", lost.serial),
        ("state_differs", revoked.serial),
        ("state_differs", here.serial),
    }
    told = {f.serial: f.difference for f in Finding.objects.filter(kind="state_differs")}
    assert told == {revoked.serial: "revoked_there", here.serial: "revoked_here"}


def test_the_ca_is_left_in_peace_as_long_as_it_wants(lists):
    lists.take(cursor={"v": 1}, wait=timedelta(seconds=40))
    assert lists.pull.due_at == lists.now + timedelta(seconds=40)


def test_what_is_over_at_the_ca_and_unknown_here_is_counted_and_not_asked_about(lists):
    lists.take(entry(not_after=lists.now), entry(state="revoked"), entry(state="unknown", marks=Marks("9")))
    assert (lists.pull.ended, open_findings()) == (2, {("at_ca_only", "9")})


def test_what_has_expired_here_is_neither_missed_nor_compared(lists):
    expired = lists.ours("a.example.com", not_after=lists.now)
    lists.ours("b.example.com", not_after=lists.now)
    lists.take(entry(expired, "revoked"))
    lists.compare()
    assert open_findings() == set()


def test_what_came_while_the_list_was_read_or_is_revoked_here_is_not_missed(lists):
    lists.ours("a.example.com", stored_at=lists.now + timedelta(seconds=1))
    lists.ours("b.example.com", revoked_at=lists.now)
    lists.take()
    lists.compare()
    assert open_findings() == set()


def test_a_long_list_of_ours_is_gone_through_in_several_commits(lists, monkeypatch):
    monkeypatch.setattr(inventory, "_WINDOW", 2)
    lost = [lists.ours(f"{letter}.example.com") for letter in "abcde"]
    lists.take()
    lists.compare()
    assert (lists.pull.state, lists.pull.compare_from) == (PullState.COMPARING, lost[1].pk)
    lists.compare()
    lists.compare()
    assert (lists.pull.state, lists.pull.ours_only) == (PullState.DONE, 5)
    assert open_findings() == {("ours_only", row.serial) for row in lost}


def test_an_imported_certificate_learns_which_connector_leads_to_its_ca(lists):
    alone, other = lists.ours("a.example.com", connector=False), lists.ours("b.example.com")
    unsure = lists.ours("c.example.com", connector=False)
    lists.take(entry(alone), entry(other, reference="9"), entry(marks=Marks(unsure.serial)))
    assert lists.pull.matched == 3
    for row, connector, reference in (
        (alone, lists.connector.pk, "7/8"),
        (other, lists.connector.pk, "9"),
        (unsure, None, ""),
    ):
        row.refresh_from_db()
        assert (row.connector_id, row.ca_reference) == (connector, reference)
    noted = AuditEntry.objects.filter(target_kind="certificate", action="engine.record")
    assert {e.target_id for e in noted} == {str(alone.pk), str(other.pk)}
    before = noted.count()
    Pull.objects.filter(pk=lists.pull.pk).update(state="listing", due_at=lists.now)
    lists.take(entry(alone), entry(other, reference=""))
    assert noted.count() == before


def test_what_another_team_or_environment_brought_in_a_file_is_told_to_the_connectors_people(lists):
    other = Team.objects.get(name="Other")
    theirs = lists.ours("a.example.com", connector=False, team=other)
    lab = lists.ours("b.example.com", connector=False, environment=Environment.objects.create(name="Lab"))
    over = lists.ours("c.example.com", connector=False, team=other)
    alike = lists.ours("d.example.com", connector=False, team=other, serial="77", spki_sha256="7" * 64)
    ours = lists.ours("e.example.com", serial="77", spki_sha256="8" * 64)
    adopted = lists.ours("f.example.com", connector=False, team=other, origin=Origin.ADOPTED)
    lists.take(entry(theirs), entry(lab), entry(over, "revoked"), entry(marks=Marks("77")), entry(adopted))
    assert (lists.pull.matched, lists.pull.at_ca_only, lists.pull.ended) == (2, 2, 1)
    assert set(Sighting.objects.values_list("certificate", flat=True)) == {ours.pk, adopted.pk}
    home = (lists.connector.team_id, lists.connector.environment_id)
    found = {f.certificate_id: (f.kind, f.team_id, f.environment_id) for f in Finding.objects.all()}
    assert found == {theirs.pk: ("at_ca_only", *home), lab.pk: ("at_ca_only", *home)}
    for row in (theirs, lab, over, alike):
        row.refresh_from_db()
        assert (row.connector_id, row.ca_reference) == (None, "")


def test_a_number_alone_names_no_certificate_of_another_team(lists):
    theirs = lists.ours("a.example.com", connector=False, team=Team.objects.get(name="Other"))
    lists.take(entry(marks=Marks(theirs.serial)))
    assert [(f.kind, f.certificate_id) for f in Finding.objects.all()] == [("at_ca_only", None)]


def own_connector(lists, **columns):
    """The connector of another team to the same CA."""
    row = Connector.objects.get(pk=lists.connector.pk)
    row.pk, row.name, row.team = uuid4(), f"Theirs {uuid4()}", Team.objects.get(name="Other")
    row.save(force_insert=True)
    Connector.objects.filter(pk=row.pk).update(**columns)
    return {"connector_id": row.pk, "team": row.team}


def test_what_leads_to_its_own_teams_connector_is_no_finding(lists):
    kept, unsure = (lists.ours(f"{n}.example.com", **own_connector(lists)) for n in "ab")
    gone = lists.ours("c.example.com", **own_connector(lists, deleted_at=lists.now))
    other = lists.ours("d.example.com", **own_connector(lists, authority="other"))
    lists.take(entry(kept), entry(marks=Marks(unsure.serial)), entry(gone), entry(other))
    assert (lists.pull.matched, open_findings()) == (1, {("at_ca_only", r.serial) for r in (unsure, gone, other)})
    before = kept.connector_id, kept.ca_reference
    kept.refresh_from_db()
    assert (kept.connector_id, kept.ca_reference) == before


def test_one_number_of_two_issuers_is_told_apart_by_the_key(lists):
    first = lists.ours("a.example.com")
    second = lists.ours("b.example.com", serial=first.serial, spki_sha256="b" * 64)
    lists.take(entry(marks=Marks(first.serial, "", "b" * 64)))
    assert list(Sighting.objects.values_list("certificate", flat=True)) == [second.pk]


def test_a_finding_stays_one_however_often_it_is_found(lists):
    twice = entry(), entry()
    lists.take(*twice)
    lists.compare()
    finding = Finding.objects.get()
    for state, after in (("ignored", "ignored"), ("gone", "open"), ("adopted", "open"), ("revoked", "open")):
        Finding.objects.update(state=state, reason="Why.")
        lists.begin()
        lists.now += timedelta(days=1)
        lists.take(entry(common_name="renamed.example.com"))
        lists.compare()
        found = Finding.objects.get()
        assert (found.pk, found.state, found.first_at) == (finding.pk, after, finding.first_at)
        assert found.reason == ("Why." if after == "ignored" else "")
    assert (found.pull_id, found.common_name) == (lists.pull.pk, "renamed.example.com")


def test_what_is_no_longer_so_is_closed_and_what_is_ignored_stays_so(lists):
    lists.take(entry(), entry(marks=Marks("2")))
    lists.compare()
    Finding.objects.filter(serial="2").update(state="ignored")
    lists.begin()
    lists.take()
    lists.compare()
    assert dict(Finding.objects.values_list("serial", "state")) == {"abc123": "gone", "2": "ignored"}


def test_a_certificate_of_the_list_is_kept_for_whoever_adopts_it(lists):
    lists.take(entry(der=b"leaf", chain=(b"ca",)))
    found = Finding.objects.get()
    assert (bytes(found.der), found.chain) == (b"leaf", ["Y2E="])


# When it goes wrong


def test_a_stale_fence_writes_nothing(lists):
    (job,) = lists.claimed()
    lists.record(replace(job, fence=uuid4()), Taken((entry(),), None, None, timedelta(0)))
    assert (lists.pull.pages, Finding.objects.count()) == (0, 0)
    finding = lists.finding()
    lists.record(replace(job, kind=Kind.FETCH, row=finding.pk), Stopped())
    finding.refresh_from_db()
    assert finding.attempt == 0


@pytest.mark.parametrize(
    ("kind", "health"),
    [("Unreachable", Health.UNREACHABLE), ("Throttled", Health.THROTTLED), ("AuthFailed", Health.LOGIN_REFUSED)],
)
def test_a_fault_of_the_connector_delays_the_pull_and_shows_in_its_health(lists, kind, health):
    (job,) = lists.claimed()
    until = lists.now + timedelta(hours=2)
    lists.record(job, Failed(kind, "Not now.", remedy="Wait.", until=until, bytes_sent=False))
    assert (lists.pull.state, lists.pull.attempt, lists.pull.text) == (PullState.LISTING, 1, "Not now. Wait.")
    assert lists.pull.due_at == until
    assert Connector.objects.get().health == health


@pytest.mark.parametrize("kind", ["Forbidden", "QuotaExhausted", "RejectedByPolicy", "NotFound"])
def test_a_no_ends_the_pull_and_says_nothing_against_the_connector(lists, kind):
    (job,) = lists.claimed()
    lists.record(job, Failed(kind, "It may not list.", remedy="Give the key the right."))
    assert (lists.pull.state, lists.pull.text) == (PullState.FAILED, "It may not list. Give the key the right.")
    assert Connector.objects.get().health == Health.UNKNOWN
    assert AuditEntry.objects.filter(target_kind="pull", action="engine.record").count() == 1


@pytest.mark.parametrize("kind", ["ProtocolViolation", "OutcomeUnknown", "Bug"])
def test_what_makes_no_sense_is_asked_again_and_given_up_in_the_end(lists, kind):
    for attempt in range(1, 9):
        (job,) = lists.claimed()
        lists.record(job, Failed(kind, "Senseless."))
        assert lists.pull.state == (PullState.LISTING if attempt < 8 else PullState.FAILED)
        lists.now += timedelta(hours=1)


def test_a_stopped_pull_concludes_nothing(lists):
    lists.ours("a.example.com")
    lists.take(entry(), cursor={"v": 1})
    (job,) = lists.claimed()
    actions.stop(lists.desk.cast.ada, lists.pull.pk)
    lists.record(job, Taken((), None, None, timedelta(0)))
    assert (lists.pull.state, open_findings()) == (PullState.STOPPED, {("at_ca_only", "abc123")})


# A certificate of it


MADE = certify("www.example.com", key=KEY, issuer=CA, ca=False, extensions=dns("www.example.com"))
FETCHED = Fetched(facts(MADE.der), (CA.der,), "7/8")


def fetch(lists, result, **columns):
    lists.finding(**columns)
    job = next(j for j in lists.claimed() if j.kind is Kind.FETCH)
    lists.record(job, result)
    return Finding.objects.get()


def test_what_was_fetched_is_adopted_where_it_was_to_belong(lists):
    from chancery.apps.profiles.models import Profile

    profile = Profile.objects.get()
    then = {"team": profile.team_id, "environment": profile.environment_id, "by": "ada", "profile": str(profile.pk)}
    found = fetch(lists, FETCHED, then=then)
    row = Certificate.objects.get()
    assert (found.state, found.certificate_id, found.due_at) == (Decision.ADOPTED, row.pk, None)
    assert (row.origin, row.profile_id, row.connector_id, row.ca_reference) == (
        "adopted",
        profile.pk,
        lists.connector.pk,
        "7/8",
    )
    assert (row.common_name, row.serial, row.revocation) == ("www.example.com", FETCHED.facts.serial, "")
    assert row.chain.ders
    assert "by ada" in row.origin_text
    assert AuditEntry.objects.filter(target_id=str(row.pk), action="engine.record").count() == 1


def revoking(lists, reason="superseded"):
    home = {"team": lists.connector.team_id, "environment": lists.connector.environment_id, "by": "ada"}
    return {**home, "revoke": {"reason": reason, "comment": "Not ours."}}


def test_what_is_to_be_revoked_is_adopted_and_asked_for(lists):
    found = fetch(lists, FETCHED, then=revoking(lists))
    row = Certificate.objects.get()
    assert (found.state, row.revocation, row.revocation_reason) == (Decision.REVOKED, "requested", "superseded")
    assert (row.due_at, row.revocation_by, row.revocation_comment) == (lists.now, "ada", "Not ours.")


def test_what_is_fetched_to_be_revoked_for_its_key_has_its_key_recorded_and_its_orders_stopped(lists):
    waits = lists.desk.order("queued", spki_sha256=FETCHED.facts.key.spki_sha256)
    fetch(lists, FETCHED, then=revoking(lists, "keyCompromise"))
    row = KeyReport.objects.get(spki_sha256=FETCHED.facts.key.spki_sha256)
    assert (row.reported_by, row.note) == ("ada", "Not ours.")
    assert Order.objects.get(pk=waits.pk).state == "cancelled"
    assert AuditEntry.objects.filter(target_id=str(waits.pk), action="engine.record").count() == 1


@pytest.mark.parametrize(("before", "after"), [("", "requested"), ("confirmed", "confirmed")])
def test_one_that_somebody_imported_meanwhile_is_taken_as_it_is(lists, before, after):
    one = Foreign(FETCHED.facts, lists.connector.team_id, lists.connector.environment_id, Origin.IMPORTED, "")
    (row,) = store([one], lists.now)
    Certificate.objects.update(revocation=before)
    found = fetch(lists, FETCHED, then=revoking(lists))
    assert (found.certificate_id, Certificate.objects.get().revocation) == (row.pk, after)


def test_what_leads_to_its_own_teams_connector_meanwhile_is_not_revoked_through_another(lists):
    own = own_connector(lists)
    place = (own["team"].pk, lists.connector.environment_id)
    (row,) = store([Foreign(FETCHED.facts, *place, Origin.IMPORTED, "", connector=own["connector_id"])], lists.now)
    found = fetch(lists, FETCHED, then=revoking(lists, "keyCompromise"))
    assert (found.state, found.due_at, found.then) == (Decision.OPEN, None, {})
    assert "own page" in found.text
    row = Certificate.objects.get()
    assert (row.revocation, row.connector_id, KeyReport.objects.exists()) == ("", own["connector_id"], False)


def test_another_certificate_than_the_listed_one_opens_the_finding_again(lists):
    found = fetch(lists, Bad(("The CA gave another certificate than the one that it lists.",)))
    assert (found.state, found.due_at, found.then) == (Decision.OPEN, None, {})
    assert "another certificate" in found.text
    assert not Certificate.objects.exists()


def test_a_ca_that_is_away_delays_the_fetch(lists):
    found = fetch(lists, Failed("Unreachable", "Nobody answers.", bytes_sent=False))
    assert (found.state, found.attempt) == (Decision.FETCHING, 1)
    assert found.due_at > lists.now


def test_whatever_else_comes_is_no_certificate(lists):
    assert fetch(lists, Stopped()).state == Decision.OPEN
