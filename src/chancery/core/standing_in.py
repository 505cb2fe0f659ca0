"""May one connector stand in for another with this very order? A proof, point by point, and the choice among several.

Pure: what the connectors can do, what they have issued and how they stand is gathered before. An order that its CA has,
or may have, is no question for this module: it never moves (`Order.bound`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chancery.core.names import Name
from chancery.core.policy import Ask, AuthorityFacts, ProfileRules, decide

SAME_ROOT, PUBLIC, VOUCHED = "same_root", "public", "vouched"
_LEVELS = {"dv": 1, "ov": 2, "ev": 3}
_POINT = {
    "key_type": "key_types",
    "some_name": "names",
    "name_kinds": "names",
    "name_suffixes": "names",
    "wildcard": "names",
    "max_names": "names",
    "public_names": "names",
    "validity": "validity",
}
"""Rule of the policy chain → point of the proof."""
_URGENT = 4
"""A member may be sick for a quarter of the time that an order has left, and not longer, before others are asked."""


@dataclass(frozen=True, slots=True)
class Member:
    """A connector as a member of a pool.

    `anchor` is the root to which what it last issued chains, '' where it has issued nothing yet. `unavailable` says why
    new work cannot go there, '' where it can; `sick_since` is when a fault that may pass began. `product` is False where
    the profile has no settings for this type of CA. `public` says that what it issues with the profile's settings is known to
    be publicly trusted. `known` is False where this type of CA cannot be loaded: what it certifies is then known to nobody, so
    `facts` say nothing.
    """

    key: str
    name: str
    environment: int
    facts: AuthorityFacts
    region: str = ""
    preference: int = 1
    weight: int = 1
    anchor: str = ""
    validation: str = ""
    product: bool = True
    public: bool = False
    draining: bool = False
    unavailable: str = ""
    sick_since: datetime | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order, as far as it decides who may take it. `trust` is what the pool asks for, `region` what the profile prefers."""

    names: tuple[Name, ...]
    key_type: str
    validity_days: int
    rules: ProfileRules
    now: datetime
    deadline: datetime
    trust: str = SAME_ROOT
    region: str = ""
    patience: timedelta = timedelta(minutes=5)
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that must hold, whether it does, and what was compared."""

    what: str
    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked at; it holds where every point does."""

    points: tuple[Point, ...]

    @property
    def holds(self) -> bool:
        """Say whether the candidate may stand in."""
        return all(point.holds for point in self.points)

    @property
    def against(self) -> str:
        """Return what speaks against it, in sentences; '' where nothing does."""
        return " ".join(point.text for point in self.points if not point.holds)

    def lines(self) -> list[list[Any]]:
        """Return the points as JSON values: what, whether it holds, and the text."""
        return [[p.what, p.holds, p.text] for p in self.points]


@dataclass(frozen=True, slots=True)
class Choice:
    """Where an order goes, and why. `away` says that it does not go to the member that it would go to on a good day."""

    member: Member
    text: str = ""
    away: bool = False
    proofs: dict[str, Proof] = field(default_factory=dict)

    def facts(self, home: Member) -> dict[str, Any]:
        """Return the reason as JSON values, for the order's timeline."""
        tried = {key: proof.lines() for key, proof in self.proofs.items()}
        return {"home": home.key, "home_name": home.name, "chosen": self.member.key, "tried": tried}


def prove(home: Member, candidate: Member, wanted: Wanted) -> Proof:
    """Return whether `candidate` may take what is wanted of `home`: environment, trust, level, product, and the policy's rules."""
    ask = Ask(wanted.names, wanted.key_type, wanted.validity_days, wanted.rules, candidate.facts, wanted.now)
    points = [_environment(home, candidate), _trust(home, candidate, wanted.trust), _level(home, candidate)]
    text = "The profile has settings for its type of CA." if candidate.product else (
        f"The profile has no settings for the type of CA of {candidate.name}."
    )  # fmt: skip
    points.append(Point("product", candidate.product, text))
    said: dict[str, list[str]] = {}
    for step in decide(ask).trail:
        if step.rule in _POINT:
            said.setdefault(_POINT[step.rule], []).extend([step.reason] if step.outcome == "deny" else [])
    fits = {"key_types": "It takes the key.", "names": "It takes the names.", "validity": "It takes the validity."}
    points += [Point(what, not no, " ".join(no) or fits[what]) for what, no in said.items()]
    return Proof(tuple(points))


def _environment(home: Member, candidate: Member) -> Point:
    same = home.environment == candidate.environment
    return Point("environment", same, "It is in the same environment." if same else "It is in another environment.")


