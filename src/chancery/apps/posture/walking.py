"""Pages over several questions, one after the other: each is asked for what comes next until the page is full."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet

from chancery.apps.connectors.models import Connector
from chancery.apps.shared.look import MAX_SIZE, write
from chancery.apps.shared.texts import unfit
from chancery.core.errors import Invalid

T = TypeVar("T")
Place = tuple[int, str, str]
"""The number of a question, and in its answers a text that they are sorted by, and an id."""


class Walk(Generic[T]):
    """One page: which way, from where, how many, and what was taken so far. Rows are sorted by `name_key` and id."""

    def __init__(self, cursor: str, size: int, questions: int) -> None:
        self.size = max(1, min(size, MAX_SIZE))
        self.backwards, self._edge = _read(cursor, questions)
        self.taken: list[tuple[Place, T]] = []

    def ahead(self, numbers: Sequence[int]) -> Iterator[int]:
        """Yield the questions that are left, in the order of the walk, while there is room; one more than the page holds."""
        for number in reversed(numbers) if self.backwards else numbers:
            behind = self._edge is not None and (number > self._edge[0] if self.backwards else number < self._edge[0])
            if not behind and self._room > 0:
                yield number

    def along(self, number: int, rows: QuerySet[Connector], make: Callable[[Connector], T]) -> None:
        """Take the next of `rows` as answers to a question, each as `make` returns it."""
        sign, minus = ("lt", "-") if self.backwards else ("gt", "")
        if self._edge is not None and self._edge[0] == number:
            _number, text, ident = self._edge
            beyond = Q(**{f"name_key__{sign}": text}) | Q(name_key=text, **{f"pk__{sign}": _uuid(ident)})
            rows = rows.filter(Q(**{f"name_key__{sign}e": text}) & beyond)
        for row in rows.order_by(f"{minus}name_key", f"{minus}pk")[: self._room]:
            self.taken.append(((number, str(row.name_key), str(row.pk)), make(row)))

    def among(self, number: int, answers: Sequence[tuple[str, str, T]]) -> None:
        """Take the next of all answers to a question, given in order with the text and key of each."""
        for text, key, one in reversed(answers) if self.backwards else answers:
            place = (number, text, key)
            passed = self._edge is None or (place < self._edge if self.backwards else place > self._edge)
            if passed and self._room > 0:
                self.taken.append((place, one))

    def ends(self) -> tuple[list[T], str, str]:
        """Return what the page holds, and the cursors of the next and of the previous page."""
        more, kept = len(self.taken) > self.size, self.taken[: self.size]
        ahead = write(kept[-1][0], backwards=self.backwards) if more else ""
        behind = write(kept[0][0], backwards=not self.backwards) if kept and self._edge is not None else ""
        items = [one for _place, one in kept]
        return (items[::-1], behind, ahead) if self.backwards else (items, ahead, behind)

    @property
    def _room(self) -> int:
        return self.size + 1 - len(self.taken)


def _read(cursor: str, questions: int) -> tuple[bool, Place | None]:
    """Return what a cursor says: whether it leads backwards, and the place; raises `Invalid` for what is none of ours."""
    if not cursor:
        return False, None
    try:
        way, number, text, ident = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if way not in {"<", ">"} or number not in range(questions) or unfit({"edge": (text, ident)}):
            raise ValueError(way)
        return way == "<", (int(number), str(text), str(ident))
    except Exception:
        raise _not_ours() from None


def _uuid(ident: str) -> UUID:
    try:
        return UUID(ident)
    except ValueError:
        raise _not_ours() from None


def _not_ours() -> Invalid:
    return Invalid.one("cursor", "This page marker is not one of ours.", "Start again from the first page.")
