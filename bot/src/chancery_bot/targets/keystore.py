"""What both kinds of keystores have in common: one file, and a password that never leaves the host."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from pydantic import Field

from chancery_bot.errors import Refused
from chancery_bot.material import Material
from chancery_bot.targets.files import FileTarget, Piece
from chancery_bot.targets.settings import Files, field
from chancery_bot.targets.settings import Path as WholePath

Alias = Annotated[str, Field(pattern="^[a-z0-9._-]{1,60}$")]


class KeystoreSettings(Files):
    """Where the keystore and its password are."""

    file: WholePath = field(..., "Keystore file")
    password_file: WholePath = field(
        ..., "Password file", "On the host; its first line opens the keystore. It is never sent."
    )
    alias: Alias = field("tls", "Alias", "Of the entry, in small letters.")
    when_changed: Literal["reload", "restart"] = field(
        "restart", "Then", "What systemd does with the service.", choices={"restart": "Restart", "reload": "Reload"}
    )
    patience: int = field(
        90,
        "Seconds a restart may take",
        "For the restart itself, and again until the new certificate is served; with a reload it does not count.",
        ge=10,
        le=600,
    )
    other_entries: Literal["refuse", "replace"] = field(
        "refuse",
        "Other entries in the keystore",
        "The bot writes the keystore whole: its own entry is the only one in it afterwards.",
        choices={"refuse": "Refuse to deploy", "replace": "Lose them"},
    )
    probe_port: int = field(
        0, "Port to look at", "0 where nothing serves it: it is then deployed unproven.", ge=0, le=65535
    )


_OR = ", or let the target's setting other_entries say replace."
K = TypeVar("K", bound=KeystoreSettings)


def first_line(raw: bytes) -> str:
    """Return the password in a file's bytes; nothing where they are no text. OpenSSL bears no NUL in it."""
    try:
        found = raw.decode().partition("\n")[0].strip("\r")
    except UnicodeError:
        return ""
    return "" if "\0" in found else found


class KeystoreTarget(FileTarget[K]):
    """One keystore."""

    @property
    def patience(self) -> float:
        """A Java service takes long to start; one that reloads does not."""
        return float(self.settings.patience) if self.settings.when_changed == "restart" else 0.0

    @abstractmethod
    def made(self, material: Material, password: str) -> bytes:
        """Return the keystore's bytes."""

    @abstractmethod
    def opens(self, content: bytes, password: str) -> bool:
        """Say whether a keystore can be opened and holds a key."""

    @abstractmethod
    def entries(self, content: bytes, password: str) -> Sequence[str]:
        """Return the aliases in a keystore, '' for one without a name; raises `ValueError` where it does not open."""

    def places(self) -> dict[str, Path]:
        """Return the keystore."""
        return {"keystore": self.place(self.settings.file, "file")}

    def pieces(self, material: Material) -> list[Piece]:
        """Return the keystore, and beside it the certificate, which can be read without the password."""
        made = Piece("keystore", self.made(material, self.password()), self.key_mode)
        return [made, Piece("certificate.pem", material.leaf_pem)]

    def check(self) -> None:
        """See beside the folder that there is a password, and that nothing would be lost by writing the keystore."""
        super().check()
        password, path = self.password(), self.places()["keystore"]
        if self.settings.other_entries == "refuse" and path.exists():
            self._nothing_lost(path, password)

    def _nothing_lost(self, path: Path, password: str) -> None:
        """Raise `Refused` where a keystore has entries beside the target's own."""
        ours = self._ours("keystore", path)
        try:
            found = self.entries(path.read_bytes(), password)
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}.", "Run the bot as root.") from None
        except (ValueError, UnsupportedAlgorithm):
            if ours:  # written by us, for a password of before
                return
            text = f"{path} does not open with the password of this host, so what is in it is not known."
            raise Refused(text, f"Correct the password file{_OR}") from None
        others = [alias for alias in found if alias.lower() not in {"", self.settings.alias}]
        if others and not (ours and len(found) == 1):  # one entry of ours, under an alias of before
            named = ", ".join(alias[:60] for alias in others[:5])
            text = f"{path} holds other entries than {self.settings.alias}, which would be lost: {named}."
            raise Refused(text, f"Correct the target's alias, or give the service a keystore of its own{_OR}")

    def test(self) -> None:
        """Open what is in force, as the service will."""
        path = self.places()["keystore"]
        if path.exists() and not self.opens(path.read_bytes(), self.password()):
            raise Refused(f"{path} does not open with the password of this host.", "Correct the password file.")

    def reload(self) -> None:
        """Tell the service, where one is named."""
        if self.settings.service:
            self.restart_service(self.settings.service, self.settings.when_changed)

    def password(self) -> str:
        """Return the password; raises `Refused`."""
        path = self.local.path(self.settings.password_file, "password_file")
        try:
            found = first_line(path.read_bytes())
        except OSError:
            found = ""
        if not found:
            raise Refused(f"{path} holds no password.", "Write the keystore's password into its first line, mode 0600.")
        return found
