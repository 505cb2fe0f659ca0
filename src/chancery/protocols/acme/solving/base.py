"""The shape of what solves challenges (RFC 8555 section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chancery.sdk.outcome import HttpAnswer


@dataclass(frozen=True, slots=True)
class Task:
    """One name to validate.

    `name` is the identifier without `*.`; `kind` is dns or ip. `token` is the challenge's, `key_authorization` the text
    of RFC 8555 section 8.1, both '' where the challenge has no token. `account` is the account's address. `issuers` are
    the issuer domain names of dns-persist-01.
    """

    name: str
    kind: str
    token: str = ""
    key_authorization: str = ""
    account: str = ""
    wildcard: bool = False
    issuers: tuple[str, ...] = ()


class Solver(Protocol):
    """Makes the CA see what it looks for.

    `type` is the challenge's name on the wire. `local` says that `present` calls nobody, so that it may run before the
    order's address is recorded. `waits_for_people` says that somebody must do something where `missing` says so. Every method may be called again for the same tasks, also after a restart.
    """

    type: str
    local: bool
    waits_for_people: bool

    def present(self, tasks: Sequence[Task]) -> tuple[HttpAnswer, ...]:
        """Put everything in place; return what Chancery itself shall answer over HTTP.

        Raises an error of the SDK where a provider refuses or is away; what was put in place stays.
        """

    def missing(self, tasks: Sequence[Task]) -> Sequence[str]:
        """Return, for what is not to be seen from outside yet, a sentence each for the administrator."""

    def clean(self, tasks: Sequence[Task]) -> None:
        """Take away what `present` put in place, by value, never by name."""

    def trouble(self) -> tuple[str, str] | None:
        """Return what stands in the way, and the remedy, as far as it shows without a name; changes nothing."""
