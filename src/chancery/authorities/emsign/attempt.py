"""Asks for what explains something and is not needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from chancery.sdk.errors import AuthFailed, AuthorityError, Throttled, Unreachable

T = TypeVar("T")


def attempt(ask: Callable[[], T]) -> T | None:
    """Return what was asked for; None where this credential may not read it, or the CA does not have it.

    An order must not fail for want of an explanation. That the CA is away, or wants rest, is for the engine to know.
    """
    try:
        return ask()
    except (Unreachable, Throttled, AuthFailed):
        raise
    except AuthorityError:
        return None
