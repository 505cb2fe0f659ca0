"""What a bot remembers on its host: who it is, its keys, what it is in the middle of, and what it has still to tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chancery_bot import posix
from chancery_bot.errors import Refused
from chancery_bot.material import key_pem
from chancery_bot.wire import Record

HOME = Path("/var/lib/chancery-bot")
_MOST_SPOOLED, _BOUND_EVERY = 10_000, 100
_KEPT_KEYS = 8
"""Of a target: those of the versions that are kept, and of orders under way."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """The server, and who the bot is there; `trust` is a file of roots for its TLS, '' for the system's."""

    server: str
    bot: str
    name: str
    trust: str = ""


class State:
    """The bot's home. Every change is one rename, so that whatever ends the process leaves the old or the new."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._last: int | None = None
        for folder in (home, home / "keys", home / "journal", home / "spool", home / "work"):
            posix.make_folder(folder)

    def tidy(self) -> None:
        """Remove what a process that was killed before its rename left, keys among it; for the one that holds the lock."""
        for folder in (self.home, *(self.home / name for name in ("keys", "journal", "spool"))):
            posix.sweep(folder)

    # Who it is ---------------------------------------------------------------------------------------

    def identity(self) -> Identity:
        """Return who the bot is; raises `Refused` before it is enrolled."""
        path = self.home / "identity.json"
        if not path.exists():
            raise Refused("This bot is not enrolled.", "Run `chancery-bot enrol` with a token from the console.")
        return Identity(**json.loads(path.read_bytes()))

    def enrolled(self, identity: Identity) -> None:
        """Remember who the bot is from now on; its numbers begin anew."""
        for path in (self.home / "spool").iterdir():
            posix.remove(path)
        posix.remove(self.home / "number")
        self._last = None
        posix.write_over(self.home / "identity.json", json.dumps(asdict(identity)).encode())

    def follow(self, server: str) -> None:
        """Remember another address of the same server."""
        identity = replace(self.identity(), server=server)
        posix.write_over(self.home / "identity.json", json.dumps(asdict(identity)).encode())

    def own_key(self, *, make: bool = False) -> Ed25519PrivateKey:
        """Return the key by which the bot proves itself, made where there is none and `make` says so."""
        path = self.home / "identity.key"
        if make and not path.exists():
            posix.write_over(path, key_pem(Ed25519PrivateKey.generate()))
        try:
            found = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError):
            raise Refused(f"The bot's own key {path} cannot be read.", "Enrol the bot anew.") from None
        if not isinstance(found, Ed25519PrivateKey):
            raise Refused(f"{path} is not a key of this bot.", "Enrol the bot anew.")
        return found

    def forget_own_key(self) -> None:
        """Take the key away, so that an enrolment makes another."""
        posix.remove(self.home / "identity.key")

    # Keys of certificates ----------------------------------------------------------------------------

    def keep_key(self, deployment: UUID, pem: bytes, target: UUID | None = None) -> bytes:
        """Keep a key, and return the one that counts: the first that was kept for a deployment.

        Of a `target` only the newest keys stay, so that old ones are nowhere to be found.
        """
        path = self.home / "keys" / f"{deployment}.pem"
        if not path.exists():
            # Listed first: a key that no list knows, since the disk was full, would stay for good.
            if target is not None:
                self._forget_old_keys(target, str(deployment))
            posix.write_over(path, pem)
        return path.read_bytes()

    def _forget_old_keys(self, target: UUID, fresh: str) -> None:
        listed = self.home / "keys" / f"{target}.json"
        before = json.loads(listed.read_bytes()) if listed.exists() else []
        names = [*(name for name in before if name != fresh), fresh]
        posix.write_over(listed, json.dumps(names[-_KEPT_KEYS:]).encode())
        for name in names[:-_KEPT_KEYS]:
            posix.remove(self.home / "keys" / f"{name}.pem")

    def key(self, deployment: UUID) -> bytes:
        """Return the key that was made for a deployment; raises `Refused`."""
        try:
            return (self.home / "keys" / f"{deployment}.pem").read_bytes()
        except OSError:
            raise Refused("This host has no key for it any more.", "Order a new certificate for the target.") from None

    # What it is in the middle of ---------------------------------------------------------------------

    def journal(self, target: UUID) -> Path:
        """Return where a target's present deployment is written down."""
        return self.home / "journal" / f"{target}.json"

    def journals(self) -> Iterator[Json]:
        """Yield what was begun and has not ended."""
        for path in sorted((self.home / "journal").glob("*.json")):
            found: Json = json.loads(path.read_bytes())
            yield found

    # What it has still to tell -----------------------------------------------------------------------

    def tell(self, record: Record) -> Record:
        """Keep a record until the server has it, under the next number."""
        if self._last is None:
            spooled = self._spool()
            self._last = int(spooled[-1].stem) if spooled else self._number()
        numbered = record.model_copy(update={"number": self._last + 1})
        posix.write_over(self._spooled(numbered.number), numbered.model_dump_json().encode())
        # Only now: a number that was never written would be one that the server waits for.
        self._last = numbered.number
        if self._last % _BOUND_EVERY == 0:
            self._bound()
        return numbered

    def untold(self, most: int) -> list[Record]:
        """Return the oldest records that the server does not have."""
        return [Record.model_validate_json(p.read_bytes()) for p in self._spool()[:most]]

    def told(self, number: int) -> None:
        """Forget the records up to a number; later ones get higher numbers than that."""
        if self._number() < number:
            posix.write_over(self.home / "number", str(number).encode())
            self._last = None
        for path in self._spool():
            if int(path.stem) <= number:
                posix.remove(path)

    def _number(self) -> int:
        path = self.home / "number"
        return int(path.read_bytes()) if path.exists() else 0

    def _spool(self) -> list[Path]:
        return sorted((self.home / "spool").glob("*.json"))

    def _spooled(self, number: int) -> Path:
        return self.home / "spool" / f"{number:020d}.json"

    def _bound(self) -> None:
        """While a server is away for long, the oldest lines of the log go first; outcomes stay."""
        paths = self._spool()
        for path in paths[: max(0, len(paths) - _MOST_SPOOLED)]:
            if Record.model_validate_json(path.read_bytes()).kind != "outcome":
                posix.remove(path)

    # What it was told last ---------------------------------------------------------------------------

    def remember(self, name: str, content: bytes) -> None:
        """Keep something for `chancery-bot status`."""
        posix.write_over(self.home / f"{name}.json", content)

    def forget(self, name: str) -> None:
        """Keep it no longer."""
        if (path := self.home / f"{name}.json").exists():
            posix.remove(path)

    def remembered(self, name: str) -> Json:
        """Return it, {} where there is none."""
        path = self.home / f"{name}.json"
        found: Json = json.loads(path.read_bytes()) if path.exists() else {}
        return found
