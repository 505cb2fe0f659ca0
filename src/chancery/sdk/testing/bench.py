"""Stands between the suite and the authority under test, and listens to everything that is said."""

from __future__ import annotations

import base64
import json
import logging
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from chancery.core import csr, keys
from chancery.core.certificate import CertificateFacts, Expected, check_issued
from chancery.core.names import canonical, parse_name
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk.authority import Context, Descriptor, Request, Target, describe, door_options
from chancery.sdk.config import Config, extra, secret_names
from chancery.sdk.errors import AuthorityError
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Absence, Found, Issued, Outcome, Pending, RevocationPending
from chancery.sdk.testing.case import Case, Fault
from chancery.sdk.testing.line import Line
from chancery.sdk.testing.spoil import DROPPED, GARBLED, HUGE, Spoil, page, said
from chancery.sdk.testing.watch import ClosedDoor

_ON_THE_LINE: dict[Fault, tuple[Spoil, bool]] = {
    Fault.THROTTLES: (said(429, {"error": "too many requests"}, **{"Retry-After": "120"}), False),
    Fault.FAILS_BEFORE: (page(503), False),
    Fault.LOSES_ANSWER: (DROPPED, True),
    Fault.DROPS: (DROPPED, False),
    Fault.GARBLES: (GARBLED, True),
    Fault.HUGE: (HUGE, True),
    Fault.REFUSES_LOGIN: (said(401, {"error": "unknown credential"}), False),
}
"""Fault → how the line plays it, and whether the CA acts first."""
_QUICK = ("EC-P256", "Ed25519", "EC-P384")
_SHORTEST = 6
"""Characters; what is shorter turns up anywhere by chance."""
_REST = timedelta(minutes=1)
_BACK = timedelta(days=1)
_STEPS = 60
_LEAST = timedelta(seconds=1)


