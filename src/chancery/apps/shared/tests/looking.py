"""What tests of actions look at: the record, and refusals that help."""

import json
from contextlib import contextmanager

import pytest

from chancery.apps.audit.models import Entry
from chancery.core.errors import ChanceryError, Conflict, Invalid


def said(action):
    """Return what the record says of an action, oldest first."""
    rows = Entry.objects.filter(action=action).order_by("id")
    return [json.loads(bytes(body)) for body in rows.values_list("body", flat=True)]


@contextmanager
def refused(*fields, code=None):
    """Expect `Invalid` on exactly these fields, each with a remedy, and no audit entry of anything done."""
    before = Entry.objects.count()
    with pytest.raises(Invalid) as caught:
        yield caught
    problems = caught.value.problems
    assert sorted(p.field for p in problems) == sorted(fields), problems
    assert all(p.message and p.remedy for p in problems), problems
    assert code is None or {p.code for p in problems} == {code}, problems
    assert Entry.objects.count() == before


@contextmanager
def conflict(code):
    """Expect `Conflict` with this code and a remedy, and no audit entry of anything done."""
    before = Entry.objects.count()
    with pytest.raises(Conflict) as caught:
        yield caught
    assert caught.value.code == code
    assert caught.value.remedy
    assert Entry.objects.count() == before


def tell(error: ChanceryError | None) -> str:
    """Return an error's code, '' for none: what a result in a batch comes to."""
    return "" if error is None else error.code
