"""Runs every check of a conformance suite as pytest would, and says which refuse: {check: what it said}."""

import itertools
import logging
import random

import pytest

from chancery.sdk.testing import Conformance


class Caplog:
    """What the suite needs of pytest's own: everything logged, as text."""

    def __init__(self):
        self.handler, self.lines = logging.Handler(), []
        self.handler.emit = lambda record: self.lines.append(record.getMessage())

    @property
    def text(self):
        return "\n".join(self.lines)

    def at_level(self, level):
        self.handler.setLevel(level)
        return self

    def __enter__(self):
        logging.getLogger().addHandler(self.handler)

    def __exit__(self, *exc):
        logging.getLogger().removeHandler(self.handler)

    def clear(self):
        self.lines.clear()


BROAD = {
    "test_orders_whose_answer_is_lost_are_ordered_once_at_most",
    "test_an_answer_cut_at_any_byte_brings_no_certificate",
}
"""Whole lives of orders: whatever has a fault that other checks refuse may be refused by these too."""


def checks(suite):
    return sorted(name for name in dir(suite) if name.startswith("test_"))


def parameters(check):
    """Return the values of each run of a check, as its parametrize marks say."""
    marks = [m for m in getattr(check, "pytestmark", []) if m.name == "parametrize"]
    runs = [[{mark.args[0]: value} for value in mark.args[1]] for mark in marks]
    return [{k: v for part in run for k, v in part.items()} for run in itertools.product(*runs)]


def refusals(suite, whole, *, share=1.0):
    """Run checks: those in `whole` with all their values, of the others a share, with the first.

    Which of the others depends on the suite's authority, so that over many of them each check has its turn.
    """
    found, draw = {}, random.Random(suite.authority.__name__)
    for name in checks(suite):
        if name in BROAD - set(whole) or (name not in whole and draw.random() >= share):
            continue
        runs = parameters(getattr(suite, name))
        for values in runs if name in whole else runs[:1]:
            said = _run(suite(), name, values)
            if said is not None:
                found.setdefault(name, said)
    return found


def _run(one, name, values):
    check = getattr(one, name)
    try:
        if "bench" not in check.__code__.co_varnames[: check.__code__.co_argcount]:
            check()
            return None
        steps = Conformance.bench.__wrapped__(one, Caplog())
        bench = next(steps)
        try:
            check(bench, **values)
        finally:
            next(steps, None)
    except pytest.skip.Exception:
        return None
    except (Exception, pytest.fail.Exception) as error:
        return f"{type(error).__name__}: {error}"
    return None
