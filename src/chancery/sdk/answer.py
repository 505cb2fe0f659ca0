"""What came back over the door."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from chancery.core.secret import Secret
from chancery.net.redact import scrub
from chancery.sdk.errors import TEXT_LIMIT, ProtocolViolation

_LONGEST_WAIT = timedelta(days=1)
"""No CA may park its connector for longer than this by one header."""
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower-case names), body. `now` is when, by our clock; `effect` as it was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    now: datetime
    secrets: tuple[Secret, ...] = ()
    effect: bool = True

    @property
    def text(self) -> str:
        """Return the start of the body as text fit for people: capped, scrubbed."""
        return scrub(self.body[: TEXT_LIMIT * 4].decode("utf-8", "replace"), self.secrets)[:TEXT_LIMIT]

    def json(self) -> Any:
        """Return the body as JSON; raises `ProtocolViolation` where it is none."""
        try:
            return json_module.loads(self.body)
        except (ValueError, RecursionError):
            raise ProtocolViolation(
                f"The CA answered {self.status} with something that is no JSON.{self._leads()}",
                code=str(self.status),
                text=self.text,
                stage="response",
                bytes_sent=self.effect,
                remedy="Check that the base URL is that of the CA's API, and not of its web pages or of a proxy.",
            ) from None

    def _leads(self) -> str:
        place = self.headers.get("location", "")
        if not (300 <= self.status < 400 and place):
            return ""
        return f" It points to {scrub(place, self.secrets)[:300]}, and redirects are not followed."

    @property
    def retry_after(self) -> datetime | None:
        """Return when the CA wants to be asked again (RFC 9110 section 10.2.3), if it says so; a day ahead at most."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            seconds = int(value[:_MOST_DIGITS])
            return self.now + min(timedelta(seconds=seconds), _LONGEST_WAIT)
        when = _http_date(value)
        return min(max(when, self.now), self.now + _LONGEST_WAIT) if when else None

    @property
    def clock_skew(self) -> timedelta | None:
        """Return how far the CA's clock is ahead of ours, by its Date header."""
        return clock_skew(self.headers, self.now)


def clock_skew(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how far a Date header is ahead of `now`; None without one."""
    date = _http_date(headers.get("date", ""))
    return date - now if date else None


def _http_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
