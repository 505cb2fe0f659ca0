"""AD CS in the engine's hands: order, approval at the CA, denial, and what becomes of a lost answer."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from chancery.apps.accounts import actions as people
from chancery.apps.audit.models import Entry
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.shared.tests.looking import said
from chancery.authorities.adcs.simulator import build as every_face
from chancery.authorities.adcs.simulator.service import build
from chancery.core.errors import Conflict, NotPermitted
from chancery.doors.cli.output import Exit
from tests.cast import request_pem
from tests.commands import invoke
from tests.journeys.api import Api

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ca():
    with build() as simulator:
        yield simulator


@pytest.fixture
def windows(cast, ca):
    """Make an active connector, and a profile for a template."""

    def made(template="WebServer2", **more):
        known = ca.credentials
        values = {
            "name": "Windows CA",
            "base_url": ca.url,
            "allowed_networks": "127.0.0.0/8",
            "team": "Operations",
            "environment": "Production",
            "authentication": "ntlm",
            "templates": "WebServer2",
            **{name: known[name] for name in ("username", "password", "ca_name")},
            **more,
        }
        connector = connectors.create(cast.ada, "adcs", values)
        profile = {"name": "windows", "connector": "Windows CA", "validity_days": 180}
        profiles.create(cast.ada, {**profile, "product": {"template": template}})
        return connector

    return made


@pytest.fixture
def managed(cast):
    """Make a connector by RPC with a managing account, and a profile whose orders wait for the CA's manager."""
    with every_face() as house:
        example = house.examples[-1]
        common = {
            "name": "Windows CA",
            "team": "Operations",
            "environment": "Production",
            "allowed_networks": "127.0.0.0/8",
        }
        connectors.create(cast.ada, "adcs", {**common, "base_url": example.base_url, **example.settings})
        profile = {"name": "windows", "connector": "Windows CA", "validity_days": 90}
        profiles.create(cast.ada, {**profile, "product": {"template": "ApprovedServer"}})
        yield house


def test_a_second_person_has_the_cas_manager_issue_what_waits(cast, managed, engine):
    made = place(cast.rob, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "pending")
    page = Client()
    page.force_login(cast.users["ada"])
    assert "Issue at the CA" in page.get(reverse("order", args=[made.pk])).content.decode()
    with pytest.raises(NotPermitted):
        orders.release(cast.rob, made.pk)
    orders.release(cast.ada, made.pk)
    with pytest.raises(Conflict, match="already"):
        orders.release(cast.ada, made.pk)
    assert "Issue at the CA" not in page.get(reverse("order", args=[made.pk])).content.decode()
    engine.until(lambda: state(made) == "issued")
    kinds = list(OrderEvent.objects.filter(order=made).values_list("kind", flat=True))
    assert kinds.count("order.release_requested") == 1
    assert [e["changed"] for e in said("orders.release")] == [[], ["release_requested"]], (
        "a refusal is on record as well"
    )
    assert len(managed.ledger.lines("order")) == 1
    with pytest.raises(Conflict):
        orders.release(cast.ada, made.pk)


def test_rest_and_the_command_line_have_it_issued_too(cast, managed, engine, live_server, monkeypatch):
    waits = [place(cast.rob, PlaceOrder("windows", request_pem(f"{n}.example.com"))) for n in ("rest", "line")]
    by_rest, by_line = [f"/orders/{waits[0].pk}/release", ["orders", "release", str(waits[1].pk)]]
    engine.until(lambda: {state(one) for one in waits} == {"pending"})
    rob, ada = (people.create_token(actor, "test")[1] for actor in (cast.rob, cast.ada))
    monkeypatch.setenv("CHANCERY_URL", live_server.url)

    def line(token):
        monkeypatch.setenv("CHANCERY_TOKEN", token)
        done = invoke(by_line)
        return done.exit_code, done.stderr

    assert Api(rob)("POST", by_rest).status_code == 403
    assert line(rob)[0] == Exit.REFUSED
    assert not Entry.objects.filter(action="orders.release", refusal=None).exists()
    answer = Api(ada)("POST", by_rest)
    assert (answer.status_code, answer.json()["id"], answer.json()["state"]) == (200, str(waits[0].pk), "pending")
    assert line(ada) == (Exit.DONE, "")
    again = Api(ada)("POST", by_rest)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    code, said = line(ada)
    assert (code, "already" in said) == (Exit.REFUSED, True)
    engine.until(lambda: {state(one) for one in waits} == {"issued"})
    assert Entry.objects.filter(action="orders.release", refusal=None).count() == 2
    assert len(managed.ledger.lines("order")) == 2


def test_nobody_has_their_own_order_issued(cast, managed, engine):
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "pending")
    page = Client()
    page.force_login(cast.users["ada"])
    assert "Somebody else has to have it issued" in page.get(reverse("order", args=[made.pk])).content.decode()
    with pytest.raises(NotPermitted, match="Nobody decides"):
        orders.release(cast.ada, made.pk)
    page.post(reverse("order_act", args=[made.pk, "release"]))
    assert state(made) == "pending"


def test_a_managing_account_without_the_right_leaves_it_waiting(cast, managed, engine):
    made = place(cast.rob, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "pending")
    managed.dials.set(rights=0x100)
    orders.release(cast.ada, made.pk)
    engine.until(lambda: Order.objects.get(pk=made.pk).reason_code == "0x80070005")
    assert state(made) == "pending"
    assert "release" not in Order.objects.get(pk=made.pk).poll_state


def state(order):
    return Order.objects.get(pk=order.pk).state


def test_an_order_is_issued_once_and_remembers_the_cas_id(cast, windows, ca, engine):
    windows()
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    assert Certificate.objects.get(order=made).order.ca_reference == ca.ledger.lines("order")[0].order
    assert len(ca.ledger.lines("order")) == 1


def test_a_denied_order_ends_with_the_cas_reason(cast, windows, ca, engine):
    windows(template="Closed")
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "rejected")
    row = Order.objects.get(pk=made.pk)
    assert (row.reason_code, "Enroll" in row.reason) == ("0x80094012", True)


def test_a_lost_answer_is_searched_for_and_the_ca_has_one_order(cast, windows, ca, engine):
    windows(search_from=3)
    ca.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="certfnsh")
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "outcome_unknown")
    # As if the CA's search lag had passed.
    Order.objects.filter(pk=made.pk).update(due_at=now())
    engine.until(lambda: state(made) == "issued")
    assert len(ca.ledger.lines("order")) == 1


def test_without_a_search_a_person_decides(cast, windows, ca, engine):
    windows()
    ca.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="certfnsh")
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "outcome_unknown")
    number = ca.ledger.lines("order")[0].order
    orders.adopt(cast.ada, made.pk, number)
    engine.until(lambda: state(made) == "issued")
    assert len(ca.ledger.lines("order")) == 1
