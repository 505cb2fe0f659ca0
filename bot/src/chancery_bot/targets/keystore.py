"""What both kinds of keystores have in common: one file, and a password that never leaves the host."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Literal, TypeVar

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
    probe_port: int = field(
        0, "Port to look at", "0 where nothing serves it: it is then deployed unproven.", ge=0, le=65535
    )


K = TypeVar("K", bound=KeystoreSettings)


class KeystoreTarget(FileTarget[K]):
    """One keystore."""

    @abstractmethod
    def made(self, material: Material, password: str) -> bytes:
        """Return the keystore's bytes."""

    @abstractmethod
    def opens(self, content: bytes, password: str) -> bool:
        """Say whether a keystore can be opened and holds a key."""

    def places(self) -> dict[str, Path]:
        """Return the keystore."""
        return {"keystore": self.place(self.settings.file, "file")}

    def pieces(self, material: Material) -> list[Piece]:
        """Return the keystore."""
        return [Piece("keystore", self.made(material, self.password()), self.key_mode)]

    def check(self) -> None:
        """See beside the folder that there is a password."""
        super().check()
        self.password()

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
            found = path.read_text(encoding="utf-8").partition("\n")[0].strip("\r")
        except (OSError, UnicodeError):
            found = ""
        if not found:
            raise Refused(f"{path} holds no password.", "Write the keystore's password into its first line, mode 0600.")
        return found
