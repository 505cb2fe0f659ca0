"""Stands between the suite and the authority under test, and listens to everything that is said."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from chancery.core import csr, keys
from chancery.core.certificate import CertificateFacts, Expected, check_issued
from chancery.core.names import parse_name
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk.authority import Context, Descriptor, Request, Target, describe
from chancery.sdk.config import secret_names
from chancery.sdk.errors import AuthorityError
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Issued, Outcome, Pending
from chancery.sdk.testing.case import Case

T = TypeVar("T")
_STEPS = 60
_LEAST = timedelta(seconds=1)


class Bench:
    """One authority under test. Every call goes through `ask`, which keeps what was said."""

    def __init__(self, authority: type[Any], case: Case) -> None:
        self.type, self.case = authority, case
        self.about: Descriptor = describe(authority)
        self.said: list[str] = []
        self._doors: list[HttpDoor] = []
        self.live = self.fresh()

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
        return self.type(config, Context(self._door(), self.case.clock, log))  # type: ignore[arg-type]  # None only where nothing outside is reached

    def _door(self) -> HttpDoor | None:
        if not self.about.outside:
            return None
        secrets = tuple(Secret(text) for text in self.secrets())
        policy = AddressPolicy(self.case.networks)
        door = HttpDoor(self.case.base_url, clock=self.case.clock, policy=policy, secrets=secrets, timeout=10.0)
        self._doors.append(door)
        return door

    def close(self) -> None:
        """Close the connections that are still open."""
        for door in self._doors:
            door.close()

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

    def refused(self, verb: str, *values: Any) -> AuthorityError:
        """Call a verb that must raise an authority's error; returns it."""
        try:
            answer = self.ask(verb, *values)
        except AuthorityError as error:
            assert error.message, f"{error.kind} says nothing"
            return error
        except Exception as error:
            msg = f"{verb} raised {type(error).__name__}, which is none of the SDK's errors: the engine treats it as a bug"
            raise AssertionError(msg) from error
        msg = f"{verb} answered {type(answer).__name__} where it had to raise one of the SDK's errors"
        raise AssertionError(msg)

    def request(self, **changes: Any) -> Request:
        """Return a request on a fresh key; its reference is new unless given."""
        label = next(k for k in self.about.facts.certificates.key_types if k in keys.available_key_labels())
        names = [parse_name(name) for name in self.case.names]
        der = csr.build(keys.generate(label), names, names[0].value)
        values: dict[str, Any] = {
            "reference": str(uuid.uuid4()),
            "csr": der,
            "common_name": names[0].value,
            "names": tuple(names),
            "spki_sha256": csr.parse(der).key.spki_sha256,
            "validity": self.case.validity,
            "intended_at": self.case.clock.now(),
            "settings": self.about.profile.model_validate(self.case.profile),
        }
        return Request(**{**values, **changes})

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

    def once(self, request: Request) -> None:
        """Judge by the CA's ledger: the request was ordered once, and not twice."""
        if self.case.ordered is not None:
            number = self.case.ordered(request.reference)
            assert number == 1, f"the CA has {number} orders for one request"

    def never(self, request: Request) -> None:
        """Judge by the CA's ledger: nothing was ordered."""
        if self.case.ordered is not None:
            assert self.case.ordered(request.reference) == 0, "the CA has an order although it refused"

    def pass_lag(self) -> None:
        """Let the time pass that the CA's search needs to see a new order."""
        self.case.clock.advance(self.about.facts.search_lag + _LEAST)

    def until(self, done: Callable[[], bool], step: timedelta) -> bool:
        """Let time pass until `done`, a bounded number of times; returns whether it came."""
        for _ in range(_STEPS):
            if done():
                return True
            self.case.clock.advance(max(step, _LEAST))
        return False


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
