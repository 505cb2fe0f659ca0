"""What is weak about how CAs are used: from facts about connectors to findings, each with what to do.

Nothing here knows tables or secrets. A credential is a keyed fingerprint, which says that two are the same and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit


class Kind(StrEnum):
    """What a finding is about."""

    SHARED_CREDENTIAL = "shared_credential"
    SHARED_ACCOUNT = "shared_account"
    OLD_CREDENTIAL = "old_credential"
    TEST_IN_PRODUCTION = "test_in_production"
    PRODUCTION_IN_TEST = "production_in_test"
    NO_ADDRESS_LIMIT = "no_address_limit"
    NEVER_COMPARED = "never_compared"
    UNKNOWN_AT_CA = "unknown_at_ca"
    WIDE_NETWORKS = "wide_networks"
    UNTESTED = "untested"
    NOBODY = "nobody"


class Level(StrEnum):
    """How much it weighs."""

    SERIOUS = "serious"
    WARNING = "warning"
    ADVICE = "advice"


ENFORCEABLE = frozenset({Kind.SHARED_CREDENTIAL, Kind.TEST_IN_PRODUCTION, Kind.WIDE_NETWORKS, Kind.UNTESTED})
"""Findings that an installation can have refused: whether they hold is known before anything is saved or switched on."""
_RANK = {level: n for n, level in enumerate(Level)}
_TRIAL = r"(?<![a-z])(sandbox|staging|stage|demo|test|testing|pilot|uat|qa|dev|beta)(?![a-z])"
_TEST_WORDS = re.compile(_TRIAL, re.IGNORECASE)
_WIDE = 8
"""Networks of IPv4 with a prefix this short, or shorter, open a whole private range."""
TRIAL_HOST = rf"^[a-z]+://[^/?#]*{_TRIAL}"
"""What `is_test_place` looks for in an address, as an expression that databases read, too (capitals are alike)."""
WIDE_NETWORK = rf'"(?!127[.])[0-9.]+/[0-{_WIDE}]"'
"""What `is_wide` looks for, in a JSON list of networks."""
SHARED = frozenset({Kind.SHARED_CREDENTIAL, Kind.SHARED_ACCOUNT})
"""Findings that are about several connectors; every other one is about one."""
ORDER = (
    (Level.SERIOUS, Kind.SHARED_CREDENTIAL),
    (Level.SERIOUS, Kind.TEST_IN_PRODUCTION),
    (Level.WARNING, Kind.OLD_CREDENTIAL),
    (Level.WARNING, Kind.SHARED_ACCOUNT),
    (Level.WARNING, Kind.SHARED_CREDENTIAL),
    (Level.WARNING, Kind.UNKNOWN_AT_CA),
    (Level.WARNING, Kind.UNTESTED),
    (Level.WARNING, Kind.WIDE_NETWORKS),
    (Level.ADVICE, Kind.NEVER_COMPARED),
    (Level.ADVICE, Kind.NO_ADDRESS_LIMIT),
    (Level.ADVICE, Kind.NOBODY),
    (Level.ADVICE, Kind.PRODUCTION_IN_TEST),
    (Level.ADVICE, Kind.UNTESTED),
)
"""Every weight and kind that there is, the weightiest first."""
_NAMED = 5
"""Connectors that a text names; of more it says how many."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one connector.

    `prints` are field → fingerprint of its secrets, `accounts` what it logs in as, without secrets; `place` is what the authority
    calls its address. `credential_days` is the age of its credential, `compared_at` when its CA's list was last read to the end (None:
    never), `lists` whether its CA can list at all, `unknown` how many certificates only the CA has.
    """

    id: str
    authority: str
    name: str
    team: str
    environment: str
    production: bool
    base_url: str = ""
    place: str = ""
    active: bool = True
    outside: bool = True
    prints: tuple[tuple[str, str], ...] = ()
    accounts: tuple[str, ...] = ()
    credential_days: int = 0
    lists: bool = False
    compared_at: datetime | None = None
    unknown: int = 0
    networks: tuple[str, ...] = ()
    untested: str = ""
    tested: bool = True
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something weak. `key` stays the same as long as it is about the same things, so that a decision about it lasts.

    It begins with the kind. What follows is the id of the one connector, without hyphens, or a hash of several; `more` is how many
    there are beside those that are named in `about`.
    """

    kind: Kind
    level: Level
    about: tuple[str, ...]
    text: str
    remedy: str
    more: int = 0
    key: str = field(default="")

    def __post_init__(self) -> None:
        parts = (self.kind, *sorted(self.about), *([str(self.more)] if self.more else []))
        several = hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]
        object.__setattr__(self, "key", f"{self.kind}-{several if self.kind in SHARED else plain(self.about[0])}")


