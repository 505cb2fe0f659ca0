"""The one interface of key stores."""

from __future__ import annotations

from typing import Protocol

from chancery.core.errors import Unavailable

KEY = 32
"""Bytes of every key."""


class KeyStore(Protocol):
    """Wraps keys of 32 bytes. `bound` is authenticated with them: a wrapped key opens for the same `bound` alone.

    Both methods raise `Unavailable`, with a remedy, where the store is not reached, refuses, or holds another key.
    """

    @property
    def ident(self) -> str:
        """Which store and key this is, without anything secret; kept beside what it wrapped."""
        ...

    def wrap(self, key: bytes, bound: bytes) -> str:
        """Return a key as it may be stored."""
        ...

    def unwrap(self, wrapped: str, bound: bytes) -> bytes:
        """Return a key that this store wrapped."""
        ...


def unavailable(ident: str, why: str, remedy: str) -> Unavailable:
    """Return the error that every store raises: which one, why, and what to do."""
    return Unavailable(f"The key store {ident}: {why.rstrip('.')}.", remedy=remedy, code="key_store")
