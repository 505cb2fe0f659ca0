"""How keystores are found: those that a Tomcat serves from, then those that lie in the allowed folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from chancery_bot import posix
from chancery_bot.local import Local
from chancery_bot.targets import tomcat
from chancery_bot.targets.finding import Given, offer
from chancery_bot.targets.keystore import KeystoreSettings, first_line
from chancery_bot.targets.lying import LARGEST, lying
from chancery_bot.wire import Found

BESIDE = ".password"
"""What is added to a keystore's path for the file in which its password is looked for."""


@dataclass(frozen=True)
class Inside:
    """What a keystore is seen to hold: the alias of its key, empty where that is not known, and the certificate's names."""

    alias: str = ""
    names: Sequence[str] = ()


Look = Callable[[bytes, str], Inside | None]
"""Says what is in the bytes of a keystore, given its password or ''; None where they are no keystore of its kind with a key."""


def keystores(local: Local, kind: str, model: type[KeystoreSettings], look: Look) -> Iterator[Found]:
    """Yield the keystores of one kind on this host, with what could be deployed to."""
    served: dict[str, tomcat.Served] = {}
    for one in tomcat.served():
        served.setdefault(os.path.realpath(one.file), one)
    seen: set[str] = set()
    for path, raw in chain(((one.file, posix.content(one.file, LARGEST)) for one in served.values()), lying(local)):
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        try:
            inside = look(raw, _password(path))
        except Exception:  # noqa: S112  what one file holds keeps no other from being found
            continue
        if inside is not None:
            yield from _offered(kind, model, path, inside, served.get(real))


def _password(path: Path) -> str:
    """Return the password that lies beside a keystore, where nobody but root can have written either of the two.

    To open what somebody else wrote could take hours: the keystore says how often its password is hashed.
    """
    beside = Path(f"{path}{BESIDE}")
    trusted = posix.ours_alone(path) and posix.ours_alone(beside)
    return first_line(posix.content(beside, LARGEST)) if trusted else ""


def _offered(
    kind: str, model: type[KeystoreSettings], path: Path, inside: Inside, served: tomcat.Served | None
) -> Iterator[Found]:
    given: Given = {"file": str(path), "password_file": f"{path}{BESIDE}"}
    guessed: Given = {**posix.dress(path)}
    alias = (served.alias if served else "") or inside.alias
    title = f"{path.name}, {inside.names[0]}" if inside.names else f"{path.name} in {path.parent}"
    if alias:
        guessed["alias"] = alias
    if served:
        guessed |= {"service": served.service, **served.where}
        title = f"Tomcat, port {served.where['probe_port']}"
    yield from offer(model, kind, title, given, inside.names, guessed)
