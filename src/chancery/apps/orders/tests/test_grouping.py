"""Requests that share a commit share nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chancery.apps.orders import grouping
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder
from chancery.apps.shared import grouped
from chancery.core.errors import Invalid
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def grouper():
    made = grouping.Grouper()
    yield made
    made.close()


def together(grouper, cast, asks, monkeypatch):
    """Place `asks` so that all but the first wait for one commit; returns order or error of each."""
    begun, go = threading.Event(), threading.Event()
    plain = grouping.place_mixed

    def slow(items):
        if not begun.is_set():
            begun.set()
            assert go.wait(20)
        return plain(items)

    monkeypatch.setattr(grouping, "place_mixed", slow)
    with ThreadPoolExecutor(len(asks) + 1) as pool:
        first = pool.submit(grouper.place, cast.rob, PlaceOrder("Internal", request_pem("first.example.com")))
        assert begun.wait(20)
        rest = [pool.submit(grouper.place, cast.rob, ask) for ask in asks]
        while grouper._items.qsize() < len(asks):
            threading.Event().wait(0.01)
        go.set()
        first.result(30)
        return [f.exception(30) or f.result() for f in rest]


def ask(name, **more):
    return PlaceOrder("Internal", request_pem(name), **more)


def test_a_refusal_is_for_the_one_who_asked(cast, local, grouper, monkeypatch):
    good, bad = together(grouper, cast, [ask("a.example.com"), ask("b.example.com", validity_days=0)], monkeypatch)
    assert isinstance(good, Order)
    assert isinstance(bad, Invalid)
    assert Order.objects.count() == 2


def test_an_unforeseen_error_is_for_the_one_whose_request_it_was(cast, local, grouper, monkeypatch):
    poisoned = ask("b.example.com", route="\ud800", idem_key="k")
    good, bad, other = together(grouper, cast, [ask("a.example.com"), poisoned, ask("c.example.com")], monkeypatch)
    assert isinstance(good, Order)
    assert isinstance(bad, Exception)
    assert isinstance(other, Order)
    assert Order.objects.count() == 3


def test_two_with_one_key_make_one_order_and_the_first_made_it(cast, local, grouper, monkeypatch):
    same = ask("a.example.com", idem_key="one")
    first, second = together(grouper, cast, [same, same], monkeypatch)
    assert first.pk == second.pk
    assert [getattr(o, "repeated", False) for o in (first, second)] == [False, True]


def test_a_group_holds_so_many_and_the_next_one_takes_the_rest(cast, local, grouper, monkeypatch):
    monkeypatch.setattr(grouped, "MOST", 2)
    placed = together(grouper, cast, [ask(f"{n}.example.com") for n in range(5)], monkeypatch)
    assert [o.state for o in placed] == ["queued"] * 5
    assert grouper._group((None, None), 1) == [(None, None)]


def test_it_starts_afresh_after_an_end(cast, local, grouper):
    grouper.place(cast.rob, ask("a.example.com"))
    grouper.close()
    assert grouper.place(cast.rob, ask("b.example.com")).state == "queued"


def test_an_end_waits_for_what_was_asked_before_it(cast, local, grouper, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    plain = grouping.place_mixed

    def slow(items):
        begun.set()
        assert go.wait(20)
        return plain(items)

    monkeypatch.setattr(grouping, "place_mixed", slow)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(grouper.place, cast.rob, ask("a.example.com"))
        assert begun.wait(20)
        second = pool.submit(grouper.place, cast.rob, ask("b.example.com"))
        while grouper._items.qsize() < 1:
            threading.Event().wait(0.01)
        end = pool.submit(grouper.close)
        while grouper._items.qsize() < 2:
            threading.Event().wait(0.01)
        go.set()
        end.result(30)
        assert [f.result(30).state for f in (first, second)] == ["queued", "queued"]
    assert grouper._thread is None


def test_the_process_has_one_writer_and_ends_it(cast, local):
    try:
        assert grouping.place_grouped(cast.rob, ask("a.example.com")).state == "queued"
    finally:
        grouping.close()
    assert "placer" not in {t.name for t in threading.enumerate()}
    grouping.close()