@dataclass(frozen=True, slots=True)
class Limits:
    """`credential_days`: from when on a credential is old (0: never); `compare_days`: how often lists are to be compared."""

    credential_days: int
    compare_days: int
    now: datetime
    egress: str = ""


def up_to(level: Level) -> list[Level]:
    """Return this weight and every weightier one: what was put off at one of them is put off at this one too."""
    return [one for one in Level if _RANK[one] <= _RANK[level]]


def plain(ident: str) -> str:
    """Return an id as it stands in a key."""
    return ident.replace("-", "")


def findings(connectors: Iterable[Facts], limits: Limits) -> list[Finding]:
    """Return all that is weak, the weightiest first."""
    rows = list(connectors)
    found = [one for row in rows for one in of_one(row, limits)]
    found += [*_shared_credentials(rows), *_shared_accounts(rows)]
    return sorted(found, key=lambda one: (_RANK[one.level], one.kind, one.text))


def of_one(row: Facts, limits: Limits) -> Iterator[Finding]:
    """Yield what is weak about one connector by itself."""
    if row.outside:
        yield from _place(row)
        yield from _credential(row, limits)
    if wide := [network for network in row.networks if is_wide(network)]:
        yield _about(
            row, Kind.WIDE_NETWORKS, Level.WARNING, f"may reach {', '.join(wide)}", "Name the CA's own network."
        )
    if row.untested:
        text = f"was saved though its test found faults: {row.untested}"
        yield _about(row, Kind.UNTESTED, Level.WARNING, text, "Mend it, then Test and save.")
    elif row.outside and not row.tested:
        yield _about(row, Kind.UNTESTED, Level.ADVICE, "was never tested as it stands", "Test and save.")
    if row.lists:
        yield from _compared(row, limits)
    if not row.owner:
        yield _about(row, Kind.NOBODY, Level.ADVICE, "has no owner and no contact", "Say who is called when it fails.")


def is_wide(network: str) -> bool:
    """Say whether a network that a connector may reach is a whole private range or more; this machine itself is none."""
    prefix = int(network.partition("/")[2] or 128)
    return prefix <= _WIDE and ":" not in network and not network.startswith("127.")


def is_test_place(base_url: str, place: str) -> bool:
    """Say whether an address is one for trials, by its host or by what the authority calls it."""
    return bool(_TEST_WORDS.search(urlsplit(base_url).hostname or "") or _TEST_WORDS.search(place))


def _place(row: Facts) -> Iterator[Finding]:
    trial = is_test_place(row.base_url, row.place)
    if trial and row.production:
        text = f"orders for {row.environment} at {row.base_url}, a place for trials"
        remedy = "Give it the CA's production address, or move it to another environment."
        yield _about(row, Kind.TEST_IN_PRODUCTION, Level.SERIOUS, text, remedy)
    elif row.place and not trial and not row.production:
        text = f"orders for {row.environment} at {row.base_url}, where certificates count"
        yield _about(
            row, Kind.PRODUCTION_IN_TEST, Level.ADVICE, text, "Use the CA's place for trials there, if it has one."
        )