class Bench:
    """One authority under test. Every call goes through `ask`, which keeps what was said."""

    def __init__(self, authority: type[Any], case: Case) -> None:
        self.type, self.case = authority, case
        own = secret_names(authority.config)
        self.about: Descriptor = describe(authority, {k: v for k, v in case.config.items() if k not in own})
        self.said: list[str] = []
        self.timeout = 10.0
        self.references: list[str] = []
        self._doors: list[HttpDoor] = []
        self._line = Line(case.base_url, self._count()) if self.about.outside else None
        self.live = self.fresh()

    def _count(self) -> Callable[[], int] | None:
        ordered = self.case.ordered
        return None if ordered is None else lambda: sum(ordered(reference) for reference in tuple(self.references))

    @property
    def line(self) -> Line:
        """Return the line to the CA; skips the check for an authority that reaches nothing outside."""
        if self._line is None:
            pytest.skip("it reaches nothing outside")
        return self._line

    def playable(self, fault: Fault) -> bool:
        """Say whether the simulator can play a fault, or the line to it."""
        on_the_line = fault is Fault.DOWN or fault in _ON_THE_LINE
        return fault in self.case.playable or (self._line is not None and on_the_line)

    def play(self, fault: Fault) -> AbstractContextManager[object]:
        """Keep a fault up: played by the simulator where it can, else on the line to it."""
        if fault is Fault.DOWN and self._line is not None:
            return self._line.away()
        if fault in self.case.playable:
            return self.case.play(fault)
        spoil, forward = _ON_THE_LINE[fault]
        return self.line.spoiled(spoil, forward=forward, acts_only=forward)

    def secrets(self) -> tuple[str, ...]:
        """Return every text that nobody may see."""
        own = secret_names(self.about.config)
        return (*(str(v) for k, v in self.case.config.items() if k in own and v), *self.case.secrets)

    def fresh(self) -> Any:
        """Return a new instance, as after a restart."""
        own = secret_names(self.about.config)
        values = {k: Secret(v) if k in own and v else v for k, v in self.case.config.items()}
        config = self.about.config.model_validate(values)
        self.said.append(f"{config!r} {config}")
        log = logging.getLogger(f"chancery.authority.{self.about.slug}")
        made = self.type(config, Context(self._door(config), self.case.clock, log))  # type: ignore[arg-type]  # None only where nothing outside is reached
        self.said.append(f"{made!r} {made}")
        return made

    def _door(self, config: Config) -> HttpDoor | None:
        if not self.about.outside:
            return None
        secrets = tuple(Secret(text) for text in self.secrets())
        policy = AddressPolicy(self.case.networks)
        door = ClosedDoor(
            self.line.url,
            clock=self.case.clock,
            policy=policy,
            secrets=secrets,
            timeout=self.timeout,
            before_send=self.line.mark,
            client_identity=door_options(self.type, config).client_identity,
        )
        self._doors.append(door)
        return door

    def close(self) -> None:
        """Close the connections that are still open."""
        for door in self._doors:
            door.close()
        if self._line is not None:
            self._line.down()

    def ask(self, verb: str, *values: Any) -> Any:
        """Call a verb; what it answers or raises is kept for the look at secrets."""
        try:
            answer = getattr(self.live, verb)(*values)
            answer = list(answer) if verb in {"check", "choices"} else answer
        except AuthorityError as error:
            self.said.append(f"{error!r} {error} {vars(error)}")
            raise
        except Exception as error:
            self.said.append(f"{error!r}")
            raise
        self.said.append(_text(answer))
        return answer

    def tried(self, verb: str, *values: Any) -> Any:
        """Call a verb; returns its answer or the authority's error. Anything else that it raises is a bug."""
        try:
            return self.ask(verb, *values)
        except AuthorityError as error:
            assert error.message, f"{error.kind} says nothing"
            return error
        except Exception as error:
            msg = f"{verb} raised {type(error).__name__}, which is none of the SDK's errors: the engine treats it as a bug"
            raise AssertionError(msg) from error

    def refused(self, verb: str, *values: Any) -> AuthorityError:
        """Call a verb that must raise an authority's error; returns it."""
        answer = self.tried(verb, *values)
        said = f"{verb} answered {type(answer).__name__} where it had to raise one of the SDK's errors"
        assert isinstance(answer, AuthorityError), said
        return answer

    def request(self, **changes: Any) -> Request:
        """Return a request on a fresh key, unless a `key` is given, for the case's names or `own_names`."""
        own = changes.pop("own_names", self.case.names)
        names = [parse_name(name) for name in own]
        key = changes.pop("key", None) or keys.generate(self.label())
        der = csr.build(key, names, names[0].value if names[0].kind == "dns" else self.case.names[0])
        values: dict[str, Any] = {
            "reference": str(uuid.uuid4()),
            "csr": der,
            "common_name": names[0].value,
            "names": canonical(names),
            "spki_sha256": csr.parse(der, csr.Limits(max_names=len(names) + 1)).key.spki_sha256,
            "validity": self.case.validity,
            "intended_at": self.case.clock.now(),
            "settings": self.about.profile.model_validate(self.case.profile),
        }
        made = Request(**{**values, **changes})
        self.references.append(made.reference)
        return made

    def label(self) -> str:
        """Return a kind of key that the CA takes and that is quick to make."""
        offered = self.about.facts.certificates.key_types
        return next(k for k in (*_QUICK, *offered) if k in offered and k in keys.available_key_labels())

    def finish(self, outcome: Outcome, request: Request) -> Issued:
        """Poll until the certificate is there, letting as much time pass as the authority asks for."""
        for _ in range(_STEPS):
            if isinstance(outcome, Issued):
                return outcome
            assert isinstance(outcome, Pending), f"{type(outcome).__name__} is neither Issued nor Pending"
            self.case.clock.advance(max(outcome.next_check, _LEAST))
            # As the engine does: the state goes through the database, and perhaps to another process.
            state = json.loads(json.dumps(outcome.state))
            self.live = self.fresh()
            outcome = self.ask("poll", state, request)
        msg = f"still pending after {_STEPS} looks"
        raise AssertionError(msg)

    def until_act(self, request: Request) -> tuple[Any, Pending | None]:
        """Submit, and poll while nothing has been placed at the CA.

        Returns the answer (or the error) of the call that placed it, and the outcome from before that call: None where
        it was placed by `submit`.
        """
        before, looks = None, count()
        answer = self.tried("submit", request)
        while isinstance(answer, Pending) and not self._placed():
            assert next(looks) < _STEPS, f"after {_STEPS} looks nothing has been placed at the CA"
            before = answer
            self.case.clock.advance(max(before.next_check, _LEAST))
            state = json.loads(json.dumps(before.state))
            self.live = self.fresh()
            answer = self.tried("poll", state, request)
        return answer, before

    def _placed(self) -> bool:
        return self._line is None or any(call.acted for call in self._line.passed)

    def issue(self, request: Request) -> Issued:
        """Order, and wait for the certificate."""
        return self.finish(self.ask("submit", request), request)

    def checked(self, issued: Issued, request: Request) -> CertificateFacts:
        """Hold a certificate against the request as the engine will; raises `Mismatch`."""
        now = self.case.clock.now()
        companions = self.about.facts.certificates.companion_names
        expected = Expected(request.spki_sha256, request.names, now, now + request.validity, companions=companions)
        return check_issued(issued.leaf, issued.chain, expected)[0]

    def target(self, issued: Issued, request: Request) -> Target:
        """Return what a revocation points at."""
        return Target(issued.leaf, self.checked(issued, request).serial, issued.reference)

    def revoke(self, target: Target, reason: RevocationReason) -> Any:
        """Revoke, and wait as long as the authority asks; returns its last answer."""
        answer = self.ask("revoke", target, reason, "no longer needed")
        for _ in range(_STEPS):
            if not isinstance(answer, RevocationPending):
                break
            self.case.clock.advance(max(answer.next_check, _LEAST))
            answer = self.ask("poll_revocation", json.loads(json.dumps(answer.state)), target)
        return answer

    def dynamic(self) -> list[str]:
        """Return the fields of both models that offer what the account has."""
        if "chooses" not in self.about.powers:
            return []
        models = (self.about.config, self.about.profile)
        return [n for m in models for n, info in m.model_fields.items() if extra(info).get("dynamic")]

    def elsewhere(self) -> list[str]:
        """Return the hosts, other than the CA's, that were asked through the doors and are not the case's own."""
        asked = {host for door in self._doors if isinstance(door, ClosedDoor) for host in door.elsewhere}
        return sorted(asked - set(self.case.elsewhere))

    def once(self, request: Request) -> None:
        """Judge by the CA's ledger: the request was ordered once, and not twice."""
        if self.case.ordered is not None:
            number = self.case.ordered(request.reference)
            assert number == 1, f"the CA has {number} orders for one request"

    def never(self, request: Request) -> None:
        """Judge by the CA's ledger: nothing was ordered."""
        if self.case.ordered is not None:
            assert self.case.ordered(request.reference) == 0, "the CA has an order although it refused"

    def rest(self) -> None:
        """Let a minute pass, so that what was asked before does not count against a rate."""
        self.case.clock.advance(_REST)

    def pass_lag(self) -> None:
        """Let the time pass that the CA's search needs to see a new order."""
        self.case.clock.advance(self.about.facts.search_lag + _LEAST)

    def search(self, request: Request) -> Found | Absence:
        """Search as the engine does: after the lag, and again as often as the authority declares."""
        for _ in range(self.about.facts.search_tries - 1):
            self.pass_lag()
            answer = self.ask("find", request, request.intended_at - _BACK)
            if isinstance(answer, Found):
                return answer
        self.pass_lag()
        last: Found | Absence = self.ask("find", request, request.intended_at - _BACK)
        return last


