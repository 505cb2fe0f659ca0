"""Which kinds of targets there are; the server reads their settings' models here, the bot what they do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from chancery_bot.errors import Refused, words
from chancery_bot.local import Local
from chancery_bot.targets.settings import TargetSettings
from chancery_bot.wire import Found

TITLES = {
    "nginx": "nginx",
    "apache": "Apache httpd",
    "haproxy": "HAProxy",
    "pem": "PEM files",
    "pkcs12": "PKCS#12 keystore",
    "jks": "Java keystore (JKS)",
    "hook": "Command hook",
    "kubernetes": "Kubernetes secret",
}
"""Kind → what people call it. The name is its folder's."""
_LYING = ("jks", "pkcs12", "pem")
"""Those of files that any program may serve from; searched for last, PEM files after all, since there may be many."""
LATER = ("patience", "other_entries")
"""Settings that bots before them refuse as unknown, so that they are sent to those alone that say they know them."""


def settings(kind: str) -> type[TargetSettings]:
    """Return the model of a kind's settings; raises `KeyError` for a kind that there is not."""
    found: type[TargetSettings] = _folder(kind, "settings").Settings
    return found


def known(given: dict[str, Any], later: Iterable[str]) -> dict[str, Any]:
    """Return those of some settings that a bot can read: which of the later ones it knows, it said itself."""
    return {name: value for name, value in given.items() if name not in LATER or name in later}


def build(kind: str, ident: UUID, given: dict[str, Any], local: Local) -> Any:
    """Return a target (`targets.base.Target`) of this host; raises `Refused`."""
    try:
        model = settings(kind).model_validate(given)
        made = _folder(kind, "target").Target
    except KeyError:
        raise Refused(f"This bot knows no target of the kind {kind[:40]!r}.", "Update the bot.") from None
    except ValidationError as error:
        raise Refused(f"{words(error)}.", "Correct the target's settings.") from None
    return made(model, ident, local)


def scan(local: Local, missed: Callable[[str, Exception], None] | None = None) -> Iterator[Found]:
    """Yield what is on this host and could become a target; `missed` is told of a kind whose search failed.

    A file that a program serves is not offered as one that merely lies there.
    """
    taken: set[str] = set()
    for kind in (*(kind for kind in TITLES if kind not in _LYING), *_LYING):
        for one in _found(kind, local, missed):
            files = _files(one)
            if kind not in _LYING:
                taken |= files
            elif not files.isdisjoint(taken):
                continue
            yield one


def _found(kind: str, local: Local, missed: Callable[[str, Exception], None] | None) -> Iterator[Found]:
    find = getattr(_folder(kind, "target"), "find", None)
    if find is None:
        return
    try:
        yield from find(local)
    except Exception as error:  # what one program has in its configuration keeps no other from being found
        if missed is None:
            raise
        missed(kind, error)


def _files(found: Found) -> set[str]:
    """Return where the files that a found target names lead."""
    named = (value for value in found.settings.values() if isinstance(value, str) and value.startswith("/"))
    return {os.path.realpath(path) for path in named}


def _folder(kind: str, module: str) -> Any:
    if kind not in TITLES:
        raise KeyError(kind)
    return import_module(f"chancery_bot.targets.{kind}.{module}")
