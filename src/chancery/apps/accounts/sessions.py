"""Sessions in a table that says whose they are, so that they can be listed and ended. A request writes none.

The table holds a digest of what the browser shows, so whoever reads it, or a backup, can take over no session.
"""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as Stored
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from chancery.apps.shared.action import current_clock
from chancery.apps.shared.texts import glimpse

ABOUT = "about"
"""Where a session keeps what is known of its beginning."""
_AGENT = 150
_COLUMN = 40
"""Characters of a digest that are kept: 160 bits, as long as the column of Django's own table."""


def digest(key: str) -> str:
    """Return under what the session of a browser's key stands in the table."""
    return hashlib.sha256(key.encode()).hexdigest()[:_COLUMN]


class SessionStore(Stored):
    """Django's own, with columns beside the data, and a digest in the place of the key."""

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the table."""
        from chancery.apps.accounts.models import Session

        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return a row with its data, and what the data says of whose it is."""
        row: Any = super().create_model_instance(data)
        row.session_key = digest(row.session_key)
        about = data.get(ABOUT, {})
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.ident = UUID(about["ident"]) if about else uuid4()
        row.started_at = parse_datetime(about["at"]) if about else None
        row.address, row.agent, row.how = (about.get(name, "") for name in ("address", "agent", "how"))
        return row

    def exists(self, session_key: str) -> bool:
        """Say whether there is a session of this key."""
        return bool(super().exists(digest(session_key)))

    def delete(self, session_key: str | None = None) -> None:
        """End the session of a key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(digest(key))

    def _get_session_from_db(self) -> Any:
        # Django's own asks for what `_session_key` says, and forgets it where it leads to nothing.
        shown = self._session_key
        if shown:
            self._session_key = digest(shown)
        found = super()._get_session_from_db()  # type: ignore[misc]  # the stubs do not know it
        self._session_key = shown if found is not None else None
        return found


def describe(request: HttpRequest, how: str, *, strong: bool) -> None:
    """Keep in a session that begins from where and how; `strong` says that it took more than one factor."""
    about = {"ident": str(uuid4()), "at": current_clock().now().isoformat(), "how": how, "strong": strong}
    about["address"] = request.META.get("REMOTE_ADDR", "")[:64]
    about["agent"] = glimpse(request.headers.get("User-Agent", ""), _AGENT)
    request.session[ABOUT] = about


def strengthen(request: HttpRequest) -> None:
    """Say of a session that its person has shown a second factor."""
    request.session[ABOUT] = {**request.session.get(ABOUT, {}), "strong": True}


def is_strong(request: HttpRequest) -> bool:
    """Say whether a session took more than one factor."""
    return bool(request.session.get(ABOUT, {}).get("strong"))


def ident_of(request: HttpRequest) -> str:
    """Return what the session of a request is called on pages, empty where it has no beginning of ours."""
    return str(request.session.get(ABOUT, {}).get("ident", ""))
