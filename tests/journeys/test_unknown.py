"""An unknown outcome from end to end: the evidence by every door, ordering again by two people, the earlier call that turns up.

The CA is the simulated DigiCert, its ledger the judge of how often it was asked.
"""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Call
from chancery.apps.inventory.models import Finding
from chancery.apps.orders import actions, evidence, queries
from chancery.apps.orders.models import EarlierCall, Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.action import current_clock
from chancery.core.again import call_reference
from chancery.core.order import State
from chancery.doors.cli.output import Exit
from chancery.engine import watching
from tests.cast import PASSWORD, request_pem
from tests.commands import invoke
from tests.journeys.api import Api

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def olga(cast):
    """A second CA operator, as an actor."""
    user = people.create_user(cast.host, "olga", PASSWORD, grants=[("ca_operator", None, None)])
    return who.actor_of(user, how="test")


@pytest.fixture
def lost(cast, digicert, simulator, engine):
    """An order that DigiCert took and answered with nothing; its lag has passed, and the engine looks for it no more."""
    simulator.dials.set(fail_after=1.0)
    made = place(cast.rob, PlaceOrder("Public", request_pem("lost.example.com")))
    engine.until(lambda: Order.objects.get(pk=made.pk).state == "outcome_unknown")
    simulator.dials.reset()
    long_ago = current_clock().now() - timedelta(minutes=10)
    Order.objects.filter(pk=made.pk).update(due_at=None, submitted_at=long_ago)
    assert len(simulator.ledger.lines("order")) == 1
    return Order.objects.get(pk=made.pk)


def test_ordered_again_by_two_people_and_the_first_one_turns_up_and_is_not_lost(cast, lost, simulator, engine, olga):
    actions.order_again(cast.ada, lost.pk, "Their support sees nothing of it.")
    for _ in range(3):
        engine.worker.turn()
    assert len(simulator.ledger.lines("order")) == 1
    actions.confirm_again(olga, lost.pk)
    engine.until(lambda: Order.objects.get(pk=lost.pk).state == "issued")
    references = [line.reference.removeprefix("chancery:") for line in simulator.ledger.lines("order")]
    assert references == [call_reference(lost.pk, 0), call_reference(lost.pk, 1)]
    left = EarlierCall.objects.get(order=lost)
    # As the worker's duty does once its time has come.
    EarlierCall.objects.update(due_at=current_clock().now())
    watching.ask_earlier(current_clock().now(), {})
    engine.until(lambda: EarlierCall.objects.get(pk=left.pk).looks == 1)
    assert Call.objects.get(kind="earlier").state == "done"
    left.refresh_from_db()
    assert left.state == "found", left.text
    stray, kept = Finding.objects.get(), Certificate.objects.get(order=lost)
    assert (stray.state, stray.kind) == ("open", "at_ca_only")
    assert stray.serial != kept.serial
    assert stray.spki_sha256 == kept.spki_sha256
    found = evidence.of(queries.get(cast.ada, lost.pk), current_clock().now())
    assert [call.finding_id for call in found.earlier] == [stray.pk]


@pytest.fixture
def doors(cast, lost, olga, live_server, monkeypatch):
    """Each person's REST client, and the command line of one of them."""
    tokens = {name: people.create_token(actor, "test")[1] for name, actor in (("ada", cast.ada), ("olga", olga))}

    def cli(name, *command, code=0):
        monkeypatch.setenv("CHANCERY_URL", live_server.url)
        monkeypatch.setenv("CHANCERY_TOKEN", tokens[name])
        done = invoke(command)
        assert done.exit_code == code, (command, done.output, done.exception)
        return done.stdout + done.stderr

    return {name: Api(token) for name, token in tokens.items()}, cli


