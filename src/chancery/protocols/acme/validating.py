"""The validation of an order's names: present, see whether it can be seen, tell the CA, look what it found."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from chancery.protocols.acme.client import AcmeClient
from chancery.protocols.acme.problems import Problem, verdict
from chancery.protocols.acme.progress import SOON, Name, Phase, Progress
from chancery.protocols.acme.reading import AuthorizationView, OrderView, authorization_in
from chancery.protocols.acme.solving.base import Solver, Task
from chancery.sdk.errors import AuthorityError, ProtocolViolation, RejectedByPolicy, ValidationFailed
from chancery.sdk.outcome import HttpAnswer, Pending, PendingKind

_MOST_NAMES = 1000
_SHOWN = 5
_TELL_AGAIN = 6
"""Looks, about two minutes at first, after which the CA is told once more."""
_FAILED = {"invalid", "deactivated", "expired", "revoked"}


class Validation:
    """Takes an order from *pending* to *ready*, by one way of solving challenges."""

    def __init__(self, client: AcmeClient, solver: Solver | None, log: logging.Logger) -> None:
        self._client, self.solver, self._log = client, solver, log

    @property
    def is_local(self) -> bool:
        """Say whether presenting calls nobody outside."""
        return self.solver is not None and self.solver.local

    def look(self, progress: Progress, order: OrderView) -> Pending:
        """Take the next step of an order whose state is *pending*."""
        if progress.phase is Phase.ANSWERED:
            return self._wait(progress, order)
        # The connector may have been given another challenge while the order waited: then it begins anew.
        if progress.phase is Phase.PRESENTED and self.solver is not None and progress.type == self.solver.type:
            return self._answer(progress, order, self.solver)
        return self._present(progress, order)

    def _present(self, progress: Progress, order: OrderView) -> Pending:
        names = self._waiting(progress, order)
        if not names:
            return progress.pending(PendingKind.PROCESSING, "All names are validated; the CA prepares the order.")
        if self.solver is None:
            raise ValidationFailed(
                f"The CA has not validated {_list([n.name for n in names])} before, and this connector answers no "
                "challenges.",
                code="not_validated",
                bytes_sent=False,
                remedy="Validate the names at the CA, or choose a challenge in the connector's settings.",
            )
        tasks = self._tasks(progress, names)
        publish = self.solver.present(tasks)
        text = f"{_list([n.name for n in names])}: ready to be validated ({self.solver.type})."
        return progress.moved(Phase.PRESENTED, self.solver.type, names).pending(
            PendingKind.VALIDATION, text, SOON, publish
        )

    def _waiting(self, progress: Progress, order: OrderView) -> tuple[Name, ...]:
        """Return the names that are not valid yet, each with the challenge that the solver answers."""
        found = []
        for url in order.authorizations[:_MOST_NAMES]:
            seen = self._authorization(url, progress.account)
            if seen.status in _FAILED:
                raise _failed(seen)
            if seen.status != "valid":
                found.append(self._name(url, seen))
        return tuple(found)

    def _authorization(self, url: str, account: str) -> AuthorizationView:
        return authorization_in(self._client.read(url, account))

    def _name(self, url: str, seen: AuthorizationView) -> Name:
        if self.solver is None:
            return Name(seen.name, seen.kind, url, "")
        challenge = next((c for c in seen.challenges if c.type == self.solver.type), None)
        if challenge is None:
            offered = ", ".join(sorted(c.type for c in seen.challenges)) or "none"
            raise ValidationFailed(
                f"The CA does not offer {self.solver.type} for {seen.name}; it offers: {offered}."[:500],
                code="no_challenge",
                bytes_sent=False,
                remedy="Choose another challenge in the connector's settings, or leave the name out.",
            )
        return Name(seen.name, seen.kind, url, challenge.url, challenge.token, seen.wildcard, challenge.issuers)

    def _tasks(self, progress: Progress, names: Sequence[Name]) -> list[Task]:
        thumbprint = self._client.key.thumbprint
        return [
            Task(
                name=n.name,
                kind=n.kind,
                token=n.token,
                key_authorization=f"{n.token}.{thumbprint}" if n.token else "",
                account=progress.account,
                wildcard=n.wildcard,
                issuers=n.issuers,
            )
            for n in names
        ]

    def _answer(self, progress: Progress, order: OrderView, solver: Solver) -> Pending:
        """Tell the CA to look, once what it looks for can be seen from outside."""
        tasks = self._tasks(progress, progress.names)
        publish = solver.present(tasks) if solver.local else ()
        missing = solver.missing(tasks)
        if missing:
            kind = PendingKind.ACTION if solver.waits_for_people else PendingKind.VALIDATION
            return progress.pending(kind, " ".join(missing[:_SHOWN]), None, publish)
        for name in progress.names:
            self._tell(name, progress.account)
        text = f"The CA looks at {_list([n.name for n in progress.names])} ({solver.type})."
        return progress.moved(Phase.ANSWERED, solver.type, progress.names).pending(
            PendingKind.VALIDATION, text, order.wait or SOON, publish
        )

    def _tell(self, name: Name, account: str) -> None:
        try:
            self._client.post(name.challenge, {}, kid=account)
        except ProtocolViolation as error:
            # After a restart the CA may have been told before, which some refuse; the order's state says the rest.
            if error.code != "malformed":
                raise

    def _wait(self, progress: Progress, order: OrderView) -> Pending:
        """See how the names stand; some CAs leave the order pending although one of them has failed."""
        names = []
        for name in progress.names:
            if not name.done:
                seen = self._authorization(name.authorization, progress.account)
                if seen.status in _FAILED:
                    self.clean(progress)
                    raise _failed(seen)
                if progress.looks % _TELL_AGAIN == 0 and _untouched(seen, name):
                    self._tell(name, progress.account)
                name = replace(name, done=seen.status == "valid")  # noqa: PLW2901  the same name, as it now stands
            names.append(name)
        waiting = [n for n in names if not n.done]
        left = [n.name for n in waiting]
        text = f"The CA looks at {_list(left)}." if left else "All names are validated; the CA prepares the order."
        publish: tuple[HttpAnswer, ...] = ()
        if self.solver is not None and self.solver.local and progress.type == self.solver.type:
            publish = self.solver.present(self._tasks(progress, waiting))
        return replace(progress, names=tuple(names)).pending(PendingKind.VALIDATION, text, order.wait, publish)

    def clean(self, progress: Progress) -> None:
        """Take away what was presented; that it cannot be must not hold up the order's end."""
        if self.solver is None or progress.type != self.solver.type:
            return
        try:
            self.solver.clean(self._tasks(progress, progress.names))
        except AuthorityError as error:
            self._log.warning("records of %s are left over: %s", _list([n.name for n in progress.names]), error.message)


def invalid(client: AcmeClient, progress: Progress, order: OrderView) -> AuthorityError:
    """Return why the CA gave an order up: by the authorization that failed, which names the name, else by the order."""
    told = order.error
    if told is None or not any(p.about for p in (told, *told.subproblems)):
        for url in order.authorizations[:_MOST_NAMES]:
            seen = authorization_in(client.read(url, progress.account))
            if seen.status in _FAILED:
                return _failed(seen)
    if told is not None:
        return verdict(told)
    return RejectedByPolicy(
        "The CA gave the order up and does not say why.",
        code="invalid",
        bytes_sent=False,
        remedy="Order again; perhaps it took too long.",
    )


def _failed(seen: AuthorizationView) -> AuthorityError:
    found = seen.problem or Problem(seen.status, f"The authorization is {seen.status}.")
    return verdict(replace(found, about=found.about or seen.name), of_name=True)


def _untouched(seen: AuthorizationView, name: Name) -> bool:
    """Say whether the CA does not seem to have been told: one that was started anew may have forgotten."""
    return any(c.url == name.challenge and c.status == "pending" for c in seen.challenges)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
