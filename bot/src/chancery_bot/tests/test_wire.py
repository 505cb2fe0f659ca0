"""The wire: versions, what is refused, and the signature."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chancery_bot import wire

IDENT = UUID("01990000-0000-7000-8000-000000000001")
HOST = {"hostname": "web-1", "os": "Debian", "machine": "ab" * 32, "bot_version": "0.1", "kinds": ["pem"]}


def test_a_message_is_read_as_it_was_written():
    for message in (
        wire.Poll(host=wire.Host(**HOST), found=[wire.Found(kind="pem", title="x", settings={"port": 1})]),
        wire.Report(records=[wire.Record(number=1, at=datetime(2026, 1, 1, tzinfo=UTC), deployment=IDENT)]),
        wire.Work(
            tasks=[wire.Task(kind="deploy", deployment=IDENT, target=wire.TargetSpec(id=IDENT, kind="pem", name="x"))]
        ),
    ):
        assert wire.read(type(message), wire.write(message)) == (message, 2)


def test_version_1_is_read_and_answered():
    poll, version = wire.read(wire.Poll, json.dumps({"v": 1, **HOST}).encode())
    assert (version, poll.host.hostname, poll.found) == (1, "web-1", None)
    lines = [
        {"number": n, "at": "2026-01-01T00:00:00Z", **more}
        for n, more in enumerate(({}, {"step": "x"}, {"outcome": "failed"}), 1)
    ]
    report, _ = wire.read(wire.Report, json.dumps({"v": 1, "records": lines}).encode())
    assert [r.kind for r in report.records] == ["log", "step", "outcome"]
    spec = wire.TargetSpec(id=IDENT, kind="pem", name="x")
    tasks = [wire.Task(kind=kind, deployment=IDENT, target=spec) for kind in ("deploy", "rollback")]
    written = json.loads(wire.write(wire.Work(tasks=tasks), 1))
    assert (written["v"], [t["kind"] for t in written["tasks"]]) == (1, ["deploy"])


def test_a_bot_of_before_is_sent_no_setting_that_it_does_not_know():
    """It refuses one that it does not know; what it is sent is what the first version had."""
    from chancery_bot import kinds
    from chancery_bot.run import describe

    before, _ = wire.read(wire.Poll, json.dumps({"v": 2, "host": HOST}).encode())
    given = kinds.settings("jks").model_validate({"file": "/a", "password_file": "/b"}).model_dump()
    first = "probe_host probe_port server_name owner key_mode service file password_file alias when_changed"
    assert sorted(kinds.known(given, before.host.later)) == sorted(first.split())
    assert kinds.known(given, describe().later) == given
    assert set(kinds.LATER) <= set(given)


def test_unknown_fields_are_passed_over():
    assert (
        wire.read(wire.Poll, json.dumps({"v": 2, "host": {**HOST, "new": 1}, "newer": []}).encode())[0].host.os
        == "Debian"
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b"{}", b'{"v":"2"}', b'{"v":true}', b'{"v":0}', b'{"v":3}', b'{"v":2}', b"[" * 100_000,
        b'{"v":1,"records":7}', b'{"v":1,"records":[7]}', b'{"v":2,"records":[{"number":0,"at":"x"}]}', b"x" * 1_000_001,
        json.dumps({"v": 2, "records": [{"number": 1, "at": "2026-01-01T00:00:00Z"}] * 201}).encode(),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_sentence_that_quotes_nothing(raw):
    with pytest.raises(wire.WireError) as refusal:
        wire.read(wire.Report, raw)
    assert len(str(refusal.value)) < 200


def test_ids_cannot_be_paths():
    for ident in ("../../etc/passwd", "x/y", ""):
        raw = json.dumps({"v": 2, "tasks": [{"kind": "deploy", "deployment": ident, "target": {}}]}).encode()
        with pytest.raises(wire.WireError):
            wire.read(wire.Work, raw)


def test_a_signature_is_for_one_request_alone():
    key = Ed25519PrivateKey.generate()
    signed = wire.Signed(str(IDENT), "ab" * 32, 1_764_000_000, "n" * 24, b"")
    given = wire.parse_authorization(wire.authorization(key, "POST", "/api/bot/poll", b"{}", signed))
    public = wire.public_key(wire.public_text(key))
    assert wire.verify(public, "POST", "/api/bot/poll", b"{}", given)
    for method, path, body in (
        ("PUT", "/api/bot/poll", b"{}"),
        ("POST", "/api/bot/csr", b"{}"),
        ("POST", "/api/bot/poll", b"{ }"),
    ):
        assert not wire.verify(public, method, path, body, given)
    for name, value in (("time", 1), ("nonce", "m" * 24), ("machine", "cd" * 32), ("bot", "x")):
        changed = wire.Signed(**{n: getattr(given, n) for n in wire.Signed.__slots__} | {name: value})
        assert not wire.verify(public, "POST", "/api/bot/poll", b"{}", changed)
    assert not wire.verify(
        wire.public_key(wire.public_text(Ed25519PrivateKey.generate())), "POST", "/api/bot/poll", b"{}", given
    )


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer x", "ChanceryBot", 'ChanceryBot bot="a"', 'ChanceryBot bot="a", machine="b", time="1", nonce="short", signature=""',
        f'ChanceryBot bot="a", machine="b", time="-1", nonce="{"n" * 24}", signature=""',
        f'ChanceryBot bot="a", machine="b", time="1", nonce="{"n" * 24}", signature="#"',
    ],
)  # fmt: skip
def test_a_header_of_another_kind_is_refused(header):
    with pytest.raises(wire.WireError):
        wire.parse_authorization(header)


def test_a_key_of_another_kind_is_refused():
    for text in ("", "AAAA", "#"):
        with pytest.raises(wire.WireError):
            wire.public_key(text)
