"""What is known of an accepted order between two looks: the poll state, which the engine keeps (schema 1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chancery.authorities.digicert.explain import QUICK, Record
from chancery.authorities.digicert.read import moment, number, rows, segment, table, word
from chancery.sdk.outcome import Pending, PendingKind, PollState

_LONGEST = timedelta(minutes=5)
_DOUBLINGS, _PATIENT_FROM = 5, 10


@dataclass(frozen=True)
class Progress:
    """An order, or a reissue of it; `looks` counts how often it was looked at in the same status."""

    order: str
    status: str = ""
    looks: int = 0
    looked: datetime | None = None
    kind: PendingKind = PendingKind.PROCESSING
    text: str = ""
    reissue: bool = False
    request: str = ""
    records: list[Record] = field(default_factory=list)

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
            reissue=state.get("reissue") is True,
            request=number(state.get("request")),
            records=[_record(r) for r in rows(state.get("records"))],
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
        if self.reissue:
            state |= {"reissue": True, "request": self.request}
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


def _record(row: object) -> Record:
    found = table(row)
    return {n: word(found.get(n), 300) for n in ("name", "method", "token", "target", "url", "until")}
