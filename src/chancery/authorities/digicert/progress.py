"""What is known of an accepted order between two looks: the poll state, which the engine keeps (schema 1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chancery.authorities.digicert.explain import QUICK
from chancery.authorities.digicert.read import moment, number, rows, segment, table, word
from chancery.authorities.digicert.records import Record
from chancery.sdk.outcome import Pending, PendingKind, PollState

_LONGEST = timedelta(minutes=5)
_DOUBLINGS, _PATIENT_FROM = 5, 10


@dataclass(frozen=True)
class Progress:
    """An order, or a reissue or duplicate of it; `looks` counts how often it was looked at in the same status.

    `again` is '' for an order of its own, else reissue or duplicate, asked for by the approval request `request`.
    `checked` is when DigiCert was last told to look for the records.
    """

    order: str
    status: str = ""
    looks: int = 0
    looked: datetime | None = None
    kind: PendingKind = PendingKind.PROCESSING
    text: str = ""
    again: str = ""
    request: str = ""
    records: list[Record] = field(default_factory=list)
    checked: datetime | None = None

    @classmethod
    def read(cls, state: PollState) -> Progress:
        """Return the progress of a state; raises `ProtocolViolation` for one without an order."""
        kind = word(state.get("kind"))
        known = kind in {str(k) for k in PendingKind}
        return cls(
            order=segment(state.get("order")),
            status=word(state.get("status")),
            looks=int(number(state.get("looks")) or 0),
            looked=moment(state.get("looked")),
            kind=PendingKind(kind) if known else PendingKind.PROCESSING,
            text=word(state.get("text"), 1000),
            again=_again(state),
            request=number(state.get("request")),
            records=[_record(r) for r in rows(state.get("records"))],
            checked=moment(state.get("checked")),
        )

    def looked_at(self, status: str, kind: PendingKind, text: str, now: datetime) -> Progress:
        """Return the progress after a look."""
        looks = self.looks + 1 if status == self.status else 0
        return replace(self, status=status, looks=looks, looked=now, kind=kind, text=text)

    def state(self) -> PollState:
        """Return what the engine keeps."""
        state: PollState = {"v": 1, "order": self.order, "status": self.status, "looks": self.looks}
        state |= {"kind": str(self.kind), "text": self.text}
        if self.looked is not None:
            state["looked"] = self.looked.isoformat()
        if self.again:
            state |= {"again": self.again, "request": self.request}
        if self.checked is not None:
            state["checked"] = self.checked.isoformat()
        if self.records:
            state["records"] = self.records
        return state

    def pending(self, soon: timedelta, later: timedelta) -> Pending:
        """Return the outcome; looks grow rarer: from `soon` on while DigiCert works, from `later` on for people."""
        if self.status in QUICK:
            gap = min(later, soon * 2 ** min(self.looks, _DOUBLINGS))
        else:
            gap = later if self.looks < _PATIENT_FROM else max(later, _LONGEST)
        return Pending(self.state(), self.kind, gap, self.text, self.order)


def _again(state: PollState) -> str:
    # States of earlier versions say only whether it is a reissue.
    found = word(state.get("again")) or ("reissue" if state.get("reissue") is True else "")
    return found if found in {"reissue", "duplicate"} else ""


def _record(row: object) -> Record:
    found = table(row)
    return {n: word(found.get(n), 300) for n in ("name", "method", "token", "target", "url", "until")}
