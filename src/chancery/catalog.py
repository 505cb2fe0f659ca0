"""Which authorities there are: a folder each under `authorities/`, plus installed packages that offer more.

A package offers one through the entry-point group `chancery.authorities`. What fails to import or does
not fit shows as broken with its reason; everything else works on.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from chancery import authorities
from chancery.core.errors import Absent
from chancery.core.policy import AuthorityFacts
from chancery.net.redact import scrub
from chancery.sdk.authority import API_VERSION, Descriptor, Facts, Narrows, Publishes, describe
from chancery.sdk.config import Config, ProfileSettings

GROUP = "chancery.authorities"
_REASON = 400
"""Characters that are kept of what a broken authority says."""
_SLUG = re.compile(r"[a-z][a-z0-9_]{1,59}")
BUILT_IN = tuple(module.name for module in pkgutil.iter_modules(authorities.__path__) if module.ispkg)
"""The slugs of the authorities in this tree: the names of their folders."""


@dataclass(frozen=True)
class Broken:
    """An authority that cannot be used, and why."""

    slug: str
    reason: str


class NoSuchType(Absent):
    """A CA type that cannot be used here: it was never installed, not any more, or does not load."""

    def __init__(self, slug: str, reason: str) -> None:
        super().__init__("CA type", slug)
        self.detail = f"There is no CA type {slug[:60]!r}: {reason}" if slug else "There is no CA type without a name."
        self.args = (self.detail,)
        self.remedy = (
            "Install its package where server and workers run, and restart both; `chancery authorities list` names all."
        )


@dataclass(frozen=True)
class Catalog:
    """The authorities by slug, and the broken ones."""

    classes: dict[str, type[Any]]
    broken: tuple[Broken, ...]


@lru_cache(maxsize=1)
def load() -> Catalog:
    """Return every authority, found once per process."""
    offers: list[tuple[str, Callable[[], Any], str]] = [(slug, _importer(slug), "") for slug in BUILT_IN]
    offers += [(e.name, e.load, _package(e)) for e in sorted(entry_points(group=GROUP), key=lambda e: e.name)]
    classes: dict[str, type[Any]] = {}
    broken: list[Broken] = []
    for slug, offer, package in offers:
        try:
            found = offer()
            _fit(slug, found, classes)
            classes[slug] = found
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what somebody else's module raises, SystemExit too, must stop nothing
            broken.append(Broken(slug, _reason(error, package)))
    return Catalog(classes, tuple(broken))


def _package(offered: EntryPoint) -> str:
    return f"{offered.dist.name} {offered.dist.version}" if offered.dist else offered.value


def _reason(error: BaseException, package: str) -> str:
    try:
        text = scrub(" ".join(str(error).split()))[:_REASON]
    except Exception:  # somebody else's exception may not even be able to say what it is
        text = ""
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{said} (from the package {package}: update or remove it)" if package else said


def get(slug: str, settings: Mapping[str, Any] | None = None) -> Descriptor:
    """Return an authority's descriptor, or that of a connector with these settings; raises `Absent`."""
    return describe(build(slug), settings)


def narrows(slug: str) -> bool:
    """Say whether what connectors of this type can do depends on their settings."""
    return issubclass(build(slug), Narrows)


def publicly_trusted(
    slug: str, base_url: str, settings: Mapping[str, Any], product: Mapping[str, Any], facts: AuthorityFacts
) -> bool:
    """Say whether what a connector of this type issues with a profile's settings is known to be publicly trusted TLS."""
    cls = build(slug)
    if facts.public_tls or not issubclass(cls, Publishes):
        return facts.public_tls
    try:
        return cls.publicly_trusted(base_url, settings, product) is True
    except Exception:  # somebody else's code; what it cannot say is not known
        return False


def find(slug: str) -> Descriptor | None:
    """Return an authority's descriptor, or None where it is not installed (any more) or broken."""
    found = load().classes.get(slug)
    return describe(found) if found is not None else None


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
        raise NoSuchType(slug, why_not(slug))
    return found


def why_not(slug: str) -> str:
    """Say in a sentence why a CA type cannot be used; '' where it can."""
    if slug in load().classes:
        return ""
    said = next((b.reason for b in load().broken if b.slug == slug), None)
    return "No package that is installed brings it." if said is None else f"It does not load. {said}"


def prepare(slug: str, values: dict[str, Any]) -> dict[str, Any]:
    """Let the authority fill in what a new connector lacks."""
    cls = build(slug)
    return dict(cls.prepare(values)) if hasattr(cls, "prepare") else dict(values)


def made(slug: str) -> frozenset[str]:
    """Return the fields that the authority fills in for a new connector by itself, so that they need not be sent."""
    return _made(build(slug))  # type: ignore[arg-type]  # classes are hashable


@lru_cache(maxsize=64)
def _made(cls: type[Any]) -> frozenset[str]:
    """Try it with nothing given, once: some make keys."""
    try:
        return frozenset(cls.prepare({})) if hasattr(cls, "prepare") else frozenset()
    except Exception:  # somebody else's code; what it makes of nothing only decides what the reference says
        return frozenset()


def _importer(slug: str) -> Callable[[], type[Any]]:
    def built_in() -> type[Any]:
        module = importlib.import_module(f"chancery.authorities.{slug}.authority")
        found: type[Any] = next(cls for cls in vars(module).values() if getattr(cls, "slug", None) == slug)
        return found

    return built_in


def _fit(slug: str, cls: type[Any], taken: dict[str, type[Any]]) -> None:
    if not isinstance(cls, type):
        msg = f"the entry point leads to a {type(cls).__name__}, not to an authority's class"
        raise TypeError(msg)
    if not _SLUG.fullmatch(slug):
        msg = f"the name {slug[:60]!r} cannot stand in an address: lower-case letters, digits and _, 2 to 60 of them"
        raise TypeError(msg)
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
    if not (isinstance(about.facts, Facts) and isinstance(about.facts.certificates, AuthorityFacts)):
        wrong.append("facts")
    if not isinstance(about.default_base_url, str):
        wrong.append("default_base_url")
    if not all(len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in about.base_urls):
        wrong.append("base_urls")
    if wrong:
        msg = f"what it says of itself does not fit: {', '.join(wrong)}"
        raise TypeError(msg)
    about.config.model_json_schema()
    about.profile.model_json_schema()
