"""Logs in to a server and seals what is said (MS-RPCE section 3.3.1.5.2), by NTLM or Kerberos of pyspnego.

Every packet is encrypted and signed, its header too, and answers are believed only with their signature.
"""

from __future__ import annotations

from typing import Any

import spnego
from spnego import ContextReq
from spnego.iov import BufferType

from chancery.protocols.msrpc.ndr import Malformed
from chancery.protocols.msrpc.pdu import trailer
from chancery.protocols.negotiate.failures import of_library
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.protocols.negotiate.tokens import Tokens
from chancery.sdk.errors import AuthFailed

PRIVACY = 6
"""RPC_C_AUTHN_LEVEL_PKT_PRIVACY: what a CA insists on since Windows Server 2012."""
_TYPES = {Way.NTLM: 10, Way.KERBEROS: 16}
_CONTEXT = 1
_ALIGN = 16
_ASKED = (
    ContextReq.mutual_auth
    | ContextReq.replay_detect
    | ContextReq.sequence_detect
    | ContextReq.confidentiality
    | ContextReq.integrity
    | ContextReq.dce_style
)


class Forged(Malformed):
    """A packet whose signature does not fit."""


class Security:
    """One login on one connection."""

    def __init__(self, credentials: Credentials, host: str) -> None:
        if credentials.way not in _TYPES:
            raise AuthFailed(
                f"RPC has no login by {credentials.way}.",
                code="way",
                stage="request",
                bytes_sent=False,
                remedy="Choose Kerberos, or NTLM where the domain still has it.",
            )
        self._credentials, self._host = credentials, host
        self._kind = _TYPES[credentials.way]
        self._signs_header = credentials.way is Way.NTLM
        self._context: Any = None

    def step(self, given: bytes | None = None) -> bytes:
        """Return the next token for what the server sent; b'' where there is nothing more to say."""
        try:
            if self._context is not None:
                return bytes(self._context.step(given) or b"")
            with Tokens(self._credentials, self._host, "", None).account() as account:
                self._context = self._new(account)
                return bytes(self._context.step(given) or b"")
        except Exception as error:  # the library lets errors of several libraries through
            raise of_library(error, self._credentials, self._host) from None

    def _new(self, account: Any) -> Any:
        ntlm = self._credentials.way is Way.NTLM
        service, _, host = (self._credentials.spn or f"host/{self._host}").partition("/")
        return spnego.client(
            account,
            hostname=host or self._host,
            service=service,
            protocol="ntlm" if ntlm else "kerberos",
            context_req=_ASKED,
            options=spnego.NegotiateOptions.use_ntlm if ntlm else spnego.NegotiateOptions.none,
        )

    @property
    def complete(self) -> bool:
        """Say whether the login is over, as seen from here."""
        return bool(self._context.complete)

    def agree(self, *, header_signing: bool) -> None:
        """Sign headers where the server does; with NTLM they always are."""
        self._signs_header = self._signs_header or header_signing

    def trailer(self, padding: int = 0) -> bytes:
        """Return the security trailer of a packet."""
        return trailer(self._kind, PRIVACY, padding, _CONTEXT)

    def overhead(self) -> int:
        """Return how many bytes a verifier takes."""
        return int(self._context.query_message_sizes().header)

    def padding(self, body: bytes) -> int:
        """Return how many bytes are to be put behind stub data."""
        return -len(body) % _ALIGN

    def seal(self, head: bytes, body: bytes, tail: bytes) -> tuple[bytes, bytes]:
        """Return the body encrypted, and the verifier over header, body and trailer."""
        sealed = self._context.wrap_iov(self._buffers(head, body, tail, BufferType.header), encrypt=True)
        found = {buffer.type: buffer.data or b"" for buffer in sealed.buffers}
        return found[BufferType.data], found[BufferType.header]

    def unseal(self, head: bytes, body: bytes, tail: bytes, verifier: bytes) -> bytes:
        """Return the body decrypted; raises `Forged` where the verifier does not fit."""
        try:
            opened = self._context.unwrap_iov(self._buffers(head, body, tail, (BufferType.header, verifier)))
        except Exception:  # as in step
            raise Forged("its signature does not fit: somebody changed it on the way") from None
        return next(buffer.data or b"" for buffer in opened.buffers if buffer.type is BufferType.data)

    def _buffers(self, head: bytes, body: bytes, tail: bytes, verifier: Any) -> list[Any]:
        if not self._signs_header:
            return [(BufferType.data, body), verifier]
        return [(BufferType.sign_only, head), (BufferType.data, body), (BufferType.sign_only, tail), verifier]
