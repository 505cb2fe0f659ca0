"""What is known of an accepted order between two looks: the poll state, which the engine keeps (schema 1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from chancery.authorities.emsign.read import count, first, ident, rows, table, word
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Pending, PendingKind, PollState

SOON = timedelta(seconds=2)
_QUICK_MOST, _SLOW, _PATIENT = timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5)
_DOUBLINGS, _PATIENT_FROM = 4, 10
_FIELDS = ("domain", "token", "host", "file", "until")
TEXT = 900
"""Characters of an explanation; the order's page holds a little more."""

Record = dict[str, str]
"""One challenge: domain, token, host, file, until; '' for what the CA did not say."""


@dataclass(frozen=True)
class Progress:
    """An order: its number, '' for a draft, and its request's. `status` is the CA's own word, raw.

    `looks` counts how often it was looked at in the same status; `done` what was sent for it once (csr, agreement).
    """

    order: str
    request: str = ""
    status: str = ""
    looks: int = 0
    done: tuple[str, ...] = ()
    records: tuple[Record, ...] = ()
    kind: PendingKind = field(default=PendingKind.PROCESSING, compare=False)
    text: str = field(default="", compare=False)

    @classmethod
    def read(cls, state: PollState) -> Progress:
        """Return the progress of a state; raises `ProtocolViolation` for one without an order or a request."""
        order, request = ident(state.get("order")), ident(state.get("request"))
        if not order and not request:
            raise ProtocolViolation("The stored state names no order.", stage="work", bytes_sent=False)
        done = state.get("done")
        return cls(
            order=order,
            request=request,
            status=word(state.get("status")),
            looks=count(state.get("looks")),
            done=tuple(word(d) for d in done) if isinstance(done, list) else (),
            records=tuple(
                {name: word(table(r).get(name), 300) for name in _FIELDS} for r in rows(state.get("records"))
            ),
        )

    def looked_at(self, status: str, kind: PendingKind, text: str) -> Progress:
        """Return the progress after a look."""
        looks = self.looks + 1 if status == self.status else 0
        return replace(self, status=status, looks=looks, kind=kind, text=text[:TEXT])

    def found(self, status: str) -> Pending:
        """Return the outcome of a search: it is there, and looked at soon."""
        text = "Found at emSign; it is looked at next."
        return replace(self.looked_at(status, PendingKind.PROCESSING, text).pending(), next_check=SOON)

    def did(self, what: str) -> Progress:
        """Return the progress after something was sent for it."""
        return self if what in self.done else replace(self, done=(*self.done, what))

    @property
    def reference(self) -> str:
        """Return what a certificate is remembered by: order number and request number."""
        return join_reference(self.order, self.request)

    def state(self) -> PollState:
        """Return what the engine keeps."""
        state: PollState = {"v": 1, "order": self.order, "request": self.request, "status": self.status}
        state |= {"looks": self.looks}
        if self.done:
            state["done"] = list(self.done)
        if self.records:
            state["records"] = list(self.records)
        return state

    def pending(self) -> Pending:
        """Return the outcome; looks grow rarer: within seconds while the CA works, from a minute on for people."""
        if self.kind is PendingKind.PROCESSING:
            gap = min(_QUICK_MOST, SOON * 2 ** min(self.looks, _DOUBLINGS))
        else:
            gap = _SLOW if self.looks < _PATIENT_FROM else _PATIENT
        return Pending(self.state(), self.kind, gap, self.text, self.reference)


def join_reference(order: str, request: str) -> str:
    """Return `order/request`, or what there is of it."""
    return f"{order}/{request}" if request else order


def split_reference(reference: str) -> tuple[str, str]:
    """Return order and request number of a reference; '' for what is not there."""
    order, _, request = reference.strip().partition("/")
    return ident(order), ident(request)


def record_of(domain: str, answer: dict[str, object]) -> Record:
    """Return a challenge out of an answer, by whichever of the documents' names it uses."""
    answer = {**table(answer.get("dcv")), **answer}
    return {
        "domain": domain,
        "token": first(
            answer, "token", "txtToken", "dnsContents", "fileToken", "dvFileToken", "fileNameContent", "fileContent"
        ),
        "host": first(answer, "dnsHost", "host"),
        "file": first(answer, "fileName", "dvFileName"),
        "until": first(answer, "tokenExpiryDate", "tokenExpiry")[:16].replace("T", " "),
    }


def instruction(record: Record, method: str, template: str) -> str:
    """Return what has to be made where, for one domain."""
    domain, token = record["domain"], record["token"]
    until = f", valid until {record['until']}" if record["until"] else ""
    if method == "email":
        return f"Follow the link in emSign's e-mail about {domain}."
    if not token:
        return f"{domain} is not validated yet, and emSign gives no challenge for it."
    if method == "http-url":
        file = record["file"] or "the file that the portal names"
        return f"Put {file} with the text {token} at http://{domain}/.well-known/pki-validation/{until}."
    host = record["host"] or template.replace("{domain}", domain)
    doubt = "" if record["host"] else f" (if emSign does not find it there: at {_others(host, domain)})"
    return f"Make a TXT record at {host} with the value {token}{until}{doubt}."


def _others(host: str, domain: str) -> str:
    known = (f"_emudhra-challenge.{domain}", f"_emsign-validation.{domain}", domain)
    return " or ".join(h for h in known if h != host)
