"""What tests of actions look at: the record, and refusals that help."""

from contextlib import contextmanager

import pytest

from chancery.apps.audit.models import Entry
from chancery.apps.audit.queries import content
from chancery.core.errors import ChanceryError, Conflict, Invalid


def said(action):
    """Return what the record says of an action, oldest first."""
    return [content(entry) for entry in Entry.objects.filter(action=action).order_by("id")]


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
    """Expect `Conflict` with this code and a remedy, and no audit entry but that removing what is in use was refused."""
    before = set(Entry.objects.values_list("pk", flat=True))
    with pytest.raises(Conflict) as caught:
        yield caught
    assert caught.value.code == code
    assert caught.value.remedy
    fresh = [content(e) for e in Entry.objects.exclude(pk__in=before)]
    assert [(e["outcome"], e["reason"]) for e in fresh] == ([("refused", "in_use")] if code == "in_use" else [])
    assert all(e["target"]["id"] and e["target"]["name"] for e in fresh), fresh


def tell(error: ChanceryError | None) -> str:
    """Return an error's code, '' for none: what a result in a batch comes to."""
    return "" if error is None else error.code
