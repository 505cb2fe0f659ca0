"""May this be ordered? A chain of small named rules, each a pure function of one `Ask`.

Everything a rule needs is gathered before; every rule runs, so that a person sees all that is wrong
at once. `Decision.trail` keeps what each rule said and is stored with the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from chancery.core.errors import Problem
from chancery.core.names import Name

PUBLIC_TLS_CEILINGS: tuple[tuple[datetime, int], ...] = (
    (datetime(2020, 9, 1, tzinfo=UTC), 398),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
)
"""From when on a publicly trusted TLS certificate may live how many days (BR 6.3.2)."""

_BEFORE_THE_TABLE = 825


@dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """What a CA can certify at all; `key_types` are labels of `core.keys`, `None` days is no limit.

    `companion_names` says that the CA may add, for a name, the same one with or without `www.`.
    """

    key_types: tuple[str, ...]
    name_kinds: tuple[str, ...] = ("dns",)
    wildcard: bool = True
    max_names: int = 100
    validity_days_max: int | None = None
    public_tls: bool = False
    companion_names: bool = False


@dataclass(frozen=True, slots=True)
class ProfileRules:
    """What a profile lets people ask for. An empty tuple adds no limit to the authority's own.

    `name_suffixes` are domains: a DNS name, or the host of an e-mail address or URI, must be one of
    them or lie below one. They say nothing of IP addresses; those are let in by `name_kinds` alone.
    """

    key_types: tuple[str, ...] = ()
    name_kinds: tuple[str, ...] = ()
    name_suffixes: tuple[str, ...] = ()
    wildcard: bool = False
    max_names: int = 100
    validity_days_max: int | None = None
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """All that a decision depends on. `now` is the moment of issuance as far as ceilings go."""

    names: tuple[Name, ...]
    key_type: str
    validity_days: int
    rules: ProfileRules
    authority: AuthorityFacts
    now: datetime


@dataclass(frozen=True, slots=True)
class Allow:
    """May be queued."""


@dataclass(frozen=True, slots=True)
class Hold:
    """May be queued once a person has approved it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deny:
    """May not be ordered; one problem per thing that is wrong."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What one rule said: its name, the outcome (`allow`, `hold` or `deny`), and why."""

    rule: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and what every rule said on the way."""

    verdict: Allow | Hold | Deny
    trail: tuple[Step, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return why it was denied; empty if it was not."""
        return self.verdict.problems if isinstance(self.verdict, Deny) else ()

    @property
    def hold(self) -> str:
        """Return why it is held; empty if it is not."""
        return self.verdict.reason if isinstance(self.verdict, Hold) else ""


Rule = Callable[[Ask], Iterator[Problem]]


def public_tls_ceiling(now: datetime) -> int:
    """Return how many days a publicly trusted TLS certificate issued at `now` may live."""
    return next((days for start, days in reversed(PUBLIC_TLS_CEILINGS) if now >= start), _BEFORE_THE_TABLE)


def validity_ceiling(rules: ProfileRules, authority: AuthorityFacts, now: datetime) -> int | None:
    """Return the longest validity in days that all limits allow; `None` if there is no limit."""
    public = public_tls_ceiling(now) if authority.public_tls else None
    limits = [d for d in (rules.validity_days_max, authority.validity_days_max, public) if d is not None]
    return min(limits, default=None)


def decide(ask: Ask) -> Decision:
    """Run every rule; deny if any finds a problem, else hold if the profile wants approval, else allow."""
    problems: list[Problem] = []
    trail: list[Step] = []
    for name, rule in RULES:
        found = list(rule(ask))
        problems += found
        why = "; ".join(p.message for p in found)
        trail.append(Step(name, "deny" if found else "allow", why))
    held = ask.rules.needs_approval
    reason = "The profile wants a second person's approval." if held else ""
    trail.append(Step("approval", "hold" if held else "allow", reason))
    if problems:
        return Decision(Deny(tuple(problems)), tuple(trail))
    return Decision(Hold(reason) if held else Allow(), tuple(trail))


def _some_name(ask: Ask) -> Iterator[Problem]:
    if not ask.names:
        yield Problem("names", "No name is asked for.", "Put at least one name into the request.", "no_names")


