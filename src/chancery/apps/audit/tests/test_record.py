"""The record: bytes written once, read by those who may, given out as they are."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from uuid import UUID

import pytest
from django.apps import apps
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.audit import queries
from chancery.apps.audit.models import Entry
from chancery.apps.audit.record import LIMIT, Note, body, seal, write
from chancery.apps.shared.actor import Actor, engine_actor
from chancery.apps.shared.tests.looking import refused
from chancery.core.errors import NotPermitted
from chancery.core.ids import new_id
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
AT = datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
PAT = Actor("Pät", 7, "password", "2001:db8::1")


SEAL = hashlib.sha256(bytes(16) + '["Pät","2001:db8::1"]'.encode()).hexdigest()


def test_an_entry_is_canonical_json_in_utf8():
    note = Note("order", "1", "zoë.example", changed=("b", "a"), detail={"z": 1, "a": [True, None]})
    raw = body(PAT, "orders.place", AT, note, UUID(int=7))
    assert (
        raw
        == (
            '{"action":"orders.place","actor":{"how":"password","id":7,"seal":"' + SEAL + '"},'
            '"at":"2030-01-02T03:04:05.000006+00:00","changed":["a","b"],"detail":{"a":[true,null],"z":1},'
            '"id":"00000000-0000-0000-0000-000000000007","outcome":"done","reason":"",'
            '"target":{"id":"1","kind":"order","name":"zoë.example"},"v":3,"via":"console"}'
        ).encode()
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NOTES = st.builds(
    Note,
    kind=st.sampled_from(["order", "user", 'o"d\\d']),
    id=TEXTS,
    name=TEXTS,
    changed=st.lists(TEXTS, max_size=3).map(tuple),
    outcome=TEXTS,
    reason=TEXTS,
    detail=st.dictionaries(TEXTS, TEXTS | st.integers() | st.lists(TEXTS, max_size=2), max_size=3),
)


@given(NOTES, TEXTS, TEXTS, TEXTS, st.none() | st.integers())
def test_what_is_written_out_by_hand_is_what_the_encoder_would_write(note, how, via, action, user):
    raw = body(Actor("Pät", user, how, "2001:db8::1", via), action, AT, note, UUID(int=7))
    again = json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert raw == again.encode()
    found = json.loads(raw)
    who = {"how": how, "id": user, "seal": SEAL}
    assert (found["actor"], found["via"], found["action"]) == (who, via, action)
    assert (found["outcome"], found["reason"], found["detail"]) == (note.outcome, note.reason, note.detail)
    assert found["changed"] == sorted(note.changed)
    named = {"seal": seal(bytes(16), note.name)} if note.kind == "user" else {"name": note.name}
    assert found["target"] == {"kind": note.kind, "id": note.id, **named}


def test_names_and_addresses_are_bound_to_the_bytes_by_a_salt_of_their_own():
    write(PAT, "tests.person", AT, [Note("user", "9", "grace"), Note("order", "1")])
    write(engine_actor(), "tests.engine", AT, [Note("order", "1")])
    about, plain, engine = Entry.objects.order_by("id")
    salt, said = bytes(about.salt), json.loads(bytes(about.body))
    assert said["actor"]["seal"] == seal(salt[:16], "Pät", "2001:db8::1")
    assert said["target"]["seal"] == seal(salt[16:], "grace")
    assert (len(salt), bytes(plain.salt), salt[:16] == salt[16:]) == (32, salt[:16], False)
    assert engine.salt is None
    assert b"seal" not in bytes(engine.body)


def test_no_number_that_json_lacks():
    with pytest.raises(ValueError, match="Out of range"):
        body(PAT, "a", AT, Note("order", "1", detail={"x": float("nan")}), UUID(int=7))


def test_a_huge_entry_is_kept_without_its_detail_and_says_so():
    note = Note("order", "1", "n" * 1000, reason="r" * 5000, detail={"x": "é" * LIMIT})
    raw = body(PAT, "a", AT, note, UUID(int=7))
    found = json.loads(raw)
    assert len(raw) < LIMIT < found["detail"]["cut"]
    assert (len(found["target"]["name"]), len(found["reason"])) == (300, 1000)


def test_persons_are_held_by_reference_and_can_be_erased_while_the_bytes_stay(cast):
    write(PAT, "tests.person", AT, [Note("user", "9", "grace")])
    entry = Entry.objects.get(action="tests.person")
    for personal in ("Pät", "grace", "2001:db8::1"):
        assert personal.encode() not in bytes(entry.body)
    said = queries.content(entry)
    assert said["actor"] == {"id": 7, "how": "password", "name": "Pät", "address": "2001:db8::1"}
    assert (said["target"], said["id"]) == ({"kind": "user", "id": "9", "name": "grace"}, str(entry.pk))
    assert json.loads(bytes(entry.body))["id"] == str(entry.pk), "an exported line leads to its row"
    before = list(queries.export(cast.dan, action="tests.person"))
    Entry.objects.filter(actor="Pät").update(actor="", address=None, subject="")
    (erased,) = queries.listing(cast.dan, action="tests.person").items
    assert queries.content(erased)["actor"] == {"id": 7, "how": "password", "name": "", "address": ""}
    assert list(queries.export(cast.dan, action="tests.person")) == before


FIRST = (
    b'{"action":"tests.old","actor":{"address":"192.0.2.9","how":"session","id":7,"name":"rob"},'
    b'"at":"2026-11-23T21:44:18.989000+00:00","changed":[],"detail":{},"outcome":"refused","reason":"not_permitted",'
    b'"target":{"id":"9","kind":"user","name":"grace"},"v":1,"via":"console"}'
)


def test_entries_of_the_first_version_are_still_read_and_found(cast):
    Entry.objects.create(
        id=new_id(AT), at=AT, actor="rob", action="tests.old", target_kind="user", target_id="9", body=FIRST
    )
    fill = import_module("chancery.apps.audit.migrations.0002_persons").fill
    fill(apps, None)
    (found,) = queries.listing(cast.dan, address="192.0.2.9", outcome="refused").items
    assert queries.content(found) == {**json.loads(FIRST), "id": str(found.pk)}
    assert (found.subject, found.refusal) == ("grace", "not_permitted")
    assert list(queries.export(cast.dan, action="tests.old")) == [FIRST + b"\n"]
    assert Entry.objects.filter(address=None).exists(), "the others have none"


def write_some(*teams):
    for i, team in enumerate(teams):
        write(engine_actor(), f"tests.{i}", AT, [Note("order", str(i), team=team)])


def test_the_export_is_the_very_bytes_oldest_first(cast):
    write_some(None, None)
    stored = [bytes(b) for b in Entry.objects.order_by("id").values_list("body", flat=True)]
    assert b"".join(queries.export(cast.dan)) == b"".join(b + b"\n" for b in stored)
    assert list(queries.export(cast.dan, action="tests.1")) == [stored[-1] + b"\n"]
    assert list(queries.export(cast.dan, target="0", by="engine", action="tests.1")) == []


def test_the_listing_is_newest_first_and_filters(cast):
    write_some(None, None)
    assert [e.action for e in queries.listing(cast.dan).items[:2]] == ["tests.1", "tests.0"]
    assert [e.action for e in queries.listing(cast.dan, by="engine", target="0").items] == ["tests.0"]
    assert queries.content(queries.listing(cast.dan, action="tests.1").items[0])["target"]["id"] == "1"


def found(actor, **asked):
    """Return the actions that a listing finds, having compared it with the export."""
    listed = [e.action for e in queries.listing(actor, **asked).items]
    assert [json.loads(line)["action"] for line in queries.export(actor, **asked)] == listed[::-1]
    return listed


def test_the_first_word_of_an_action_finds_all_that_begin_with_it(cast):
    for name in ("orders.place", "orders.approve", "orders_of_magnitude.x", "order.y", "orders.place"):
        write(engine_actor(), name, AT, [Note("order", "1")])
    both = ["orders.place", "orders.approve", "orders.place"]
    assert found(cast.dan, action="orders") == found(cast.dan, action=" orders. ") == both
    assert found(cast.dan, action="orders.place") == ["orders.place", "orders.place"]
    assert found(cast.dan, action="orders.pl") == found(cast.dan, action="nothing") == []
    assert found(cast.dan, action="order") == ["order.y"]
    assert found(cast.dan, action="orders", by="ada") == []
    assert found(cast.dan, action="orders", by="engine") == both


def test_entries_are_found_by_where_they_came_from_and_how_they_ended(cast):
    write(PAT, "tests.a", AT, [Note("order", "1"), Note("order", "2", outcome="refused", reason="in_use")])
    write(engine_actor(), "tests.b", AT, [Note("order", "3")])
    assert found(cast.dan, address="2001:db8::1") == ["tests.a", "tests.a"]
    assert (
        found(cast.dan, address="2001:db8::1", outcome="refused") == found(cast.dan, outcome="refused") == ["tests.a"]
    )
    assert found(cast.dan, action="tests", outcome="done") == ["tests.b", "tests.a"]
    with refused("outcome"):
        queries.listing(cast.dan, outcome="cancelled")


def test_entries_are_found_by_the_day_in_the_readers_zone(cast):
    for hours in range(0, 96, 12):
        at = AT.replace(hour=0, minute=0) + timedelta(hours=hours)
        write(engine_actor(), f"tests.{at:%d-%H}", at, [Note("order", "1")])
    asked = {"action": "tests"}
    assert found(cast.dan, since="2030-01-03", until="2030-01-03", **asked) == ["tests.03-12", "tests.03-00"]
    assert found(cast.dan, until="2030-01-02", **asked) == ["tests.02-12", "tests.02-00"]
    assert found(cast.dan, since="2030-01-05T12:00Z", **asked) == ["tests.05-12"]
    with timezone.override("Asia/Kolkata"):
        assert found(cast.dan, since="2030-01-05", until="2030-01-05", **asked) == ["tests.05-12", "tests.05-00"]
        assert found(cast.dan, since="2030-01-05T05:31", **asked) == ["tests.05-12"]
    assert found(cast.dan, until="0001-01-01", **asked) == []
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        with timezone.override(zone):
            assert len(found(cast.dan, until="9999-12-31", **asked)) == len(found(cast.dan, **asked)) == 8
            assert found(cast.dan, since="9999-12-31", until="9999-12-31", **asked) == []


@pytest.mark.parametrize("text", ["yesterday", "2030-13-01", "2030-02-29", "10000-01-01", "2030-01-01T25:00"])
def test_what_is_no_date_is_refused(cast, text):
    with refused("until"):
        queries.listing(cast.dan, until=text)


@pytest.mark.parametrize("field", ["action", "by", "target", "address"])
def test_a_filter_for_what_no_entry_holds_is_refused(cast, field):
    for look in (queries.listing, queries.export):
        with refused(field):
            look(cast.dan, **{field: "a\x00"})


def with_grant(cast, role, team=None, environment=None):
    user = people.create_user(cast.host, "pat", PASSWORD, grants=[(role, team, environment)])
    return who.actor_of(user, how="test")


def test_a_teams_auditor_sees_that_teams_entries(cast):
    ops, other = Team.objects.get(name="Operations").pk, Team.objects.get(name="Other").pk
    pat = with_grant(cast, "auditor", ops)
    write_some(ops, other, None)
    assert [e.action for e in queries.listing(pat).items] == ["tests.0"]
    assert [json.loads(line)["action"] for line in queries.export(pat)] == ["tests.0"]


def test_an_auditor_of_one_environment_sees_no_entry_since_none_says_its_environment(cast):
    ops = Team.objects.get(name="Operations").pk
    pat = with_grant(cast, "auditor", ops, Environment.objects.get().pk)
    write_some(ops, None)
    assert queries.listing(pat).items == []
    assert list(queries.export(pat)) == []


def test_nobody_else_reads_the_record(cast):
    for look in (queries.listing, queries.export):
        with pytest.raises(NotPermitted):
            look(cast.rob)


def test_an_operator_reads_but_does_not_export(cast):
    pat = with_grant(cast, "ca_operator")
    assert queries.listing(pat).items
    with pytest.raises(NotPermitted):
        queries.export(pat)
