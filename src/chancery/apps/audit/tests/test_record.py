"""The record: bytes written once, read by those who may, given out as they are."""

import json
from datetime import UTC, datetime

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.audit import queries
from chancery.apps.audit.models import Entry
from chancery.apps.audit.record import LIMIT, Note, body, write
from chancery.apps.shared.actor import Actor, engine_actor
from chancery.apps.shared.tests.looking import refused
from chancery.core.errors import NotPermitted
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
AT = datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
PAT = Actor("Pät", 7, "password", "2001:db8::1")


def test_an_entry_is_canonical_json_in_utf8():
    note = Note("order", "1", "zoë.example", changed=("b", "a"), detail={"z": 1, "a": [True, None]})
    raw = body(PAT, "orders.place", AT, note)
    assert (
        raw
        == (
            '{"action":"orders.place","actor":{"address":"2001:db8::1","how":"password","id":7,"name":"Pät"},'
            '"at":"2030-01-02T03:04:05.000006+00:00","changed":["a","b"],"detail":{"a":[true,null],"z":1},'
            '"outcome":"done","reason":"","target":{"id":"1","kind":"order","name":"zoë.example"},"v":1,"via":"console"}'
        ).encode()
    )


def test_no_number_that_json_lacks():
    with pytest.raises(ValueError, match="Out of range"):
        body(PAT, "a", AT, Note("order", "1", detail={"x": float("nan")}))


def test_a_huge_entry_is_kept_without_its_detail_and_says_so():
    note = Note("order", "1", "n" * 1000, reason="r" * 5000, detail={"x": "é" * LIMIT})
    raw = body(PAT, "a", AT, note)
    found = json.loads(raw)
    assert len(raw) < LIMIT < found["detail"]["cut"]
    assert (len(found["target"]["name"]), len(found["reason"])) == (300, 1000)


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


@pytest.mark.parametrize("field", ["action", "by", "target"])
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
