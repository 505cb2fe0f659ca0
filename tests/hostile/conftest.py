"""The doors that the corpus goes through: each is a function of a request that returns (status, what was said)."""

import importlib
import json

import pytest
from django.test import Client

from chancery.apps.accounts import actions as people
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.core import pem
from chancery.core.keys import spki_sha256
from chancery.core.tests.making import NOW, certify
from chancery.doors.acme.tests.conftest import Door, served  # noqa: F401  a fixture
from tests.commands import invoke
from tests.hostile import corpus


@pytest.fixture
def known(cast, local, monkeypatch):
    """Make two keys of the corpus known as bad: one was reported as compromised, of one the primes are others' too."""
    from badkeys.rsakeys import sharedprimes

    module = importlib.import_module(sharedprimes.__module__)
    monkeypatch.setitem(module._moduli, 2048, corpus.RSA.private_numbers().p)
    key = corpus.compromised()
    order = place(cast.rob, PlaceOrder("Internal", corpus.request(key, "lost.example.com")))
    Order.objects.filter(pk=order.pk).update(state="issued")
    made = certify("lost.example.com", key=key)
    spans = {"not_before": NOW, "not_after": made.cert.not_valid_after_utc, "stored_at": NOW}
    Certificate.objects.create(
        order=order, connector_id=order.connector_id, team_id=order.team_id, environment_id=order.environment_id,
        der=made.der, serial="1", issuer="CN=x", common_name="lost.example.com", key_type="EC-P256", sha256="0" * 64,
        spki_sha256=spki_sha256(key.public_key()), **spans,
    )  # fmt: skip
    keys.record(order.spki_sha256, order, "ada", NOW)


@pytest.fixture
def rest(cast, local):
    from chancery.apps.orders import grouping

    token = people.create_token(cast.ada, "test")[1]
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})

    def send(raw):
        body = json.dumps({"profile": "Internal", "csr": as_text(raw)}).encode()
        return document(body)

    def document(body, path="/orders", kind="application/json"):
        answer = client.generic("POST", f"/api/v1{path}", body, kind)
        found = answer.json() if "json" in answer["Content-Type"] else {}
        return answer.status_code, [e["field"] for e in found.get("errors", [])] or found.get("detail", "")

    def said(raw):
        body = json.dumps({"profile": "Internal", "csr": as_text(raw)}).encode()
        return client.generic("POST", "/api/v1/orders", body, "application/json").json()["errors"][0]["detail"]

    send.document, send.said = document, said
    yield send
    grouping.close()


def as_text(raw):
    """Return a request as somebody pastes it: PEM where it is DER, else as it is."""
    if raw[:1] == b"\x30":
        return pem.encode("CERTIFICATE REQUEST", raw)
    return raw.decode("utf-8", "replace")


@pytest.fixture
def console(cast, local):
    client = Client(raise_request_exception=False)
    client.force_login(cast.users["rob"])

    def send(raw, name="csr"):
        value = as_text(raw) if name == "csr" else uploaded(raw)
        answer = client.post("/orders/new", {"profile": "Internal", name: value})
        return (
            answer.status_code,
            'class="problem' in answer.content.decode() or 'role="alert"' in answer.content.decode(),
        )

    def said(raw):
        return client.post("/orders/new", {"profile": "Internal", "csr": as_text(raw)}).content.decode()

    send.client, send.said = client, said
    return send


def uploaded(raw):
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("a.csr", raw)


@pytest.fixture
def cli(cast, local, live_server, monkeypatch, tmp_path):
    from chancery.apps.orders import grouping

    monkeypatch.setenv("CHANCERY_URL", live_server.url)
    monkeypatch.setenv("CHANCERY_TOKEN", people.create_token(cast.ada, "test")[1])
    file = tmp_path / "csr"

    def send(raw):
        file.write_bytes(raw)
        done = invoke(["orders", "create", "Internal", "--csr", str(file)])
        assert done.exception is None or isinstance(done.exception, SystemExit), (raw[:60], done.exception)
        return done.exit_code, done.stderr.strip()

    yield send
    grouping.close()


@pytest.fixture
def acme(served, cast):
    door = Door(cast)
    door.offer()
    client = door.registered()
    order = client.order(corpus.NAME).json()

    def send(raw):
        answer = client.finalize(order, raw)
        return answer.status, answer.json().get("detail", "")

    return send
