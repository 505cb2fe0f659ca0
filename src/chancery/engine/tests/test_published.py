"""What is answered over HTTP for an order: written with the outcome that asks for it, gone with the order's end."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chancery.apps.orders import published
from chancery.apps.orders.models import PublishedAnswer
from chancery.engine.jobs import Bad, Cancelled, Failed, Kind, Missing, Waiting
from chancery.engine.tests.kit import Toy, at, job
from chancery.engine.tests.test_record import GOOD
from chancery.engine.work import do
from chancery.sdk.outcome import HttpAnswer, Pending

pytestmark = pytest.mark.django_db

ONE, TWO = HttpAnswer("tok-1", "tok-1.thumb"), HttpAnswer("tok_2", "tok_2.thumb")


def waiting(*answers):
    return Waiting(Pending({"v": 1}, publish=answers))


def rows():
    return sorted(PublishedAnswer.objects.values_list("token", "text"))


@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.POLL, Kind.SETTLE, Kind.ADOPT])
def test_what_a_waiting_order_wants_answered_is_answered(desk, kind):
    order, _ = desk.result(waiting(ONE, TWO, ONE), kind)
    assert (order.state, rows()) == ("pending", [("tok-1", "tok-1.thumb"), ("tok_2", "tok_2.thumb")])
    assert published.find("tok-1") == "tok-1.thumb"
    assert published.find("tok-3") is None


def held(desk, kind, answers=(ONE,)):
    order = desk.order(state="pending")
    published.keep(order, answers)
    return order, desk.job(order, kind)


def test_each_outcome_says_anew_what_is_answered(desk):
    _, job_ = held(desk, Kind.POLL)
    desk.record((job_, waiting(TWO)))
    assert rows() == [("tok_2", "tok_2.thumb")]


def test_an_outcome_that_wants_nothing_answered_has_nothing_answered(desk):
    _, job_ = held(desk, Kind.POLL)
    desk.record((job_, waiting()))
    assert rows() == []


@pytest.mark.parametrize("result", [waiting(), Cancelled(), Failed("RejectedByPolicy", "no")])
def test_an_order_without_answers_costs_no_statement_about_them(desk, result):
    order = desk.order(state="pending")
    job_ = desk.job(order, Kind.POLL)
    with CaptureQueriesContext(connection) as said:
        desk.record((job_, result))
    table = PublishedAnswer._meta.db_table
    assert said.captured_queries
    assert [q["sql"] for q in said.captured_queries if table in q["sql"] and not q["sql"].startswith("SELECT")] == []


@pytest.mark.parametrize(
    "result", [GOOD, Bad(("x",)), Cancelled(), Failed("ValidationFailed", "no"), Failed("RejectedByPolicy", "no")]
)
def test_with_the_orders_end_nothing_is_answered_any_more(desk, result):
    order, job_ = held(desk, Kind.POLL)
    other, _ = held(desk, Kind.POLL, (TWO,))
    desk.record((job_, result))
    assert rows() == [("tok_2", "tok_2.thumb")]
    assert other.published.count() == 1
    assert order.published.count() == 0


@pytest.mark.parametrize("error", ["Unreachable", "Throttled", "OutcomeUnknown", "ProtocolViolation", "AuthFailed"])
def test_while_an_order_waits_its_answers_stay(desk, error):
    _, job_ = held(desk, Kind.POLL)
    desk.record((job_, Failed(error, "later")))
    assert rows() == [("tok-1", "tok-1.thumb")]


def test_an_order_that_is_sent_again_has_nothing_answered(desk):
    order = desk.order(state="outcome_unknown", searches=99)
    published.keep(order, [ONE])
    desk.record((desk.job(order, Kind.SETTLE), Missing("not there")))
    assert rows() == []


def test_a_stale_worker_publishes_nothing(desk):
    order = desk.order(state="pending", fence=None)
    desk.record((desk.job(order, Kind.POLL), waiting(ONE)))
    assert rows() == []


def test_of_two_orders_with_one_token_the_later_answer_counts(desk):
    held(desk, Kind.POLL)
    held(desk, Kind.POLL, (HttpAnswer("tok-1", "tok-1.other"),))
    assert published.find("tok-1") == "tok-1.other"


def test_an_order_that_a_person_gives_up_has_nothing_answered(desk, cast):
    from chancery.apps.orders import actions

    order = desk.order(state="outcome_unknown")
    published.keep(order, [ONE])
    actions.give_up(cast.ada, order.pk, "It will not come.")
    assert rows() == []


@pytest.mark.parametrize("publish", [({"token": "x", "text": "x"},), ("x",), (None,)])
def test_what_is_no_answer_is_a_bug_of_the_authority(publish):
    found = do(job(), Toy(submit=Pending({}, publish=publish)), at)
    assert (found.kind, found.bytes_sent) == ("Bug", True)
