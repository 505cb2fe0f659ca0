"""The family of errors that a door turns into a page, a problem document (RFC 9457) or an exit code.

ChanceryError
├── Invalid         what was sent cannot be used; one Problem per field
├── NotPermitted    this person may not do this
├── Absent          no such thing, or not visible to this person
├── Conflict        the thing has changed, or is in use; `blockers` lists by what
└── Unavailable     the service cannot do this now (disk full, no worker); try again later
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: with which field, what, and what to do about it."""

    field: str
    message: str
    remedy: str = ""
    code: str = "invalid"

    def as_dict(self) -> dict[str, str]:
        """Return the four texts by name, for a problem document."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Blocker:
    """Something that stands in the way of an action, with a name that a person can look for."""

    kind: str
    name: str
    id: str
    reason: str


class ChanceryError(Exception):
    """Base of everything a door shows to a person."""

    code = "error"

    def __init__(self, detail: str, *, remedy: str = "", code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        if code is not None:
            self.code = code


class Invalid(ChanceryError):
    """Input that cannot be used; nothing was changed."""

    code = "invalid"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = list(problems)

    @classmethod
    def one(cls, field: str, message: str, remedy: str = "", code: str = "invalid") -> Invalid:
        """Return the error for a single field."""
        return cls([Problem(field, message, remedy, code)])


class NotPermitted(ChanceryError):
    """The actor lacks a permission."""

    code = "not_permitted"

    def __init__(self, permission: str, detail: str = "", remedy: str = "") -> None:
        super().__init__(
            detail or f"This needs the permission '{permission}', which your roles do not give you.",
            remedy=remedy or "Ask an administrator for a role that includes it.",
        )
        self.permission = permission


class Absent(ChanceryError):
    """No such object, or none that this actor may see (the two are told apart nowhere)."""

    code = "not_found"

    def __init__(self, kind: str, ident: object) -> None:
        super().__init__(f"There is no {kind} {str(ident)[:100]!r} that you may see.")
        self.kind = kind


class Conflict(ChanceryError):
    """The request contradicts the present state; nothing was changed."""

    code = "conflict"

    def __init__(
        self,
        detail: str,
        *,
        remedy: str = "",
        blockers: list[Blocker] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail, remedy=remedy, code=code)
        self.blockers = list(blockers or [])


class Unavailable(ChanceryError):
    """Cannot be done at this moment through no fault of the request."""

    code = "unavailable"