def _credential(row: Facts, limits: Limits) -> Iterator[Finding]:
    if not row.prints:
        return
    if limits.credential_days and row.credential_days >= limits.credential_days:
        text = f"has had its credential for {row.credential_days} days"
        yield _about(row, Kind.OLD_CREDENTIAL, Level.WARNING, text, "Rotate it: the connector's page, Credential.")
    ours = f" Ours: {limits.egress}." if limits.egress else " CHANCERY_EGRESS_ADDRESSES says them here once you set it."
    text = "it is not recorded that the CA takes its credential from our addresses alone"
    remedy = f"Limit it at the CA, then say so here with a day to look again.{ours}"
    yield _about(row, Kind.NO_ADDRESS_LIMIT, Level.ADVICE, text, remedy)


def _compared(row: Facts, limits: Limits) -> Iterator[Finding]:
    if row.unknown:
        text = f"{row.unknown} certificates of its CA are not known here"
        yield _about(row, Kind.UNKNOWN_AT_CA, Level.WARNING, text, "Decide about each under Inventory.")
    days = (limits.now - row.compared_at).days if row.compared_at is not None else None
    if days is None or days > limits.compare_days:
        when = "was never" if days is None else f"was {days} days ago last"
        text = f"what its CA has issued {when} compared with what is known here"
        yield _about(row, Kind.NEVER_COMPARED, Level.ADVICE, text, "Pull the CA's list under Inventory.")


def _about(row: Facts, kind: Kind, level: Level, text: str, remedy: str) -> Finding:
    return Finding(kind, level, (row.id,), f"{row.name}: {text}.", remedy)


def _shared_credentials(rows: list[Facts]) -> Iterator[Finding]:
    by_print: dict[str, list[Facts]] = {}
    for row in rows:
        for value in {value for _, value in row.prints}:
            by_print.setdefault(value, []).append(row)
    # Two secrets may be shared by the same connectors: that is one thing to do.
    found = {one.key: one for some in by_print.values() if len(some) > 1 for one in [shared_credential(some)]}
    yield from found.values()


def shared_credential(rows: Sequence[Facts], number: int = 0, *, across: bool = False) -> Finding:
    """Return what is to be said of connectors with one credential.

    `number` is how many there are where `rows` are the first of them, and `across` says that all of them are of several environments.
    """
    several = across or len({row.environment for row in rows}) > 1
    text = f"{_names(rows, number)} share a credential{_across(rows)}."
    return Finding(
        Kind.SHARED_CREDENTIAL,
        Level.SERIOUS if several else Level.WARNING,
        tuple(row.id for row in rows),
        text,
        "Have the CA make one for each, and rotate.",
        max(number - len(rows), 0),
    )


def _shared_accounts(rows: list[Facts]) -> Iterator[Finding]:
    by_account: dict[tuple[str, str], list[Facts]] = {}
    for row in rows:
        for account in row.accounts:
            by_account.setdefault((urlsplit(row.base_url).hostname or "", account), []).append(row)
    for (_host, account), some in by_account.items():
        if len({(row.team, row.environment) for row in some}) > 1:
            yield shared_account(some, account)


def shared_account(rows: Sequence[Facts], account: str, number: int = 0) -> Finding:
    """Return what is to be said of connectors that log in at one host as one account; `number` as in `shared_credential`."""
    return Finding(
        Kind.SHARED_ACCOUNT,
        Level.WARNING,
        tuple(row.id for row in rows),
        f"{_names(rows, number)} log in as {account}{_across(rows)}.",
        "Give each team and environment an account of its own.",
        max(number - len(rows), 0),
    )


def _names(rows: Sequence[Facts], number: int) -> str:
    names, total = sorted(row.name for row in rows), max(number, len(rows))
    if total <= _NAMED + 1 and total == len(rows):
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {total - min(_NAMED, len(names))} more"


def _across(rows: Sequence[Facts]) -> str:
    found = sorted({row.environment for row in rows})
    return f" across {', '.join(found)}" if len(found) > 1 else ""