def test_by_rest(doors, lost):
    ada, olga = doors[0]["ada"], doors[0]["olga"]
    assert [o["id"] for o in ada("GET", "/orders?state=outcome_unknown").json()["items"]] == [str(lost.pk)]
    known = ada("GET", f"/orders/{lost.pk}/evidence").json()
    assert known["sent"]["reference"] == str(lost.pk)
    assert known["sent"]["settings_version"] == 1
    assert (known["arrived"]["error"], known["arrived"]["bytes_sent"]) == ("OutcomeUnknown", True)
    assert (known["settling"]["finds"], known["settling"]["search_lag_seconds"]) == (True, 60.0)
    assert "bill both" in known["risk"][0]
    assert (known["request"], known["earlier"]) == (None, [])
    explained = ada("GET", f"/orders/{lost.pk}/explanation").json()
    assert explained["state"] == "outcome_unknown"
    assert {"person", "deadline"} <= {s["topic"] for s in explained["waits_for"]}
    path = f"/orders/{lost.pk}"
    assert ada("POST", f"{path}/confirm-again").status_code == 409
    assert ada("POST", f"{path}/order-again", {"reason": "Nothing there."}).status_code == 200
    assert ada("POST", f"{path}/confirm-again").status_code == 403
    (request,) = olga("GET", "/again-requests").json()["items"]
    assert (request["order"], request["asked_by"], request["reason"]) == (str(lost.pk), "ada", "Nothing there.")
    assert ada("GET", f"{path}/evidence").json()["request"] == request
    assert olga("POST", f"{path}/refuse-again", {"reason": "Wait."}).json()["state"] == "outcome_unknown"
    assert ada("POST", f"{path}/order-again", {"reason": "Still nothing."}).status_code == 200
    assert olga("POST", f"{path}/confirm-again").json()["state"] == "queued"
    (earlier,) = ada("GET", f"{path}/evidence").json()["earlier"]
    assert (earlier["reference"], earlier["state"], earlier["finding"]) == (str(lost.pk), "watched", None)
    assert ada("GET", "/again-requests").json() == {"items": []}


def test_by_the_command_line(doors, lost):
    cli = doors[1]
    said = cli("ada", "orders", "evidence", lost.pk)
    for part in (str(lost.pk), "OutcomeUnknown", "never sooner than 1 minute", "not by itself", "bill both"):
        assert part in said
    assert json.loads(cli("ada", "orders", "evidence", lost.pk, "--json"))["settling"]["finds"]
    said = cli("ada", "orders", "explain", lost.pk)
    for part in ("Waits for:", "A person has to decide", "Goes on with:", "Decided so far:"):
        assert part in said
    assert json.loads(cli("ada", "orders", "explain", lost.pk, "--json"))["state"] == "outcome_unknown"
    cli("ada", "orders", "order-again", lost.pk, "Nothing there.")
    assert "Nothing there." in re.sub(r"\s+", " ", cli("olga", "orders", "asked-again"))
    assert "second person" in cli("ada", "orders", "confirm-again", lost.pk, code=Exit.REFUSED)
    cli("olga", "orders", "refuse-again", lost.pk, "Wait.")
    cli("ada", "orders", "order-again", lost.pk, "Still nothing.")
    assert "is queued" in cli("olga", "orders", "confirm-again", lost.pk)
    assert "watched" in cli("ada", "orders", "evidence", lost.pk)


def page(client, name, *args):
    return re.sub(r"\s+", " ", client.get(reverse(name, args=args)).content.decode())


def logged_in(name):
    client = Client()
    client.post("/login", {"username": name, "password": PASSWORD})
    return client


def test_in_the_console(cast, lost, olga):
    ada, other, reader = logged_in("ada"), logged_in("olga"), logged_in("rob")
    assert "?state=outcome_unknown" in page(ada, "home")
    assert "whether the CA has them is not known" in page(ada, "orders")
    said = page(ada, "order", lost.pk)
    for part in ("What was sent", "OutcomeUnknown", "bill both", "How it settles", "Why", "Ask to order again"):
        assert part in said
    assert "Ask to order again" not in page(reader, "order", lost.pk)

    def do(client, what, text=""):
        return client.post(reverse("order_act", args=[lost.pk, what]), {"text": text})

    do(ada, "order-again", "Nothing there.")
    assert "ada wants it ordered again" in page(other, "home")
    mine, theirs = page(ada, "order", lost.pk), page(other, "order", lost.pk)
    assert "Confirm: order again" not in mine
    assert "Who asked for this cannot be the second person" in mine
    assert "Confirm: order again" in theirs
    part = ada.get(reverse("order", args=[lost.pk]), {"seen": "outcome_unknown"}, headers={"HX-Request": "true"})
    assert part.headers["HX-Refresh"] == "true"
    do(ada, "confirm-again")
    assert Order.objects.get(pk=lost.pk).state == State.OUTCOME_UNKNOWN
    do(other, "refuse-again", "Wait.")
    do(ada, "order-again", "Still nothing.")
    do(other, "confirm-again")
    assert Order.objects.get(pk=lost.pk).state == State.QUEUED
    assert "Earlier calls, left behind" in page(ada, "order", lost.pk)
