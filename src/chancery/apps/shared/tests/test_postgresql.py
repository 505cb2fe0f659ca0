"""A connection that has just answered is not asked again whether it lives; one that failed is."""

from django.db.backends.postgresql import base as plain

from chancery.apps.shared.postgresql import base


def wrapper(monkeypatch, answers):
    asked, now = [], [100.0]
    monkeypatch.setattr(plain.DatabaseWrapper, "is_usable", lambda self: (asked.append(1), answers[-1])[1])
    monkeypatch.setattr(base.time, "monotonic", lambda: now[0])
    made = base.DatabaseWrapper({"OPTIONS": {}, "TIME_ZONE": None, "NAME": "x", "USER": ""}, "other")
    return made, asked, now


def test_an_answer_counts_for_a_second(monkeypatch):
    made, asked, now = wrapper(monkeypatch, [True])
    assert [made.is_usable() for _ in range(3)] == [True] * 3
    assert len(asked) == 1
    now[0] += 1.1
    assert made.is_usable()
    assert len(asked) == 2


def test_after_an_error_it_is_asked_at_once(monkeypatch):
    answers = [True]
    made, asked, _ = wrapper(monkeypatch, answers)
    assert made.is_usable()
    made.errors_occurred = True
    answers.append(False)
    assert not made.is_usable()
    assert len(asked) == 2


def test_a_new_connection_has_yet_to_answer(monkeypatch):
    made, asked, _ = wrapper(monkeypatch, [True])
    assert made.is_usable()
    monkeypatch.setattr(plain.DatabaseWrapper, "connect", lambda self: None)
    made.connect()
    assert made.is_usable()
    assert len(asked) == 2
