"""What programs are told, and how they know that it was us."""

import base64
import json
from datetime import UTC, datetime

import pytest

from chancery.core import webhook
from chancery.core.secret import Secret
from tests.receiving import verified

AT = datetime(2026, 11, 26, tzinfo=UTC)


def entry(action="orders.place", kind="order", outcome="done", **detail):
    target = {"kind": kind, "id": "7", "name": "www.example.com"}
    return {"action": action, "at": AT.isoformat(), "target": target, "outcome": outcome, "detail": detail,
            "changed": [], "via": "api", "actor": {"id": 3, "how": "token"}}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (entry(), "order.place"),
        (entry("engine.record", state="issued"), "order.issued"),
        (entry("engine.record", "certificate", revocation="confirmed"), "certificate.confirmed"),
        (entry("certificates.revoke", "certificate"), "certificate.revoke"),
        (entry("key_reports.confirm", "key_report"), "key_report.confirm"),
        (entry("connectors.edit", "connector", state="x"), "connector.edit"),
        (entry("people.create", "user"), ""),
        (entry(outcome="refused"), ""),
    ],
)
def test_an_entry_has_the_name_of_what_happened(given, name):
    assert webhook.event(given) == name


def test_who_is_told_of_what():
    assert webhook.wants([], "order.issued")
    assert webhook.wants(["order.issued"], "order.issued")
    assert webhook.wants(["order.*"], "order.issued")
    assert not webhook.wants(["certificate.*", "order.failed"], "order.issued")
    assert [t for t in ("order.issued", "order.*", "*", "user.*", "order.", "order.a.b") if webhook.is_pattern(t)] == [
        "order.issued",
        "order.*",
    ]


def test_the_signature_is_that_of_the_specification():
    # The specification's own example of a key and a message, its signature made with OpenSSL.
    secret = Secret("whsec_" + base64.b64encode(b"k" * 32).decode())
    body = b'{"test": 2432232314}'
    made = webhook.headers([secret], "msg_1", datetime.fromtimestamp(1614265330, UTC), body)
    assert made["webhook-timestamp"] == "1614265330"
    assert made["webhook-signature"] == "v1,keC6SK7hva7tpDMHnhgXibnFVk8sNTGJjntgOgwmokc="
    assert verified(secret, made, body)
    assert not verified(secret, made, body + b" ")
    assert not verified(secret, {**made, "webhook-id": "msg_2"}, body)


def test_either_secret_verifies_while_they_are_changed_over():
    old, new = webhook.new_secret(b"a" * 32), webhook.new_secret(b"b" * 32)
    made = webhook.headers([new, old], "msg_1", AT, b"{}")
    assert [verified(s, made, b"{}") for s in (old, new)] == [True, True]
    with pytest.raises(ValueError, match="32 octets"):
        webhook.new_secret(b"short")


def test_a_message_says_what_and_not_who():
    said = json.loads(webhook.message("order.place", entry(), 4, "https://x/orders/7"))
    assert (said["type"], said["data"]["id"], said["data"]["index"]) == ("order.place", "7", 4)
    assert "actor" not in json.dumps(said)
    assert json.loads(webhook.test_message(AT, "Tickets"))["type"] == webhook.TEST
