"""What the host's own administrator allows, in a file that no server can change.

A server tells a bot where to write and what to reload. Whatever it says, nothing is written outside `roots`, and no
program runs but those of `programs` and the hooks in `hooks`.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chancery_bot import posix
from chancery_bot.errors import Refused

ROOTS = (
    "/etc/nginx",
    "/etc/apache2",
    "/etc/httpd",
    "/etc/haproxy",
    "/etc/tomcat9",
    "/etc/tomcat10",
    "/etc/ssl",
    "/etc/pki",
    "/var/lib/chancery-bot/out",
)
PROGRAMS = {
    "nginx": "/usr/sbin/nginx",
    "apache": "/usr/sbin/apache2",
    "haproxy": "/usr/sbin/haproxy",
    "systemctl": "/usr/bin/systemctl",
}
SERVICES = ("nginx", "apache2", "httpd", "haproxy", "tomcat9", "tomcat10")
FILE = Path("/etc/chancery-bot/config.toml")


@dataclass(frozen=True)
class Local:
    """Folders below which may be written, the folder of hooks, programs, services and Kubernetes clusters by name."""

    roots: tuple[Path, ...] = tuple(Path(r) for r in ROOTS)
    hooks: Path = Path("/etc/chancery-bot/hooks")
    programs: dict[str, str] = field(default_factory=lambda: dict(PROGRAMS))
    clusters: dict[str, dict[str, str]] = field(default_factory=dict)
    services: tuple[str, ...] = SERVICES
    work: Path = Path("/var/lib/chancery-bot/work")
    """Where targets that have no folder of their own keep their versions; the bot's home decides."""
    file: Path = field(default=FILE, compare=False)
    """Where it says so, for whoever has to change it."""

    def path(self, text: str, what: str) -> Path:
        """Return a path that may be written or read for a target; raises `Refused`."""
        path = Path(text)
        if not path.is_absolute() or ".." in path.parts or "\0" in text or path.name in {"", "."}:
            raise Refused(f"{what}: {text!r} is no whole path.", "Write it from / on, without dots.")
        real = Path(os.path.realpath(path.parent)) / path.name
        if not any(real.is_relative_to(os.path.realpath(root)) for root in self.roots):
            allowed = ", ".join(map(str, self.roots))
            raise Refused(f"{what}: {text} lies outside {allowed}.", f"Add its folder to roots in {self.file}.")
        return path

    def program(self, name: str) -> str:
        """Return the path of a program; raises `Refused` where it is not to be run."""
        path = self.programs.get(name, "")
        if not path or not posix.safe_program(Path(path)):
            raise Refused(
                f"The program {name} is not at {path or 'any known place'}.", f"Set it under programs in {self.file}."
            )
        return path

    def hook(self, name: str) -> str:
        """Return the path of a hook by its file name; raises `Refused`."""
        path = self.hooks / name
        if not name or "/" in name or name.startswith(".") or not posix.safe_program(path):
            text = f"There is no hook {name!r} in {self.hooks} that only root can change."
            raise Refused(text, "Put it there, owned by root, executable, not writable by others.")
        return str(path)

    def service(self, name: str) -> str:
        """Return the name of a service that may be reloaded or started anew; raises `Refused`."""
        if name not in self.services:
            raise Refused(f"The service {name!r} may not be touched.", f"Add it to services in {self.file}.")
        return name

    def cluster(self, name: str) -> dict[str, str]:
        """Return a Kubernetes cluster's `url`, `token_file` and `trust_file`; raises `Refused`."""
        found = self.clusters.get(name)
        if found is None:
            raise Refused(f"This host knows no cluster {name!r}.", f"Add [clusters.{name}] to {self.file}.")
        return found


def load(path: Path) -> Local:
    """Return what a file allows; without a file the defaults. Raises `Refused` for one that cannot be read."""
    if not path.exists():
        return Local(file=path)
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read: {error}.", "Correct it; it is TOML.") from None
    unknown = sorted(set(found) - {"roots", "hooks", "programs", "clusters", "services"})
    if unknown:
        raise Refused(
            f"{path}: there is no setting {unknown[0]!r}.", "There are roots, hooks, programs, services, clusters."
        )
    whole = Local()
    return Local(
        tuple(Path(r) for r in found.get("roots", ROOTS)),
        Path(found.get("hooks", whole.hooks)),
        {**PROGRAMS, **found.get("programs", {})},
        found.get("clusters", {}),
        tuple(found.get("services", SERVICES)),
        file=path,
    )
