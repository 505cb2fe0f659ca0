"""What a target does, step by step; the order and the way back are `deploy`'s.

A target keeps *versions*: whole sets of what it deploys, by name. One is in force. `stage` writes a version beside it,
`switch` puts it into force in one step, `keep` makes what somebody else put there a version too, so that there is always a
way back. Every method may be called again after it was broken off anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from cryptography import x509

from chancery_bot import posix
from chancery_bot.errors import Refused
from chancery_bot.local import Local
from chancery_bot.material import Material
from chancery_bot.targets.settings import TargetSettings

S = TypeVar("S", bound=TargetSettings)
TEST_SECONDS, RELOAD_SECONDS = 10.0, 8.0
"""How long a test and a reload may take: twice both and two proofs stay under the half minute of a way back."""


@dataclass(frozen=True)
class Endpoint:
    """Where to look what is served."""

    host: str
    port: int
    server_name: str


class Target(ABC, Generic[S]):
    """One place on this host that uses a certificate."""

    def __init__(self, settings: S, ident: UUID, local: Local) -> None:
        self.settings, self.ident, self.local = settings, ident, local

    @abstractmethod
    def check(self) -> None:
        """Raise `Refused` where deploying could not work; change nothing."""

    @abstractmethod
    def stage(self, version: str, material: Material) -> None:
        """Write a version beside what is in force."""

    @abstractmethod
    def present(self) -> str:
        """Return the version in force; '' where none is ours."""

    @abstractmethod
    def keep(self, name: str) -> str:
        """Return the version in force; what somebody else put there becomes one called `name`. '' where nothing is."""

    @abstractmethod
    def switch(self, version: str) -> None:
        """Put a version into force; '' takes away what is ours."""

    @abstractmethod
    def versions(self) -> list[str]:
        """Return the versions that are there."""

    @abstractmethod
    def fingerprint(self, version: str) -> str:
        """Return the SHA-256 of a version's certificate, '' where it is not known."""

    @abstractmethod
    def certificate(self, version: str) -> x509.Certificate | None:
        """Return a version's certificate, None where it is not known."""

    @abstractmethod
    def tidy(self, keep: set[str]) -> None:
        """Remove all versions but these."""

    def test(self) -> None:
        """Raise `Refused` where the service would not take its configuration as it is now."""

    def reload(self) -> None:
        """Make the service use what is in force."""

    def endpoint(self) -> Endpoint | None:
        """Return where to look; None where nothing serves it."""
        return None

    @property
    def patience(self) -> float:
        """Seconds that the service may take to start, and then to serve; 0 for the half minute of the usual way back."""
        return 0.0

    def restart_service(self, name: str, verb: str = "reload") -> None:
        """Tell systemd to reload or restart a service."""
        command = [self.local.program("systemctl"), verb, self.local.service(name)]
        ran = posix.run(command, max(RELOAD_SECONDS, self.patience))
        if ran.code:
            raise Refused(f"systemctl {verb} {name} failed: {ran.said}", "Look at the service's own log.")

    def ran(self, command: list[str], seconds: float, what: str, environment: dict[str, str] | None = None) -> None:
        """Run a program that has to end well; raises `Refused` with what it said."""
        ran = posix.run(command, seconds, environment)
        if ran.code:
            raise Refused(f"{what} failed: {ran.said}", "Correct the configuration; the old certificate stays.")