REASON = RevocationReason.SUPERSEDED


def reason_of(about: Descriptor) -> RevocationReason:
    """Return a reason that the CA takes."""
    offered: Iterable[RevocationReason] = about.facts.revocation_reasons
    return REASON if REASON in offered else next(iter(offered))


def aware(moment: datetime) -> bool:
    """Say whether a moment knows its offset."""
    return moment.tzinfo is not None and moment.utcoffset() is not None


def _text(answer: Any) -> str:
    if isinstance(answer, list):
        return " ".join(_text(one) for one in answer)
    return str(asdict(answer)) if is_dataclass(answer) and not isinstance(answer, type) else str(answer)


def shapes(secrets: Iterable[str]) -> set[str]:
    """Return the forms in which a secret travels: as it is, in URLs, in JSON, and in Base64 as Basic has it."""
    return {shape for text in secrets for shape in _shapes(text)}


@lru_cache(maxsize=256)
def _shapes(text: str) -> frozenset[str]:
    raw = text.encode()
    found = {text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], raw.hex()}
    found |= {_core(raw, offset) for offset in range(3)}
    return frozenset(shape for shape in found if len(shape) >= _SHORTEST)


def _core(raw: bytes, offset: int) -> str:
    """Return the part of a longer Base64 text that depends on `raw` alone, where it starts at this offset."""
    code = base64.b64encode(b"\0" * offset + raw).decode()
    return code[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
