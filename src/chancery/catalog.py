"""Which authorities there are: the built-in list, plus installed packages that offer more.

A package offers one through the entry-point group `chancery.authorities`. What fails to import or does
not fit shows as broken with its reason; everything else works on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from chancery.core.errors import Absent
from chancery.sdk.authority import API_VERSION, Descriptor, Facts, describe
from chancery.sdk.config import Config, ProfileSettings

GROUP = "chancery.authorities"
BUILT_IN = {
    "local": "chancery.authorities.local.authority:Local",
    "digicert": "chancery.authorities.digicert.authority:DigiCert",
}


@dataclass(frozen=True)
class Broken:
    """An authority that cannot be used, and why."""

    slug: str
    reason: str


@dataclass(frozen=True)
class Catalog:
    """The authorities by slug, and the broken ones."""

    classes: dict[str, type[Any]]
    broken: tuple[Broken, ...]


@lru_cache(maxsize=1)
def load() -> Catalog:
    """Return every authority, found once per process."""
    offers: list[tuple[str, Callable[[], type[Any]]]] = [(s, _importer(path)) for s, path in BUILT_IN.items()]
    offers += [(e.name, e.load) for e in sorted(entry_points(group=GROUP), key=lambda e: e.name)]
    classes: dict[str, type[Any]] = {}
    broken: list[Broken] = []
    for slug, offer in offers:
        try:
            found = offer()
            _fit(slug, found, classes)
            classes[slug] = found
        except (Exception, SystemExit) as error:
            broken.append(Broken(slug, f"{type(error).__name__}: {error}"[:500]))
    return Catalog(classes, tuple(broken))


def get(slug: str) -> Descriptor:
    """Return an authority's descriptor, or raise `Absent`."""
    return describe(build(slug))


def descriptors() -> list[Descriptor]:
    """Return every usable authority's descriptor, by title."""
    return sorted((describe(c) for c in load().classes.values()), key=lambda d: d.title.lower())


def broken() -> tuple[Broken, ...]:
    """Return the authorities that cannot be used."""
    return load().broken


def build(slug: str) -> type[Any]:
    """Return the class; only the engine makes instances of it."""
    found = load().classes.get(slug)
    if found is None:
        raise Absent("CA type", slug)
    return found


def prepare(slug: str, values: dict[str, Any]) -> dict[str, Any]:
    """Let the authority fill in what a new connector lacks."""
    cls = build(slug)
    return dict(cls.prepare(values)) if hasattr(cls, "prepare") else dict(values)


def _importer(path: str) -> Callable[[], type[Any]]:
    module, _, name = path.partition(":")
    return lambda: getattr(importlib.import_module(module), name)


def _fit(slug: str, cls: type[Any], taken: dict[str, type[Any]]) -> None:
    if slug in taken or cls.slug != slug:
        msg = f"the name {slug!r} is taken or is not the class's slug {cls.slug!r}"
        raise TypeError(msg)
    low, high = cls.api
    if not low <= API_VERSION <= high:
        msg = f"it was written for contract versions {low} to {high}; this is {API_VERSION}"
        raise TypeError(msg)
    if not (issubclass(cls.config, Config) and issubclass(cls.profile, ProfileSettings)):
        msg = "its config or profile model does not derive from the SDK's"
        raise TypeError(msg)
    _describable(cls)
    missing = [verb for verb in ("check", "submit", "poll") if not callable(getattr(cls, verb, None))]
    if missing:
        msg = f"it lacks {', '.join(missing)}"
        raise TypeError(msg)


def _describable(cls: type[Any]) -> None:
    """Look at everything that pages and the engine will read, so that what is wrong with it is known now."""
    about = describe(cls)
    texts = {"title": about.title, "maker": about.maker, "proof": about.proof}
    wrong = sorted(name for name, text in texts.items() if not isinstance(text, str) or not text)
    if not isinstance(about.facts, Facts):
        wrong.append("facts")
    if wrong:
        msg = f"what it says of itself does not fit: {', '.join(wrong)}"
        raise TypeError(msg)
    about.config.model_json_schema()
    about.profile.model_json_schema()
