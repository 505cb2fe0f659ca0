"""Logs in to a directory by Negotiate, and seals what is said where no TLS does (MS-ADTS section 5.1.1.1.2).

The password goes nowhere: pyspnego proves it, by Kerberos or NTLM as the connector says, and bound to the TLS connection.
"""

from __future__ import annotations

from typing import Any

from spnego import ContextReq
from spnego.channel_bindings import GssChannelBindings

from chancery.protocols.ldap.messages import Malformed
from chancery.protocols.negotiate.binding import end_point
from chancery.protocols.negotiate.failures import of_library
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.protocols.negotiate.tokens import Tokens, negotiating
from chancery.sdk.errors import AuthFailed

_SEALED = (
    ContextReq.mutual_auth
    | ContextReq.replay_detect
    | ContextReq.sequence_detect
    | ContextReq.confidentiality
    | ContextReq.integrity
)
_INSIDE_TLS = ContextReq.mutual_auth | ContextReq.no_integrity
"""A directory refuses a seal inside TLS, and Kerberos asks for one by itself unless told not to."""
_WAYS = frozenset({Way.KERBEROS, Way.NTLM})


class Negotiation:
    """One login on one connection. `certificate` is the server's (DER) where the connection is one of TLS."""

    def __init__(self, credentials: Credentials, host: str, certificate: bytes | None) -> None:
        if credentials.way not in _WAYS:
            raise AuthFailed(
                f"A directory has no login by {credentials.way} here.",
                code="way",
                stage="request",
                bytes_sent=False,
                remedy="Choose Kerberos or NTLM, or take the list of templates from elsewhere.",
            )
        self._credentials, self._host = credentials, host
        data = end_point(certificate) if certificate else None
        self._bindings = GssChannelBindings(application_data=data) if data else None
        self._seals = certificate is None
        self._context: Any = None

    def step(self, given: bytes | None = None) -> bytes:
        """Return the next token for what the server sent; b'' where there is nothing more to say."""
        try:
            if self._context is not None:
                return self._step(given)
            with Tokens(self._credentials, self._host, "", None).account() as account:
                self._context = self._new(account)
                return self._step(given)
        except Exception as error:  # the library lets errors of several libraries through
            raise of_library(error, self._credentials, self._host) from None

    def _step(self, given: bytes | None) -> bytes:
        return bytes(self._context.step(given, channel_bindings=self._bindings) or b"")

    def _new(self, account: Any) -> Any:
        return negotiating(
            account,
            self._credentials.way,
            hostname=self._host,
            service="ldap",
            channel_bindings=self._bindings,
            context_req=_SEALED if self._seals else _INSIDE_TLS,
        )

    @property
    def complete(self) -> bool:
        """Say whether the login is over, as seen from here."""
        return bool(self._context is not None and self._context.complete)

    def seal(self, content: bytes) -> bytes:
        """Return what is sent for a message, its length before it (RFC 4422 section 3.7)."""
        if not self._seals:
            return content
        wrapped = bytes(self._context.wrap(content, encrypt=True).data)
        return len(wrapped).to_bytes(4, "big") + wrapped

    @property
    def seals(self) -> bool:
        """Say whether messages are sealed by the login."""
        return self._seals

    def open(self, content: bytes) -> bytes:
        """Return a sealed message; raises `Malformed` where the seal does not fit."""
        try:
            return bytes(self._context.unwrap(content).data)
        except Exception:  # as in step
            raise Malformed("its seal does not fit: somebody changed it on the way") from None
