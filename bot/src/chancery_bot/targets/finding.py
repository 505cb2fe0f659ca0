"""From what a configuration says to what the server is told: only what can be deployed to, cut to what the wire takes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from chancery_bot.targets.settings import TargetSettings
from chancery_bot.wire import Found

_MOST_NAMES, _LONGEST = 100, 200
_ADDRESS = re.compile(r"(?:(?P<host>\[[^\]\s]+\]|[^\[\]\s]*):)?(?P<port>\d{1,5})")
_ANY = {"", "*", "_default_", "0.0.0.0"}
Given = dict[str, str | int | bool]


def offer(
    model: type[TargetSettings],
    kind: str,
    title: str,
    given: Given,
    names: Sequence[str] = (),
    guessed: Mapping[str, str | int | bool] = MappingProxyType({}),
) -> Iterator[Found]:
    """Yield what was found, unless it could not be a target's settings: a variable in a path, a folder, no whole path.

    Of what is `guessed`, what a target cannot have is left out.
    """
    if not _fits(model, given):
        return
    for name, value in guessed.items():
        if _fits(model, {**given, name: value}):
            given = {**given, name: value}
    texts = [value for value in given.values() if isinstance(value, str) and value.startswith("/")]
    if not any("$" in text or os.path.isdir(text) for text in texts):  # noqa: PTH112  it raises nothing
        whole = [name for name in names if name.isprintable() and len(name) <= _LONGEST][:_MOST_NAMES]
        seen = "".join(character if character.isprintable() else "?" for character in title)
        yield Found(kind=kind, title=seen[:_LONGEST], settings=given, names=whole)


def _fits(model: type[TargetSettings], given: Given) -> bool:
    try:
        model.model_validate(given)
    except ValidationError:
        return False
    return all(value.isprintable() for value in given.values() if isinstance(value, str))


def whole_path(text: str, folder: Path | None) -> str:
    """Return a path of a configuration as one from / on: what is relative starts at `folder`, where that is known."""
    bare = text.strip("\"'")
    return bare if folder is None or bare.startswith("/") or "$" in bare else str(folder / bare)


def address(text: str, usual: int) -> Given | None:
    """Return where to look for what listens at an address, as settings; None for what is no address of TCP.

    An address that stands for all is left out: this host reaches it by its loopback. `usual` is the port where none is said.
    """
    found = _ADDRESS.fullmatch(text)
    host, port = (found["host"] or "", int(found["port"])) if found else (text, usual)
    bare = host.strip("[]")
    if "/" in bare or "@" in bare or (":" in bare and found is None and not host.startswith("[")):
        return None
    if bare in _ANY:
        return {"probe_port": port}
    return {"probe_host": "::1" if bare == "::" else bare, "probe_port": port}
