"""How django-allauth lives here: its tables and its protocols, none of its pages and no middleware on every request."""

from __future__ import annotations

from allauth.account.apps import AccountConfig


class Account(AccountConfig):  # type: ignore[misc]  # the library carries no types
    """The app without its demand that every request of every door goes through its middleware; `doors` gives it each that it serves."""

    name = "allauth.account"

    def ready(self) -> None:
        """Check nothing: see the class."""
