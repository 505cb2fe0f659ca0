"""What is known of an order's standing, and what is said of it: the values that `explain` takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chancery.core.effects import Doing
from chancery.core.order import State


class Topic(StrEnum):
    """What a statement is about: for programs, as texts may change."""

    STATE = "state"
    RULES = "rules"
    PROFILE = "profile"
    APPROVAL = "approval"
    POOL = "pool"
    CONNECTOR = "connector"
    BREAKER = "breaker"
    LIMIT = "limit"
    SETTINGS = "settings"
    ERROR = "error"
    RETRY = "retry"
    SEARCH = "search"
    DEADLINE = "deadline"
    PERSON = "person"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence or two, and what they are about."""

    topic: Topic
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The order in one sentence, and the three lists."""

    summary: str
    decided: tuple[Statement, ...]
    waits_for: tuple[Statement, ...]
    goes_on: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Error:
    """The error that the last step met: its kind, during which call, and whether the request had left.

    `bytes_sent` is None for a call that only looked: that its request left, or did not, says nothing of the order.
    """

    kind: str
    doing: Doing
    bytes_sent: bool | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided about the order: the verb as the sentence has it, who, when, and their words."""

    verb: str
    who: str
    at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """The pool that serves the profile: its members in order of preference, whether each takes orders, and why this one."""

    name: str
    members: tuple[tuple[str, bool], ...]
    because: str = ""
    """What was recorded when the connector was chosen, or the order was moved to another; '' where nothing was."""


@dataclass(frozen=True, slots=True)
class Connector:
    """The order's connector as it stands now.

    `installed` says whether what speaks to its type of CA can be loaded; `stopped` that its login was refused so often that
    nothing is tried before a person acts; `one_at_a_time` that one act is to show whether its CA works. `under_way` counts
    the connector's orders that have a seat, `ahead` those of its team in the queue that are more urgent.
    """

    name: str
    active: bool
    installed: bool
    health: str
    health_text: str
    paused_until: datetime | None
    login_refused: bool
    seats: int
    per_second: float
    finds: bool
    search_lag: timedelta
    search_tries: int
    version: int | None
    stopped: bool = False
    one_at_a_time: bool = False
    cancels: bool = False
    under_way: int = 0
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that an explanation depends on. `version` is the settings version of the call, `rules` the policy's trail."""

    now: datetime
    state: State
    connector: Connector
    pool: Pool
    profile: str
    deadline_at: datetime
    requester: str = ""
    profile_changed: bool = False
    rules: tuple[tuple[str, str], ...] = ()
    decisions: tuple[Decided, ...] = ()
    reason: str = ""
    error: Error | None = None
    version: int | None = None
    due_at: datetime | None = None
    lease_until: datetime | None = None
    attempt: int = 0
    searches: int = 0
    pending_kind: str = ""
    cancel_requested: bool = False
    ordered_again: int = 0
    second_person: str = ""
    """Who asked for ordering again and waits for a second person; '' where nobody does."""
    worker_alive: bool = True
    asks: bool = False
    """Whether it is held and only there to be approved: its client's next one goes ahead."""
    approval_waits: bool = False
    """Whether what was approved of an order that is over waits for that next one."""