def _trust(home: Member, candidate: Member, trust: str) -> Point:
    if trust == VOUCHED:
        return Point("trust", True, "The pool's administrator vouches that who trusts the one trusts the other.")
    if trust == PUBLIC:
        private = [member.name for member in (home, candidate) if not (member.known and member.public)]
        text = "Both are public CAs." if not private else (
            f"That it is publicly trusted is not known of what this profile orders at {' and at '.join(private)}."
        )  # fmt: skip
        return Point("trust", not private, text)
    if not home.anchor or not candidate.anchor:
        unknown = home if not home.anchor else candidate
        return Point("trust", False, f"{unknown.name} has issued nothing yet, so its root is not known.")
    same = home.anchor == candidate.anchor
    text = "What both issue chains to the same root." if same else f"{candidate.name} chains to {candidate.anchor}."
    return Point("trust", same, text)


def _level(home: Member, candidate: Member) -> Point:
    asked = home.validation or candidate.validation or home.public or not home.known
    if not asked:
        return Point("validation", True, "No level of validation is asked for.")
    enough = _LEVELS.get(candidate.validation, 0) >= _LEVELS.get(home.validation, 4)
    if enough:
        return Point("validation", True, f"It validates as closely: {candidate.validation.upper()}.")
    text = f"{candidate.name} validates {candidate.validation.upper() or 'at a level that nobody has said'}"
    return Point("validation", False, f"{text}, {home.name} {home.validation.upper() or 'too'}.")


def ranked(members: Sequence[Member], region: str) -> list[Member]:
    """Return the members in the order in which they are asked: those of the region first, then by preference."""
    return sorted(members, key=lambda m: (bool(region) and m.region != region, m.preference, m.name))


def overdue(member: Member, wanted: Wanted) -> bool:
    """Say whether a member has been sick for longer than this order should wait for it."""
    if member.sick_since is None:
        return False
    left = max(wanted.deadline - wanted.now, timedelta(0))
    return wanted.now - member.sick_since >= min(wanted.patience, left / _URGENT)


def out(member: Member, wanted: Wanted) -> str:
    """Return why an order should not wait for this member; '' where it should."""
    if member.unavailable:
        return member.unavailable
    if overdue(member, wanted) and member.sick_since is not None:
        return f"{member.name} has been sick since {member.sick_since:%Y-%m-%d %H:%M:%S} UTC."
    return ""


def choose(members: Sequence[Member], wanted: Wanted, home: Member | None = None) -> Choice | None:
    """Return where an order goes; None where no member takes new orders.

    `home` is where the order lies already. Among members of equal rank each gets its share by weight, decided by the
    order's seed alone, so that asking twice gives one answer. Where nobody may stand in, it waits at home.
    """
    taking = [m for m in ranked(members, wanted.region) if not m.draining]
    if not taking and home is None:
        return None
    first = home or taking[0]
    peers = [m for m in taking if home is None and _rank(m, wanted.region) == _rank(first, wanted.region)]
    order = sorted(peers, key=lambda m: _draw(m, wanted.seed)) if len(peers) > 1 else [first]
    order += [m for m in taking if m not in order]
    proofs: dict[str, Proof] = {}
    for one in order:
        if out(one, wanted):
            continue
        if one.key == first.key:
            return Choice(one)
        proofs[one.name] = prove(first, one, wanted)
        if proofs[one.name].holds:
            away = bool(out(first, wanted))
            return Choice(one, _why(first, one, wanted), away, proofs)
    return Choice(first, _stays(first, wanted, proofs), False, proofs)


def _rank(member: Member, region: str) -> tuple[bool, int]:
    return bool(region) and member.region != region, member.preference


def _draw(member: Member, seed: str) -> float:
    """Return a number that is the smaller the more often, the greater the weight (Efraimidis and Spirakis)."""
    digest = hashlib.sha256(f"{seed}/{member.key}".encode()).digest()
    return -math.log((int.from_bytes(digest[:8], "big") + 1) / 2**64) / max(1, member.weight)


def _why(home: Member, chosen: Member, wanted: Wanted) -> str:
    reason = out(home, wanted)
    return f"{reason} {chosen.name} may stand in." if reason else f"{chosen.name} has this share of the pool's orders."


def _stays(home: Member, wanted: Wanted, proofs: dict[str, Proof]) -> str:
    against = " ".join(f"{name}: {proof.against}" for name, proof in proofs.items())
    return f"{out(home, wanted)} No other member may stand in. {against}".strip()