def _key_type(ask: Ask) -> Iterator[Problem]:
    for limit, whose in ((ask.authority.key_types, "authority"), (ask.rules.key_types or None, "profile")):
        if limit is not None and ask.key_type not in limit:
            yield Problem(
                "csr",
                f"The {whose} takes no {ask.key_type} keys.",
                f"Make a key of one of these kinds: {', '.join(limit) or 'none'}.",
                "key_type",
            )
            return


def _name_kinds(ask: Ask) -> Iterator[Problem]:
    kinds = set(ask.authority.name_kinds)
    if ask.rules.name_kinds:
        kinds &= set(ask.rules.name_kinds)
    for name in ask.names:
        if name.kind not in kinds:
            yield Problem(
                "names",
                f"{name.value} is a name of the kind {name.kind}, which is not allowed here.",
                f"Ask only for names of these kinds: {', '.join(sorted(kinds)) or 'none'}.",
                "name_kind",
            )


def _name_suffixes(ask: Ask) -> Iterator[Problem]:
    suffixes = [s.lower().lstrip("*").lstrip(".") for s in ask.rules.name_suffixes]
    for name in ask.names if suffixes else ():
        host = _host(name)
        if host is not None and not any(_is_below(host, suffix) for suffix in suffixes):
            yield Problem(
                "names",
                f"{name.value} lies outside the domains of the profile.",
                f"Ask for names in {', '.join(suffixes)}, or choose another profile.",
                "name_suffix",
            )


def _host(name: Name) -> str | None:
    if name.kind == "ip":
        return None
    if name.kind == "uri":
        return urlsplit(name.value).hostname or ""
    return name.value.rpartition("@")[2].removeprefix("*.")


def _is_below(host: str, suffix: str) -> bool:
    return host == suffix or host.endswith(f".{suffix}")


def _wildcard(ask: Ask) -> Iterator[Problem]:
    whose = "authority" if not ask.authority.wildcard else "profile"
    if ask.authority.wildcard and ask.rules.wildcard:
        return
    for name in ask.names:
        if name.is_wildcard:
            yield Problem(
                "names",
                f"The {whose} allows no wildcard, and {name.value} is one.",
                "Ask for each name by itself, or choose another profile.",
                "wildcard",
            )


def _max_names(ask: Ask) -> Iterator[Problem]:
    most = min(ask.authority.max_names, ask.rules.max_names)
    if len(ask.names) > most:
        yield Problem(
            "names",
            f"{len(ask.names)} names are asked for; {most} are allowed.",
            "Split the names over several certificates.",
            "too_many_names",
        )


def _validity(ask: Ask) -> Iterator[Problem]:
    if ask.validity_days < 1:
        yield Problem(
            "validity_days", "The validity is less than a day.", "Ask for at least one day.", "validity_too_short"
        )
    ceiling = validity_ceiling(ask.rules, ask.authority, ask.now)
    if ceiling is not None and ask.validity_days > ceiling:
        yield Problem(
            "validity_days",
            f"{ask.validity_days} days are asked for; {_whose_ceiling(ask, ceiling)} allows {ceiling}.",
            f"Ask for {ceiling} days or fewer.",
            "validity_too_long",
        )


def _whose_ceiling(ask: Ask, ceiling: int) -> str:
    if ask.rules.validity_days_max == ceiling:
        return "the profile"
    if ask.authority.validity_days_max == ceiling:
        return "the authority"
    return "the rule for publicly trusted certificates (BR 6.3.2)"


def _public_names(ask: Ask) -> Iterator[Problem]:
    for name in ask.names if ask.authority.public_tls else ():
        if not _is_public(name):
            yield Problem(
                "names",
                f"{name.value} is an internal name; a public CA must not certify it (BR 7.1.4.2.1).",
                "Use a name in a registered domain, or a profile of a private CA.",
                "internal_name",
            )


def _is_public(name: Name) -> bool:
    if name.kind == "ip":
        address = ip_address(name.value)
        return address.is_global and not address.is_multicast
    return name.kind != "dns" or "." in name.value.removeprefix("*.")


RULES: tuple[tuple[str, Rule], ...] = (
    ("some_name", _some_name),
    ("key_type", _key_type),
    ("name_kinds", _name_kinds),
    ("name_suffixes", _name_suffixes),
    ("wildcard", _wildcard),
    ("max_names", _max_names),
    ("validity", _validity),
    ("public_names", _public_names),
)
"""The chain, in the order of the trail."""
